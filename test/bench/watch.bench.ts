import { Watch } from '../../recorder/live/watch.ts'
import { recordingRoom } from '../support/recordings.ts'
import type { Row } from './row.ts'

const hours = 8
const watchers = 8

/** A shell that has printed a line a second for eight hours, and who begins to watch it then: no network, no drawing. */
export async function run(): Promise<readonly Row[]> {
  await using room = await recordingRoom()
  const writer = await room.record()
  await writer.append({
    kind: 'mark',
    channel: 0,
    mark: { kind: 'open', type: 'shell', columns: 120, rows: 40 },
  })
  const from = process.memoryUsage().rss
  for (let second = 0; second < hours * 3600; second += 1) {
    const bytes = Buffer.from(
      `${second}: a line of output of the press, pressure \x1b[3${second % 8}m${second % 97}\x1b[m bar\r\n$ `,
    )
    const wait = writer.append({ kind: 'output', channel: 0, bytes })
    if (wait !== undefined) await wait
  }
  await writer.flush()
  const first = await begin(writer)
  const times: number[] = []
  for (let count = 0; count < 20; count += 1) times.push((await begin(writer)).ms)
  times.sort((a, b) => a - b)
  const watching = Array.from({ length: watchers }, () => beginSilent(writer))
  const grown = (process.memoryUsage().rss - from) / 2 ** 20
  for (const watch of watching) watch[Symbol.dispose]()
  await writer.finish('shut down')
  return [
    {
      what: 'watching a shell of 8 hours: the present screen, first watcher',
      figure: first.ms,
      unit: 'ms',
      reach: '≤ 1 s',
      peer: `${first.bytes} bytes`,
    },
    {
      what: 'watching a shell of 8 hours: the present screen, next watchers (worst of 20)',
      figure: times.at(-1) ?? Number.NaN,
      unit: 'ms',
      reach: '≤ 1 s',
    },
    {
      what: `memory of the process after 8 hours, with ${watchers} watchers`,
      figure: grown,
      unit: 'MiB',
      reach: '—',
    },
  ]
}

type Writer = Awaited<ReturnType<Awaited<ReturnType<typeof recordingRoom>>['record']>>

/** Begins a watch, and ends it when the present screen has come. */
function begin(writer: Writer): Promise<{ readonly ms: number; readonly bytes: number }> {
  const from = performance.now()
  return new Promise((resolve) => {
    const watch: Watch = new Watch(writer, {
      send: () => undefined,
      write: (bytes) => {
        resolve({ ms: performance.now() - from, bytes: bytes.length })
        setImmediate(() => watch[Symbol.dispose]())
      },
    })
  })
}

function beginSilent(writer: Writer): Watch {
  return new Watch(writer, { send: () => undefined, write: (_bytes, taken) => setImmediate(taken) })
}
