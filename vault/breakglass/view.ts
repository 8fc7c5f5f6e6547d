import type { Kysely } from 'kysely'
import { currentCredential } from '../accounts/account.ts'
import type { BreakGlassView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import type { BreakGlassId, SafeId, UserId } from '../kernel/id.ts'
import { isId } from '../kernel/id.ts'
import { readPeople, samePerson } from '../identity/same-person.ts'
import { done } from '../kernel/outcome.ts'
import { permissionsIn } from '../relations.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { doubtOf } from '../rotation/interlock.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Handler } from '../world.ts'

type Db = Kysely<Database>

/** Milliseconds after the end of a break-glass by which the secret should be another one. */
const rotateWithin = 3600_000

/** The giver of the grant of a break-glass: no user can have a name with a space. */
export function grantedBy(id: BreakGlassId): string {
  return `break-glass ${id}`
}

/** Says a grant of itself that it is of a break-glass? */
export function isOfGlass(grant: Pick<Row<'access_grant'>, 'granted_by'>): boolean {
  return grant.granted_by.startsWith('break-glass ')
}

/**
 * The break-glass that a grant is of; undefined for any other grant.
 *
 * SECURITY: the grant says itself whether there is one, under the vault's MAC: whoever takes the row of the
 * break-glass away, so that nobody reviews it, takes the way in away as well, and raises an alarm.
 */
export async function breakGlassOf(
  db: Db,
  checker: Checker,
  grant: Pick<Row<'access_grant'>, 'id' | 'granted_by'>,
): Promise<Row<'break_glass'> | undefined> {
  const id = isOfGlass(grant) ? grant.granted_by.slice('break-glass '.length) : ''
  if (!isId('bgl', id)) return undefined
  const row = await db.selectFrom('break_glass').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) checker.checkAbsent('break_glass', { id })
  return checkedOne(checker, 'break_glass', row)
}

/** Can it still be used, or does somebody still use it? */
export async function isRunning(
  tx: Pick<Tx, 'guard' | 'now'> & { readonly db: Db },
  row: Row<'break_glass'>,
): Promise<boolean> {
  return (await stateOf(tx.db, tx.guard, row, tx.now)) === 'running'
}

async function stateOf(
  db: Db,
  checker: Checker,
  row: Row<'break_glass'>,
  now: Date,
): Promise<BreakGlassView['state']> {
  if (row.reviewed_at !== null) return 'reviewed'
  const session = await db
    .selectFrom('session')
    .select('id')
    .where('grant_id', '=', row.grant_id)
    .where('state', '<>', 'ended')
    .executeTakeFirst()
  if (session !== undefined) return 'running'
  if (row.ends_at <= now) return 'ended'
  const grant = checkedOne(
    checker,
    'access_grant',
    await db.selectFrom('access_grant').selectAll().where('id', '=', row.grant_id).executeTakeFirst(),
  )
  return grant?.revoked_at === null ? 'running' : 'ended'
}

/** One break-glass as the person who asks sees it. */
export async function viewBreakGlass(tx: Tx, call: Call, row: Row<'break_glass'>): Promise<BreakGlassView> {
  const may = call.principal.kind === 'user' ? await permissionsIn(tx, call) : () => false
  const [view] = await viewAll(call, tx.db, tx.guard, [row], tx.now, (safe) => may(safe, 'approve'))
  if (view === undefined) throw new TypeError('a break-glass that was read is shown')
  return view
}

async function viewAll(
  call: Call,
  db: Db,
  checker: Checker,
  rows: readonly Row<'break_glass'>[],
  now: Date,
  approvesIn: (safe: SafeId) => boolean,
): Promise<readonly BreakGlassView[]> {
  if (rows.length === 0) return []
  const users = new Map(
    (await db.selectFrom('app_user').select(['id', 'name']).execute()).map(({ id, name }) => [id, name]),
  )
  const accounts = await db
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .innerJoin('safe', 'safe.id', 'account.safe_id')
    .select(['account.id', 'account.login', 'account.safe_id', 'target.name as target', 'safe.name as safe'])
    .where('account.id', 'in', [...new Set(rows.map(({ account_id }) => account_id))])
    .execute()
  const sessions = await db
    .selectFrom('session')
    .select((eb) => ['grant_id', eb.fn.countAll<number>().as('count')])
    .where(
      'grant_id',
      'in',
      rows.map(({ grant_id }) => grant_id),
    )
    .groupBy('grant_id')
    .execute()
  const { principal } = call
  const isOwn = await ownUsers(db, checker, call, rows)
  return Promise.all(
    rows.map(async (row) => {
      const account = accounts.find(({ id }) => id === row.account_id)
      if (account === undefined) throw new TypeError('a break-glass is for an account')
      const state = await stateOf(db, checker, row, now)
      const version = (await currentCredential(db, checker, row.account_id))?.version ?? 0
      return {
        id: row.id,
        user: users.get(row.user_id) ?? '',
        account: `${account.target}/${account.login}`,
        safe: account.safe,
        grant: row.grant_id,
        reason: row.reason,
        openedAt: row.opened_at.toISOString(),
        endsAt: row.ends_at.toISOString(),
        state,
        sessions: sessions.find(({ grant_id }) => grant_id === row.grant_id)?.count ?? 0,
        alarmed: row.alarmed.map((id) => users.get(id as never) ?? ''),
        reviewedBy: row.reviewed_by === null ? null : (users.get(row.reviewed_by) ?? ''),
        reviewedAt: row.reviewed_at?.toISOString() ?? null,
        note: row.note,
        secretDueAt: new Date(row.ends_at.getTime() + rotateWithin).toISOString(),
        secretChanged: version > row.version,
        mayReview:
          state === 'ended' &&
          principal.kind === 'user' &&
          !isOwn(row.user_id) &&
          (principal.roles.includes('admin') ||
            principal.roles.includes('auditor') ||
            principal.roles.includes('security-officer') ||
            approvesIn(account.safe_id)),
        doubt:
          state === 'running'
            ? await doubtOf({ db, guard: checker } as Pick<Tx, 'db' | 'guard'>, row.account_id, {
                id: row.grant_id,
              })
            : null,
      }
    }),
  )
}

/** Whether a user is whoever asks, or is one person with them. */
async function ownUsers(
  db: Db,
  checker: Checker,
  { principal }: Call,
  rows: readonly Row<'break_glass'>[],
): Promise<(user: UserId) => boolean> {
  if (principal.kind !== 'user') return () => false
  const people = await readPeople(db, checker, [principal.id, ...rows.map(({ user_id }) => user_id)])
  const own = people.get(principal.id)
  return (user) => {
    const other = people.get(user)
    return (
      user === principal.id ||
      (own !== undefined && other !== undefined && samePerson(own, other) !== undefined)
    )
  }
}

/** What was opened: one's own, that of safes in which one approves; all of it for administrators and auditors. */
export const breakglassList: Handler<'breakglass.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  // In a transaction, whose beginning says until when a row may have been missing rightly.
  await call.world.vault.inTransaction((tx) => missNone(tx.db, tx.guard))
  let query = database
    .selectFrom('break_glass')
    .innerJoin('account', 'account.id', 'break_glass.account_id')
    .selectAll('break_glass')
    .orderBy('break_glass.id', 'desc')
    .limit(1_000)
  if (input.state !== 'all') query = query.where('reviewed_at', 'is', null)
  if (!sight.all) {
    const safes = sight.safesWith('approve')
    query = query.where((eb) =>
      eb.or([
        eb('break_glass.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('account.safe_id', 'in', safes)]),
      ]),
    )
  }
  const rows = checked(guard, 'break_glass', await query.execute())
  const approves = new Set(sight.all ? [] : sight.safesWith('approve'))
  return done(await viewAll(call, database, guard, rows, clock(), (safe) => approves.has(safe)))
}

/** Throws `Fault` where somebody has taken away what is to be reviewed: its grant names it. */
async function missNone(db: Db, checker: Checker): Promise<void> {
  const grants = await db
    .selectFrom('access_grant')
    .selectAll()
    .where('granted_by', 'like', 'break-glass bgl\\_%')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('break_glass')
            .select('break_glass.id')
            .whereRef('break_glass.grant_id', '=', 'access_grant.id'),
        ),
      ),
    )
    .execute()
  for (const grant of checked(checker, 'access_grant', grants)) await breakGlassOf(db, checker, grant)
}
