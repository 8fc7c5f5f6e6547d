import type { Kysely } from 'kysely'
import type { OffboardingView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { type Checker, checked, type Row } from '../rows.ts'
import { accountNames, userNames } from './names.ts'

type Db = Kysely<Database>
type Held = {
  readonly id: string
  readonly user_id: Row<'app_user'>['id']
  readonly account_id: Row<'account'>['id']
}

/** Offboardings as people see them: what each ended, and what has come of it since. */
export async function viewOffboardings(
  db: Db,
  checker: Checker,
  rows: readonly Row<'offboarding'>[],
): Promise<readonly OffboardingView[]> {
  if (rows.length === 0) return []
  const held = async (table: 'access_grant' | 'access_request' | 'lease', ids: readonly string[]) =>
    ids.length === 0
      ? []
      : ((await db
          .selectFrom(table)
          .select(['id', 'user_id', 'account_id'])
          .where('id', 'in', ids as never)
          .execute()) as readonly Held[])
  const grants = await held(
    'access_grant',
    rows.flatMap((row) => row.grants),
  )
  const requests = await held(
    'access_request',
    rows.flatMap((row) => row.requests),
  )
  const leases = await held(
    'lease',
    rows.flatMap((row) => row.leases),
  )
  const ids = rows.flatMap((row) => row.sessions)
  const sessions =
    ids.length === 0 ? [] : await db.selectFrom('session').selectAll().where('id', 'in', ids).execute()
  const due = checked(
    checker,
    'rotation_due',
    await db
      .selectFrom('rotation_due')
      .selectAll()
      .where(
        'offboarding_id',
        'in',
        rows.map(({ id }) => id),
      )
      .orderBy('id')
      .execute(),
  )
  // SECURITY: what is due is not forgotten because somebody took it out of the table.
  for (const id of rows.flatMap((row) => row.secrets))
    if (!due.some((one) => one.id === id)) checker.checkAbsent('rotation_due', { id })
  const rotated = await rotatedSince(db, checker, due)
  const accounts = await accountNames(
    db,
    [...grants, ...requests, ...leases, ...due].map((one) => one.account_id),
  )
  const users = await userNames(db, [
    ...rows.flatMap((row) => [...row.users, ...(row.user_id === null ? [] : [row.user_id])]),
    ...due.map((one) => one.user_id),
  ])
  const companies = await companyNames(db, rows)
  const ended = <Id extends string>(found: readonly Held[], of: readonly Id[]) =>
    of.flatMap((id) => {
      const one = found.find((row) => row.id === id)
      return one === undefined
        ? []
        : [{ id, user: users.get(one.user_id) ?? '', account: accounts.get(one.account_id) ?? '' }]
    })
  return rows.map((row) => ({
    id: row.id,
    company: row.company_id === null ? null : (companies.get(row.company_id) ?? ''),
    user: row.user_id === null ? null : (users.get(row.user_id) ?? ''),
    reason: row.reason,
    by: row.by_name,
    at: row.created_at.toISOString(),
    people: row.users.map((id) => users.get(id) ?? ''),
    logins: row.logins,
    sessions: row.sessions.flatMap((id) => {
      const one = sessions.find((session) => session.id === id)
      if (one === undefined) return []
      const { ended_at } = one
      return [
        {
          session: id,
          user: one.user_name,
          account: one.account_name,
          endedAt: ended_at?.toISOString() ?? null,
          endedAfterMs: ended_at === null ? null : ended_at.getTime() - row.created_at.getTime(),
        },
      ]
    }),
    grants: ended(grants, row.grants),
    requests: ended(requests, row.requests),
    leases: ended(leases, row.leases),
    secrets: due
      .filter((one) => one.offboarding_id === row.id)
      .map((one) => ({
        account: accounts.get(one.account_id) ?? '',
        version: one.version,
        user: users.get(one.user_id) ?? '',
        dueAt: one.due_at.toISOString(),
        rotatedAt: rotated.get(one.id)?.toISOString() ?? null,
      })),
  }))
}

async function companyNames(db: Db, rows: readonly Row<'offboarding'>[]) {
  const ids = rows.flatMap((row) => (row.company_id === null ? [] : [row.company_id]))
  const found =
    ids.length === 0
      ? []
      : await db.selectFrom('company').select(['id', 'name']).where('id', 'in', ids).execute()
  return new Map(found.map((row) => [row.id, row.name]))
}

/** When another version took the place of the one that is due, by the ids of what is due. */
export async function rotatedSince(
  db: Db,
  checker: Checker,
  due: readonly Row<'rotation_due'>[],
): Promise<ReadonlyMap<Row<'rotation_due'>['id'], Date>> {
  if (due.length === 0) return new Map()
  const credentials = checked(
    checker,
    'credential',
    await db
      .selectFrom('credential')
      .selectAll()
      .where(
        'account_id',
        'in',
        due.map((one) => one.account_id),
      )
      .where('state', 'in', ['current', 'retired'])
      .orderBy('version')
      .execute(),
  )
  const since = due.flatMap((one) => {
    const next = credentials.find((row) => row.account_id === one.account_id && row.version > one.version)
    return next === undefined ? [] : ([[one.id, next.created_at]] as const)
  })
  return new Map(since)
}
