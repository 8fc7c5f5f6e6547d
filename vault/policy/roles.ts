import type { Permission, Role } from '../contract.ts'

/** Why a set of roles cannot be held by one person, or undefined. */
export function rolesFault(roles: readonly Role[]): string | undefined {
  if (new Set(roles).size !== roles.length) return 'name each role once'
  if (!roles.includes('auditor')) return undefined
  if (roles.includes('admin')) return 'one person cannot be admin and auditor'
  if (roles.length > 1) return 'an auditor holds no other role: who checks the sessions does not make them'
  return undefined
}

/** What somebody from outside may be let do in a safe. */
export const vendorPermissions: readonly Permission[] = ['use', 'reveal']

/** Why somebody with these roles cannot hold these permissions on a safe, or undefined. */
export function permissionsFault(
  roles: readonly Role[],
  permissions: readonly Permission[],
): string | undefined {
  if (new Set(permissions).size !== permissions.length) return 'name each permission once'
  const isAuditor = roles.includes('auditor')
  if (permissions.includes('replay') && !isAuditor) return 'only an auditor can be let replay'
  if (isAuditor && permissions.some((permission) => permission !== 'replay'))
    return 'an auditor can be let replay, nothing else'
  if (roles.includes('vendor') && permissions.some((permission) => !vendorPermissions.includes(permission)))
    return 'a vendor can be let use and reveal, nothing else'
  return undefined
}
