import { desktopKeyframes, type Frame, seekDesktop } from '../../recorder/replay/index.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { simulated } from '../support/long-recording.ts'
import type { RecordingRoom } from '../support/recordings.ts'
import { desktopPermit } from '../support/desktop-sample.ts'

export const hours = 8

/**
 * Writes eight hours of a panel, in simulated time, of what was recorded: in one of ten minutes a terminal writes. `film` has
 * the keyframe of a full screen.
 */
export async function longDesktop(
  room: RecordingRoom,
  film: readonly Frame[],
  terminal: readonly Frame[],
): Promise<RecordingId> {
  const [keyframe] = desktopKeyframes(marksOf(film), 0)
  if (keyframe === undefined) throw new Error('there was no keyframe in what was recorded')
  const { value: whole } = await seekDesktop({ seek: () => listed(film) }, [keyframe], 0, keyframe.at).next()
  if (whole?.kind !== 'keyframe') throw new Error('the keyframe is not whole')
  const played = terminal.filter(({ kind }) => kind === 'output').slice(20)
  const span = (played.at(-1)?.at ?? 0) - (played[0]?.at ?? 0)
  const { recording, sealing, write, end } = await simulated(room, desktopPermit())
  write({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'desktop' }, at: 0 })
  const pieces = piecesOf(whole.bytes)
  for (const bytes of pieces) write({ kind: 'output', channel: 0, bytes, at: 1 })
  let since = 0
  let waiting: Frame[] = []
  let from = 0
  for (let minute = 0; minute < hours * 60; minute += 10)
    for (let turn = 0; turn * span < 60e9; turn += 1)
      for (const [index, frame] of played.entries()) {
        if (frame.kind !== 'output') continue
        const at = minute * 60e9 + turn * span + frame.at - (played[0]?.at ?? 0) + 2
        since += frame.bytes.length
        waiting.push({ ...frame, at })
        if (at - from < 180e6 && since < 256 * 1024) continue
        // What came within 180 ms is one chunk, as the writer does it.
        write(...waiting)
        waiting = []
        from = at
        if (index % 20 === 0) sealing.container.checkpoint()
        // As the recorder has them: after 256 KiB.
        if (since < 256 * 1024) continue
        since = 0
        const { width, height } = keyframe
        write({
          kind: 'mark',
          channel: 0,
          mark: { kind: 'keyframe', bytes: whole.bytes.length, width, height },
          at,
        })
        for (const bytes of pieces)
          write({ kind: 'keyframe', channel: 0, columns: width, rows: height, bytes, at })
      }
  end()
  return recording
}

/** Sixty places of it, the same each time, in seconds: spread over all of it, one far from the next. */
export const places = Array.from({ length: 60 }, (_, turn) => (turn * 7919) % (hours * 3600))

/** What fits into one chunk each. */
function piecesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const most = 128 * 1024
  return Array.from({ length: Math.ceil(bytes.length / most) }, (_, at) =>
    bytes.subarray(at * most, (at + 1) * most),
  )
}

async function* listed(frames: readonly Frame[]): AsyncGenerator<Frame> {
  yield* frames
}

export function marksOf(frames: readonly Frame[]) {
  return frames.flatMap((frame) => (frame.kind === 'mark' ? [frame] : []))
}

export function percentile(times: readonly number[], percent: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}
