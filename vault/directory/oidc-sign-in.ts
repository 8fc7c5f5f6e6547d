import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { OidcSettings, VerbAnswer } from '../contract.ts'
import {
  auditRefusedLogin,
  countWrongCode,
  refuseGuess,
  startLogin,
  useStep,
  waitOf,
} from '../identity/login.ts'
import { takeRecoveryCode } from '../identity/recovery-code.ts'
import { makeShortLived, type ShortLived } from '../identity/short-lived.ts'
import { matchUserTotp } from '../identity/totp-secret.ts'
import { findUser, showUser } from '../identity/user.ts'
import type { DirectoryId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { checkedOne, type Checker, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { beginOidc, exchangeOidc, type OidcClaims } from './ask-oidc.ts'
import { writeMembers } from './groups.ts'
import { type Entry, planSync } from './plan.ts'
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
}
/** Somebody whom a provider has proven, and who has not given a code of ours. */
type Arrival = { readonly directory: DirectoryId; readonly user: UserId; wrong: number }

/** Sign-ins that are under way. They are in memory alone: a restart ends them. */
export type OidcSignIns = {
  readonly departures: ShortLived<Departure>
  readonly arrivals: ShortLived<Arrival>
}

export function makeOidcSignIns(now: () => number): OidcSignIns {
  return {
    departures: makeShortLived(now, awayMs, 20_000),
    arrivals: makeShortLived(now, awayMs, 20_000),
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
  // SECURITY: nobody is sent back to a name that the directory does not say, whatever the api has been asked by.
  if (input.origin !== settings.console)
    return refuse(
      'conflict',
      `who signs in by ${row.name} opens the console at ${settings.console}`,
      'open it there, and sign in again',
    )
  const [state, nonce, verifier, browser] = [random(), random(), random(), random()]
  const challenge = digest(verifier).toString('base64url')
  const url = await beginOidc(world, row, settings, { state, nonce, challenge, prompt: null })
  if (!url.ok) return url
  world.oidc.departures.put(keyOf(state), {
    directory: row.id,
    settings: row.settings,
    nonce,
    verifier,
    browser: digest(browser),
  })
  return done({ url: url.value, browser })
}

const unknownReturn = refuse(
  'unauthenticated',
  'this sign-in is not one that was begun here within five minutes',
  'begin it anew',
)

/** Takes back whom a provider has sent. What it proves is half of a sign-in. */
export const loginReturn: Handler<'login.return'> = async ({ world }, input) => {
  // Used up, whatever comes of it.
  const departure = world.oidc.departures.take(keyOf(input.state))
  const { database, guard } = world.vault
  const row = departure === undefined ? undefined : await findDirectory(database, guard, departure.directory)
  const who = { name: '', source: input.source, via: `directory ${row?.name ?? ''}`.trim() }
  const refused = async <T>(outcome: Outcome<T>, name = who.name): Promise<Outcome<T>> => {
    if (!outcome.ok) await auditRefusedLogin(world, { ...who, name }, who.via, outcome.refusal.message)
    return outcome
  }
  if (departure === undefined || row === undefined) return refused(unknownReturn)
  if (!timingSafeEqual(digest(input.browser), departure.browser)) return refused(unknownReturn)
  const settings = settingsOf(row)
  if (settings.kind !== 'oidc' || row.settings !== departure.settings) return refused(unknownReturn)
  if (input.error !== undefined || input.code === undefined)
    return refused(providerRefused(row.name, input.error))
  const claims = await exchangeOidc(world, row, settings, {
    code: input.code,
    iss: input.iss ?? null,
    state: input.state,
    nonce: departure.nonce,
    verifier: departure.verifier,
  })
  if (!claims.ok) return refused(claims)
  const entry = entryOf(row, settings, claims.value, departure.nonce, world.vault.clock())
  if (!entry.ok) return refused(entry)
  const met = await transact(world, (tx) => meet(tx, world, row, entry.value))
  if (!met.ok) return refused(met, entry.value.login)
  const { value } = met
  if (value.kind === 'refused') return refused(value.outcome, entry.value.login)
  const arrival = random()
  world.oidc.arrivals.put(keyOf(arrival), { directory: row.id, user: value.user.id, wrong: 0 })
  const isEnrolling = value.user.state === 'enrolling'
  return done({ arrival, name: value.user.name, directory: row.name, isEnrolling })
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
  nonce: string,
  now: Date,
): Outcome<Entry & { readonly isNamed: boolean }> {
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
  if (settings.acrValues.length > 0 && !settings.acrValues.includes(claims.acr ?? ''))
    return refuse(
      'unauthenticated',
      `the provider ${row.name} did not ask you for as much as is needed here`,
      `sign in there with what it takes (${settings.acrValues.join(', ')}), or tell an administrator`,
    )
  if (settings.maxAgeSeconds !== null) {
    const age = claims.auth_time === undefined ? undefined : now.getTime() / 1000 - claims.auth_time
    if (age === undefined || age > settings.maxAgeSeconds + clockOff || age < -clockOff)
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
  })
}

/** The names of groups in a claim; undefined for what lists none. */
function groupsIn(claim: unknown): ReadonlySet<string> | undefined {
  if (typeof claim === 'string') return new Set([claim])
  if (!Array.isArray(claim) || claim.length > 5000) return undefined
  return claim.every((one) => typeof one === 'string') ? new Set(claim) : undefined
}

type Met =
  | { readonly kind: 'met'; readonly user: Row<'app_user'> }
  | { readonly kind: 'refused'; readonly outcome: Outcome<never> }

/**
 * Finds the user of an entry, and has them be as their groups say; makes one who is in a mapped group and unknown.
 *
 * SECURITY: somebody is who they are by their subject alone: a name that is taken here stays whose it is.
 */
async function meet(
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

async function entryOfSubject(
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
    const step = matchUserTotp(world, user, input.totpCode)
    const via = `directory ${of.directory.name}`
    if (step === null) {
      const left = await takeRecoveryCode(tx, world, user, input.totpCode, via, input.source)
      if (left === undefined) {
        countWrongCode(world, who)
        arrival.wrong += 1
        if (arrival.wrong >= mostWrong) world.oidc.arrivals.take(key)
        return wrongCode
      }
    } else {
      tx.afterCommit(() => world.totpSteps.put(user.id, step))
      await useStep(tx, user.id, step)
    }
    await updateGuarded(tx, 'directory_user', of.entry, { seen_at: tx.now })
    const view = await showUser(tx.db, tx.guard, { ...user, last_login_at: tx.now })
    return done(
      await startLogin(tx, world, {
        user,
        view,
        kind: 'console',
        via: step === null ? 'directory and recovery code' : 'directory',
        source: input.source,
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
