import type { ByteSource, Replay } from '../../recorder/replay/index.ts'

/** What only a walk over all frames tells: how busy each part was, and the stretches that were typed without echo. */
export type Survey = {
  /** Output of each of `buckets` equal parts, from 0 to 1. */
  readonly activity: readonly number[]
  /** The channels on which anything was printed. */
  readonly printed: ReadonlySet<number>
  readonly hidden: readonly {
    readonly at: number
    readonly channel: number
    readonly length: number
    readonly duration: number
  }[]
}

const buckets = 240
const maxHidden = 2_000
/** Longer recordings are not walked through unasked. */
export const maxSurveyBytes = 64 * 1024 * 1024

/** Walks through a recording in the background. Ends early when `signal` says so. */
export async function survey(
  replay: Replay,
  source: ByteSource,
  duration: number,
  signal: AbortSignal,
): Promise<Survey | null> {
  if (source.size > maxSurveyBytes) return null
  const sizes = new Array<number>(buckets).fill(0)
  const printed = new Set<number>()
  const hidden: Survey['hidden'][number][] = []
  for (const segment of replay.structure.segments) {
    for await (const frame of replay.segmentFrames(segment)) {
      if (signal.aborted) return null
      if (frame.kind === 'output' || frame.kind === 'stderr') {
        const bucket = Math.min(buckets - 1, Math.floor((frame.at / Math.max(1, duration)) * buckets))
        sizes[bucket] = (sizes[bucket] ?? 0) + frame.bytes.length
        printed.add(frame.channel)
      } else if (frame.kind === 'hidden' && hidden.length < maxHidden)
        hidden.push({
          at: frame.at,
          channel: frame.channel,
          length: frame.length,
          duration: frame.duration * 1e6,
        })
    }
    // Let the page breathe between segments.
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
  const most = Math.max(1, ...sizes)
  return { activity: sizes.map((size) => Math.sqrt(size / most)), printed, hidden }
}
