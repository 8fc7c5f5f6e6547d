import type { Kysely } from 'kysely'
import type { AccountView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { type AccountId, isId, type UserId } from '../kernel/id.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'
import { bindingDigest } from '../targets/target.ts'

type Db = Kysely<Database>

/** An account with the target that it belongs to; `name` is the full one, `press-3/engineer`. */
export type Account = Row<'account'> & { readonly name: string; readonly target: Row<'target'> }

/** The account of an id or a full name. A removed one is not found. */
export async function findAccount(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'update' = 'read',
): Promise<Account | undefined> {
  const slash = reference.indexOf('/')
  const base = db
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select('account.id')
    .where('account.removed_at', 'is', null)
  const found = await (isId('acc', reference)
    ? base.where('account.id', '=', reference as AccountId)
    : base
        .where('account.login', '=', reference.slice(slash + 1))
        .where('target.removed_at', 'is', null)
        .where((eb) =>
          eb(
            eb.fn<string>('lower', ['target.name']),
            '=',
            reference.slice(0, Math.max(0, slash)).toLowerCase(),
          ),
        )
  ).executeTakeFirst()
  return found === undefined ? undefined : readAccount(db, checker, found.id, lock)
}

/** Reads an account, removed or not. Its target is not read again where it is `known`. */
export async function readAccount(
  db: Db,
  checker: Checker,
  id: AccountId,
  lock: 'read' | 'update' = 'read',
  known?: Row<'target'>,
): Promise<Account | undefined> {
  const query = db.selectFrom('account').selectAll().where('id', '=', id)
  const account = checkedOne(
    checker,
    'account',
    // Who only refers to the row, as a grant or a session does, does not wait for whoever changes it.
    await (lock === 'update' ? query.forNoKeyUpdate() : query).executeTakeFirst(),
  )
  if (account === undefined) return undefined
  const target =
    known?.id === account.target_id
      ? known
      : checkedOne(
          checker,
          'target',
          await db.selectFrom('target').selectAll().where('id', '=', account.target_id).executeTakeFirst(),
        )
  return target === undefined ? undefined : { ...account, name: `${target.name}/${account.login}`, target }
}

/** The credential that is used now, or undefined. */
export async function currentCredential(
  db: Db,
  checker: Checker,
  account: AccountId,
): Promise<Row<'credential'> | undefined> {
  return checkedOne(
    checker,
    'credential',
    await db
      .selectFrom('credential')
      .selectAll()
      .where('account_id', '=', account)
      .where('state', '=', 'current')
      .executeTakeFirst(),
  )
}

/** How accounts are shown; with no other holder than `onlyHolder`, where one is given. */
export async function showAccounts(
  db: Db,
  checker: Checker,
  accounts: readonly Row<'account'>[],
  onlyHolder?: UserId,
): Promise<readonly AccountView[]> {
  if (accounts.length === 0) return []
  const ids = accounts.map((account) => account.id)
  const targets = new Map(
    checked(checker, 'target', await db.selectFrom('target').selectAll().execute()).map((row) => [
      row.id,
      row,
    ]),
  )
  const safes = new Map(
    checked(checker, 'safe', await db.selectFrom('safe').selectAll().execute()).map((row) => [
      row.id,
      row.name,
    ]),
  )
  const credentials = new Map(
    checked(
      checker,
      'credential',
      await db
        .selectFrom('credential')
        .selectAll()
        .where('state', '=', 'current')
        .where('account_id', 'in', ids)
        .execute(),
    ).map((row) => [row.account_id, row]),
  )
  const bindings = checked(
    checker,
    'binding',
    await db.selectFrom('binding').selectAll().where('account_id', 'in', ids).execute(),
  )
  const elevations = await elevationsOf(db, checker, ids)
  const typeIns = await namesOfTypeIns(db, checker, accounts, targets)
  const files = await namesOfFiles(db, checker, accounts, targets)
  const held = db
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .select(['lease.account_id', 'lease.exclusive', 'lease.until', 'app_user.name as holder'])
    .where('lease.ended_at', 'is', null)
    .where('lease.account_id', 'in', ids)
    .orderBy('lease.exclusive', 'desc')
    .orderBy('lease.since')
  const leases = await (onlyHolder === undefined
    ? held
    : held.where('lease.user_id', '=', onlyHolder)
  ).execute()

  return accounts.map((account): AccountView => {
    const target = targets.get(account.target_id)
    const credential = credentials.get(account.id)
    const lease = leases.find((held) => held.account_id === account.id)
    const boundTo = bindings
      .filter((binding) => binding.account_id === account.id)
      .flatMap((binding) => {
        const to = targets.get(binding.target_id)
        const holds = to !== undefined && bindingDigest(to, account.login).equals(binding.digest)
        return holds ? [to.name] : []
      })
    return {
      id: account.id,
      name: `${target?.name ?? ''}/${account.login}`,
      target: target?.name ?? '',
      protocol: target?.protocol ?? 'ssh',
      login: account.login,
      safe: safes.get(account.safe_id) ?? '',
      credential:
        credential === undefined
          ? null
          : { kind: credential.kind, version: credential.version, at: credential.created_at.toISOString() },
      boundTo,
      elevation: elevations.get(account.id) ?? null,
      typeIns: typeIns.get(account.id) ?? [],
      files: files.get(account.id) ?? null,
      holder:
        lease === undefined
          ? null
          : {
              user: lease.holder,
              until: lease.until?.toISOString() ?? null,
              exclusive: lease.exclusive,
            },
      createdAt: account.created_at.toISOString(),
    }
  })
}

/** How accounts are elevated, by their ids. */
async function elevationsOf(
  db: Db,
  checker: Checker,
  ids: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, NonNullable<AccountView['elevation']>>> {
  const rows = await db
    .selectFrom('elevation')
    .innerJoin('account', 'account.id', 'elevation.secret_account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('elevation')
    .select(['account.login as secret_login', 'target.name as secret_target'])
    .where('elevation.account_id', 'in', ids)
    .execute()
  checked(checker, 'elevation', rows)
  return new Map(
    rows.map((row) => [
      row.account_id,
      { kind: row.kind, account: `${row.secret_target}/${row.secret_login}` },
    ]),
  )
}

/** Whose secrets are typed into desktops of accounts whose targets are as they were when that was said. */
async function namesOfTypeIns(
  db: Db,
  checker: Checker,
  accounts: readonly Row<'account'>[],
  targets: ReadonlyMap<string, Row<'target'>>,
): Promise<ReadonlyMap<AccountId, readonly string[]>> {
  const rows = await db
    .selectFrom('type_in')
    .innerJoin('account', 'account.id', 'type_in.secret_account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('type_in')
    .select(['account.login as secret_login', 'target.name as secret_target'])
    .where(
      'type_in.account_id',
      'in',
      accounts.map(({ id }) => id),
    )
    .orderBy('target.name')
    .orderBy('account.login')
    .execute()
  checked(checker, 'type_in', rows)
  return new Map(
    accounts.map(({ id, login, target_id }) => {
      const at = targets.get(target_id)
      const digest = at === undefined ? undefined : bindingDigest(at, login)
      const holding = rows.filter((row) => row.account_id === id && digest?.equals(row.digest) === true)
      return [id, holding.map((row) => `${row.secret_target}/${row.secret_login}`)]
    }),
  )
}

/** By whose login files go beside desktops of accounts whose targets are as they were when that was said. */
async function namesOfFiles(
  db: Db,
  checker: Checker,
  accounts: readonly Row<'account'>[],
  targets: ReadonlyMap<string, Row<'target'>>,
): Promise<ReadonlyMap<AccountId, string>> {
  const rows = await db
    .selectFrom('desktop_files')
    .innerJoin('account', 'account.id', 'desktop_files.files_account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('desktop_files')
    .select(['account.login as files_login', 'target.name as files_target'])
    .where(
      'desktop_files.account_id',
      'in',
      accounts.map(({ id }) => id),
    )
    .execute()
  checked(checker, 'desktop_files', rows)
  return new Map(
    accounts.flatMap(({ id, login, target_id }) => {
      const at = targets.get(target_id)
      const row = rows.find((one) => one.account_id === id)
      const holds = at !== undefined && row !== undefined && bindingDigest(at, login).equals(row.digest)
      return holds ? [[id, `${row.files_target}/${row.files_login}`] as const] : []
    }),
  )
}

export async function showAccount(
  db: Db,
  checker: Checker,
  account: Row<'account'>,
  onlyHolder?: UserId,
): Promise<AccountView> {
  const [view] = await showAccounts(db, checker, [account], onlyHolder)
  if (view === undefined) throw new TypeError('an account that was read is shown')
  return view
}
