import type { Verdict } from '../contract.ts'

/** What somebody said to a request, and whether it counts now. */
export type Said = {
  readonly verdict: Verdict
  /** It was said of what is asked now, by somebody who may still approve and is not who asks. */
  readonly counts: boolean
}

/**
 * What a request comes to: one refusal denies it, and as many approvals as are needed grant it. Pure.
 *
 * SECURITY: an approval whose giver was disabled or lost the permission meanwhile does not count; a refusal stands.
 */
export function decideRequest(said: readonly Said[], needed: number): 'open' | 'approved' | 'denied' {
  if (said.some(({ verdict }) => verdict === 'deny')) return 'denied'
  const approvals = said.filter(({ verdict, counts }) => verdict === 'approve' && counts).length
  return needed >= 1 && approvals >= needed ? 'approved' : 'open'
}
