import { holdToLimits } from '../access/limits.ts'
import { newId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { supersedeRun } from '../rotation/supersede.ts'
import { permissionsIn } from '../relations.ts'
import { checked, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { findTarget } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler } from '../world.ts'
import { type Account, currentCredential, findAccount, showAccount, showAccounts } from './account.ts'
import { bindAccount, isBoundTo } from './binding.ts'
import { type Arrived, keepCredential, openArrived } from './credential.ts'
import { elevationOf } from './elevation.ts'
import { takeFilesOff } from './files.ts'
import { unlinkAll } from './type-ins.ts'
import { noteExposure } from './exposure.ts'

/** Adds an account with its first credential, bound to its target as the target is now. */
export const accountAdd: Handler<'account.add'> = async (call, input) => {
  const { database, guard } = call.world.vault
  const named = await findTarget(database, guard, input.target)
  if (named === undefined) return notFound('target', input.target)
  const opened = openArrived(call.world, `${named.name}/${input.login}`, input.credential)
  if (!opened.ok) return opened
  using arrived = opened.value
  // Awaited here: the secret is disposed of when this function returns.
  return await transact(call.world, async (tx) => {
    const target = await findTarget(tx.db, tx.guard, named.id, 'update')
    if (target === undefined) return notFound('target', input.target)
    const added = await addAccount(tx, call, target, input.login, arrived)
    return added.ok ? done(await showAccount(tx.db, tx.guard, added.value)) : added
  })
}

/**
 * Adds an account of a target that was read for update, within a transaction: alone, or as a row of an import. The
 * caller disposes of what arrived, which was sealed for this account.
 */
export async function addAccount(
  tx: Tx,
  call: Call,
  target: Row<'target'>,
  login: string,
  arrived: Arrived,
): Promise<Outcome<Row<'account'>>> {
  const name = `${target.name}/${login}`
  const fits = fitsProtocolOf(target, arrived)
  if (!fits.ok) return fits
  if ((await findAccount(tx.db, tx.guard, name)) !== undefined)
    return refuse(
      'conflict',
      `there is an account ${name} already`,
      'change its secret: tagout account secret',
    )
  const row = await insertGuarded(tx, 'account', {
    id: newId('acc', tx.now.getTime()),
    target_id: target.id,
    safe_id: target.safe_id,
    login,
    created_at: tx.now,
    removed_at: null,
  })
  const safe = await tx.db.selectFrom('safe').select('name').where('id', '=', row.safe_id).executeTakeFirst()
  await tx.audit({
    kind: 'account.added',
    account: row.id,
    accountName: name,
    safe: row.safe_id,
    safeName: safe?.name ?? '',
    ...by(call),
  })
  await keepCredential(tx, call, { ...row, name, target }, arrived)
  await bindAccount(tx, call, row, name, target)
  return done(row)
}

function fitsProtocolOf(target: Row<'target'>, arrived: Arrived): Outcome<null> {
  return target.protocol === 'ssh' || arrived.kind === 'password'
    ? done(null)
    : refuse(
        'invalid',
        `credential: ${target.name} is spoken with over ${target.protocol}, which takes no key of SSH`,
        'give a password',
      )
}

export const accountList: Handler<'account.list'> = async (call) => {
  const { database, guard } = call.world.vault
  const sight = await sightOf(call)
  let query = database.selectFrom('account').selectAll().where('removed_at', 'is', null).orderBy('id')
  if (!sight.all) {
    const safes = sight.safesWith('use', 'reveal', 'approve', 'manage', 'break-glass')
    if (safes.length === 0 && sight.granted.length === 0) return done([])
    query = query.where((eb) =>
      eb.or([
        ...(safes.length === 0 ? [] : [eb('safe_id', 'in', safes)]),
        ...(sight.granted.length === 0 ? [] : [eb('id', 'in', sight.granted)]),
      ]),
    )
  }
  const rows = checked(guard, 'account', await query.execute())
  const views = await showAccounts(database, guard, rows, onlyHolderFor(call))
  return done([...views].sort((a, b) => (a.name < b.name ? -1 : 1)))
}

export const accountShow: Handler<'account.show'> = async (call, { account }) => {
  const { database, guard } = call.world.vault
  const row = await findAccount(database, guard, account)
  return row === undefined
    ? notFound('account', account)
    : done(await showAccount(database, guard, row, onlyHolderFor(call)))
}

/** SECURITY: who comes from outside is shown no other holder than themself. */
function onlyHolderFor({ principal }: Call): UserId | undefined {
  return principal.kind === 'user' && principal.roles.includes('vendor') ? principal.id : undefined
}

/** Sets a new secret, bound to the target as it is now: whoever enters a secret knows it. */
export const accountSecret: Handler<'account.secret'> = async (call, input) => {
  const { database, guard } = call.world.vault
  const named = await findAccount(database, guard, input.account)
  if (named === undefined) return notFound('account', input.account)
  const opened = openArrived(call.world, named.name, input.credential)
  if (!opened.ok) return opened
  using arrived = opened.value
  return await transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, named.id, 'update')
    if (account === undefined) return notFound('account', input.account)
    const target = await findTarget(tx.db, tx.guard, account.target_id, 'update')
    if (target === undefined) return notFound('account', input.account)
    const fits = fitsProtocolOf(target, arrived)
    if (!fits.ok) return fits
    const free = await supersedeRun(tx, call, account)
    if (!free.ok) return free
    await keepCredential(tx, call, account, arrived)
    if (!(await isBoundTo(tx, account, target))) await bindAccount(tx, call, account, account.name, target)
    return done(await showAccount(tx.db, tx.guard, account))
  })
}

/** Binds an account to a target as it is now: its own, or another where the same login lives. */
export const accountBind: Handler<'account.bind'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const target = await findTarget(tx.db, tx.guard, input.target ?? account.target_id, 'update')
    if (target === undefined)
      return isAdministrator(call) ? notFound('target', input.target ?? '') : elsewhereUnknown
    if (!(await isBoundTo(tx, account, target))) {
      const allowed = await allowElsewhere(tx, call, account, target)
      if (!allowed.ok) return allowed
      await bindAccount(tx, call, account, account.name, target)
    }
    return done(await showAccount(tx.db, tx.guard, account))
  })

/** Who may not bind there does not learn whether it exists. */
const elsewhereUnknown = refuse('forbidden', 'there is no such target, or you may not bind accounts to it')

function isAdministrator({ principal }: Call): boolean {
  return principal.kind === 'local' || (principal.kind === 'user' && principal.roles.includes('admin'))
}

/**
 * May the asker have the present secret sent where it was not sent until now?
 *
 * SECURITY: a machine that takes a password learns it. Binding an account to another one is therefore as much as
 * revealing it: it takes that permission too, and is in the exposure ledger.
 */
async function allowElsewhere(
  tx: Tx,
  call: Call,
  account: Account,
  target: Row<'target'>,
): Promise<Outcome<null>> {
  if (call.principal.kind !== 'user') return done(null)
  const may = await permissionsIn(tx, call)
  const mayManage = isAdministrator(call) || may(target.safe_id, 'manage')
  if (!mayManage) return elsewhereUnknown
  if (!may(account.safe_id, 'manage', 'reveal'))
    return refuse(
      'forbidden',
      'binding an account to another machine or address hands its secret over: it needs manage and reveal',
      'set a secret of that machine with tagout account secret, or ask somebody who holds both permissions',
    )
  const use = { user: call.principal.id, account: account.id, does: ['reveal'] } as const
  const held = await holdToLimits(tx, use, { now: tx.now.getTime(), source: call.source ?? '' })
  if (!held.ok) return held
  const credential = await currentCredential(tx.db, tx.guard, account.id)
  if (credential !== undefined)
    await noteExposure(tx, call.principal.id, account.id, credential.version, 'bound to another address')
  return done(null)
}

/** Removes an account nobody holds; its grants end with it. Its credentials stay, retired from use. */
export const accountRemove: Handler<'account.remove'> = async (call, { account: reference }) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, reference, 'update')
    if (account === undefined) return notFound('account', reference)
    const session = await tx.db
      .selectFrom('session')
      .select('user_name')
      .where('account_id', '=', account.id)
      .where('state', '<>', 'ended')
      .executeTakeFirst()
    if (session !== undefined)
      return refuse(
        'held',
        `the user ${session.user_name} is connected with it`,
        'terminate the session first',
      )
    const free = await supersedeRun(tx, call, account)
    if (!free.ok) return free
    const elevated = await tx.db
      .selectFrom('elevation')
      .innerJoin('account', 'account.id', 'elevation.account_id')
      .select('account.login')
      .where('elevation.secret_account_id', '=', account.id)
      .where('elevation.account_id', '<>', account.id)
      .executeTakeFirst()
    if (elevated !== undefined)
      return refuse(
        'conflict',
        `the login ${elevated.login} is elevated with its secret`,
        'take that back first: tagout account elevation --none',
      )
    const elevation = await elevationOf(tx.db, tx.guard, account.id)
    if (elevation !== undefined) await deleteGuarded(tx, 'elevation', elevation)
    await unlinkAll(tx, call, account.id)
    await takeFilesOff(tx, call, account.id)
    const bindings = checked(
      tx.guard,
      'binding',
      await tx.db
        .selectFrom('binding')
        .selectAll()
        .where('account_id', '=', account.id)
        .forUpdate()
        .execute(),
    )
    for (const binding of bindings) await deleteGuarded(tx, 'binding', binding)
    const grants = checked(
      tx.guard,
      'access_grant',
      await tx.db
        .selectFrom('access_grant')
        .selectAll()
        .where('account_id', '=', account.id)
        .where('revoked_at', 'is', null)
        .forUpdate()
        .execute(),
    )
    for (const grant of grants) await updateGuarded(tx, 'access_grant', grant, { revoked_at: tx.now })
    await updateGuarded(tx, 'account', account, { removed_at: tx.now })
    await tx.audit({ kind: 'account.removed', account: account.id, accountName: account.name, ...by(call) })
    return done(null)
  })
