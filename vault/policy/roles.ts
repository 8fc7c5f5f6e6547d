import type { Permission, Role } from '../contract.ts'

/** Roles that are held alone, and what somebody who holds one is called. */
const alone: Readonly<Partial<Record<Role, string>>> = {
  auditor: 'an auditor',
  observer: 'an observer',
  'security-officer': 'a security officer',
}

/** Why each is. */
const why: Readonly<Partial<Record<Role, string>>> = {
  auditor: 'who checks the sessions does not make them',
  observer: 'who only looks on does nothing else',
  'security-officer': 'who looks after the rules neither makes them nor works by them',
}

/** What somebody is called who, by these roles, connects to nothing; undefined for whoever may connect. */
export function whoNeverConnects(roles: readonly Role[]): string | undefined {
  for (const role of roles) if (alone[role] !== undefined) return alone[role]
  return undefined
}

/** Why a set of roles cannot be held by one person, or undefined. */
export function rolesFault(roles: readonly Role[]): string | undefined {
  if (new Set(roles).size !== roles.length) return 'name each role once'
  if (roles.includes('auditor') && roles.includes('admin')) return 'one person cannot be admin and auditor'
  const lonely = roles.find((role) => alone[role] !== undefined)
  if (lonely !== undefined && roles.length > 1) return `${alone[lonely]} holds no other role: ${why[lonely]}`
  if (roles.includes('vendor') && roles.includes('supervisor'))
    return 'a vendor supervises nobody: who comes from outside is supervised'
  return undefined
}

/** What somebody from outside may be let do in a safe. */
const vendorPermissions: readonly Permission[] = ['use', 'reveal']

/**
 * May somebody with these roles hold this permission?
 *
 * SECURITY: asked where a permission is given, and again wherever one decides, whatever a row says: who answers for
 * the evidence makes none; who looks on does no more; who comes from outside lets nobody in and sees nobody's work.
 */
export function mayHold(roles: readonly Role[], permission: Permission): boolean {
  if (roles.includes('auditor')) return permission === 'replay'
  if (roles.includes('security-officer')) return false
  if (roles.includes('observer')) return permission === 'observe'
  if (roles.includes('vendor') && !vendorPermissions.includes(permission)) return false
  return permission !== 'supervise' || roles.includes('supervisor')
}

/** Why somebody with these roles cannot hold these permissions on a safe, or undefined. */
export function permissionsFault(
  roles: readonly Role[],
  permissions: readonly Permission[],
): string | undefined {
  if (new Set(permissions).size !== permissions.length) return 'name each permission once'
  const isAuditor = roles.includes('auditor')
  if (permissions.includes('replay') && !isAuditor) return 'only an auditor can be let replay'
  if (permissions.every((permission) => mayHold(roles, permission))) return undefined
  if (isAuditor) return 'an auditor can be let replay, nothing else'
  if (roles.includes('security-officer'))
    return 'a security officer reads about every safe, and is member of none'
  if (roles.includes('observer')) return 'an observer can be let observe, nothing else'
  if (roles.includes('vendor')) return 'a vendor can be let use and reveal, nothing else'
  return 'only a supervisor can be let supervise: give them that role first'
}
