import type { Verdict } from '../contract.ts'

/** What somebody said to a request, and whether it counts now. */
export type Said = {
  readonly verdict: Verdict
  /** It was said of what is asked now, by somebody who may still approve and is not who asks. */
  readonly counts: boolean
  /** The policy's groups that its giver is in. */
  readonly groups: readonly string[]
}

/** How many members of a group must approve. */
export type Quorum = { readonly group: string; readonly count: number }

/**
 * What a request comes to: one refusal denies it, and as many approvals as are needed grant it, enough of them of
 * members of each group that the policy names. Who is in two groups speaks for one of them. Pure.
 *
 * SECURITY: an approval whose giver was disabled or lost the permission meanwhile does not count; a refusal stands.
 */
export function decideRequest(
  said: readonly Said[],
  needed: number,
  quorums: readonly Quorum[] = [],
): 'open' | 'approved' | 'denied' {
  if (said.some(({ verdict }) => verdict === 'deny')) return 'denied'
  const approvals = said.filter(({ verdict, counts }) => verdict === 'approve' && counts)
  const isEnough = needed >= 1 && approvals.length >= needed && missingOf(approvals, quorums).length === 0
  return isEnough ? 'approved' : 'open'
}

/** How many people must approve in all: the safe's number, or as many as the groups together. */
export function neededOf(safe: { readonly approvals: number | null }, quorums: readonly Quorum[]): number {
  return Math.max(
    safe.approvals ?? 1,
    quorums.reduce((sum, { count }) => sum + count, 0),
  )
}

/** The groups whose approvals are missing still, one entry for each approval. */
export function missingOf(
  approvals: readonly Pick<Said, 'groups'>[],
  quorums: readonly Quorum[],
): readonly string[] {
  const seats = quorums.flatMap(({ group, count }) => Array.from({ length: count }, () => group))
  const taken = new Map<number, number>() // approval by seat
  const seat = (approval: number, tried: Set<number>): boolean =>
    seats.some((group, at) => {
      if (tried.has(at) || approvals[approval]?.groups.includes(group) !== true) return false
      tried.add(at)
      const sitting = taken.get(at)
      if (sitting !== undefined && !seat(sitting, tried)) return false
      taken.set(at, approval)
      return true
    })
  for (const at of approvals.keys()) seat(at, new Set())
  return seats.filter((_, at) => !taken.has(at))
}
