import type { Kysely } from 'kysely'
import type { ExposureView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { findUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { exposureDays } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import { findCompany } from '../vendors/company.ts'
import { by, type Handler, nameOf, type Input } from '../world.ts'
import { findAccount } from './account.ts'

type Db = Kysely<Database>

const day = 24 * 3600_000
/** Milliseconds for which a rotation is put off at most. */
const latest = 366 * day

/** What is asked for: of one account, one person, one company; or one entry of the ledger. */
type Which = {
  readonly account?: Row<'account'>['id']
  readonly user?: Row<'app_user'>['id']
  readonly company?: Row<'company'>['id']
  readonly exposure?: Row<'exposure'>['id']
}

/** Accounts with a secret that somebody has seen and that is due to be another. `fault`: rows of one were forged. */
export async function overdueAccounts(
  db: Db,
  checker: Checker,
  now: Date,
  fault: (account: Row<'account'>['id'], error: unknown) => void,
): Promise<readonly Row<'account'>['id'][]> {
  const rows = await db
    .selectFrom('exposure')
    .innerJoin('account_rotation', 'account_rotation.account_id', 'exposure.account_id')
    .innerJoin('credential', (join) =>
      join
        .onRef('credential.account_id', '=', 'exposure.account_id')
        .onRef('credential.version', '=', 'exposure.version'),
    )
    .select('exposure.account_id')
    .distinct()
    .where('credential.state', '=', 'current')
    .where('account_rotation.connector', 'is not', null)
    .execute()
  const due: Row<'account'>['id'][] = []
  for (const { account_id } of rows)
    try {
      const seen = await readExposures(db, checker, { account: account_id }, now)
      if (seen.some(({ isOverdue }) => isOverdue)) due.push(account_id)
    } catch (error) {
      fault(account_id, error)
    }
  return due
}

/** Who has seen which secret. Of one account for those who manage it, of all for administrators and auditors. */
export const exposureList: Handler<'exposure.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const which = await whichOf(database, guard, input)
  return which.ok ? done(await readExposures(database, guard, which.value, clock())) : which
}

async function whichOf(db: Db, checker: Checker, input: Input<'exposure.list'>): Promise<Outcome<Which>> {
  const account = input.account === undefined ? null : await findAccount(db, checker, input.account)
  if (account === undefined) return notFound('account', input.account ?? '')
  const user = input.user === undefined ? null : await findUser(db, checker, input.user)
  if (user === undefined) return notFound('user', input.user ?? '')
  const company = input.company === undefined ? null : await findCompany(db, checker, input.company)
  if (company === undefined) return notFound('company', input.company ?? '')
  return done({
    ...(account === null ? {} : { account: account.id }),
    ...(user === null ? {} : { user: user.id }),
    ...(company === null ? {} : { company: company.id }),
  })
}

/** Entries of the ledger as people see them at a moment, the latest first. */
export async function readExposures(
  db: Db,
  checker: Checker,
  which: Which,
  now: Date,
): Promise<readonly ExposureView[]> {
  let query = db
    .selectFrom('exposure')
    .innerJoin('app_user', 'app_user.id', 'exposure.user_id')
    .innerJoin('account', 'account.id', 'exposure.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .leftJoin('representative', 'representative.user_id', 'exposure.user_id')
    .leftJoin('company', 'company.id', 'representative.company_id')
    .selectAll('exposure')
    .select([
      'app_user.name as user_name',
      'target.name as target_name',
      'account.login',
      'account.safe_id',
      'company.name as company_name',
    ])
    .orderBy('exposure.at', 'desc')
    .limit(10_000)
  if (which.account !== undefined) query = query.where('exposure.account_id', '=', which.account)
  if (which.user !== undefined) query = query.where('exposure.user_id', '=', which.user)
  if (which.company !== undefined) query = query.where('representative.company_id', '=', which.company)
  if (which.exposure !== undefined) query = query.where('exposure.id', '=', which.exposure)
  const rows = await query.execute()
  if (rows.length === 0) return []
  const accounts = [...new Set(rows.map((row) => row.account_id))]
  const safes = new Map(
    checked(
      checker,
      'safe',
      await db
        .selectFrom('safe')
        .selectAll()
        .where('id', 'in', [...new Set(rows.map((row) => row.safe_id))])
        .execute(),
    ).map((safe) => [safe.id, safe]),
  )
  const credentials = checked(
    checker,
    'credential',
    await db
      .selectFrom('credential')
      .selectAll()
      .where('account_id', 'in', accounts)
      .where('state', 'in', ['current', 'retired'])
      .orderBy('version')
      .execute(),
  )
  const tasks = checked(
    checker,
    'rotation_task',
    await db
      .selectFrom('rotation_task')
      .selectAll()
      .where('account_id', 'in', accounts)
      .where('revealed_at', 'is not', null)
      .execute(),
  )
  const left = await dueOfThoseWhoLeft(db, checker, rows)
  const glasses = checked(
    checker,
    'break_glass',
    await db.selectFrom('break_glass').selectAll().where('account_id', 'in', accounts).execute(),
  )
  const set = new Map(
    checked(
      checker,
      'exposure_due',
      await db
        .selectFrom('exposure_due')
        .innerJoin('exposure', 'exposure.id', 'exposure_due.exposure_id')
        .selectAll('exposure_due')
        .where('exposure.account_id', 'in', accounts)
        .execute(),
    ).map((row) => [row.exposure_id, row]),
  )
  // SECURITY: a date that somebody set and that is gone is found out; the safe's does not stand in for it.
  for (const row of rows) if (!set.has(row.id)) checker.checkAbsent('exposure_due', { exposure_id: row.id })
  return rows.map((row): ExposureView => {
    const isTheirs = (one: { readonly user_id: string; readonly account_id: string }) =>
      one.user_id === row.user_id && one.account_id === row.account_id
    const off = left.find((one) => isTheirs(one) && one.version === row.version)
    const glass = glasses.some((one) => isTheirs(one) && one.opened_at.getTime() === row.at.getTime())
    const next = credentials.find((one) => one.account_id === row.account_id && one.version > row.version)
    const isOver = next !== undefined || row.version === 0
    const safe = safes.get(row.safe_id)
    const own = set.get(row.id)
    // Who sets a secret by hand has seen it, of course: nothing is due because of that alone.
    const isOfTask = tasks.some(
      (one) =>
        one.account_id === row.account_id &&
        one.changer_id === row.user_id &&
        one.revealed_at?.getTime() === row.at.getTime(),
    )
    const due =
      isOver || (isOfTask && off === undefined && own === undefined) ? null : dueOf(row, safe, off, own)
    return {
      id: row.id,
      user: row.user_name,
      company: row.company_name,
      account: `${row.target_name}/${row.login}`,
      safe: safe?.name ?? '',
      version: row.version,
      at: row.at.toISOString(),
      reason: row.reason,
      cause:
        off !== undefined
          ? 'off-boarding'
          : glass
            ? 'break-glass'
            : isOfTask
              ? 'rotation task'
              : row.session_id !== null
                ? 'typed in'
                : 'reveal',
      rotationDueAt: due?.toISOString() ?? null,
      isOverdue: due !== null && due <= now,
      rotatedAt: row.version === 0 ? null : (next?.created_at.toISOString() ?? null),
      dueSet: own === undefined ? null : { by: own.set_by, at: own.set_at.toISOString(), reason: own.reason },
    }
  })
}

/**
 * What is due because people who have seen it were taken off.
 *
 * SECURITY: what is due is not forgotten because somebody took it out of the table: a user's off-boarding names it.
 */
async function dueOfThoseWhoLeft(
  db: Db,
  checker: Checker,
  seen: readonly Pick<Row<'exposure'>, 'user_id' | 'account_id'>[],
): Promise<readonly Row<'rotation_due'>[]> {
  const users = new Set<string>(seen.map((row) => row.user_id))
  const all = checked(checker, 'offboarding', await db.selectFrom('offboarding').selectAll().execute())
  const named = all.filter((row) => row.users.some((id) => users.has(id))).flatMap((row) => row.secrets)
  const accounts = [...new Set(seen.map((row) => row.account_id))]
  const query = db.selectFrom('rotation_due').selectAll().orderBy('due_at')
  const found = checked(
    checker,
    'rotation_due',
    await query
      .where((eb) =>
        eb.or([eb('account_id', 'in', accounts), ...(named.length === 0 ? [] : [eb('id', 'in', named)])]),
      )
      .execute(),
  )
  const known = new Set(found.map(({ id }) => id))
  for (const id of named) if (!known.has(id)) checker.checkAbsent('rotation_due', { id })
  return found
}

/** When a secret is due: as its safe says, or sooner where who has seen it has left; or as somebody has said since. */
function dueOf(
  exposure: Pick<Row<'exposure'>, 'at'>,
  safe: Row<'safe'> | undefined,
  off: Row<'rotation_due'> | undefined,
  own: Row<'exposure_due'> | undefined,
): Date {
  const usual = new Date(exposure.at.getTime() + (safe?.exposure_days ?? exposureDays) * day)
  const said = own?.due_at ?? usual
  const counts = off !== undefined && (own === undefined || own.set_at <= off.created_at)
  return counts && off.due_at < said ? off.due_at : said
}

/** Sets when an exposed secret is rotated at the latest: sooner freely, later with a reason that is written down. */
export const exposureDue: Handler<'exposure.due'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await tx.db
      .selectFrom('exposure')
      .selectAll()
      .where('id', '=', input.exposure)
      .executeTakeFirst()
    if (row === undefined) return notFound('exposure', input.exposure)
    // Who changes it at the same moment waits, and then sees what this has set.
    const locked = await tx.db
      .selectFrom('account')
      .select('id')
      .where('id', '=', row.account_id)
      .forNoKeyUpdate()
      .executeTakeFirst()
    const [before] =
      locked === undefined ? [] : await readExposures(tx.db, tx.guard, { exposure: row.id }, tx.now)
    if (before === undefined) return notFound('exposure', input.exposure)
    if (before.rotationDueAt === null)
      return refuse('conflict', 'this secret is another one already', 'nothing is due')
    const due = new Date(input.dueAt)
    if (due.getTime() - tx.now.getTime() > latest)
      return refuse('invalid', 'dueAt: a rotation is put off for a year at most', 'give an earlier date')
    const isLater = due.getTime() > Date.parse(before.rotationDueAt)
    if (isLater && input.reason === undefined)
      return refuse('invalid', 'reason: say why it is rotated later', 'it is in the audit log')
    const values = { due_at: due, reason: input.reason ?? '', set_by: nameOf(call), set_at: tx.now }
    const found = await tx.db
      .selectFrom('exposure_due')
      .selectAll()
      .where('exposure_id', '=', row.id)
      .forUpdate()
      .executeTakeFirst()
    const own = checkedOne(tx.guard, 'exposure_due', found)
    if (own === undefined) await insertGuarded(tx, 'exposure_due', { exposure_id: row.id, ...values })
    else await updateGuarded(tx, 'exposure_due', own, values)
    await tx.audit({
      kind: 'exposure.due-set',
      exposure: row.id,
      version: row.version,
      dueAt: due.toISOString(),
      before: before.rotationDueAt,
      reason: values.reason,
      userName: before.user,
      account: row.account_id,
      accountName: before.account,
      ...by(call),
    })
    const [after] = await readExposures(tx.db, tx.guard, { exposure: row.id }, tx.now)
    return after === undefined ? notFound('exposure', input.exposure) : done(after)
  })
