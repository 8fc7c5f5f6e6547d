import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { desktopKeyframes, type Frame, type Replay, seekDesktop } from '../../recorder/replay/index.ts'
import { type DesktopEnd, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { type RecordingRoom, recordingRoom, replayOf, valueOf } from '../support/recordings.ts'
import { connectRfb } from '../support/rfb.ts'
import { startVnc, whyNoDesktop } from '../support/vnc.ts'
import { cpuSeconds } from './brokered.ts'
import { consolePlayer } from './console-player.ts'
import { hours, longDesktop, marksOf, percentile, places } from './long-desktop.ts'
import type { Row } from './row.ts'

const password = 'Kanarie7'
const sampleSeconds = 25
const many = 10
const busy = 'while :; do date; sleep 0.083; done\n'
const film = "while :; do printf '\\033[H'; head -c 3000 /dev/urandom | base64 -w 130; sleep 0.05; done\n"

/**
 * Desktops on loopback: a real VNC server of 800x600, a real guacd, and the recorder in this process with a vault that is
 * none. A browser's end is here too, and draws nothing.
 */
export async function run(): Promise<readonly Row[]> {
  const why = whyNoDesktop()
  if (why !== undefined) throw new Error(why)
  await using vnc = await startVnc(password)
  await using desk = await startDesktopGateway()
  desk.gateway.vault.accounts.push(vncAccount(vnc))
  const rows: Row[] = []
  const open = async () => {
    const from = performance.now()
    const end = await openDesktopEnd(desk.gateway, 'hmi-3', 'operator')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    return { end, session, ms: performance.now() - from }
  }
  /** Leaves it; what wrote on it is stopped before, or it would go on under whoever comes next. */
  const close = async (end: DesktopEnd) => {
    end.type('\u0003')
    await pause(500)
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
  }
  const recordingOf = (session: string) => desk.gateway.vault.permits.get(session)?.permit.recording ?? ''

  const first = await open()
  rows.push({
    what: 'a desktop opens: from the ticket to its first picture',
    figure: first.ms,
    unit: 'ms',
    reach: '—',
  })
  rows.push(...(await latency(first.end, vnc.port)))
  await close(first.end)

  const recorded = new Map<string, readonly Frame[]>()
  for (const [what, command, reach] of [
    ['nothing happens', '', '≤ 100 KB/min'],
    ['a terminal of 12 lines/s', busy, '—'],
    ['all of the screen, 20 times a second', film, '—'],
  ] as const) {
    const { end, session } = await open()
    if (command !== '') end.type(command)
    await pause(1_000)
    const id = recordingOf(session)
    const size = async () => valueOf(await desk.gateway.room.store.stat(id as never)).sizeBytes
    const before = await size()
    await pause(sampleSeconds * 1_000)
    const grown = (await size()) - before
    await close(end)
    const frames = await desk.gateway.frames(id)
    const keyframes = desktopKeyframes(marksOf(frames), 0)
    rows.push({
      what: `size of a recorded desktop, 800x600: ${what}`,
      figure: (grown * 60) / sampleSeconds / 1000,
      unit: 'KB/min',
      reach,
      peer: `${keyframes.length} keyframes of ${Math.round((keyframes.at(-1)?.bytes ?? 0) / 1000)} KB`,
    })
    recorded.set(command, frames)
  }

  rows.push(...(await replayed(recorded.get(film) ?? [], recorded.get(busy) ?? [])))
  rows.push(...(await held(open, close, desk.guacd.pid())))
  return rows
}

/** From a key to a change of the screen, through us and by plain VNC, turn about. */
async function latency(end: DesktopEnd, port: number): Promise<readonly Row[]> {
  using direct = await connectRfb(port, password)
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < 60; turn += 1) {
    // A key and its taking back: what both see changes each time.
    for (const key of ['x', '\u0008']) {
      const from = performance.now()
      const at = end.shown.length
      const keysym = key === 'x' ? 0x78 : 0xff08
      const changed = direct.changed()
      if (turn % 2 === 0) {
        end.send('key', keysym, 1)
        end.send('key', keysym, 0)
        await end.see('img', at)
        ours.push(performance.now() - from)
        await changed
      } else {
        direct.key(keysym)
        await changed
        theirs.push(performance.now() - from)
        await end.see('img', at)
      }
      await pause(60)
    }
  }
  return [50, 99].map((percent) => ({
    what: `from a key to a change of the screen, recorded (p${percent})`,
    figure: percentile(ours, percent),
    unit: 'ms',
    reach: '—',
    peer: `plain VNC ${percentile(theirs, percent).toFixed(1)} ms`,
  }))
}

/** Several at once, on each of which a terminal writes 12 lines a second. */
async function held(
  open: () => Promise<{ readonly end: DesktopEnd }>,
  close: (end: DesktopEnd) => Promise<void>,
  guacd: number | undefined,
): Promise<readonly Row[]> {
  const before = process.memoryUsage().rss
  const ends: DesktopEnd[] = []
  while (ends.length < many) ends.push((await open()).end)
  ends[0]?.type(busy)
  await pause(2_000)
  const family = guacd === undefined ? [] : descendants(guacd)
  const cpu = () => family.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const [ourStart, theirStart, from] = [process.cpuUsage(), cpu(), performance.now()]
  await pause(10_000)
  const seconds = (performance.now() - from) / 1000
  const used = process.cpuUsage(ourStart)
  const ours = (used.user + used.system) / 1e6 / seconds / many
  const theirs = (cpu() - theirStart) / seconds / many
  const memory = (process.memoryUsage().rss - before) / many / 2 ** 20
  const theirMemory = family.reduce((sum, pid) => sum + rssMiB(pid), 0) / many
  for (const end of ends) await close(end)
  return [
    {
      what: `desktops held per core, a terminal of 12 lines/s on each (from ${many})`,
      figure: 1 / (ours + theirs),
      unit: 'sessions',
      reach: '—',
      peer: `a session: recorder ${(ours * 100).toFixed(1)} %, guacd ${(theirs * 100).toFixed(1)} % of a core`,
    },
    {
      what: 'memory of a recorded desktop',
      figure: memory,
      unit: 'MiB',
      reach: '—',
      peer: `guacd ${theirMemory.toFixed(1)} MiB`,
    },
  ]
}

/** Eight hours of a desktop: a place in it found and read, and seen in the console. */
async function replayed(film: readonly Frame[], terminal: readonly Frame[]): Promise<readonly Row[]> {
  await using room = await recordingRoom()
  const recording = await longDesktop(room, film, terminal)
  return [...(await seeking(room, recording)), ...(await consolePlayer(room, recording))]
}

async function seeking(room: RecordingRoom, recording: RecordingId): Promise<readonly Row[]> {
  await using source = valueOf(await room.store.read(recording))
  const replay: Replay = await replayOf(source, room.keys)
  const keyframes = desktopKeyframes(await replay.marks(), 0)
  const times: number[] = []
  let most = 0
  for (const place of places) {
    const goal = place * 1e9
    const begun = performance.now()
    let toDraw = 0
    for await (const frame of seekDesktop(replay, keyframes, 0, goal)) {
      if (frame.at >= goal) break
      if ('bytes' in frame) toDraw += frame.bytes.length
    }
    times.push(performance.now() - begun)
    most = Math.max(most, toDraw)
  }
  return [
    {
      what: `replay of an ${hours}-hour desktop: seek, read to the place (p99)`,
      figure: percentile(times, 99),
      unit: 'ms',
      reach: '≤ 500 ms with drawing',
      peer: `${(source.size / 1e6).toFixed(0)} MB, ${keyframes.length} keyframes; to draw at most ${Math.round(most / 1000)} KB`,
    },
  ]
}

/** A process and all below it. */
function descendants(pid: number): readonly number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ')
        return [[Number(name), Number(fields[1])] as const]
      } catch {
        return []
      }
    })
  const found = [pid]
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child)
  return found
}

function rssMiB(pid: number): number {
  const [, , , , , , , , , , , , , , , , , , , , , pages = '0'] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(pages) * 4096) / 2 ** 20
}
