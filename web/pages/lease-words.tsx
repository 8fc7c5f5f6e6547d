import type { LeaseView } from '../../vault/contract.ts'
import { Moment } from '../parts/when.tsx'

/** Until when an account is held, in words. */
export function HeldUntil({ lease: { until } }: { readonly lease: Pick<LeaseView, 'until'> }) {
  if (until === null || Date.parse(until) <= Date.now()) return 'until their last session ends'
  return (
    <>
      until <Moment at={until} />
    </>
  )
}

/** How many sessions, with the word in the right number. */
export function sessionsIn(count: number): string {
  return count === 1 ? '1 session' : `${count} sessions`
}
