/** What a machine says of time, in milliseconds: `wall` since 1970, which somebody may set, and `elapsed`, which nobody can. */
export type MachineTime = { readonly wall: () => number; readonly elapsed: () => number }

/** The machine's clock was set: by how much (negative: back), and how far ahead of it the vault's time is since then. */
export type ClockJump = { readonly byMs: number; readonly aheadMs: number }

export type SteadyClock = {
  readonly now: () => Date
  /** The jumps since this was last asked, the latest of them where they are many. */
  readonly takeJumps: () => readonly ClockJump[]
  /** Milliseconds by which the vault's time was set forward after a moment: that much less has passed since. */
  readonly skippedSince: (moment: Date) => number
}

/** A change by less is how clocks are kept right. */
export const jumpMs = 2_000
const mostJumps = 10
const mostLeaps = 100

export const machineTime: MachineTime = { wall: () => Date.now(), elapsed: () => performance.now() }

/**
 * The time by which everything in the vault begins and ends: the machine's, but it never goes back.
 *
 * INVARIANT: of two moments the later one is never earlier, and between them lies at least the time that passed. Whoever
 * sets the machine's clock back makes no ticket, code, approval, grant, lease or login last longer, and puts no entry
 * of the log before another. Set forward, it ends things early: nothing lasts longer by that either.
 */
export function steadyClock(machine: MachineTime = machineTime): SteadyClock {
  const gap = () => machine.wall() - machine.elapsed()
  let ahead = gap()
  let known = ahead
  let leapt = ahead
  let jumps: ClockJump[] = []
  let leaps: readonly { readonly at: number; readonly byMs: number }[] = []
  return {
    now: () => {
      const elapsed = machine.elapsed()
      const present = machine.wall() - elapsed
      ahead = Math.max(ahead, present)
      if (ahead - leapt > jumpMs) {
        leaps = [...leaps, { at: elapsed + ahead, byMs: ahead - leapt }].slice(-mostLeaps)
        leapt = ahead
      }
      if (Math.abs(present - known) > jumpMs) {
        jumps = [...jumps, { byMs: Math.round(present - known), aheadMs: Math.round(ahead - present) }].slice(
          -mostJumps,
        )
        known = present
      }
      return new Date(Math.floor(elapsed + ahead))
    },
    takeJumps: () => {
      const taken = jumps
      jumps = []
      return taken
    },
    skippedSince: (moment) => {
      const later = leaps.filter(({ at }) => at > moment.getTime())
      return later.reduce((sum, { byMs }) => sum + byMs, 0)
    },
  }
}

/** The moment since which so many milliseconds have really passed, however often the clock was set forward in between. */
export function reallyAgo(
  ms: number,
  at: { readonly now: Date; readonly skippedSince: SteadyClock['skippedSince'] },
): Date {
  let since = new Date(at.now.getTime() - ms)
  for (;;) {
    const earlier = new Date(at.now.getTime() - ms - at.skippedSince(since))
    if (earlier >= since) return since
    since = earlier
  }
}
