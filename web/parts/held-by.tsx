import type { SessionView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Moment } from './when.tsx'
import { visible } from './wording.ts'

/** Who holds a session's input since when, or for whom it waits. */
export function HeldBy({ freeze }: { readonly freeze: NonNullable<SessionView['freeze']> }) {
  if (freeze.waits)
    return (
      <>
        {visible(freeze.reason)}, since <Moment at={freeze.at} />
      </>
    )
  return (
    <>
      by {whoText(visible(freeze.by))}, <Moment at={freeze.at} />
      {freeze.reason === '' ? '' : `: ${visible(freeze.reason)}`}
    </>
  )
}
