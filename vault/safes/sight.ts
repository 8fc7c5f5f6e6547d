import { standingAccounts } from '../access/standing.ts'
import { readSubject } from '../access/subject.ts'
import type { Permission, Role } from '../contract.ts'
import type { AccountId, SafeId, UserId } from '../kernel/id.ts'
import { mayHold } from '../policy/roles.ts'
import { checked } from '../rows.ts'
import type { Call } from '../world.ts'

/** What a principal sees in lists: everything, or what their memberships and grants show them. */
export type Sight =
  | { readonly all: true }
  | {
      readonly all: false
      readonly user: UserId
      /** Comes from outside: is shown nobody else, not by name and not by number. */
      readonly isVendor: boolean
      /** The safes in which the user holds one of these permissions. */
      readonly safesWith: (...permissions: readonly Permission[]) => SafeId[]
      /** Accounts on which the user holds a grant that has not ended, or that a rule lets them use. */
      readonly granted: readonly AccountId[]
    }

const seesAll: readonly Role[] = ['admin', 'auditor', 'security-officer']

/** Finds out what a call's lists may show. */
export async function sightOf(call: Call): Promise<Sight> {
  const { principal, world } = call
  // What a service reads is a scope of its token: of that, it sees all.
  if (principal.kind === 'local' || principal.kind === 'service') return { all: true }
  if (principal.kind !== 'user') throw new TypeError('lists are for people')
  if (principal.roles.some((role) => seesAll.includes(role))) return { all: true }
  const { database, guard, clock } = world.vault
  const memberships = checked(
    guard,
    'safe_member',
    await database.selectFrom('safe_member').selectAll().where('user_id', '=', principal.id).execute(),
  )
  const grants = checked(
    guard,
    'access_grant',
    await database
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', principal.id)
      .where('rule', 'is', null)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', clock())
      .execute(),
  )
  const standing = await standingAccounts(database, guard, await readSubject(database, guard, principal))
  // SECURITY: who comes from outside sees what is theirs, whatever a row lets them do with it.
  const isVendor = principal.roles.includes('vendor')
  return {
    all: false,
    user: principal.id,
    isVendor,
    safesWith: (...permissions) =>
      memberships
        .filter((member) =>
          member.permissions.some((held) => permissions.includes(held) && mayHold(principal.roles, held)),
        )
        .map((member) => member.safe_id),
    granted: [...new Set([...grants.map((grant) => grant.account_id), ...standing.map(({ id }) => id)])],
  }
}
