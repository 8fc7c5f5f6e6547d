import { endLeasesOf } from '../checkout/lease.ts'
import { endWaitsOf } from '../checkout/wait.ts'
import { withdrawRequestsOf } from '../checkout/request.ts'
import type { OffboardingView } from '../contract.ts'
import { dropAccess } from '../identity/drop-access.ts'
import { endLoginsOf } from '../identity/login.ts'
import { dropPasskeys } from '../identity/passkey.ts'
import { dropCodes } from '../identity/recovery-code.ts'
import { findUser, refuseLastAdmin } from '../identity/user.ts'
import { type CompanyId, newId, type UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { type Acting, by, type Handler, nameOf } from '../world.ts'
import { findCompany } from './company.ts'
import { accountNames } from './names.ts'
import { viewOffboardings } from './offboarding-view.ts'
import { representativesOf } from './people.ts'

/** Milliseconds within which a secret that somebody has seen is rotated after they leave (CIP-004 R5.4). */
const rotateWithin = 30 * 24 * 3600_000

/** Takes a user off for good. */
export const userOff: Handler<'user.off'> = async (call, { user: reference, reason }) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, reference, 'update')
    if (user === undefined) return notFound('user', reference)
    if (user.roles.includes('admin')) {
      const last = await refuseLastAdmin(tx, user)
      if (last !== undefined) return last
    }
    return done(await takeOff(tx, call, [user], { user: user.id, company: null, reason }))
  })

/** Takes a company off with all its people. */
export const companyOff: Handler<'company.off'> = async (call, { company: reference, reason }) =>
  transact(call.world, async (tx) => {
    const company = await findCompany(tx.db, tx.guard, reference, 'update')
    if (company === undefined) return notFound('company', reference)
    if (company.off_at !== null)
      return refuse(
        'conflict',
        `the company ${company.name} is off already`,
        'what it ended: tagout vendor report',
      )
    await updateGuarded(tx, 'company', company, { off_at: tx.now })
    await tx.audit({
      kind: 'company.off',
      company: company.id,
      companyName: company.name,
      reason,
      ...by(call),
    })
    const users = await representativesOf(tx, company)
    return done(await takeOff(tx, call, users, { user: null, company: company.id, reason }))
  })

/** Reports of the last offboardings, the latest first. */
export const offboardingList: Handler<'offboarding.list'> = async (call) => {
  const { database, guard } = call.world.vault
  const rows = checked(
    guard,
    'offboarding',
    await database.selectFrom('offboarding').selectAll().orderBy('id', 'desc').limit(200).execute(),
  )
  return done(await viewOffboardings(database, guard, rows))
}

export const offboardingShow: Handler<'offboarding.show'> = async (call, input) => {
  const { database, guard } = call.world.vault
  const row = checkedOne(
    guard,
    'offboarding',
    await database
      .selectFrom('offboarding')
      .selectAll()
      .where('id', '=', input.offboarding)
      .executeTakeFirst(),
  )
  if (row === undefined) return notFound('offboarding', input.offboarding)
  const [view] = await viewOffboardings(database, guard, [row])
  return view === undefined ? notFound('offboarding', input.offboarding) : done(view)
}

/** What is ended of one user, and what they have seen. */
type Ended = Pick<Row<'offboarding'>, 'sessions' | 'grants' | 'requests' | 'leases' | 'logins'> & {
  readonly secrets: readonly Due[]
}
type Due = Omit<Row<'rotation_due'>, 'offboarding_id' | 'epoch' | 'mac'>

/**
 * Ends all that these users, whose rows are locked, hold, in one transaction, and cuts their sessions once it has
 * committed. What they have seen is due to be rotated.
 *
 * INVARIANT: who opens a session holds its user's row, shared: it has committed by then, and is found here, or begins
 * afterwards and finds the user disabled.
 */
export async function takeOff(
  tx: Tx,
  call: Acting,
  users: readonly Row<'app_user'>[],
  what: { readonly user: UserId | null; readonly company: CompanyId | null; readonly reason: string },
): Promise<OffboardingView> {
  const ended: Ended[] = []
  for (const user of users) ended.push(await endAllOf(tx, call, user))
  const due = ended.flatMap(({ secrets }) => secrets)
  const row = await insertGuarded(tx, 'offboarding', {
    id: newId('off', tx.now.getTime()),
    company_id: what.company,
    user_id: what.user,
    reason: what.reason,
    by_name: nameOf(call),
    created_at: tx.now,
    users: users.map(({ id }) => id),
    sessions: ended.flatMap(({ sessions }) => sessions),
    grants: ended.flatMap(({ grants }) => grants),
    requests: ended.flatMap(({ requests }) => requests),
    leases: ended.flatMap(({ leases }) => leases),
    secrets: due.map(({ id }) => id),
    logins: ended.reduce((sum, { logins }) => sum + logins, 0),
  })
  for (const one of due) await insertGuarded(tx, 'rotation_due', { ...one, offboarding_id: row.id })
  for (const [at, user] of users.entries())
    await tx.audit({
      kind: 'user.off',
      user: user.id,
      name: user.name,
      offboarding: row.id,
      reason: what.reason,
      sessions: ended[at]?.sessions.length ?? 0,
      grants: ended[at]?.grants.length ?? 0,
      secrets: ended[at]?.secrets.length ?? 0,
      ...by(call),
    })
  tx.afterCommit(() => {
    for (const { id } of users)
      dropAccess(call.world, id, {
        reason: 'user disabled',
        message: 'your access to this plant has ended',
      })
  })
  const [view] = await viewOffboardings(tx.db, tx.guard, [row])
  if (view === undefined) throw new TypeError('an offboarding that was made is shown')
  return view
}

async function endAllOf(tx: Tx, call: Acting, user: Row<'app_user'>): Promise<Ended> {
  // SECURITY: enabled again one day, they set up password and second factor anew, by a new link.
  await updateGuarded(tx, 'app_user', user, {
    state: 'disabled',
    password_salt: null,
    password_hash: null,
    totp: null,
  })
  const ended = await endLoginsOf(tx, user.id)
  const logins = ended.filter((login) => login.expires_at > tx.now).length
  await forgetLinks(tx, user)
  await dropCodes(tx, user.id)
  await dropPasskeys(tx, call, user)
  await takeKeys(tx, call, user)
  await takeMemberships(tx, call, user)
  const grants = await revokeGrants(tx, call, user)
  const requests = await withdrawRequestsOf(tx, call, user.id)
  const leases = await endLeasesOf(tx, user.id, 'its holder was taken off', by(call))
  await endWaitsOf(tx, user.id, 'they were taken off', by(call))
  const sessions = await tx.db
    .selectFrom('session')
    .select('id')
    .where('user_id', '=', user.id)
    .where('state', '<>', 'ended')
    .orderBy('id')
    .execute()
  const secrets = await seenBy(tx, user)
  return { sessions: sessions.map(({ id }) => id), grants, requests, leases, logins, secrets }
}

/** A link that was given out before opens nothing afterwards. */
async function forgetLinks(tx: Tx, user: Row<'app_user'>): Promise<void> {
  const open = checked(
    tx.guard,
    'enrolment',
    await tx.db
      .selectFrom('enrolment')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('used_at', 'is', null)
      .forUpdate()
      .execute(),
  )
  for (const link of open) await updateGuarded(tx, 'enrolment', link, { used_at: tx.now })
}

async function takeKeys(tx: Tx, call: Acting, user: Row<'app_user'>): Promise<void> {
  const keys = checked(
    tx.guard,
    'user_key',
    await tx.db.selectFrom('user_key').selectAll().where('user_id', '=', user.id).forUpdate().execute(),
  )
  for (const key of keys) {
    await deleteGuarded(tx, 'user_key', key)
    await tx.audit({
      kind: 'user.key-removed',
      user: user.id,
      name: user.name,
      key: key.id,
      fingerprint: key.fingerprint,
      ...by(call),
    })
  }
}

async function takeMemberships(tx: Tx, call: Acting, user: Row<'app_user'>): Promise<void> {
  const members = checked(
    tx.guard,
    'safe_member',
    await tx.db.selectFrom('safe_member').selectAll().where('user_id', '=', user.id).forUpdate().execute(),
  )
  for (const member of members) {
    const safe = await tx.db
      .selectFrom('safe')
      .select('name')
      .where('id', '=', member.safe_id)
      .executeTakeFirstOrThrow()
    await deleteGuarded(tx, 'safe_member', member)
    await tx.audit({
      kind: 'safe.member-set',
      permissions: [],
      safe: member.safe_id,
      safeName: safe.name,
      user: user.id,
      name: user.name,
      ...by(call),
    })
  }
}

async function revokeGrants(tx: Tx, call: Acting, user: Row<'app_user'>): Promise<Ended['grants']> {
  const grants = checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', tx.now)
      .orderBy('id')
      .forUpdate()
      .execute(),
  )
  const accounts = await accountNames(
    tx.db,
    grants.map((grant) => grant.account_id),
  )
  for (const grant of grants) {
    await updateGuarded(tx, 'access_grant', grant, { revoked_at: tx.now })
    await tx.audit({
      kind: 'grant.revoked',
      grant: grant.id,
      user: user.id,
      userName: user.name,
      account: grant.account_id,
      accountName: accounts.get(grant.account_id) ?? '',
      ...by(call),
    })
  }
  return grants.map(({ id }) => id)
}

/** Each secret that they have seen and that is in use still, with the day by which it is to be rotated. */
async function seenBy(tx: Tx, user: Row<'app_user'>): Promise<readonly Due[]> {
  const seen = await tx.db
    .selectFrom('exposure')
    .innerJoin('account', 'account.id', 'exposure.account_id')
    .select(['exposure.account_id', 'exposure.version'])
    .distinct()
    .where('exposure.user_id', '=', user.id)
    .where('account.removed_at', 'is', null)
    .orderBy('exposure.account_id')
    .execute()
  if (seen.length === 0) return []
  const current = checked(
    tx.guard,
    'credential',
    await tx.db
      .selectFrom('credential')
      .selectAll()
      .where('state', '=', 'current')
      .where(
        'account_id',
        'in',
        seen.map((one) => one.account_id),
      )
      .execute(),
  )
  return seen
    .filter((one) =>
      current.some(({ account_id, version }) => account_id === one.account_id && version === one.version),
    )
    .map(({ account_id, version }) => ({
      id: newId('due', tx.now.getTime()),
      account_id,
      version,
      user_id: user.id,
      due_at: new Date(tx.now.getTime() + rotateWithin),
      created_at: tx.now,
    }))
}
