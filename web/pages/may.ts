import type { Permission } from '../../vault/contract.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { useSafes } from './lists.ts'

/**
 * Says where the signed-in person manages things: in a safe, or without one named in any. It decides what is offered alone; the
 * vault decides what is done.
 */
export function useManages(): (safe?: string) => boolean {
  return usePermission('manage')
}

/** The same of letting others in. */
export function useLetsIn(): (safe?: string) => boolean {
  return usePermission('approve')
}

function usePermission(permission: Permission): (safe?: string) => boolean {
  const user = useUser()
  const isAdmin = hasRole(user, 'admin')
  const safes = useSafes(!isAdmin)
  if (isAdmin) return () => true
  const managed = new Set(
    (safes.data ?? [])
      .filter(({ members }) =>
        members.some((one) => one.user === user.name && one.permissions.includes(permission)),
      )
      .map(({ name }) => name),
  )
  return (safe) => (safe === undefined ? managed.size > 0 : managed.has(safe))
}
