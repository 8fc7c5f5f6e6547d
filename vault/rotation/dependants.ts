import { z } from 'zod'
import { type Account, findAccount, readAccount } from '../accounts/account.ts'
import { type Dependant, dependantKinds } from '../contract.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { findTask, openTask } from './tasks.ts'

/**
 * Other places that hold the same secret. When the credential is promoted, each that is to take the new one gets a task; of
 * one that is an account here, its own connector does it, by a run for that task. No service is restarted.
 */

const dependantsShape = z.array(z.strictObject({ place: z.string(), kind: z.enum(dependantKinds) }))

/** As they are kept: an account by its id. */
export function dependantsOf(
  row: Pick<Row<'account_rotation'>, 'dependants'> | undefined,
): readonly Dependant[] {
  return row === undefined ? [] : dependantsShape.parse(JSON.parse(row.dependants))
}

/** Accounts are kept by their ids. SECURITY: of the same safe alone: who manages this one would have secrets taken to another. */
export async function dependantsNamed(
  tx: Tx,
  account: Account,
  wanted: readonly Dependant[],
): Promise<Outcome<readonly Dependant[]>> {
  const found: Dependant[] = []
  for (const { place, kind } of wanted) {
    if (kind !== 'account') {
      found.push({ place, kind })
      continue
    }
    const other = await findAccount(tx.db, tx.guard, place)
    if (other === undefined) return notFound('account', place)
    const fault =
      other.id === account.id
        ? 'an account is no copy of itself'
        : other.safe_id !== account.safe_id
          ? `${other.name} is in another safe`
          : found.some((one) => one.place === other.id)
            ? `${other.name} is named twice`
            : dependantsOf(await rowOf(tx, other)).some((one) => one.kind === 'account')
              ? `${other.name} has copies of its own`
              : (await holderOf(tx, account)) !== undefined
                ? `${account.name} is a copy itself`
                : undefined
    if (fault !== undefined)
      return refuse(
        'invalid',
        `dependants: ${fault}`,
        'name an account of the same safe that has the same secret',
      )
    found.push({ place: other.id, kind })
  }
  return done(found)
}

async function rowOf(tx: Tx, account: Account): Promise<Row<'account_rotation'> | undefined> {
  const query = tx.db.selectFrom('account_rotation').selectAll().where('account_id', '=', account.id)
  return checkedOne(tx.guard, 'account_rotation', await query.executeTakeFirst())
}

/** Opens the tasks of the places that hold the secret that was just promoted; those of the one before are over. */
export async function openPlaces(tx: Tx, account: Account, run: Row<'rotation_run'>): Promise<void> {
  const settings = await rowOf(tx, account)
  const before = checked(
    tx.guard,
    'rotation_task',
    await tx.db
      .selectFrom('rotation_task')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('kind', '=', 'place')
      .where('closed_at', 'is', null)
      .forUpdate()
      .execute(),
  )
  for (const task of before)
    await updateGuarded(tx, 'rotation_task', task, { state: 'dropped', closed_at: tx.now })
  for (const { place, kind } of dependantsOf(settings)) {
    if (kind === 'task') await openTask(tx, account, run, { name: place })
    // What was carried here goes on to places, and not back to accounts.
    if (kind !== 'account' || run.for_task !== null) continue
    const other = await readAccount(tx.db, tx.guard, place as AccountId)
    if (other !== undefined && other.removed_at === null)
      await openTask(tx, account, run, { name: other.name, account: other.id })
  }
  if (run.for_task === null) return
  const task = await findTask(tx, run.for_task, 'update')
  if (task !== undefined && task.closed_at === null)
    await updateGuarded(tx, 'rotation_task', task, {
      ...{ state: 'done', closed_at: tx.now, made_by: 'vault', made_at: tx.now },
      note: `rotated by ${run.kind === 'assist' ? 'people' : run.connector}`,
    })
}

/** The account of whose secret this one holds a copy, or undefined: it changes with that one, and not by itself. */
export async function holderOf(tx: Tx, account: Account): Promise<Account | undefined> {
  const rows = checked(
    tx.guard,
    'account_rotation',
    await tx.db
      .selectFrom('account_rotation')
      .selectAll()
      .where('dependants', 'like', `%"${account.id}"%`)
      .execute(),
  )
  for (const row of rows) {
    if (!dependantsOf(row).some(({ place, kind }) => kind === 'account' && place === account.id)) continue
    const holder = await readAccount(tx.db, tx.guard, row.account_id)
    if (holder !== undefined && holder.removed_at === null) return holder
  }
  return undefined
}
