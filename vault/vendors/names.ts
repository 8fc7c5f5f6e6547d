import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { AccountId, UserId } from '../kernel/id.ts'

/** Full names of accounts, removed ones too, by their ids. */
export async function accountNames(
  db: Kysely<Database>,
  ids: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select(['account.id', 'account.login', 'target.name'])
    .where('account.id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, `${row.name}/${row.login}`]))
}

/** Names of users by their ids. */
export async function userNames(
  db: Kysely<Database>,
  ids: readonly UserId[],
): Promise<ReadonlyMap<UserId, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('app_user')
    .select(['id', 'name'])
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, row.name]))
}
