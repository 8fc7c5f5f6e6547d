import { randomBytes } from 'node:crypto'
import type { LoginView, SignInCode, UserView } from '../contract.ts'
import type { LoginId, UserId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import type { ProviderProof } from '../directory/provider-proof.ts'
import { directoryOf } from '../directory/row.ts'
import { proveByDirectory } from '../directory/sign-in.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, tokenHash, userOf, type World } from '../world.ts'
import { refuseCompany, representationOf } from '../vendors/standing.ts'
import { dropLogin } from './drop-access.ts'
import { openLoginPassword } from './intake.ts'
import { isPassword, isPasswordWorkPiledUp, type PasswordHash, type Turn } from './password.ts'
import { type SignInAct, signInAct, takeSignInPasskey } from './passkey.ts'
import { takeRecoveryCode } from './recovery-code.ts'
import { matchUserTotp } from './totp-secret.ts'
import { findByName, findUser, showUser } from './user.ts'

export type Via =
  | 'password'
  | 'password and recovery code'
  | 'password and passkey'
  | 'directory'
  | 'directory and recovery code'
  | 'directory and passkey'
  | 'passkey'
  | 'enrolment'
  | 'auditor-key'

/** Makes a login and its token. The token itself is kept nowhere. */
export async function startLogin(
  tx: Tx,
  world: World,
  what: {
    readonly user: Row<'app_user'>
    readonly view: UserView
    readonly kind: 'console' | 'replay'
    readonly via: Via
    readonly source: string
    readonly lifeMs?: number
    /** What a provider has proven of them just now. */
    readonly proven?: ProviderProof | undefined
  },
): Promise<LoginView> {
  const token = randomBytes(32).toString('base64url')
  const { user, source } = what
  const expiresAt = new Date(tx.now.getTime() + (what.lifeMs ?? world.settings.loginLongestSeconds * 1000))
  const row = await insertGuarded(tx, 'login', {
    id: newId('lgn', tx.now.getTime()),
    user_id: user.id,
    uid: null,
    kind: what.kind,
    token_hash: tokenHash(world, token),
    source,
    created_at: tx.now,
    expires_at: expiresAt,
    ended_at: null,
    last_seen_at: tx.now,
  })
  const { proven } = what
  if (proven !== undefined) tx.afterCommit(() => world.oidc.proven.put(row.id, proven))
  const actor = { kind: 'user', id: user.id, name: user.name } as const
  await tx.audit({
    kind: 'login.started',
    user: user.id,
    name: user.name,
    login: row.id,
    via: what.via,
    actor,
    source,
  })
  return { token, user: what.view, expiresAt: expiresAt.toISOString() }
}

/** Ends all open logins of a user but `kept`, and answers which. */
export async function endLoginsOf(tx: Tx, user: UserId, kept?: LoginId): Promise<readonly Row<'login'>[]> {
  const rows = checked(
    tx.guard,
    'login',
    await tx.db
      .selectFrom('login')
      .selectAll()
      .where('user_id', '=', user)
      .where('ended_at', 'is', null)
      .forUpdate()
      .execute(),
  )
  const open = rows.filter(({ id }) => id !== kept)
  for (const login of open) await updateGuarded(tx, 'login', login, { ended_at: tx.now })
  return open
}

/** What somebody reads whatever of it was wrong. */
export const wrongPassword = refuse(
  'unauthenticated',
  'name, password or code is wrong',
  'try again with the next code',
)

/** The same, of a code: it was counted while the user's row was locked. */
const wrongCode: typeof wrongPassword = { ...wrongPassword }

/** Who signs in as whom, as guesses are counted. */
type Guessing = { readonly source: string; readonly name: string }

/**
 * Why a guess that was let begin is not looked at any more, or undefined.
 *
 * SECURITY: asked again where guesses come one after another: of many that begin at once each counts before the next.
 */
export function refuseGuess({ backOff }: World, who: Guessing): Outcome<never> | undefined {
  const wait = backOff.wait(who.source, who.name)
  return wait > 0
    ? refuse('rate_limited', 'too many failed logins', `wait ${wait} s, then try again`)
    : undefined
}

/** Counts a wrong code. Call it while the user's row is locked. */
export function countWrongCode({ backOff }: World, who: Guessing): typeof wrongPassword {
  backOff.failed(who.source, who.name)
  return wrongCode
}

/** What was shown as the second factor of a sign-in. */
export type Shown = 'code' | 'recovery code' | 'passkey'

/** `password`, or `password and recovery code`: how a sign-in is told in the log. */
export function viaOf(first: 'password' | 'directory', shown: Shown): Via {
  return shown === 'code' ? first : `${first} and ${shown}`
}

/**
 * Proves a user by password and code, and gives what was proven to `then` in the same transaction. Unknown users,
 * disabled ones and wrong passwords take the same work and read alike; each code is good once. A recovery code, or a
 * proof by a passkey that was made for this very sign-in, stands in for the code of the authenticator.
 */
export async function provePassword<T>(
  world: World,
  input: {
    readonly name: string
    readonly sealedPassword: string
    readonly totpCode: SignInCode
    readonly source: string
  },
  via: string,
  then: (tx: Tx, user: Row<'app_user'>, shown: Shown) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const { backOff, vault } = world
  const wait = await waitOf(world, input.source, input.name)
  if (wait > 0) return refuse('rate_limited', 'too many failed logins', `wait ${wait} s, then try again`)
  const turn: Turn = (await isKnownPlace(world, input.source, input.name)) ? 'known' : 'anybody'
  if (isPasswordWorkPiledUp(turn))
    return refuse('rate_limited', 'too many people are logging in at this moment', 'try again in a moment')
  const password = openLoginPassword(world, input.sealedPassword, input.name)
  if (!password.ok) return password

  const known = await findByName(vault.database, vault.guard, input.name)
  const hash =
    known?.password_hash && known.password_salt
      ? { salt: Buffer.from(known.password_salt), hash: Buffer.from(known.password_hash) }
      : undefined
  const of = known === undefined ? undefined : await directoryOf(vault.database, vault.guard, known.id)
  const isRight = await isPassword(password.value, vault.purposeKey('password-pepper'), hash, turn)
  const piled = refuseGuess(world, input)
  if (piled !== undefined) return piled
  const isCounted = of === undefined && !isRight
  if (isCounted) backOff.failed(input.source, input.name)
  const { name, sealedPassword } = input
  const act = signInAct(world, input.totpCode, 'login.start', { name, sealedPassword })
  const given = { ...input, act, password: password.value }
  const outcome =
    known !== undefined && of !== undefined
      ? await proveByDirectory(world, known, given, via, then)
      : await proveHere(world, known, hash, isRight, given, via, then)
  if (outcome.ok) backOff.succeeded(input.source, input.name)
  else if (outcome.refusal.code === 'unauthenticated') {
    if (!isCounted && outcome !== wrongCode) backOff.failed(input.source, input.name)
    const why =
      outcome === wrongPassword || outcome === wrongCode || of === undefined
        ? 'wrong name, password or code'
        : outcome.refusal.message
    await auditRefusedLogin(world, input, via, why)
  } else await auditRefusedLogin(world, input, via, outcome.refusal.message)
  return outcome
}

/** Proves a user whose password is kept here. */
async function proveHere<T>(
  world: World,
  known: Row<'app_user'> | undefined,
  hash: PasswordHash | undefined,
  isRight: boolean,
  input: Guessing & { readonly totpCode: SignInCode; readonly act: SignInAct },
  via: string,
  then: (tx: Tx, user: Row<'app_user'>, shown: Shown) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  return transact(world, async (tx): Promise<Outcome<T>> => {
    if (!isRight || known === undefined) return wrongPassword
    const user = await findUser(tx.db, tx.guard, known.id, 'update')
    if (user === undefined || user.state !== 'active') return wrongPassword
    if (!user.password_hash || !hash?.hash.equals(user.password_hash)) return wrongPassword
    const piled = refuseGuess(world, input)
    if (piled !== undefined) return piled
    const { totpCode, act } = input
    if (typeof totpCode !== 'string')
      return (await takeSignInPasskey(tx, world, user, totpCode, act))
        ? then(tx, user, 'passkey')
        : countWrongCode(world, input)
    const step = matchUserTotp(world, user, totpCode)
    if (step === null) {
      const left = await takeRecoveryCode(tx, world, user, totpCode, via, input.source)
      return left === undefined ? countWrongCode(world, input) : then(tx, user, 'recovery code')
    }
    tx.afterCommit(() => world.totpSteps.put(user.id, step))
    await useStep(tx, user.id, step)
    return then(tx, user, 'code')
  })
}

/** Days for which a place where somebody signed in is known as theirs. */
const knownDays = 90

/**
 * Seconds that a sign-in must wait, or 0. Where the counters would make somebody wait, the table is asked whether that
 * name has signed in from there before: a restart of the vault forgets no place.
 */
export async function waitOf(world: World, source: string, name: string): Promise<number> {
  const wait = world.backOff.wait(source, name)
  return wait > 0 && (await isKnownPlace(world, source, name)) ? world.backOff.wait(source, name) : wait
}

/** Has this name signed in from there before, as far as the vault remembers or its table says? */
async function isKnownPlace(world: World, source: string, name: string): Promise<boolean> {
  const { backOff, vault } = world
  if (backOff.isKnown(source, name)) return true
  const rows = await vault.database
    .selectFrom('login')
    .innerJoin('app_user', 'app_user.id', 'login.user_id')
    .selectAll('login')
    .where((eb) => eb(eb.fn<string>('lower', ['app_user.name']), '=', name.toLowerCase()))
    .where('login.source', '=', source)
    .where('login.created_at', '>', new Date(vault.clock().getTime() - knownDays * 24 * 3600_000))
    .limit(1)
    .execute()
  if (checked(vault.guard, 'login', rows).length === 0) return false
  backOff.learn(source, name)
  return true
}

/** Writes down that a code was used. */
export async function useStep(tx: Tx, user: UserId, step: number): Promise<void> {
  await tx.db
    .updateTable('app_user')
    .set({ totp_last_step: step, last_login_at: tx.now })
    .where('id', '=', user)
    .execute()
}

export async function auditRefusedLogin(
  world: World,
  input: { readonly name: string; readonly source: string },
  via: string,
  why: string,
): Promise<void> {
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'login.refused',
      name: input.name.slice(0, 100),
      via,
      why,
      actor: { kind: 'nobody' },
      source: input.source,
    }),
  )
}

export const loginStart: Handler<'login.start'> = async ({ world }, input) =>
  provePassword(world, input, 'console', async (tx, user, shown) => {
    const barred = refuseCompany(await representationOf(tx.db, tx.guard, user), tx.now)
    if (barred !== undefined) return barred
    const view = await showUser(tx.db, tx.guard, { ...user, last_login_at: tx.now })
    return done(
      await startLogin(tx, world, {
        user,
        view,
        kind: 'console',
        via: viaOf('password', shown),
        source: input.source,
      }),
    )
  })

export const loginWho: Handler<'login.who'> = async (call) => {
  const { database, guard } = call.world.vault
  const row = await findUser(database, guard, userOf(call).id)
  return row === undefined
    ? refuse('unauthenticated', 'sign in again')
    : done(await showUser(database, guard, row))
}

export const loginEnd: Handler<'login.end'> = async (call) => {
  const user = userOf(call)
  return transact(call.world, async (tx) => {
    const login = await lockLogin(tx, user.login.id)
    if (login === undefined) return done(null)
    await updateGuarded(tx, 'login', login, { ended_at: tx.now })
    await tx.audit({ kind: 'login.ended', user: user.id, name: user.name, login: login.id, ...by(call) })
    tx.afterCommit(() =>
      dropLogin(call.world, login.id, { reason: 'closed by the user', message: 'you signed out' }),
    )
    return done(null)
  })
}

async function lockLogin(tx: Tx, id: LoginId): Promise<Row<'login'> | undefined> {
  return checkedOne(
    tx.guard,
    'login',
    await tx.db
      .selectFrom('login')
      .selectAll()
      .where('id', '=', id)
      .where('ended_at', 'is', null)
      .forUpdate()
      .executeTakeFirst(),
  )
}

/** Open logins: everybody's for administrators, else one's own. */
export const loginList: Handler<'login.list'> = async ({ world, principal }) => {
  const idleMs = world.settings.loginIdleSeconds * 1000
  const own = principal.kind === 'user' ? principal.login.id : undefined
  const { database, clock, guard } = world.vault
  const now = clock()
  let query = database
    .selectFrom('login')
    .innerJoin('app_user', 'app_user.id', 'login.user_id')
    .selectAll('login')
    .select('app_user.name as user_name')
    .where('login.ended_at', 'is', null)
    .where('login.expires_at', '>', now)
    .where('login.last_seen_at', '>', new Date(now.getTime() - idleMs))
    .orderBy('login.created_at')
  if (principal.kind === 'user' && !principal.roles.includes('admin'))
    query = query.where('login.user_id', '=', principal.id)
  const rows = await query.execute()
  checked(guard, 'login', rows)
  return done(
    rows.map((row) => ({
      id: row.id,
      user: row.user_name,
      source: row.source,
      createdAt: row.created_at.toISOString(),
      lastSeenAt: row.last_seen_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
      secondsLeft: Math.floor((row.expires_at.getTime() - now.getTime()) / 1000),
      idleSeconds: world.settings.loginIdleSeconds,
      isOwn: row.id === own,
    })),
  )
}

const noLogin = refuse('not_found', 'there is no such open login', 'see: tagout login list')

export const loginRevoke: Handler<'login.revoke'> = async (call, { login: id }) =>
  transact(call.world, async (tx) => {
    const login = await lockLogin(tx, id)
    if (login === undefined || login.user_id === null) return noLogin
    const user = await findUser(tx.db, tx.guard, login.user_id)
    if (user === undefined) return noLogin
    await updateGuarded(tx, 'login', login, { ended_at: tx.now })
    await tx.audit({ kind: 'login.revoked', user: user.id, name: user.name, login: id, ...by(call) })
    tx.afterCommit(() =>
      dropLogin(call.world, id, { reason: 'terminated', message: 'your sign-in was revoked' }),
    )
    return done(null)
  })

export const loginRevokeAll: Handler<'login.revokeAll'> = async (call, { user: reference }) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, reference)
    if (user === undefined) return notFound('user', reference)
    const asking = call.principal.kind === 'user' ? call.principal.login.id : undefined
    const seenAfter = new Date(tx.now.getTime() - call.world.settings.loginIdleSeconds * 1000)
    const ended = (await endLoginsOf(tx, user.id, asking))
      .filter((login) => login.expires_at > tx.now && login.last_seen_at > seenAfter)
      .map(({ id }) => id)
    for (const login of ended)
      await tx.audit({ kind: 'login.revoked', user: user.id, name: user.name, login, ...by(call) })
    tx.afterCommit(() => {
      for (const login of ended)
        dropLogin(call.world, login, { reason: 'terminated', message: 'your sign-in was revoked' })
    })
    return done({ revoked: ended.length })
  })

/** Milliseconds for which the machine administrator's token for ciphertext is good. */
const localLoginLife = 60 * 60_000

export const loginLocal: Handler<'login.local'> = async (call) => {
  const { world, principal } = call
  if (principal.kind !== 'local') return refuse('forbidden', 'this is the machine administrator’s')
  const token = randomBytes(32).toString('base64url')
  const expiresAt = new Date(world.vault.clock().getTime() + localLoginLife)
  await world.vault.inTransaction(async (tx) => {
    await insertGuarded(tx, 'login', {
      id: newId('lgn', tx.now.getTime()),
      user_id: null,
      uid: principal.uid,
      kind: 'local',
      token_hash: tokenHash(world, token),
      source: 'local',
      created_at: tx.now,
      expires_at: expiresAt,
      ended_at: null,
      last_seen_at: tx.now,
    })
  })
  return done({ token, expiresAt: expiresAt.toISOString() })
}
