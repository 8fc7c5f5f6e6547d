import type { Kysely } from 'kysely'
import { holdToLimits } from '../access/limits.ts'
import { isDesktop, type Permit } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { permissionsIn } from '../relations.ts'
import { type Checker, checked, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { bindingDigest, pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { type Account, currentCredential, findAccount, readAccount, showAccount } from './account.ts'

/** Whose secrets may be typed into sessions of an account on a target as that is now. */
export async function typeInsOf(
  db: Kysely<Database>,
  checker: Checker,
  account: Pick<Row<'account'>, 'id' | 'login'>,
  target: Row<'target'>,
): Promise<NonNullable<Permit['typeIns']>> {
  const digest = bindingDigest(target, account.login)
  const linked = (await linksOf(db, checker, account.id)).filter((row) => digest.equals(row.digest))
  const secrets = await Promise.all(linked.map((row) => readAccount(db, checker, row.secret_account_id)))
  return secrets
    .flatMap((secret) =>
      secret === undefined || secret.removed_at !== null ? [] : [{ account: secret.id, name: secret.name }],
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function linksOf(
  db: Kysely<Database>,
  checker: Checker,
  account: AccountId,
): Promise<readonly Row<'type_in'>[]> {
  return checked(
    checker,
    'type_in',
    await db.selectFrom('type_in').selectAll().where('account_id', '=', account).execute(),
  )
}

const secretUnknown = refuse(
  'forbidden',
  'there is no such account to take the secret of, or you may not manage it',
  'name an account of a safe that you manage, as target/login',
)

/**
 * Names all whose secrets are typed into the desktop of an account when its user asks for it.
 *
 * SECURITY: what is typed into a desktop can be read there, by its user and by the machine. To link a secret is
 * therefore as much as to reveal it, and it holds for the target as it is now: at another address or with another
 * identity nothing is typed until somebody links it again.
 */
export const accountTypeIns: Handler<'account.type-ins'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    if (input.secrets.length > 0 && !isDesktop(account.target.protocol))
      return refuse(
        'conflict',
        `${account.target.name} has no desktop`,
        'secrets are typed into targets of RDP, VNC and Telnet; for sudo, su and enable: tagout account elevation',
      )
    if (input.secrets.length > 0 && pinsOf(account.target).length === 0)
      return refuse(
        'conflict',
        `nobody has approved ${account.target.name} yet, and a secret is linked to what was approved`,
        `approve it first: tagout target pin ${account.target.name}`,
      )
    const before = await linksOf(tx.db, tx.guard, account.id)
    const digest = bindingDigest(account.target, account.login)
    const wanted = new Set<AccountId>()
    for (const name of input.secrets) {
      const secret = await findAccount(tx.db, tx.guard, name)
      if (secret === undefined) return secretUnknown
      if (wanted.has(secret.id)) continue
      wanted.add(secret.id)
      const row = before.find((one) => one.secret_account_id === secret.id)
      if (row !== undefined && digest.equals(row.digest)) continue
      const allowed = await mayLink(tx, call, account, secret)
      if (!allowed.ok) return allowed
      const values = { digest, set_by: nameOf(call), set_at: tx.now }
      if (row === undefined)
        await insertGuarded(tx, 'type_in', {
          account_id: account.id,
          secret_account_id: secret.id,
          ...values,
        })
      else await updateGuarded(tx, 'type_in', row, values)
      await tx.audit({
        kind: 'account.type-in-linked',
        ...secretNamed(secret),
        account: account.id,
        accountName: account.name,
        ...by(call),
      })
    }
    for (const row of before) if (!wanted.has(row.secret_account_id)) await unlink(tx, call, row)
    return done(await showAccount(tx.db, tx.guard, account))
  })

async function mayLink(tx: Tx, call: Call, account: Account, secret: Account): Promise<Outcome<null>> {
  const { principal } = call
  if (principal.kind === 'user') {
    const may = await permissionsIn(tx, call)
    if (!principal.roles.includes('admin') && !may(secret.safe_id, 'manage')) return secretUnknown
    if (!may(secret.safe_id, 'manage', 'reveal'))
      return refuse(
        'forbidden',
        'whose secret is typed into a desktop can read it there: to link it needs manage and reveal',
        `ask somebody who holds both permissions on the safe of ${secret.name}`,
      )
    const use = { user: principal.id, account: secret.id, does: ['reveal'] } as const
    const held = await holdToLimits(tx, use, { now: tx.now.getTime(), source: call.source ?? '' })
    if (!held.ok) return held
  }
  if (secret.id === account.id)
    return refuse(
      'conflict',
      `${secret.name} is the account of the desktop itself`,
      'its own password is given to the machine at the login; name another account',
    )
  const credential = await currentCredential(tx.db, tx.guard, secret.id)
  return credential?.kind === 'password'
    ? done(null)
    : refuse('conflict', `the account ${secret.name} has no password`, 'nothing else can be typed')
}

/** Takes back that a secret is typed for an account, or an account's secret for others, as one of them is removed. */
export async function unlinkAll(tx: Tx, call: Call, account: AccountId): Promise<void> {
  const rows = await tx.db
    .selectFrom('type_in')
    .selectAll()
    .where((eb) => eb.or([eb('account_id', '=', account), eb('secret_account_id', '=', account)]))
    .forUpdate()
    .execute()
  for (const row of checked(tx.guard, 'type_in', rows)) await unlink(tx, call, row)
}

async function unlink(tx: Tx, call: Call, row: Row<'type_in'>): Promise<void> {
  const account = await readAccount(tx.db, tx.guard, row.account_id)
  const secret = await readAccount(tx.db, tx.guard, row.secret_account_id)
  if (account === undefined || secret === undefined) throw new TypeError('a link is between accounts')
  await deleteGuarded(tx, 'type_in', row)
  await tx.audit({
    kind: 'account.type-in-unlinked',
    ...secretNamed(secret),
    account: account.id,
    accountName: account.name,
    ...by(call),
  })
}

function secretNamed({ id, name }: Account) {
  return { secretAccount: id, secretAccountName: name }
}
