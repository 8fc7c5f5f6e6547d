import { randomBytes } from 'node:crypto'
import type { Enrolment, VerbAnswer } from '../contract.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { directoryOf, type OfDirectory } from '../directory/row.ts'
import { forgetArrival, hasArrived } from '../directory/oidc-sign-in.ts'
import { askDirectory } from '../directory/sign-in.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { Secret } from '../kernel/secret.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { type Call, type Handler, type Input, tokenHash, type World } from '../world.ts'
import { companyFacts, refuseCompany, representationOf } from '../vendors/standing.ts'
import { acceptTerms } from '../vendors/terms.ts'
import { dropAccess } from './drop-access.ts'
import { openLoginPassword } from './intake.ts'
import { endLoginsOf, startLogin, wrongPassword } from './login.ts'
import { hashPassword, passwordFault } from './password.ts'
import { matchTotp, toBase32, totpUri } from './totp.ts'
import { sealTotp, withTotp } from './totp-secret.ts'
import { dropPasskeys } from './passkey.ts'
import { dropCodes, makeCodes } from './recovery-code.ts'
import { showUser } from './user.ts'

/** Milliseconds for which a link is good: the first administrator's, and any other. */
export const firstLinkLife = 15 * 60_000
export const linkLife = 24 * 3600_000

type Open = { readonly enrolment: Row<'enrolment'>; readonly user: Row<'app_user'> }

const noLink = refuse(
  'unauthenticated',
  'there is no such link',
  'open the whole link that you were given, or ask an administrator for a new one: tagout user enrol NAME',
)

/** What the holder of a link that was once good is told: nobody guesses one. */
function overLink(enrolment: Row<'enrolment'>, user: string): Outcome<never> {
  const anew = `ask an administrator for a new one: Users in the console, or tagout user enrol ${user}`
  if (enrolment.used_at !== null)
    return refuse(
      'conflict',
      'this link was used, or a newer one has taken its place',
      `sign in, if it was you who used it; otherwise say so, and ${anew}`,
    )
  const until = utcMinute(enrolment.expires_at)
  return refuse('expired', `this link was good until ${until}, and has expired`, anew)
}

/** Makes a one-time link for a user; an earlier one of theirs is good no longer. */
export async function issueEnrolment(
  tx: Tx,
  world: World,
  call: Pick<Call, 'actor' | 'source'>,
  user: Row<'app_user'>,
  lifeMs: number,
): Promise<Enrolment> {
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
  for (const earlier of open) await updateGuarded(tx, 'enrolment', earlier, { used_at: tx.now })

  const token = randomBytes(32).toString('base64url')
  const expiresAt = new Date(tx.now.getTime() + lifeMs)
  await insertGuarded(tx, 'enrolment', {
    id: newId('enr', tx.now.getTime()),
    user_id: user.id,
    token_hash: tokenHash(world, token),
    totp: sealTotp(world, user.id, randomBytes(20)),
    resets: user.state === 'active',
    issued_by: call.actor.kind === 'user' ? call.actor.name : call.actor.kind,
    created_at: tx.now,
    expires_at: expiresAt,
    used_at: null,
  })
  const who = call.source === undefined ? { actor: call.actor } : { actor: call.actor, source: call.source }
  await tx.audit({
    kind: 'user.enrolment-issued',
    user: user.id,
    name: user.name,
    expiresAt: expiresAt.toISOString(),
    ...who,
  })
  // SECURITY: the token travels behind `#`, which browsers send to no server.
  return { token, path: `/enrol#${token}`, expiresAt: expiresAt.toISOString() }
}

async function findEnrolment(
  world: World,
  db: Tx['db'] | World['vault']['database'],
  checker: World['vault']['guard'] | Tx['guard'],
  token: string,
  lock: boolean,
): Promise<Outcome<Open>> {
  const query = db.selectFrom('enrolment').selectAll().where('token_hash', '=', tokenHash(world, token))
  const enrolment = checkedOne(
    checker,
    'enrolment',
    await (lock ? query.forUpdate() : query).executeTakeFirst(),
  )
  if (enrolment === undefined) return noLink
  const users = db.selectFrom('app_user').selectAll().where('id', '=', enrolment.user_id)
  const user = checkedOne(checker, 'app_user', await (lock ? users.forUpdate() : users).executeTakeFirst())
  if (user === undefined || user.state === 'disabled') return noLink
  const isOver = enrolment.used_at !== null || enrolment.expires_at <= world.vault.clock()
  return isOver ? overLink(enrolment, user.name) : done({ enrolment, user })
}

/**
 * Shows what the link is for, with a second factor made for whoever opened it now. Nothing is used up: a person may open
 * it twice, and what was shown before is worth nothing then.
 *
 * SECURITY: the second factor leaves sealed to the one-time key of the client that asks, so that the api, which
 * carries the answer, does not learn it. Nobody who opens the link sees the one that its person goes on with: who looked
 * before them holds an old one, who looks after them shuts them out and is noticed. Each look is in the audit log.
 */
export const enrolmentBegin: Handler<'enrolment.begin'> = async (call, { token, boxKey, source }) => {
  const { world } = call
  const asking = Buffer.from(boxKey, 'base64')
  if (asking.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  return transact(world, async (tx) => {
    const found = await findEnrolment(world, tx.db, tx.guard, token, true)
    if (!found.ok) return found
    const { enrolment, user } = found.value
    const one = await representationOf(tx.db, tx.guard, user)
    const barred = refuseCompany(one, tx.now)
    if (barred !== undefined) return barred
    const totp = sealTotp(world, user.id, randomBytes(20))
    await updateGuarded(tx, 'enrolment', enrolment, { totp })
    await tx.audit({
      kind: 'user.enrolment-opened',
      user: user.id,
      name: user.name,
      actor: call.actor,
      source,
    })
    const sealed = withTotp(world, user.id, totp, (secret) => {
      const shown = { secret: toBase32(secret), uri: totpUri(secret, user.name) }
      using text = Secret.fromText(JSON.stringify(shown))
      return sealToBox(asking, text)
    })
    const of = await directoryOf(tx.db, tx.guard, user.id)
    return done({
      name: user.name,
      directory: of === undefined ? null : { name: of.directory.name, kind: of.directory.kind },
      terms: one === undefined || !companyFacts(one).owesTerms ? null : one.terms,
      sealedTotp: Buffer.from(sealed).toString('base64'),
      expiresAt: enrolment.expires_at.toISOString(),
    })
  })
}

/** Sets password and second factor, uses the link up and signs in: all of it, or nothing. */
export const enrolmentFinish: Handler<'enrolment.finish'> = async (call, input) => {
  const { world } = call
  const found = await findEnrolment(world, world.vault.database, world.vault.guard, input.token, false)
  if (!found.ok) return found
  const { name } = found.value.user
  const of = await directoryOf(world.vault.database, world.vault.guard, found.value.user.id)
  const proven = await proveForLink(world, of, input, name)
  if (!proven.ok) return proven
  const boxKey = input.boxKey === undefined ? undefined : Buffer.from(input.boxKey, 'base64')
  if (boxKey !== undefined && boxKey.length !== 32)
    return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  // The password of a directory is kept nowhere here.
  const hashed =
    of === undefined ? await hashPassword(proven.value, world.vault.purposeKey('password-pepper')) : undefined

  return transact(world, async (tx) => {
    const again = await findEnrolment(world, tx.db, tx.guard, input.token, true)
    if (!again.ok) return again
    const { enrolment, user } = again.value
    const step = withTotp(world, user.id, enrolment.totp, (secret) =>
      matchTotp(secret, input.totpCode, tx.now.getTime(), 0),
    )
    if (step === null)
      return refuse(
        'invalid',
        'totpCode: the code is not the one of now',
        'check the time of your authenticator and of this server; where the link was opened again since, open it once more and scan what it shows then',
      )
    const ofNow = await directoryOf(tx.db, tx.guard, user.id)
    if ((ofNow === undefined) !== (of === undefined)) return noLink
    if (ofNow?.directory.kind === 'oidc') {
      await updateGuarded(tx, 'directory_user', ofNow.entry, { seen_at: tx.now })
      tx.afterCommit(() => forgetArrival(world, input.arrival))
    }
    const one = await representationOf(tx.db, tx.guard, user, 'share')
    const barred = refuseCompany(one, tx.now)
    if (barred !== undefined) return barred
    if (one !== undefined) {
      const accepted = await acceptTerms(tx, user, one, input.termsDigest, input.source)
      if (!accepted.ok) return accepted
    }
    return finish(tx, call, again.value, hashed, step, input.source, boxKey)
  })
}

/** What a person gives beside their link and their code; answers the password that they chose, of a local user. */
async function proveForLink(
  world: World,
  of: OfDirectory | undefined,
  input: Input<'enrolment.finish'>,
  name: string,
): Promise<Outcome<string>> {
  if (of?.directory.kind === 'oidc') {
    const arrived = hasArrived(world, of, input.arrival)
    return arrived.ok ? done('') : arrived
  }
  const password = openLoginPassword(world, input.sealedPassword ?? '', name)
  if (!password.ok) return password
  if (of === undefined) {
    const fault = passwordFault(password.value, name)
    return fault === undefined ? password : refuse('invalid', `password: ${fault}`)
  }
  const asked = await askForLink(world, of, password.value, { name, source: input.source })
  return asked.ok ? done('') : asked
}

/**
 * Who holds a link to a directory's user gives that user's password there, too.
 *
 * SECURITY: guesses are slowed as those of sign-ins are: whoever found the link is not its person.
 */
async function askForLink(
  world: World,
  of: OfDirectory,
  password: string,
  who: { readonly name: string; readonly source: string },
): Promise<Outcome<null>> {
  const wait = world.backOff.wait(who.source, who.name)
  if (wait > 0) return refuse('rate_limited', 'too many wrong passwords', `wait ${wait} s, then try again`)
  const asked = await askDirectory(world, of, password)
  if (asked.ok) return asked
  if (asked.refusal.code === 'unauthenticated') world.backOff.failed(who.source, who.name)
  return asked === wrongPassword
    ? refuse(
        'invalid',
        `password: this is not your password of ${of.directory.name}`,
        'type the one that you have there: none is chosen here',
      )
    : asked
}

async function finish(
  tx: Tx,
  call: Call,
  { enrolment, user }: Open,
  hashed: { readonly salt: Buffer; readonly hash: Buffer } | undefined,
  step: number,
  source: string,
  boxKey: Uint8Array | undefined,
): Promise<Outcome<VerbAnswer<'enrolment.finish'>>> {
  const { world } = call
  await updateGuarded(tx, 'enrolment', enrolment, { used_at: tx.now })
  await endLoginsOf(tx, user.id)
  const after = await updateGuarded(tx, 'app_user', user, {
    state: 'active',
    password_salt: hashed?.salt ?? null,
    password_hash: hashed?.hash ?? null,
    totp: enrolment.totp,
    // SECURITY: whoever issued a link that resets an active user could have used it themselves.
    ...(enrolment.resets ? { credential_set_by_other_at: tx.now } : {}),
    totp_last_step: step,
    last_login_at: tx.now,
  })
  const actor = { kind: 'user', id: user.id, name: user.name } as const
  await tx.audit({ kind: 'user.enrolled', user: user.id, name: user.name, actor, source })
  tx.afterCommit(() => {
    world.totpSteps.put(user.id, step)
    // SECURITY: whoever held the old password, code or a ticket holds nothing that they opened with it.
    dropAccess(world, user.id, { reason: 'terminated', message: 'your login was set up anew' })
  })
  // SECURITY: the device that is being replaced may hold them.
  await dropPasskeys(tx, { ...call, actor, source }, user)
  await dropCodes(tx, user.id)
  const codes =
    boxKey === undefined ? {} : { sealedRecoveryCodes: await makeCodes(tx, world, user.id, boxKey) }
  const view = await showUser(tx.db, tx.guard, after)
  const login = await startLogin(tx, world, { user: after, view, kind: 'console', via: 'enrolment', source })
  return done({ ...login, ...codes })
}
