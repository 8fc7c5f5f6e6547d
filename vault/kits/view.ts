import type { Kysely } from 'kysely'
import type { KitOpeningView, KitView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { done } from '../kernel/outcome.ts'
import { custodianParameters, type CustodianParameters } from '../keys/custodians.ts'
import { type Checker, checked, checkedOne, checkedWhole, type Row } from '../rows.ts'
import { exposureDays } from '../safes/safe.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { setText } from '../custody/view.ts'
import { kitSigningKey } from './kit.ts'
import { signedBy } from './kit-file.ts'

type Db = Kysely<Database>

const day = 24 * 3600_000
/** Milliseconds after which a kit that is out of date should be taken away again, and an opening be practised. */
const takeWithin = 7 * day
const drillWithin = 366 * day

/** All kits that are not over, and those that are but of which something is left to do. */
export const kitList: Handler<'kit.list'> = async ({ world }) => {
  const { database, guard, clock } = world.vault
  // SECURITY: a kit, or an opening, that somebody took out of the tables is missed.
  const rows = checkedWhole(
    guard,
    'emergency_kit',
    await database.selectFrom('emergency_kit').selectAll().orderBy('prepared_at', 'desc').execute(),
  )
  guard.checkWhole('kit_opening', await database.selectFrom('kit_opening').select('id').execute())
  const views: KitView[] = []
  for (const row of rows) {
    const view = await viewKit(database, guard, world, row, clock())
    if (view.state !== 'ended' || view.openings.some(({ left }) => left.length > 0)) views.push(view)
  }
  return done(views)
}

/** A kit as people see it, in the transaction that changed it. */
export function showKit(tx: Tx, world: World, row: Row<'emergency_kit'>): Promise<KitView> {
  return viewKit(tx.db, tx.guard, world, row, tx.now)
}

/** Who its custodians are, and how many of them open it. */
export function custodiansOfKit(row: Pick<Row<'emergency_kit'>, 'custodians'>): CustodianParameters {
  return custodianParameters.parse(JSON.parse(row.custodians))
}

async function viewKit(
  db: Db,
  checker: Checker,
  world: World,
  row: Row<'emergency_kit'>,
  now: Date,
): Promise<KitView> {
  const [safe] = checked(
    checker,
    'safe',
    await db.selectFrom('safe').selectAll().where('id', '=', row.safe_id).execute(),
  )
  const parameters = custodiansOfKit(row)
  const secrets = await secretsOf(db, checker, row.safe_id)
  const { taken_at: takenAt } = row
  const changedSince = secrets.filter(({ since }) => takenAt === null || since > takenAt).length
  const openings = await openingsOf(db, checker, row, secrets, safe?.exposure_days ?? exposureDays, now)
  const state = row.ended_at !== null ? 'ended' : row.confirmed_at !== null ? 'in force' : 'waiting'
  return {
    id: row.id,
    safe: safe?.name ?? '',
    state,
    set: setText(parameters.set),
    threshold: parameters.threshold,
    custodians: parameters.custodians.map(({ name }) => name),
    signedBy: signedBy(kitSigningKey(world).publicKey),
    preparedBy: row.prepared_by,
    preparedAt: row.prepared_at.toISOString(),
    confirmedBy: row.confirmed_by,
    confirmedAt: row.confirmed_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    taken: row.taken_by === null || takenAt === null ? null : { by: row.taken_by, at: takenAt.toISOString() },
    changedSince,
    accounts: secrets.length,
    drilledAt: row.drilled_at?.toISOString() ?? null,
    due: state === 'in force' ? whatIsDue(row, changedSince, secrets, now) : null,
    openings: openings.toSorted((a, b) => Number(b.left.length > 0) - Number(a.left.length > 0)),
  }
}

function whatIsDue(
  row: Row<'emergency_kit'>,
  changedSince: number,
  secrets: readonly SecretOfSafe[],
  now: Date,
): string | null {
  if (row.taken_at === null) return 'it was never taken away: keep a copy of it elsewhere'
  const oldest = secrets.reduce(
    (first, { since }) => (since > (row.taken_at ?? now) && since < first ? since : first),
    now,
  )
  if (changedSince > 0 && now.getTime() - oldest.getTime() >= takeWithin)
    return `${changedSince} ${changedSince === 1 ? 'secret has' : 'secrets have'} changed since it was taken away: take it away again`
  const drilled = row.drilled_at ?? row.confirmed_at ?? now
  if (now.getTime() - drilled.getTime() >= drillWithin)
    return 'nobody has practised opening it for a year: tagout kit open FILE --drill'
  return null
}

/** A secret of a safe, and since when it is the one that the account has. */
type SecretOfSafe = {
  readonly account: string
  readonly id: Row<'account'>['id']
  readonly since: Date
}

async function secretsOf(
  db: Db,
  checker: Checker,
  safe: Row<'safe'>['id'],
): Promise<readonly SecretOfSafe[]> {
  const rows = await db
    .selectFrom('credential')
    .innerJoin('account', 'account.id', 'credential.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('credential')
    .select(['account.login', 'target.name as target_name'])
    .where('account.safe_id', '=', safe)
    .where('account.removed_at', 'is', null)
    .where('credential.state', '=', 'current')
    .orderBy('target.name')
    .orderBy('account.login')
    .execute()
  checked(checker, 'credential', rows)
  return rows.map((row) => ({
    account: `${row.target_name}/${row.login}`,
    id: row.account_id,
    since: row.created_at,
  }))
}

async function openingsOf(
  db: Db,
  checker: Checker,
  row: Row<'emergency_kit'>,
  secrets: readonly SecretOfSafe[],
  days: number,
  now: Date,
): Promise<readonly KitOpeningView[]> {
  const rows = checked(
    checker,
    'kit_opening',
    await db
      .selectFrom('kit_opening')
      .selectAll()
      .where('kit_id', '=', row.id)
      .orderBy('reported_at', 'desc')
      .execute(),
  )
  return rows.map((one): KitOpeningView => {
    const left = secrets.filter(({ since }) => since <= one.made_at).map(({ account }) => account)
    const due = new Date(one.opened_at.getTime() + days * day)
    return {
      id: one.id,
      madeAt: one.made_at.toISOString(),
      openedAt: one.opened_at.toISOString(),
      custodians: one.custodians,
      reason: one.reason,
      reportedBy: one.reported_by,
      reportedAt: one.reported_at.toISOString(),
      left,
      dueAt: due.toISOString(),
      isOverdue: left.length > 0 && due <= now,
    }
  })
}

/** Accounts whose secret was in a kit that was opened, and is still the same; with the latest moment for another one. */
export async function openedByKits(
  db: Db,
  checker: Checker,
): Promise<readonly { readonly account: Row<'account'>['id']; readonly dueAt: Date }[]> {
  const openings = checkedWhole(
    checker,
    'kit_opening',
    await db.selectFrom('kit_opening').selectAll().execute(),
  )
  const due = new Map<Row<'account'>['id'], Date>()
  for (const one of openings) {
    const kit = checkedOne(
      checker,
      'emergency_kit',
      await db.selectFrom('emergency_kit').selectAll().where('id', '=', one.kit_id).executeTakeFirstOrThrow(),
    )
    if (kit === undefined) continue
    const safe = checkedOne(
      checker,
      'safe',
      await db.selectFrom('safe').selectAll().where('id', '=', kit.safe_id).executeTakeFirst(),
    )
    const at = new Date(one.opened_at.getTime() + (safe?.exposure_days ?? exposureDays) * day)
    for (const { id, since } of await secretsOf(db, checker, kit.safe_id))
      if (since <= one.made_at && at < (due.get(id) ?? new Date(8.64e15))) due.set(id, at)
  }
  return [...due].map(([account, dueAt]) => ({ account, dueAt }))
}
