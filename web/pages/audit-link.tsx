import { Link } from 'wouter'
import { hasRole, useUser } from '../shell/me.ts'
import { type Asked, auditLink } from './audit-found.ts'

/** Leads to what the audit log says of something, for whoever may read the log. `of`: in the link's name, for screen readers. */
export function AuditLink({
  asked,
  text,
  of,
}: {
  readonly asked: Asked
  readonly text: string
  readonly of: string
}) {
  const user = useUser()
  if (!hasRole(user, 'admin', 'auditor', 'security-officer')) return null
  return (
    <Link href={auditLink(asked)} aria-label={`${text}: ${of}`} className="small">
      {text}
    </Link>
  )
}
