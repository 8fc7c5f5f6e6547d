import { randomBytes } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RecordingWriter } from '../../recorder/recording/index.ts'
import { longRecording, shellRecording } from '../support/long-recording.ts'
import { framesOf, recordingRoom, replayOf, valueOf } from '../support/recordings.ts'
import type { Row } from './row.ts'

const MB = 1e6

/** Figures of the recorder alone: no network, no SSH. */
export async function run(): Promise<readonly Row[]> {
  return [...(await throughput()), ...(await shellSize()), ...(await manyShells()), ...(await seeking())]
}

async function throughput(): Promise<readonly Row[]> {
  const rows: Row[] = []
  const line = 'drwxr-xr-x 2 root root 4096 Nov 24 07:00 some-file-name.txt 1234567890\r\n'
  const plainText = Buffer.from(line.repeat(500)).subarray(0, 32_768)
  for (const [what, bytes, isTerminal, total] of [
    ['bulk output without a terminal, text', plainText, false, 1024 * MB],
    ['bulk output without a terminal, random bytes', randomBytes(32_768), false, 1024 * MB],
    ['bulk output on a terminal, lines of text', plainText, true, 400 * MB],
  ] as const) {
    await using room = await recordingRoom()
    const writer = await room.record({ quotaBytes: 1e12 })
    const size = isTerminal ? { columns: 120, rows: 40 } : {}
    void writer.append({
      kind: 'mark',
      channel: 0,
      mark: { kind: 'open', type: 'exec', command: 'cat', ...size },
    })
    const loop = monitorEventLoopDelay({ resolution: 5 })
    loop.enable()
    const cpu = process.threadCpuUsage()
    const from = performance.now()
    for (let sent = 0; sent < total; sent += bytes.length) {
      const wait = writer.append({ kind: 'output', channel: 0, bytes })
      if (wait !== undefined) await wait
    }
    await writer.finish('closed by the user')
    const seconds = (performance.now() - from) / 1000
    const used = process.threadCpuUsage(cpu)
    loop.disable()
    rows.push({
      what: `append: ${what}`,
      figure: total / MB / seconds,
      unit: 'MB/s',
      reach: isTerminal ? '—' : '≥ 400 MB/s',
      peer: `relaying thread busy ${Math.round(((used.user + used.system) / 1e6 / seconds) * 100)} %`,
    })
  }
  return rows
}

/** A person at a shell for ten minutes, in simulated time: a command of some twenty keys, read for a while, again. */
async function shellSize(): Promise<readonly Row[]> {
  const minutes = 10
  await using room = await recordingRoom()
  const rows: Row[] = []
  for (const everySeconds of [12, 20]) {
    const { recording, headerBytes } = await shellRecording(room, minutes, everySeconds)
    const { sizeBytes } = valueOf(await room.store.stat(recording))
    rows.push({
      what: `size of a recorded shell, ${60 / everySeconds} commands a minute`,
      figure: (sizeBytes - headerBytes) / minutes / 1000,
      unit: 'KB/min',
      reach: '≤ 5 KB/min',
    })
  }
  return rows
}

/** Two thousand shells in one process, five keys a second each, for some seconds. */
async function manyShells(): Promise<readonly Row[]> {
  await using room = await recordingRoom()
  const heap = process.memoryUsage().rss
  const from = performance.now()
  const writers: RecordingWriter[] = []
  const opener = async () => {
    while (writers.length < 2000) writers.push(await room.record())
  }
  await Promise.all(Array.from({ length: 16 }, opener))
  const opening = (performance.now() - from) / 1000
  for (const writer of writers)
    void writer.append({
      kind: 'mark',
      channel: 0,
      mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
    })
  const loop = monitorEventLoopDelay({ resolution: 1 })
  const key = Buffer.from('x')
  const cpu = process.cpuUsage()
  loop.enable()
  const started = performance.now()
  let turn = 0
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      for (let at = turn % 20; at < writers.length; at += 20) {
        void writers[at]?.append({ kind: 'input', channel: 0, bytes: key })
        void writers[at]?.append({ kind: 'output', channel: 0, bytes: key })
      }
      turn += 1
      if (performance.now() - started > 5000) {
        clearInterval(timer)
        resolve()
      }
    }, 10)
  })
  const used = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  loop.disable()
  const each = (process.memoryUsage().rss - heap) / writers.length / 1000
  await Promise.all(writers.map((writer) => writer.finish('shut down')))
  return [
    {
      what: 'recordings opened, headers durable',
      figure: 2000 / opening,
      unit: '/s',
      reach: '≥ 200 starts/s',
    },
    {
      what: '2,000 recorded shells at 5 keys/s: the relaying thread is late (p99)',
      figure: loop.percentile(99) / 1e6,
      unit: 'ms',
      reach: 'p99 echo ≤ 150 ms',
      peer: `${Math.round(((used.user + used.system) / 1e6 / seconds) * 100)} % of one core`,
    },
    { what: 'memory of a recorded shell', figure: each, unit: 'KB', reach: '—' },
  ]
}

/** Eight hours, made by hand: 480 segments of a minute. */
async function seeking(): Promise<readonly Row[]> {
  await using room = await recordingRoom()
  const recording = await longRecording(room, 8 * 60)
  const start = performance.now()
  await using source = valueOf(await room.store.read(recording))
  const replay = await replayOf(source, room.keys)
  for await (const _frame of replay.frames()) break
  const first = performance.now() - start
  const marksFrom = performance.now()
  await replay.marks()
  const marks = performance.now() - marksFrom
  const times: number[] = []
  for (let at = 0; at < 60; at += 1) {
    const goal = ((at * 7919) % 28_800) * 1e9
    const from = performance.now()
    for await (const frame of replay.seek(goal)) if (frame.at >= goal) break
    times.push(performance.now() - from)
  }
  times.sort((a, b) => a - b)
  const from = performance.now()
  const { length } = await framesOf(replay)
  const whole = performance.now() - from
  return [
    { what: 'replay of an 8-hour recording: first frame', figure: first, unit: 'ms', reach: '≤ 1 s' },
    { what: 'replay of an 8-hour recording: all marks', figure: marks, unit: 'ms', reach: '—' },
    {
      what: 'replay of an 8-hour recording: seek (p99)',
      figure: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      unit: 'ms',
      reach: '≤ 500 ms',
    },
    {
      what: 'replay of an 8-hour recording: read whole',
      figure: whole,
      unit: 'ms',
      reach: '—',
      peer: `${length} frames`,
    },
  ]
}
