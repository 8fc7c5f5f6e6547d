import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { permissionsIn } from '../relations.ts'
import {
  type Checker,
  checked,
  checkedOne,
  deleteGuarded,
  insertGuarded,
  type Row,
  updateGuarded,
} from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { needSessions } from '../targets/no-session.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { currentCredential, findAccount, showAccount } from './account.ts'
import { isBoundTo } from './binding.ts'

/** How the sessions of an account are elevated, or undefined. */
export async function elevationOf(
  db: Kysely<Database>,
  checker: Checker,
  account: AccountId,
): Promise<Row<'elevation'> | undefined> {
  return checkedOne(
    checker,
    'elevation',
    await db.selectFrom('elevation').selectAll().where('account_id', '=', account).executeTakeFirst(),
  )
}

/** Accounts whose secret others enter at the prompt of enable, and whose those are: no login takes such a secret. */
export async function enabledBy(
  db: Kysely<Database>,
  checker: Checker,
  accounts: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, AccountId>> {
  if (accounts.length === 0) return new Map()
  const rows = checked(
    checker,
    'elevation',
    await db
      .selectFrom('elevation')
      .selectAll()
      .where('kind', '=', 'enable')
      .where('secret_account_id', 'in', accounts)
      .whereRef('secret_account_id', '<>', 'account_id')
      .execute(),
  )
  return new Map(rows.map(({ secret_account_id, account_id }) => [secret_account_id, account_id]))
}

const secretUnknown = refuse(
  'forbidden',
  'there is no such account to take the secret of, or you may not manage it',
  'name an account of the same target',
)

/**
 * Names whose secret is typed at the prompt of sudo, su or enable in sessions of an account; null: nobody's.
 *
 * SECURITY: the secret goes to the account's own target alone, and only where its account is bound to that target: a
 * machine that is typed a secret learns it. Who names it manages both accounts.
 */
export const accountElevation: Handler<'account.elevation'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const before = await elevationOf(tx.db, tx.guard, account.id)
    const named = { account: account.id, accountName: account.name }
    const { elevation } = input
    const sessions = elevation === null ? done(null) : needSessions(account.target)
    if (!sessions.ok) return sessions
    // Over Telnet rotation alone elevates: sessions there are desktops, into which it is not typed.
    const fits =
      account.target.protocol === 'ssh' ||
      (account.target.protocol === 'telnet' && elevation?.kind === 'enable')
    if (elevation !== null && !fits)
      return refuse(
        'conflict',
        `${account.target.name} has a desktop`,
        'elevation is for accounts of SSH targets, and enable for rotation over Telnet',
      )
    if (elevation === null) {
      if (before === undefined)
        return refuse(
          'conflict',
          `the account ${account.name} is not elevated`,
          'there is nothing to take back',
        )
      await deleteGuarded(tx, 'elevation', before)
      await tx.audit({ kind: 'account.elevation-ended', ...named, ...by(call) })
      return done(await showAccount(tx.db, tx.guard, account))
    }
    const secret = await findAccount(tx.db, tx.guard, elevation.account, 'update')
    if (secret === undefined || !(await mayManage(tx, call, secret.safe_id))) return secretUnknown
    const target = await findTarget(tx.db, tx.guard, account.target_id)
    if (target === undefined || !(await isBoundTo(tx, secret, target)))
      return refuse(
        'conflict',
        `the account ${secret.name} is not bound to ${account.target.name}, so its secret does not go there`,
        'name an account of the same target, or bind it there first: tagout account bind',
      )
    const credential = await currentCredential(tx.db, tx.guard, secret.id)
    if (credential?.kind !== 'password')
      return refuse(
        'conflict',
        `the account ${secret.name} has no password`,
        'nothing else can be typed at a prompt',
      )
    const values = {
      kind: elevation.kind,
      secret_account_id: secret.id,
      set_by: nameOf(call),
      set_at: tx.now,
    }
    if (before === undefined) await insertGuarded(tx, 'elevation', { account_id: account.id, ...values })
    else await updateGuarded(tx, 'elevation', before, values)
    await tx.audit({
      kind: 'account.elevation-set',
      elevation: elevation.kind,
      secretAccount: secret.id,
      secretAccountName: secret.name,
      ...named,
      ...by(call),
    })
    return done(await showAccount(tx.db, tx.guard, account))
  })

async function mayManage(tx: Tx, call: Call, safe: Row<'account'>['safe_id']): Promise<boolean> {
  const { principal } = call
  if (principal.kind !== 'user' || principal.roles.includes('admin')) return true
  return (await permissionsIn(tx, call))(safe, 'manage')
}
