import type { Frame } from './frame.ts'
import type { Replay, TimedMark } from './replay.ts'

/** Of all keyframes, those of one desktop that a reader may begin at: mark and place in time. */
export type DesktopKeyframe = {
  readonly at: number
  readonly bytes: number
  readonly width: number
  readonly height: number
}

/** A keyframe that says to be larger is none: no recorder of ours writes it. */
const mostBytes = 16 * 1024 * 1024

/** The keyframes of a desktop's channel, in order of time. */
export function desktopKeyframes(marks: readonly TimedMark[], channel: number): readonly DesktopKeyframe[] {
  return marks.flatMap(({ at, channel: of, mark }) =>
    mark.kind === 'keyframe' && of === channel && mark.bytes > 0 && mark.bytes <= mostBytes
      ? [{ at, bytes: mark.bytes, width: mark.width, height: mark.height }]
      : [],
  )
}

/**
 * A desktop's frames, from the last keyframe at or before `at` (nanoseconds) on: that one first, whole, then what follows.
 * Later keyframes show what is seen already, and are left out. Without one before `at`, everything from the start.
 */
export async function* seekDesktop(
  replay: Pick<Replay, 'seek'>,
  keyframes: readonly DesktopKeyframe[],
  channel: number,
  at: number,
): AsyncGenerator<Frame> {
  for (const keyframe of keyframes.filter((one) => one.at <= at).toReversed()) {
    const frames = replay.seek(keyframe.at)
    const whole = await readKeyframe(frames, keyframe, channel)
    // A recording that breaks off in the middle of one is read from the one before.
    if (whole === undefined) continue
    yield whole
    return yield* withoutKeyframes(frames, channel)
  }
  yield* withoutKeyframes(replay.seek(0), channel)
}

async function* withoutKeyframes(frames: AsyncIterable<Frame>, channel: number): AsyncGenerator<Frame> {
  for await (const frame of frames) if (frame.kind !== 'keyframe' || frame.channel !== channel) yield frame
}

/** Reads on to a keyframe, and it; what follows is left in `frames`. Undefined where it is not all there. */
export async function readKeyframe(
  frames: AsyncIterator<Frame>,
  { at, bytes, width, height }: DesktopKeyframe,
  channel: number,
): Promise<(Frame & { readonly kind: 'keyframe' }) | undefined> {
  const whole = new Uint8Array(bytes)
  let filled: number | undefined
  for (;;) {
    const { value: frame, done } = await frames.next()
    if (done === true) return undefined
    if (frame.channel !== channel) continue
    if (filled === undefined) {
      if (frame.kind === 'mark' && frame.mark.kind === 'keyframe' && frame.at === at) filled = 0
      else if (frame.at > at) return undefined
      continue
    }
    if (frame.kind !== 'keyframe' || frame.bytes.length > bytes - filled) return undefined
    whole.set(frame.bytes, filled)
    filled += frame.bytes.length
    if (filled === bytes) return { kind: 'keyframe', channel, columns: width, rows: height, bytes: whole, at }
  }
}
