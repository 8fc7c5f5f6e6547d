import { revisitSoon } from '../access/revisit.ts'
import { othersOf } from './same-person.ts'
import type { Kysely } from 'kysely'
import type { Enrolment, Role, UserView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { directoryOf, type OfDirectory } from '../directory/row.ts'
import { isId, newId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { notify } from '../notifications/notify.ts'
import { permissionsFault, rolesFault, whoNeverConnects } from '../policy/roles.ts'
import { type Checker, checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, type World } from '../world.ts'
import { lockPerson } from '../vendors/people.ts'
import { companyFacts, refuseLettingIn, representationOf } from '../vendors/standing.ts'
import { dropAccess } from './drop-access.ts'
import { issueEnrolment, linkLife } from './enrolment.ts'
import { takeCodeOfPerson } from './fresh-code.ts'
import { endLoginsOf } from './login.ts'
import { mailOf } from './mail.ts'
import { countPasskeys } from './passkey.ts'
import { countCodes } from './recovery-code.ts'

type Db = Kysely<Database>

/** The user of an id or a name, in any case of letters. */
export async function findUser(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'share' | 'update' = 'read',
): Promise<Row<'app_user'> | undefined> {
  const base = db.selectFrom('app_user').selectAll()
  const query = isId('usr', reference)
    ? base.where('id', '=', reference as UserId)
    : base.where((eb) => eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()))
  return checkedOne(
    checker,
    'app_user',
    await (lock === 'update'
      ? query.forNoKeyUpdate()
      : lock === 'share'
        ? query.forShare()
        : query
    ).executeTakeFirst(),
  )
}

/**
 * Who signs in.
 *
 * SECURITY: by their name alone. By their id too they would be two to guess at, each counted by itself.
 */
export async function findByName(
  db: Db,
  checker: Checker,
  name: string,
): Promise<Row<'app_user'> | undefined> {
  return isId('usr', name) ? undefined : findUser(db, checker, name)
}

/** How a user is shown. */
export function viewUser(
  row: Row<'app_user'>,
  has: {
    readonly keys?: number | undefined
    readonly codes?: number | undefined
    readonly passkeys?: number | undefined
    readonly mail?: Row<'user_mail'> | undefined
    readonly company?: string | undefined
    readonly directory?: string | undefined
  },
): UserView {
  const { mail, company, directory } = has
  return {
    id: row.id,
    name: row.name,
    roles: row.roles,
    state: row.state,
    hasPassword: row.password_hash !== null,
    hasTotp: row.totp !== null,
    keys: has.keys ?? 0,
    passkeys: has.passkeys ?? 0,
    recoveryCodes: has.codes ?? 0,
    mail: mail === undefined ? null : { address: mail.address, notices: mail.notices },
    createdAt: row.created_at.toISOString(),
    lastLoginAt: row.last_login_at?.toISOString() ?? null,
    ...(company === undefined ? {} : { company }),
    ...(directory === undefined ? {} : { directory }),
  }
}

/** How a user is shown, with what they have and the company that they represent. */
export async function showUser(db: Db, checker: Checker, row: Row<'app_user'>): Promise<UserView> {
  const { keys } = await db
    .selectFrom('user_key')
    .select((eb) => eb.fn.countAll<number>().as('keys'))
    .where('user_id', '=', row.id)
    .executeTakeFirstOrThrow()
  const one = await representationOf(db, checker, row)
  const view = viewUser(row, {
    keys,
    codes: (await countCodes(db, row.id)).get(row.id),
    passkeys: (await countPasskeys(db, row.id)).get(row.id),
    mail: await mailOf(db, checker, row.id),
    company: one?.company.name,
    directory: (await directoryOf(db, checker, row.id))?.directory.name,
  })
  if (one === undefined) return view
  const contractEndsAt = one.company.contract_ends_at.toISOString()
  return { ...view, contractEndsAt, ...(companyFacts(one).owesTerms ? { owesTerms: true } : {}) }
}

const noUser = (reference: string) => notFound('user', reference)

/** Adds a user without anything to log in with. */
export async function insertUser(
  tx: Tx,
  call: Pick<Call, 'actor' | 'source'>,
  name: string,
  roles: readonly Role[],
): Promise<Row<'app_user'>> {
  const row = await insertGuarded(tx, 'app_user', {
    id: newId('usr', tx.now.getTime()),
    name,
    roles: [...roles],
    state: 'enrolling',
    password_salt: null,
    password_hash: null,
    totp: null,
    credential_set_by_other_at: null,
    created_at: tx.now,
    same_as: null,
    totp_last_step: 0,
    last_login_at: null,
  })
  await tx.audit({ kind: 'user.added', user: row.id, name, roles, ...by(call) })
  return row
}

/** Adds a user and their enrolment link. */
export async function addUser(
  tx: Tx,
  world: World,
  call: Pick<Call, 'actor' | 'source'>,
  name: string,
  roles: readonly Role[],
  linkLifeMs: number,
): Promise<{ readonly row: Row<'app_user'>; readonly enrolment: Enrolment }> {
  const row = await insertUser(tx, call, name, roles)
  return { row, enrolment: await issueEnrolment(tx, world, call, row, linkLifeMs) }
}

/** Adds a user. A person gives a fresh code: the link that comes with a user outlives the login that made it. */
export const userAdd: Handler<'user.add'> = async (call, { name, roles, totpCode }) => {
  const fault = rolesFault(roles)
  if (fault !== undefined) return refuse('invalid', `roles: ${fault}`)
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, totpCode)
    return code.ok ? addNewUser(tx, call, name, roles) : code
  })
}

/** Adds a user whose name is free within a transaction, whose caller has taken the code of whoever asks. */
export async function addNewUser(
  tx: Tx,
  call: Call,
  name: string,
  roles: readonly Role[],
): Promise<Outcome<{ readonly user: UserView; readonly enrolment: Enrolment }>> {
  const fault = rolesFault(roles)
  if (fault !== undefined) return refuse('invalid', `roles: ${fault}`)
  if ((await findUser(tx.db, tx.guard, name)) !== undefined)
    return refuse('conflict', `there is a user ${name} already`, 'choose another name')
  const { row, enrolment } = await addUser(tx, call.world, call, name, roles, linkLife)
  return done({ user: viewUser(row, {}), enrolment })
}

export const userList: Handler<'user.list'> = async ({ world }) => {
  const { database, guard } = world.vault
  const rows = checked(
    guard,
    'app_user',
    await database.selectFrom('app_user').selectAll().orderBy('name').execute(),
  )
  const counts = await database
    .selectFrom('user_key')
    .select(['user_id', (eb) => eb.fn.countAll<number>().as('keys')])
    .groupBy('user_id')
    .execute()
  const keys = new Map(counts.map((row) => [row.user_id, row.keys]))
  const mails = checked(guard, 'user_mail', await database.selectFrom('user_mail').selectAll().execute())
  const mail = new Map(mails.map((one) => [one.user_id, one]))
  const companies = new Map(
    (
      await database
        .selectFrom('representative')
        .innerJoin('company', 'company.id', 'representative.company_id')
        .select(['representative.user_id', 'company.name'])
        .execute()
    ).map((row) => [row.user_id, row.name]),
  )
  const directories = new Map(
    (
      await database
        .selectFrom('directory_user')
        .innerJoin('directory', 'directory.id', 'directory_user.directory_id')
        .select(['directory_user.user_id', 'directory.name'])
        .execute()
    ).map((row) => [row.user_id, row.name]),
  )
  const codes = await countCodes(database)
  const passkeys = await countPasskeys(database)
  return done(
    rows.map((row) =>
      viewUser(row, {
        keys: keys.get(row.id),
        codes: codes.get(row.id),
        passkeys: passkeys.get(row.id),
        mail: mail.get(row.id),
        company: companies.get(row.id),
        directory: directories.get(row.id),
      }),
    ),
  )
}

export const userShow: Handler<'user.show'> = async ({ world }, { user }) => {
  const row = await findUser(world.vault.database, world.vault.guard, user)
  if (row === undefined) return noUser(user)
  const { database, guard } = world.vault
  const others = await othersOf(database, guard, row)
  const view = await showUser(database, guard, row)
  return done(
    others.length === 0 ? view : { ...view, alsoIs: others.map(({ name, why }) => ({ user: name, why })) },
  )
}

/** Sets a user's roles. A person gives a fresh code where one is added. */
export const userRoles: Handler<'user.roles'> = async (call, { user, roles, totpCode }) => {
  const fault = rolesFault(roles)
  if (fault !== undefined) return refuse('invalid', `roles: ${fault}`)
  return transact(call.world, async (tx) => {
    const before = await findUser(tx.db, tx.guard, user)
    if (roles.some((role) => before?.roles.includes(role) !== true)) {
      const code = await takeCodeOfPerson(tx, call, totpCode)
      if (!code.ok) return code
    }
    const row = await findUser(tx.db, tx.guard, user, 'update')
    if (row === undefined) return noUser(user)
    // SECURITY: the code was asked for what the row held then.
    if (
      before === undefined ||
      roles.some((role) => before.roles.includes(role) && !row.roles.includes(role))
    )
      return refuse('conflict', `the roles of ${row.name} were changed meanwhile`, 'look again')
    if (row.roles.includes('admin') && !roles.includes('admin')) {
      const last = await refuseLastAdmin(tx, row)
      if (last !== undefined) return last
    }
    const one = await representationOf(tx.db, tx.guard, row)
    if (one !== undefined && (roles.length !== 1 || roles[0] !== 'vendor'))
      return refuse(
        'conflict',
        `the user ${row.name} represents ${one.company.name}, and is a vendor and nothing else`,
        'add another user for what they do besides',
      )
    const conflict = await findConflict(tx, row, roles)
    if (conflict !== undefined) return conflict
    const after = await updateGuarded(tx, 'app_user', row, { roles: [...roles] })
    await tx.audit({ kind: 'user.roles', user: row.id, name: row.name, roles, ...by(call) })
    tx.afterCommit(() => revisitSoon(call.world))
    return done(await showUser(tx.db, tx.guard, after))
  })
}

/** What the user holds that somebody with these roles cannot hold. */
async function findConflict(
  tx: Tx,
  user: Row<'app_user'>,
  roles: readonly Role[],
): Promise<Outcome<never> | undefined> {
  const memberships = checked(
    tx.guard,
    'safe_member',
    await tx.db.selectFrom('safe_member').selectAll().where('user_id', '=', user.id).execute(),
  )
  for (const { permissions } of memberships) {
    // Who is supervisor no more supervises nothing, at once: the permission sleeps.
    const others = permissions.filter((one) => one !== 'supervise' || whoNeverConnects(roles) !== undefined)
    const fault = permissionsFault(roles, others)
    if (fault !== undefined)
      return refuse('conflict', `the user ${user.name} is member of a safe: ${fault}`, 'change that first')
  }
  const never = whoNeverConnects(roles)
  if (never === undefined) return undefined
  const grant = await tx.db
    .selectFrom('access_grant')
    .select('id')
    .where('user_id', '=', user.id)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', tx.now)
    .executeTakeFirst()
  return grant === undefined
    ? undefined
    : refuse(
        'conflict',
        `the user ${user.name} holds a grant, and ${never} connects to nothing`,
        'revoke the grant first',
      )
}

/**
 * INVARIANT: an installation that has an active administrator keeps one, whatever people ask, two at once too: both
 * wait for the rows of all active users. The machine's administrator, who can always make another one, may disable
 * the last one where that is meant: somebody else may hold that person's password.
 */
export async function refuseLastAdmin(tx: Tx, leaving: Row<'app_user'>): Promise<Outcome<never> | undefined> {
  if (leaving.state !== 'active') return undefined
  const admins = checked(
    tx.guard,
    'app_user',
    await tx.db
      .selectFrom('app_user')
      .selectAll()
      .where('state', '=', 'active')
      .orderBy('id')
      .forUpdate()
      .execute(),
  ).filter((row) => row.roles.includes('admin') && row.id !== leaving.id)
  return admins.length > 0
    ? undefined
    : refuse(
        'conflict',
        `the user ${leaving.name} is the last active administrator`,
        'make somebody else an administrator first: Users in the console, or tagout user roles NAME admin; once that person has signed in, this one can go',
      )
}

export const userDisable: Handler<'user.disable'> = async (call, { user, evenLast }) => {
  if (evenLast === true && call.principal.kind !== 'local')
    return refuse(
      'forbidden',
      'the last administrator is disabled by the machine’s administrator alone',
      'on the machine: tagout user disable NAME --even-last',
    )
  return transact(call.world, async (tx) => {
    const row = await findUser(tx.db, tx.guard, user, 'update')
    if (row === undefined) return noUser(user)
    if (row.state === 'disabled') return refuse('conflict', `the user ${row.name} is disabled already`)
    let last: Outcome<never> | undefined
    if (row.roles.includes('admin')) {
      last = await refuseLastAdmin(tx, row)
      if (last !== undefined && evenLast !== true) return last
    }
    const after = await updateGuarded(tx, 'app_user', row, { state: 'disabled' })
    await endLoginsOf(tx, row.id)
    await tx.audit({
      kind: 'user.disabled',
      user: row.id,
      name: row.name,
      ...(last === undefined ? {} : { wasLastAdmin: true as const }),
      ...by(call),
    })
    tx.afterCommit(() =>
      dropAccess(call.world, row.id, { reason: 'user disabled', message: 'your user was disabled' }),
    )
    return done(await showUser(tx.db, tx.guard, after))
  })
}

export const userEnable: Handler<'user.enable'> = async (call, { user }) =>
  transact(call.world, async (tx) => {
    const row = await lockPerson(tx, user)
    if (row === undefined) return noUser(user)
    if (row.state !== 'disabled') return refuse('conflict', `the user ${row.name} is not disabled`)
    const barred = refuseLettingIn(await representationOf(tx.db, tx.guard, row, 'share'), tx.now)
    if (barred !== undefined) return barred
    const of = await directoryOf(tx.db, tx.guard, row.id)
    if (of !== undefined && (of.entry.state !== 'present' || of.directory.removed_at !== null))
      return refuse(
        'conflict',
        `the directory ${of.directory.name} lets ${row.name} do nothing: ${entryText(of)}`,
        `put that right there, then: tagout directory sync ${of.directory.name}`,
      )
    const isEnrolled = of === undefined ? row.password_hash !== null : row.totp !== null
    const state = isEnrolled ? 'active' : 'enrolling'
    const after = await updateGuarded(tx, 'app_user', row, { state })
    await tx.audit({ kind: 'user.enabled', user: row.id, name: row.name, ...by(call) })
    return done(await showUser(tx.db, tx.guard, after))
  })

function entryText({ entry, directory }: OfDirectory): string {
  if (directory.removed_at !== null) return 'it is no longer used here'
  return entry.state === 'disabled' ? 'they are disabled there' : 'they are in none of its mapped groups'
}

export const userEnrol: Handler<'user.enrol'> = async (call, { user, totpCode }) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, totpCode)
    if (!code.ok) return code
    const row = await lockPerson(tx, user)
    if (row === undefined) return noUser(user)
    if (row.state === 'disabled')
      return refuse(
        'conflict',
        `the user ${row.name} is disabled`,
        'enable the user first: tagout user enable',
      )
    const barred = refuseLettingIn(await representationOf(tx.db, tx.guard, row, 'share'), tx.now)
    if (barred !== undefined) return barred
    await notify(tx, { kind: 'user.link-made', user: row.name, by: nameOf(call) }, [row.id])
    return done(await issueEnrolment(tx, call.world, call, row, linkLife))
  })
