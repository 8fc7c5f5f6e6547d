import type { Kysely } from 'kysely'
import { isDesktop, type Permit } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
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
import { bindingDigest, findTarget, pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { type Account, findAccount, readAccount, showAccount } from './account.ts'
import { isBoundTo } from './binding.ts'

/** By whose login files go beside the desktop of an account, on a target as that is now. */
export async function filesOf(
  db: Kysely<Database>,
  checker: Checker,
  account: Pick<Row<'account'>, 'id' | 'login'>,
  target: Row<'target'>,
): Promise<Permit['files']> {
  const row = await linkOf(db, checker, account.id)
  if (row === undefined || !bindingDigest(target, account.login).equals(row.digest)) return undefined
  const files = await readAccount(db, checker, row.files_account_id)
  if (files === undefined || files.removed_at !== null) return undefined
  return { account: files.id, name: files.name }
}

async function linkOf(
  db: Kysely<Database>,
  checker: Checker,
  account: AccountId,
): Promise<Row<'desktop_files'> | undefined> {
  return checkedOne(
    checker,
    'desktop_files',
    await db.selectFrom('desktop_files').selectAll().where('account_id', '=', account).executeTakeFirst(),
  )
}

/** Is it the same machine, as far as addresses tell? */
export function isSameMachine(one: Pick<Row<'target'>, 'host'>, other: Pick<Row<'target'>, 'host'>): boolean {
  return one.host.toLowerCase() === other.host.toLowerCase()
}

const accountUnknown = refuse(
  'forbidden',
  'there is no such account to carry the files, or you may not manage it',
  'name an account of SSH on the same machine, of a safe that you manage, as target/login',
)

/**
 * Names by whose login files go beside desktops of an account; null: nobody's.
 *
 * SECURITY: who uses the desktop reads and writes files as that login, and has no grant of it: whoever names it manages
 * both. It is one of the same machine, by its address, and holds for the desktop's target as it is now.
 */
export const accountFiles: Handler<'account.files'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const before = await linkOf(tx.db, tx.guard, account.id)
    if (input.files === null) {
      if (before === undefined)
        return refuse(
          'conflict',
          `no files go beside desktops of ${account.name}`,
          'there is nothing to take back',
        )
      await unlink(tx, call, before)
      return done(await showAccount(tx.db, tx.guard, account))
    }
    const files = await findAccount(tx.db, tx.guard, input.files)
    if (files === undefined) return accountUnknown
    const allowed = await mayCarry(tx, call, account, files)
    if (!allowed.ok) return allowed
    const values = {
      files_account_id: files.id,
      digest: bindingDigest(account.target, account.login),
      set_by: nameOf(call),
      set_at: tx.now,
    }
    if (before === undefined) await insertGuarded(tx, 'desktop_files', { account_id: account.id, ...values })
    else await updateGuarded(tx, 'desktop_files', before, values)
    await tx.audit({
      kind: 'account.files-linked',
      filesAccount: files.id,
      filesAccountName: files.name,
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    return done(await showAccount(tx.db, tx.guard, account))
  })

async function mayCarry(tx: Tx, call: Call, account: Account, files: Account): Promise<Outcome<null>> {
  const { principal } = call
  if (principal.kind === 'user' && !principal.roles.includes('admin')) {
    const may = await permissionsIn(tx, call)
    if (!may(files.safe_id, 'manage')) return accountUnknown
  }
  if (!isDesktop(account.target.protocol))
    return refuse(
      'conflict',
      `${account.target.name} has no desktop`,
      'over SSH files go by themselves: grant sftp-read and sftp-write',
    )
  if (pinsOf(account.target).length === 0)
    return refuse(
      'conflict',
      `nobody has approved ${account.target.name} yet, and files go beside what was approved`,
      `approve it first: tagout target pin ${account.target.name}`,
    )
  if (files.target.protocol !== 'ssh')
    return refuse(
      'conflict',
      `${files.target.name} is no target of SSH, and files go by SFTP`,
      `add its SSH server as a target: tagout target add … --address ${account.target.host}`,
    )
  if (!isSameMachine(account.target, files.target))
    return refuse(
      'conflict',
      `${files.target.name} is at ${files.target.host}, and ${account.target.name} at ${account.target.host}: files go to the machine of the desktop alone`,
      'name an account of SSH at the same address',
    )
  const target = await findTarget(tx.db, tx.guard, files.target_id)
  return target !== undefined && (await isBoundTo(tx, files, target))
    ? done(null)
    : refuse(
        'not_pinned',
        `the account ${files.name} is not bound to ${files.target.name} as it is now`,
        'approve its host key and bind it: tagout target pin, then tagout account bind',
      )
}

/** Takes back that files go by an account's login, or beside its desktops, as it is removed. */
export async function takeFilesOff(tx: Tx, call: Call, account: AccountId): Promise<void> {
  const rows = await tx.db
    .selectFrom('desktop_files')
    .selectAll()
    .where((eb) => eb.or([eb('account_id', '=', account), eb('files_account_id', '=', account)]))
    .forUpdate()
    .execute()
  for (const row of checked(tx.guard, 'desktop_files', rows)) await unlink(tx, call, row)
}

async function unlink(tx: Tx, call: Call, row: Row<'desktop_files'>): Promise<void> {
  const account = await readAccount(tx.db, tx.guard, row.account_id)
  const files = await readAccount(tx.db, tx.guard, row.files_account_id)
  if (account === undefined || files === undefined) throw new TypeError('a link is between accounts')
  await deleteGuarded(tx, 'desktop_files', row)
  await tx.audit({
    kind: 'account.files-unlinked',
    filesAccount: files.id,
    filesAccountName: files.name,
    account: account.id,
    accountName: account.name,
    ...by(call),
  })
}
