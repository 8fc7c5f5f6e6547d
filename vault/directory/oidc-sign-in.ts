import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { OidcSettings, SignInCode, VerbAnswer } from '../contract.ts'
import {
  auditRefusedLogin,
  countWrongCode,
  refuseGuess,
  type Shown,
  startLogin,
  useStep,
  viaOf,
  waitOf,
} from '../identity/login.ts'
import { type SignInAct, signInAct, takeSignInPasskey } from '../identity/passkey.ts'
import { takeRecoveryCode } from '../identity/recovery-code.ts'
import { makeShortLived, type ShortLived } from '../identity/short-lived.ts'
import { matchUserTotp } from '../identity/totp-secret.ts'
import { findUser, showUser } from '../identity/user.ts'
import type { DirectoryId, LoginId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { checkedOne, type Checker, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { beginOidc, exchangeOidc, type OidcClaims } from './ask-oidc.ts'
import { writeMembers } from './groups.ts'
import type { OidcAsking } from './oidc-speak.ts'
import { type Entry, planSync } from './plan.ts'
import { comeBackLater } from './sign-in.ts'
import type { ProviderProof, ProviderProofs } from './provider-proof.ts'
import { allDirectories, directoryOf, findDirectory, type OfDirectory } from './row.ts'
import { mappingsOf, settingsOf } from './settings.ts'
import { applyStep, knownOf } from './sync.ts'

/** Milliseconds for which somebody may be away at a provider, and then has to give their code. */
const awayMs = 5 * 60_000
/** Wrong codes after which the provider is asked for somebody anew. */
const mostWrong = 5
/** Seconds that the provider's clock may be off. */
const clockOff = 60

/** Somebody who was sent to a provider. */
type Departure = {
  readonly directory: DirectoryId
  readonly settings: string
  readonly nonce: string
  readonly verifier: string
  readonly browser: Buffer
  readonly asking: OidcAsking
  /** When they were sent there (ms): who is asked anew is asked after that. */
  readonly at: number
  /** The login that is to be proven anew; null: it is a sign-in. */
  readonly login: LoginId | null
}
/** Somebody whom a provider has proven, and who has not given a code of ours. */
type Arrival = {
  readonly directory: DirectoryId
  readonly user: UserId
  readonly proven: ProviderProof | undefined
  wrong: number
}

/** Sign-ins that are under way. They are in memory alone: a restart ends them. */
export type OidcSignIns = {
  readonly departures: ShortLived<Departure>
  readonly arrivals: ShortLived<Arrival>
  readonly proven: ProviderProofs
}

export function makeOidcSignIns(now: () => number): OidcSignIns {
  return {
    departures: makeShortLived(now, awayMs, 20_000),
    arrivals: makeShortLived(now, awayMs, 20_000),
    proven: makeShortLived<ProviderProof>(now, 12 * 3600_000),
  }
}

const random = () => randomBytes(32).toString('base64url')
const digest = (text: string) => createHash('sha256').update(text).digest()
const keyOf = (text: string) => digest(text).toString('base64')

export const loginProviders: Handler<'login.providers'> = async ({ world }) => {
  const { database, guard } = world.vault
  const rows = await allDirectories(database, guard)
  return done(rows.filter(({ kind }) => kind === 'oidc').map(({ name }) => ({ name })))
}

/**
 * Sends a browser to a provider.
 *
 * SECURITY: state, nonce and verifier are the vault's, for one use within five minutes: the api carries what comes back
 * and can make nothing of it. `browser` binds them to the one that began: whoever has another come back with their own
 * code signs nobody in.
 */
export const loginLeave: Handler<'login.leave'> = async ({ world }, input) => {
  const { database, guard } = world.vault
  const row = await findDirectory(database, guard, input.directory)
  const settings = row === undefined ? undefined : settingsOf(row)
  if (row === undefined || settings?.kind !== 'oidc')
    return refuse('not_found', 'nobody signs in by that here', 'sign in with name and password')
  const { acrValues, maxAgeSeconds: maxAge } = settings
  return depart(world, row, settings, input.origin, { acrValues, maxAge, anew: false }, null)
}

/** Has a provider asked for somebody: state, nonce and verifier are kept for when they come back. */
export async function depart(
  world: World,
  row: Row<'directory'>,
  settings: OidcSettings,
  origin: string,
  asking: OidcAsking,
  login: LoginId | null,
): Promise<Outcome<VerbAnswer<'login.leave'>>> {
  // SECURITY: nobody is sent back to a name that the directory does not say, whatever the api has been asked by.
  if (origin !== settings.console)
    return refuse(
      'conflict',
      `who signs in by ${row.name} opens the console at ${settings.console}`,
      'open it there, and sign in again',
    )
  const at = world.vault.clock().getTime()
  const [state, nonce, verifier, browser] = [random(), random(), random(), random()]
  const challenge = digest(verifier).toString('base64url')
  const url = await beginOidc(world, row, settings, { state, nonce, challenge, asking })
  if (!url.ok) return forWhoSignsIn(world, row.name, url)
  world.oidc.departures.put(keyOf(state), {
    directory: row.id,
    settings: row.settings,
    nonce,
    verifier,
    browser: digest(browser),
    asking,
    at,
    login,
  })
  return done({ url: url.value, browser })
}

/** Where a provider is away, that; why is for who looks after it. */
function forWhoSignsIn(world: World, name: string, outcome: Outcome<never>): Outcome<never> {
  if (outcome.ok || outcome.refusal.code !== 'unavailable') return outcome
  world.onFault(`provider ${name}`, new Error(outcome.refusal.message))
  return refuse('unavailable', `the provider ${name} does not answer now, or not as it should`, comeBackLater)
}

const unknownReturn = refuse(
  'unauthenticated',
  'this sign-in is not one that was begun here within five minutes',
  'begin it anew',
)

/** Takes back whom a provider has sent. What it proves is half of a sign-in. */
export const loginReturn: Handler<'login.return'> = async ({ world }, input) => {
  const { back, row } = await comeBack(world, input, null)
  const via = `directory ${row?.name ?? ''}`.trim()
  const refused = async <T>(outcome: Outcome<T>, name = ''): Promise<Outcome<T>> => {
    if (!outcome.ok)
      await auditRefusedLogin(world, { name, source: input.source }, via, outcome.refusal.message)
    return outcome
  }
  if (!back.ok || row === undefined) return refused(back.ok ? unknownReturn : back)
  const entry = back.value
  const met = await transact(world, (tx) => meet(tx, world, row, entry))
  if (!met.ok) return refused(met, entry.login)
  const { value } = met
  if (value.kind === 'refused') return refused(value.outcome, entry.login)
  const arrival = random()
  const { proven } = entry
  world.oidc.arrivals.put(keyOf(arrival), { directory: row.id, user: value.user.id, proven, wrong: 0 })
  const isEnrolling = value.user.state === 'enrolling'
  return done({ arrival, name: value.user.name, directory: row.name, isEnrolling })
}

/**
 * The person whom a provider has sent back, and by whose row. `login`: the one that was to be proven anew, or null for a
 * sign-in: what came of the one is nothing for the other.
 */
export async function comeBack(
  world: World,
  input: {
    readonly state: string
    readonly browser: string
    readonly code?: string | undefined
    readonly iss?: string | undefined
    readonly error?: string | undefined
  },
  login: LoginId | null,
): Promise<{ readonly back: Outcome<Arriving>; readonly row: Row<'directory'> | undefined }> {
  // Used up, whatever comes of it.
  const departure = world.oidc.departures.take(keyOf(input.state))
  const { database, guard } = world.vault
  const row = departure === undefined ? undefined : await findDirectory(database, guard, departure.directory)
  if (departure === undefined || row === undefined || departure.login !== login)
    return { back: unknownReturn, row }
  if (!timingSafeEqual(digest(input.browser), departure.browser)) return { back: unknownReturn, row }
  const settings = settingsOf(row)
  if (settings.kind !== 'oidc' || row.settings !== departure.settings) return { back: unknownReturn, row }
  if (input.error !== undefined || input.code === undefined)
    return { back: providerRefused(row.name, input.error), row }
  const { asking, nonce, verifier } = departure
  const claims = await exchangeOidc(world, row, settings, {
    code: input.code,
    iss: input.iss ?? null,
    state: input.state,
    nonce,
    verifier,
    // Who is asked anew is given time there; since when is looked at below.
    maxAge: asking.anew ? awayMs / 1000 : asking.maxAge,
  })
  if (!claims.ok) return { back: forWhoSignsIn(world, row.name, claims), row }
  return { back: entryOf(row, settings, claims.value, departure, world.vault.clock()), row }
}

function providerRefused(name: string, error: string | undefined): Outcome<never> {
  if (error === 'access_denied')
    return refuse(
      'unauthenticated',
      `the provider ${name} did not let you in, or you left it`,
      'begin anew; if it stays so, ask those who run it whether you may use this console',
    )
  const code = error !== undefined && /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  return refuse(
    'unauthenticated',
    `the provider ${name} could not sign you in${code}`,
    'begin anew; if it stays so, tell an administrator of this installation',
  )
}

/**
 * The person whom an ID token is about. Its signature and its end were looked at where it came in; what binds it to this
 * sign-in is looked at again.
 */
function entryOf(
  row: Row<'directory'>,
  settings: OidcSettings,
  claims: OidcClaims,
  { nonce, asking, at }: Departure,
  now: Date,
): Outcome<Arriving> {
  const audiences = typeof claims.aud === 'string' ? [claims.aud] : claims.aud
  const isOurs =
    claims.iss === settings.issuer &&
    claims.nonce === nonce &&
    audiences.includes(settings.clientId) &&
    (audiences.length === 1 || claims.azp === settings.clientId) &&
    (claims.azp === undefined || claims.azp === settings.clientId)
  if (!isOurs)
    return refuse(
      'unauthenticated',
      `what the provider ${row.name} says of you is not for this sign-in`,
      'begin it anew; if it stays so, tell an administrator',
    )
  const { acrValues, maxAge, anew } = asking
  if (acrValues.length > 0 && !acrValues.includes(claims.acr ?? ''))
    return refuse(
      'unauthenticated',
      `the provider ${row.name} did not ask you for as much as is needed here`,
      `sign in there with what it takes (${acrValues.join(', ')}), or tell an administrator`,
    )
  const age = claims.auth_time === undefined ? undefined : now.getTime() / 1000 - claims.auth_time
  const isAge = age !== undefined && age >= -clockOff
  // SECURITY: a provider may take no notice of what it was asked for: that it did is for its answer to say.
  if (anew && !(isAge && age <= (now.getTime() - at) / 1000 + clockOff))
    return refuse(
      'unauthenticated',
      `the provider ${row.name} did not ask you anew, or does not say when it did`,
      'sign out there, and try again; if it stays so, tell an administrator: it has to take prompt=login',
    )
  if (!anew && maxAge !== null) {
    if (!isAge || age > maxAge + clockOff)
      return refuse(
        'unauthenticated',
        `the provider ${row.name} asked you for your password too long ago, or does not say when`,
        'sign out there, and begin anew',
      )
  }
  const groups = groupsIn(Reflect.get(claims, settings.groupsClaim))
  if (groups === undefined)
    return refuse(
      'unauthenticated',
      `the provider ${row.name} says nothing of your groups`,
      `tell an administrator: its ID tokens have no claim ${settings.groupsClaim} that lists them`,
    )
  const called = Reflect.get(claims, settings.loginClaim)
  const isText = typeof called === 'string' && !/\p{C}/u.test(called)
  const login = isText ? (called.split('@')[0] ?? '').slice(0, 256) : ''
  const mapped = mappingsOf(row).map(({ group }) => group)
  return done({
    subject: claims.sub,
    login,
    isNamed: login !== '',
    disabled: null,
    groups: mapped.filter((group) => groups.has(group)),
    proven: isAge
      ? {
          issuer: settings.issuer,
          askedAt: Math.min(now.getTime(), now.getTime() - age * 1000),
          acr: acrIn(claims.acr),
        }
      : undefined,
  })
}

/** How a provider says that it asked, where that is written as such values are. */
function acrIn(text: string | undefined): string | null {
  return text !== undefined && /^[\x21-\x7e]{1,200}$/.test(text) ? text : null
}

/** The names of groups in a claim; undefined for what lists none. */
function groupsIn(claim: unknown): ReadonlySet<string> | undefined {
  if (typeof claim === 'string') return new Set([claim])
  if (!Array.isArray(claim) || claim.length > 5000) return undefined
  return claim.every((one) => typeof one === 'string') ? new Set(claim) : undefined
}

/** Somebody as their provider says that they are. */
type Arriving = Entry & { readonly isNamed: boolean; readonly proven: ProviderProof | undefined }

type Met =
  | { readonly kind: 'met'; readonly user: Row<'app_user'> }
  | { readonly kind: 'refused'; readonly outcome: Outcome<never> }

/**
 * Finds the user of an entry, and has them be as their groups say; makes one who is in a mapped group and unknown.
 *
 * SECURITY: somebody is who they are by their subject alone: a name that is taken here stays whose it is.
 */
export async function meet(
  tx: Tx,
  world: World,
  seen: Row<'directory'>,
  entry: Entry & { readonly isNamed: boolean },
): Promise<Outcome<Met>> {
  const directory = await findDirectory(tx.db, tx.guard, seen.id, 'update')
  if (directory?.settings !== seen.settings || directory.mappings !== seen.mappings) return unknownReturn
  const before = await entryOfSubject(tx.db, tx.guard, directory.id, entry.subject)
  const user = before === undefined ? undefined : await findUser(tx.db, tx.guard, before.user_id, 'update')
  const known = before === undefined || user === undefined ? undefined : knownOf({ entry: before, user })
  if (known === undefined && (entry.groups.length === 0 || !entry.isNamed))
    return done({ kind: 'refused', outcome: nothingFor(directory.name, entry) })
  const names = await tx.db.selectFrom('app_user').select('name').execute()
  const taken = new Set(names.map(({ name }) => name.toLowerCase()))
  const there =
    known === undefined
      ? entry
      : {
          ...entry,
          login: entry.isNamed ? entry.login : known.login,
          // Who is in none of its mapped groups is missing, as they would be where a directory is read.
        }
  const entries = entry.groups.length === 0 ? [] : [there]
  const steps = planSync(known === undefined ? [] : [known], taken, entries, mappingsOf(directory))
  const acting = { world, actor: { kind: 'vault' } as const, name: `directory ${directory.name}` }
  const applied = []
  for (const step of steps) applied.push(await applyStep(tx, acting, directory, step))
  await writeMembers(
    tx,
    world,
    steps.flatMap(({ known: one, entry: now }) => [...(one?.policyGroups ?? []), ...now.policyGroups]),
  )
  const skipped = applied.find(({ does }) => does === 'skip')
  if (known === undefined && skipped !== undefined)
    return done({
      kind: 'refused',
      outcome: refuse(
        'unauthenticated',
        `you cannot be added here as ${JSON.stringify(entry.login.slice(0, 60))}: ${skipped.what}`,
        'tell an administrator of this installation',
      ),
    })
  const after = await entryOfSubject(tx.db, tx.guard, directory.id, entry.subject)
  const now = after === undefined ? undefined : await findUser(tx.db, tx.guard, after.user_id, 'update')
  if (after === undefined || now === undefined) throw new TypeError('who was added is there')
  if (now.state === 'disabled' || after.state !== 'present')
    return done({
      kind: 'refused',
      outcome:
        entry.groups.length === 0
          ? nothingFor(directory.name, entry)
          : refuse(
              'unauthenticated',
              `your user ${now.name} is turned off here`,
              'ask an administrator of this installation',
            ),
    })
  return done({ kind: 'met', user: now })
}

function nothingFor(name: string, entry: { readonly isNamed: boolean }): Outcome<never> {
  return entry.isNamed
    ? refuse(
        'unauthenticated',
        `you are in no group of ${name} that may sign in here`,
        'ask an administrator of this installation which group that is',
      )
    : refuse(
        'unauthenticated',
        `the provider ${name} does not say how you are called`,
        'tell an administrator: its ID tokens lack the claim with the name',
      )
}

export async function entryOfSubject(
  db: Tx['db'],
  checker: Checker,
  directory: DirectoryId,
  subject: string,
): Promise<Row<'directory_user'> | undefined> {
  const row = await db
    .selectFrom('directory_user')
    .selectAll()
    .where('directory_id', '=', directory)
    .where('subject', '=', subject)
    .executeTakeFirst()
  return checkedOne(checker, 'directory_user', row)
}

const noArrival = refuse(
  'unauthenticated',
  'this sign-in has taken longer than five minutes, or was used',
  'begin it anew',
)

/**
 * Ends a sign-in with a code of ours.
 *
 * SECURITY: a stolen corporate login alone opens nothing, and whoever has one guesses at no more than a few codes for
 * each time that the provider is asked, slowed as those who guess passwords are.
 */
export const loginFinish: Handler<'login.finish'> = async ({ world }, input) => {
  const key = keyOf(input.arrival)
  const arrival = world.oidc.arrivals.get(key)
  if (arrival === undefined) return noArrival
  const { database, guard } = world.vault
  const known = await findUser(database, guard, arrival.user)
  if (known === undefined) return noArrival
  const who = { name: known.name, source: input.source }
  const wait = await waitOf(world, who.source, who.name)
  if (wait > 0) return refuse('rate_limited', 'too many wrong codes', `wait ${wait} s, then try again`)
  const act = signInAct(world, input.totpCode, 'login.finish', { arrival: input.arrival })
  const outcome = await transact(world, async (tx): Promise<Outcome<VerbAnswer<'login.finish'>>> => {
    const user = await findUser(tx.db, tx.guard, arrival.user, 'update')
    const of = await directoryOf(tx.db, tx.guard, arrival.user)
    if (user === undefined || user.state !== 'active') return noArrival
    if (of?.entry.state !== 'present' || of.directory.id !== arrival.directory) return noArrival
    if (of.directory.removed_at !== null) return noArrival
    // SECURITY: the row is locked: of many guesses at once each is counted before the next is looked at.
    if (world.oidc.arrivals.get(key) !== arrival) return noArrival
    const piled = refuseGuess(world, who)
    if (piled !== undefined) return piled
    const via = `directory ${of.directory.name}`
    const shown = await takeShown(tx, world, user, input, act, via)
    if (shown === undefined) {
      countWrongCode(world, who)
      arrival.wrong += 1
      if (arrival.wrong >= mostWrong) world.oidc.arrivals.take(key)
      return wrongCode
    }
    await updateGuarded(tx, 'directory_user', of.entry, { seen_at: tx.now })
    const view = await showUser(tx.db, tx.guard, { ...user, last_login_at: tx.now })
    return done(
      await startLogin(tx, world, {
        user,
        view,
        kind: 'console',
        via: viaOf('directory', shown),
        source: input.source,
        proven: arrival.proven,
      }),
    )
  })
  if (outcome.ok) {
    world.oidc.arrivals.take(key)
    world.backOff.succeeded(who.source, who.name)
    return outcome
  }
  await auditRefusedLogin(world, who, 'directory', outcome.refusal.message)
  return outcome
}

/** Takes what somebody ends their sign-in with, and says what it was; undefined for nothing of theirs. */
async function takeShown(
  tx: Tx,
  world: World,
  user: Row<'app_user'>,
  { totpCode, source }: { readonly totpCode: SignInCode; readonly source: string },
  act: SignInAct,
  via: string,
): Promise<Shown | undefined> {
  if (typeof totpCode !== 'string')
    return (await takeSignInPasskey(tx, world, user, totpCode, act)) ? 'passkey' : undefined
  const step = matchUserTotp(world, user, totpCode)
  if (step !== null) {
    tx.afterCommit(() => world.totpSteps.put(user.id, step))
    await useStep(tx, user.id, step)
    return 'code'
  }
  const left = await takeRecoveryCode(tx, world, user, totpCode, via, source)
  return left === undefined ? undefined : 'recovery code'
}

const wrongCode = refuse('unauthenticated', 'the code is wrong or was used', 'try again with the next code')

/** Did this user come back from their provider just now? Asked of whoever uses an enrolment link. */
export function hasArrived(world: World, of: OfDirectory, arrival: string | undefined): Outcome<null> {
  const found = arrival === undefined ? undefined : world.oidc.arrivals.get(keyOf(arrival))
  return found?.user === of.entry.user_id && found.directory === of.directory.id
    ? done(null)
    : refuse(
        'unauthenticated',
        `sign in by ${of.directory.name} first, as the person whose link this is`,
        'open the link again, and follow it there',
      )
}

/** What was used for a link is used for nothing else. */
export function forgetArrival(world: World, arrival: string | undefined): void {
  if (arrival !== undefined) world.oidc.arrivals.take(keyOf(arrival))
}

/**
 * Whether an SSH key of this user is good, as far as their directory goes.
 *
 * SECURITY: a provider does not say who has left. Whoever has not signed in there for the time that the directory gives
 * proves by a key alone nothing.
 */
export async function isSeenLately(world: World, tx: Tx, user: UserId): Promise<boolean> {
  const of = await directoryOf(tx.db, tx.guard, user)
  if (of === undefined) return true
  const settings = settingsOf(of.directory)
  if (settings.kind !== 'oidc') return true
  if (of.directory.removed_at !== null || of.entry.state !== 'present') return false
  const ago = world.vault.clock().getTime() - of.entry.seen_at.getTime()
  return ago >= 0 && ago <= settings.keysSeconds * 1000
}
