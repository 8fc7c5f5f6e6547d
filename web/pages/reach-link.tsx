import { Link } from 'wouter'
import { hasRole, useUser } from '../shell/me.ts'
import { type AskedReach, reachLink } from './reach-asked.ts'

/** Leads to who could reach something, or what somebody could, for whoever may ask that. */
export function ReachLink({
  asked,
  text,
}: {
  readonly asked: Pick<AskedReach, 'noun' | 'name'>
  readonly text: string
}) {
  const user = useUser()
  if (!hasRole(user, 'admin', 'auditor', 'security-officer')) return null
  return (
    <Link href={reachLink(asked)} aria-label={`${text}: ${asked.name}`} className="small">
      {text}
    </Link>
  )
}
