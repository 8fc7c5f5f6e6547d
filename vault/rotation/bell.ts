import type { ShortLived } from '../identity/short-lived.ts'
import { makeShortLived } from '../identity/short-lived.ts'
import type { Peer } from '../kernel/rpc.ts'
import { makeMarks, type Marks } from './findings.ts'

/** What of rotation lives in memory: workers to be woken, and how often a step was signed for. Losing it loses nothing. */
export type Bell = {
  readonly workers: Set<Peer>
  readonly signatures: ShortLived<number>
  /** The version of the credential that a session got, until it has logged in. */
  readonly injected: ShortLived<number>
  /** What was seen of secrets, for findings. */
  readonly marks: Marks
  /** When it was last looked at what is due by itself, and what is old was forgotten (ms). */
  readonly looks: { due: number; forgotten: number }
  /** Tells the workers that something may be due. They look by themselves too. */
  readonly wake: () => void
}

export function makeBell(now: () => number): Bell {
  const workers = new Set<Peer>()
  let isRinging = false
  return {
    workers,
    injected: makeShortLived(now, 10 * 60_000, 100_000),
    marks: makeMarks(),
    looks: { due: 0, forgotten: 0 },
    signatures: makeShortLived(now, 10 * 60_000, 100_000),
    wake: () => {
      // Many runs are made at once: one look finds them all.
      if (isRinging || workers.size === 0) return
      isRinging = true
      setImmediate(() => {
        isRinging = false
        for (const peer of workers) peer.call('rotation.wake', {}).catch(() => workers.delete(peer))
      })
    },
  }
}
