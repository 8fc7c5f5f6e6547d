import { randomBytes } from 'node:crypto'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { decodeAttestationObject } from '@simplewebauthn/server/helpers'
import type { Kysely } from 'kysely'
import type { PasskeyProof, PasskeyView, SignInCode } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { actChallenge } from '../kernel/act-challenge.ts'
import type { Canonical } from '../kernel/encoding.ts'
import { type LoginId, newId, type UserId } from '../kernel/id.ts'
import { directoryOf } from '../directory/row.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { notify } from '../notifications/notify.ts'
import { checked, checkedOne, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { refuseCompany, representationOf } from '../vendors/standing.ts'
import { by, type Call, type Handler, userOf, type World } from '../world.ts'
import { takeFreshCode } from './fresh-code.ts'
import { auditRefusedLogin, startLogin } from './login.ts'
import { findUser, showUser } from './user.ts'

/** Milliseconds for which a nonce is good: to prove something, and to make a passkey, where people choose a device. */
export const nonceLife = 60_000
const registrationLife = 5 * 60_000
const mostPasskeys = 20

/** Whose nonce it is: an act's is good for one login. */
export type PasskeyNonce = { readonly user: UserId; readonly login: LoginId }

function viewPasskey(row: Row<'passkey'>): PasskeyView {
  return {
    id: row.id,
    name: row.name,
    site: row.rp_id,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
  }
}

async function passkeysOf(
  db: Kysely<Database>,
  checker: Parameters<typeof checked>[0],
  user: UserId,
): Promise<readonly Row<'passkey'>[]> {
  return checked(
    checker,
    'passkey',
    await db.selectFrom('passkey').selectAll().where('user_id', '=', user).orderBy('id').execute(),
  )
}

/** How many passkeys each user has: for showing, it decides nothing. */
export async function countPasskeys(
  db: Kysely<Database>,
  user?: UserId,
): Promise<ReadonlyMap<UserId, number>> {
  let query = db
    .selectFrom('passkey')
    .select(['user_id', (eb) => eb.fn.countAll<number>().as('many')])
    .groupBy('user_id')
  if (user !== undefined) query = query.where('user_id', '=', user)
  return new Map((await query.execute()).map((row) => [row.user_id, row.many]))
}

/** Takes all passkeys of a user away: they were set up with what is replaced, or the user goes. */
export async function dropPasskeys(
  tx: Tx,
  call: Pick<Call, 'actor' | 'source'>,
  user: Row<'app_user'>,
): Promise<void> {
  for (const row of await passkeysOf(tx.db, tx.guard, user.id)) await removePasskey(tx, call, user, row)
}

async function removePasskey(
  tx: Tx,
  call: Pick<Call, 'actor' | 'source'>,
  user: Row<'app_user'>,
  row: Row<'passkey'>,
): Promise<void> {
  await deleteGuarded(tx, 'passkey', row)
  await tx.audit({
    kind: 'user.passkey-removed',
    user: user.id,
    name: user.name,
    passkey: row.id,
    passkeyName: row.name,
    ...by(call),
  })
}

/**
 * The site that a proof was made for, where it is one of this console's names.
 *
 * SECURITY: the names are the vault's own settings; the api has no say in them. Another port of a name is the same site
 * to an authenticator, so it is here. Without TLS only a browser on the console's own machine may be served.
 */
function siteOf(world: World, clientDataJSON: string): { origin: string; host: string } | undefined {
  try {
    const told: unknown = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
    if (typeof told !== 'object' || told === null || Reflect.get(told, 'crossOrigin') === true)
      return undefined
    const origin: unknown = Reflect.get(told, 'origin')
    if (typeof origin !== 'string') return undefined
    const { protocol, hostname: host, origin: spelled } = new URL(origin)
    const isSafe = protocol === 'https:' || (protocol === 'http:' && host === 'localhost')
    return isSafe && spelled === origin && world.settings.consoleNames.includes(host)
      ? { origin, host }
      : undefined
  } catch {
    return undefined
  }
}

const noProof = refuse(
  'invalid',
  'totpCode: the passkey’s proof does not hold for this',
  'try again, or give a code of your authenticator',
)

type Checked = 'copied' | { readonly counter: number } | undefined

/** Does the proof hold, of this passkey, over this challenge, with its person verified? Gives the new counter. */
async function check(
  world: World,
  row: Row<'passkey'>,
  proof: PasskeyProof,
  challenge: Uint8Array,
): Promise<Checked> {
  const site = siteOf(world, proof.clientDataJSON)
  if (site === undefined || site.host !== row.rp_id) return undefined
  // A counter that stood still or went back is told apart below, once the signature is known to hold.
  const verify = (counter: number) =>
    verifyAuthenticationResponse({
      response: {
        id: proof.credential,
        rawId: proof.credential,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: proof.clientDataJSON,
          authenticatorData: proof.authenticatorData,
          signature: proof.signature,
        },
      },
      expectedChallenge: Buffer.from(challenge).toString('base64url'),
      expectedOrigin: site.origin,
      expectedRPID: row.rp_id,
      credential: { id: row.credential, publicKey: Uint8Array.from(row.public_key), counter },
      requireUserVerification: true,
    })
  try {
    const { verified, authenticationInfo } = await verify(-1)
    if (!verified) return undefined
    const { newCounter } = authenticationInfo
    const isBack = (newCounter > 0 || row.counter > 0) && newCounter <= row.counter
    return isBack ? 'copied' : { counter: newCounter }
  } catch {
    return undefined
  }
}

async function findPasskey(tx: Tx, credential: string): Promise<Row<'passkey'> | undefined> {
  return checkedOne(
    tx.guard,
    'passkey',
    await tx.db
      .selectFrom('passkey')
      .selectAll()
      .where('credential', '=', credential)
      .forUpdate()
      .executeTakeFirst(),
  )
}

async function used(tx: Tx, row: Row<'passkey'>, counter: number): Promise<void> {
  await updateGuarded(tx, 'passkey', row, { counter, last_used_at: tx.now })
}

/** The nonce that a call has taken: the transaction may run again, and another call does not get it. */
const taken = new WeakMap<Call, PasskeyNonce | undefined>()

/**
 * Takes a proof by a passkey of the person who asks, made for this very act: this verb with this input, once, for the
 * login that asks. The transaction has locked the user's row.
 */
export async function takePasskey(tx: Tx, call: Call, proof: PasskeyProof): Promise<Outcome<null>> {
  const { world } = call
  const asking = userOf(call)
  if (!taken.has(call)) taken.set(call, world.passkeys.acts.take(proof.nonce))
  const nonce = taken.get(call)
  if (nonce === undefined || nonce.user !== asking.id || nonce.login !== asking.login.id) return noProof
  const row = await findPasskey(tx, proof.credential)
  if (row === undefined || row.user_id !== asking.id) return noProof
  const { verb, input } = call.act
  const { totpCode: _, ...bound } = input as { readonly totpCode?: unknown }
  const result = await check(world, row, proof, await actChallenge(proof.nonce, verb, bound as Canonical))
  if (result === undefined) return noProof
  if (result === 'copied')
    return refuse(
      'forbidden',
      `the counter of the passkey ${row.name} went back: somebody may have a copy of it`,
      'remove it under your name, and tell an administrator',
    )
  await used(tx, row, result.counter)
  return done(null)
}

/** What a proof by a passkey at a sign-in has to have been made for. `isOurs`: its nonce was one of `login.challenge`. */
export type SignInAct = {
  readonly verb: 'login.start' | 'login.finish'
  readonly input: Canonical
  readonly isOurs: boolean
}

/** What a sign-in's code is a proof of, where it is one. It uses the nonce up: call it once for a call. */
export function signInAct(
  world: World,
  code: SignInCode,
  verb: SignInAct['verb'],
  input: Canonical,
): SignInAct {
  const isOurs = typeof code !== 'string' && world.passkeys.signIns.take(code.nonce) === true
  return { verb, input, isOurs }
}

/** Is this a proof by a passkey of theirs, made for this sign-in? The transaction has locked the user's row. */
export async function takeSignInPasskey(
  tx: Tx,
  world: World,
  user: Row<'app_user'>,
  proof: PasskeyProof,
  act: SignInAct,
): Promise<boolean> {
  const row = await findPasskey(tx, proof.credential)
  if (row === undefined || row.user_id !== user.id || !act.isOurs) return false
  const result = await check(world, row, proof, await actChallenge(proof.nonce, act.verb, act.input))
  if (result === undefined || result === 'copied') return false
  await used(tx, row, result.counter)
  await tx.db.updateTable('app_user').set({ last_login_at: tx.now }).where('id', '=', user.id).execute()
  return true
}

/** What a browser needs to prove something with a passkey of the person who asks. */
export const passkeyChallenge: Handler<'passkey.challenge'> = async (call) => {
  const { database, guard } = call.world.vault
  const user = userOf(call)
  const nonce = randomBytes(32).toString('base64url')
  const rows = await passkeysOf(database, guard, user.id)
  call.world.passkeys.acts.put(nonce, { user: user.id, login: user.login.id })
  return done({ nonce, passkeys: rows.map((row) => ({ credential: row.credential, site: row.rp_id })) })
}

/** What a browser needs to make a passkey. The handle stands for the user on the authenticator. */
export const passkeyBegin: Handler<'passkey.begin'> = async (call) => {
  const { database, guard } = call.world.vault
  const user = userOf(call)
  const nonce = randomBytes(32).toString('base64url')
  const rows = await passkeysOf(database, guard, user.id)
  call.world.passkeys.registrations.put(nonce, { user: user.id, login: user.login.id }, registrationLife)
  return done({
    nonce,
    handle: Buffer.from(user.id).toString('base64url'),
    passkeys: rows.map((row) => ({ credential: row.credential, site: row.rp_id })),
  })
}

/** Registers a passkey. It takes a fresh code, or a proof by another passkey: it outlives the login. */
export const passkeyAdd: Handler<'passkey.add'> = async (call, input) => {
  const { world } = call
  const asking = userOf(call)
  const nonce = world.passkeys.registrations.take(input.nonce)
  const made =
    nonce?.user === asking.id && nonce.login === asking.login.id
      ? await readNew(world, input)
      : refuse('expired', 'this took too long, or was begun elsewhere', 'begin again')
  if (!made.ok) return made
  return transact(world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, asking.id, 'update')
    if (user === undefined) return refuse('unauthenticated', 'sign in again')
    const rows = await passkeysOf(tx.db, tx.guard, user.id)
    if (rows.length >= mostPasskeys)
      return refuse('conflict', `you have ${mostPasskeys} passkeys`, 'remove one first')
    if (rows.some(({ name }) => name === input.name))
      return refuse('conflict', `name: you have a passkey ${input.name} already`, 'choose another name')
    const row = await insertGuarded(tx, 'passkey', {
      id: newId('pky', tx.now.getTime()),
      user_id: user.id,
      name: input.name,
      ...made.value,
      created_at: tx.now,
      last_used_at: null,
    })
    await tx.audit({
      kind: 'user.passkey-added',
      user: user.id,
      name: user.name,
      passkey: row.id,
      passkeyName: row.name,
      site: row.rp_id,
      ...by(call),
    })
    await notify(tx, { kind: 'user.passkey-added', user: user.name }, [user.id])
    return done(viewPasskey(row))
  })
}

/** Reads what an authenticator made. No attestation is looked at: which make it is decides nothing. */
async function readNew(
  world: World,
  input: {
    readonly nonce: string
    readonly credential: string
    readonly clientDataJSON: string
    readonly attestationObject: string
  },
): Promise<Outcome<Pick<Row<'passkey'>, 'credential' | 'public_key' | 'rp_id' | 'counter'>>> {
  const no = refuse('invalid', 'what the authenticator made does not hold', 'begin again')
  const site = siteOf(world, input.clientDataJSON)
  if (site === undefined)
    return refuse(
      'invalid',
      `passkeys are made at the console’s own address: ${world.settings.consoleNames.join(', ')}`,
      'open the console there, or have its administrator name this address in http.names of tagout.json',
    )
  try {
    const attestation = decodeAttestationObject(Buffer.from(input.attestationObject, 'base64url'))
    if (attestation.get('fmt') !== 'none') return no
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        id: input.credential,
        rawId: input.credential,
        type: 'public-key',
        clientExtensionResults: {},
        response: { clientDataJSON: input.clientDataJSON, attestationObject: input.attestationObject },
      },
      expectedChallenge: Buffer.from(await actChallenge(input.nonce, 'passkey.add', null)).toString(
        'base64url',
      ),
      expectedOrigin: site.origin,
      expectedRPID: site.host,
      requireUserVerification: true,
    })
    if (!verified || registrationInfo.credential.id !== input.credential) return no
    const { id, publicKey, counter } = registrationInfo.credential
    return done({ credential: id, public_key: Buffer.from(publicKey), rp_id: site.host, counter })
  } catch {
    return no
  }
}

export const passkeyList: Handler<'passkey.list'> = async ({ world }, { user: reference }) => {
  const { database, guard } = world.vault
  const user = await findUser(database, guard, reference)
  if (user === undefined) return notFound('user', reference)
  return done((await passkeysOf(database, guard, user.id)).map(viewPasskey))
}

export const passkeyRemove: Handler<'passkey.remove'> = async (call, { user: reference, passkey }) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, reference, 'update')
    if (user === undefined) return notFound('user', reference)
    const row = (await passkeysOf(tx.db, tx.guard, user.id)).find(({ id }) => id === passkey)
    if (row === undefined)
      return refuse(
        'not_found',
        `the user ${user.name} has no such passkey`,
        `see: tagout user passkey list ${user.name}`,
      )
    await removePasskey(tx, call, user, row)
    return done(null)
  })

/** A nonce for a sign-in by a passkey. It says nothing of who has one. */
export const loginChallenge: Handler<'login.challenge'> = async ({ world }) => {
  const nonce = randomBytes(32).toString('base64url')
  world.passkeys.signIns.put(nonce, true)
  return done({ nonce })
}

const noSignIn = refuse(
  'unauthenticated',
  'this passkey signs nobody in here',
  'sign in with password and code, and look at your passkeys under your name',
)

/**
 * Signs in by a passkey alone: its person was verified by it, so it is both factors. What it is not known for, and what
 * does not hold, read alike. It cannot be guessed, so it is neither counted nor kept waiting.
 */
export const loginPasskey: Handler<'login.passkey'> = async ({ world }, input) => {
  const { proof, source } = input
  const isOurs = world.passkeys.signIns.take(proof.nonce) === true
  let who = 'somebody with a passkey'
  let why = 'the passkey is not known, or its proof does not hold'
  const outcome = await transact(world, async (tx) => {
    const known = await findPasskey(tx, proof.credential)
    if (known === undefined || !isOurs) return noSignIn
    const user = await findUser(tx.db, tx.guard, known.user_id, 'update')
    if (user === undefined || user.state !== 'active') return noSignIn
    const challenge = await actChallenge(proof.nonce, 'login.passkey', null)
    const result = await check(world, known, proof, challenge)
    if (result !== undefined) who = user.name
    if (result === 'copied')
      why = `the counter of the passkey ${known.name} went back: it may have been copied`
    if (result === undefined || result === 'copied') return noSignIn
    const barred = refuseCompany(await representationOf(tx.db, tx.guard, user), tx.now)
    if (barred !== undefined) return barred
    // SECURITY: a provider does not say who has left: whoever is of one signs in there.
    const of = await directoryOf(tx.db, tx.guard, user.id)
    if (of?.directory.kind === 'oidc')
      return refuse(
        'unauthenticated',
        `who is of ${of.directory.name} signs in there`,
        `choose ${of.directory.name} where you sign in; your passkey stands for codes afterwards`,
      )
    await used(tx, known, result.counter)
    await tx.db.updateTable('app_user').set({ last_login_at: tx.now }).where('id', '=', user.id).execute()
    const view = await showUser(tx.db, tx.guard, { ...user, last_login_at: tx.now })
    return done(await startLogin(tx, world, { user, view, kind: 'console', via: 'passkey', source }))
  })
  if (outcome.ok) world.backOff.succeeded(source, outcome.value.user.name)
  else if (outcome.refusal.code === 'unauthenticated')
    await auditRefusedLogin(world, { name: who, source }, 'passkey', why)
  return outcome
}
