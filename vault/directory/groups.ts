import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { UserId } from '../kernel/id.ts'
import type { Policy } from '../policy/access-rule.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { type Checker, checked, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { revisitSoon } from '../access/revisit.ts'

type Db = Kysely<Database>

/**
 * The members that directories give to groups of a policy, by the names of the groups in small letters.
 *
 * SECURITY: one row for each group, asked for by name: who takes it away would take away the limits that name the group,
 * and is found out.
 */
export async function directoryMembers(
  db: Db,
  checker: Checker,
  groups: PolicyDocument['groups'],
  lock: 'read' | 'share' = 'read',
): Promise<ReadonlyMap<string, readonly UserId[]>> {
  const names = Object.keys(groups ?? {}).map((name) => name.toLowerCase())
  if (names.length === 0) return new Map()
  const query = db.selectFrom('directory_group').selectAll().where('name', 'in', names).orderBy('name')
  const rows = checked(
    checker,
    'directory_group',
    await (lock === 'share' ? query.forShare() : query).execute(),
  )
  const found = new Map(rows.map(({ name, members }) => [name, members]))
  for (const name of names) if (!found.has(name)) checker.checkAbsent('directory_group', { name })
  return found
}

/** The policy with those members. */
export function withMembers(policy: Policy, members: ReadonlyMap<string, readonly UserId[]>): Policy {
  if (members.size === 0) return policy
  const groups = new Map(policy.groups)
  for (const [name, more] of members) groups.set(name, new Set([...(groups.get(name) ?? []), ...more]))
  return { ...policy, groups }
}

/**
 * Sets the members of some groups as the rows of users say. Call it after those and their roles were written: sessions
 * are then held against what both give.
 */
export async function writeMembers(tx: Tx, world: World, names: Iterable<string>): Promise<void> {
  tx.afterCommit(() => revisitSoon(world))
  const wanted = [...new Set(names)].sort()
  if (wanted.length === 0) return
  const rows = checked(
    tx.guard,
    'directory_group',
    await tx.db
      .selectFrom('directory_group')
      .selectAll()
      .where('name', 'in', wanted)
      .orderBy('name')
      .forUpdate()
      .execute(),
  )
  const entries = checked(
    tx.guard,
    'directory_user',
    await tx.db.selectFrom('directory_user').selectAll().orderBy('user_id').execute(),
  )
  for (const name of wanted) {
    const members = entries.filter((one) => one.policy_groups.includes(name)).map((one) => one.user_id)
    const before: Row<'directory_group'> | undefined = rows.find((row) => row.name === name)
    if (before === undefined) {
      tx.guard.checkAbsent('directory_group', { name })
      await insertGuarded(tx, 'directory_group', { name, members })
    } else if (before.members.join() !== members.join())
      await updateGuarded(tx, 'directory_group', before, { members })
  }
}
