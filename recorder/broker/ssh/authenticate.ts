import sodium from 'libsodium-wrappers'
import type { AuthContext, Connection, KeyboardAuthContext, PublicKeyAuthContext } from 'ssh2'
import { makeSealedLoginPassword } from '../../../vault/intake.ts'
import { done, type Outcome, type Refusal, refuse as refused } from '../../../vault/kernel/outcome.ts'
import { codeBanner, factorBanner, refusalBanner } from './banner.ts'
import { type Destination, parseDestination } from './destination.ts'
import { sendBanner, sessionIdOf } from '../../../vault/ssh/library.ts'
import type { AskVault, Limits, Log } from './ports.ts'

/** A person whose login the vault has verified, and where the person wants to go. */
export type Person = {
  readonly user: string
  /** The vault's handle of this login: opaque, good for this connection only. */
  readonly proof: string
  readonly source: string
  readonly destination: Destination
}

export type AuthenticateOptions = {
  readonly ask: AskVault
  readonly limits: Pick<Limits, 'loginAttempts' | 'keyOffers'>
  readonly source: string
  readonly log: Log
  /** Called once, just before the client is told that it is in. */
  readonly onProven: (person: Person) => void
}

type Proof = { readonly proof: string | null; readonly user: string }

const methods: ('publickey' | 'keyboard-interactive')[] = ['publickey', 'keyboard-interactive']
const ticketPrefix = 'tkt_'
const longestAnswer = 1024

/**
 * Lets the vault verify who logs in: a signature, a password and a code, or a one-time ticket.
 *
 * SECURITY: nothing is decided here. ssh2 does not verify signatures; the signed bytes go to the vault as they
 * came. Until the vault has answered with a proof, every answer to the client is the same refusal.
 */
export function authenticate(connection: Connection, options: AuthenticateOptions): void {
  const { ask, limits, source, log, onProven } = options
  let attempts = 0
  let offers = 0
  let isProven = false
  let isTold = false
  /** Proven, and asked for a code before they are in: a rule of the policy wants one. */
  let waiting: { readonly person: Person; readonly username: string } | undefined

  /** Tells a client once why a good key or password is not taken, where that is for it to know. */
  const tellState = (refusal: Refusal) => {
    const banner = refusalBanner(refusal)
    if (banner === undefined) return
    log('a login was refused, and why was told', { source, code: refusal.code })
    if (!isTold) sendBanner(connection, banner)
    isTold = true
  }

  const refuse = (context: AuthContext, spent: 'attempt' | 'offer' | 'nothing') => {
    if (spent === 'attempt') attempts += 1
    if (spent === 'offer') offers += 1
    context.reject(waiting === undefined ? methods : ['keyboard-interactive'])
    if (attempts >= limits.loginAttempts || offers >= limits.keyOffers) connection.end()
  }

  const decide = async (context: AuthContext): Promise<void> => {
    const destination = parseDestination(context.username)
    if (waiting !== undefined) {
      const { proof, destination: there } = waiting.person
      const isSame = context.username === waiting.username
      const shown = isSame ? await showFactor(ask, context, proof, there.target ?? '') : undefined
      if (shown?.ok !== true) {
        if (shown !== undefined) sendBanner(connection, codeBanner(shown.refusal))
        return refuse(context, 'attempt')
      }
      if (isProven) return refuse(context, 'attempt')
      isProven = true
      onProven(waiting.person)
      return context.accept()
    }
    if (context.method === 'none' || context.method === 'hostbased') return refuse(context, 'nothing')
    const isOffer = context.method === 'publickey' && context.signature === undefined
    // A name that cannot be a user is answered like a wrong password, after as many questions.
    const name = destination?.user ?? 'nobody@'
    const outcome = await prove(ask, connection, context, name, source)
    if (outcome === undefined || !outcome.ok || destination === undefined) {
      if (outcome !== undefined && !outcome.ok) tellState(outcome.refusal)
      return refuse(context, isOffer ? 'offer' : 'attempt')
    }
    const { proof, user } = outcome.value
    if (isOffer) {
      offers += 1
      if (offers > limits.keyOffers) return void connection.end()
      return context.accept()
    }
    // SECURITY: only a proof lets anybody in; an answer without one is a key that may be tried, nothing more.
    if (proof === null || isProven) return refuse(context, 'attempt')
    const person = { user, proof, source, destination }
    if (await wantsFactor(ask, proof, destination)) {
      waiting = { person, username: context.username }
      // Programs that answer no question read why they are kept out.
      sendBanner(connection, factorBanner)
      // RFC 4252 §5.1: what was shown is right, and more is wanted.
      return context.reject(['keyboard-interactive'], true)
    }
    isProven = true
    onProven(person)
    context.accept()
  }

  // One after the other: a client that does not wait for answers asks the vault no more than one thing at a time.
  let turn = Promise.resolve()
  connection.on('authentication', (context) => {
    turn = turn.then(async () => {
      if (attempts >= limits.loginAttempts || offers > limits.keyOffers) return
      try {
        await decide(context)
      } catch (error) {
        log('a login could not be decided', { source, error: String(error) })
        refuse(context, 'attempt')
      }
    })
  })
}

async function prove(
  ask: AskVault,
  connection: Connection,
  context: AuthContext,
  name: string,
  source: string,
): Promise<Outcome<Proof> | undefined> {
  switch (context.method) {
    case 'publickey':
      return provePublicKey(ask, connection, context, name, source)
    case 'keyboard-interactive':
      return proveByQuestions(ask, connection, context, name, source)
    case 'password':
      // Tools that only know this method may give a ticket; a password alone is never enough.
      return context.password.startsWith(ticketPrefix)
        ? proveByTicket(ask, connection, context.password, name, source)
        : whyNobody(await intakeKey(ask))
    default:
      return undefined
  }
}

/** Does a rule of the policy want a code, too, of somebody who is proven, before they are let in there? */
export async function wantsFactor(
  ask: AskVault,
  proof: string,
  { target, account }: { readonly target?: string | undefined; readonly account?: string | undefined },
): Promise<boolean> {
  if (target === undefined) return false
  const answer = await ask('ssh.factor', { proof, target, ...(account === undefined ? {} : { account }) })
  // What stands against them otherwise is said where they open their session.
  return answer.ok && answer.value.isWanted
}

/** Asks somebody who is proven for a code, and has the vault take it. Undefined: they gave none. */
export async function showFactor(
  ask: AskVault,
  context: AuthContext,
  proof: string,
  target: string,
): Promise<Outcome<unknown> | undefined> {
  if (context.method !== 'keyboard-interactive') return undefined
  const code = await question(context, 'Code (a rule of this machine wants a fresh one): ')
  if (code === undefined) return undefined
  return ask('ssh.factor', { proof, target, totpCode: code.replaceAll(/\s/g, '').slice(0, 16) })
}

/** Of an answer about the gateway, only its refusal. */
function whyNobody(answer: Outcome<unknown>): Outcome<never> | undefined {
  return answer.ok ? undefined : answer
}

function provePublicKey(
  ask: AskVault,
  connection: Connection,
  context: PublicKeyAuthContext,
  name: string,
  source: string,
): Promise<Outcome<Proof>> {
  const { key, hashAlgo, signature, blob } = context
  // ssh2 names RSA keys by their type and the hash apart; the vault wants the name that the client signed.
  const algorithm =
    key.algo === 'ssh-rsa' && hashAlgo !== undefined ? `rsa-sha2-${hashAlgo.slice(3)}` : key.algo
  return ask('ssh.publickey', {
    name,
    connection: sessionIdOf(connection).toString('base64'),
    algorithm: algorithm.slice(0, 64),
    key: key.data.toString('base64'),
    source,
    ...(signature !== undefined && blob !== undefined
      ? { signature: signature.toString('base64'), signed: blob.toString('base64') }
      : {}),
  })
}

async function proveByQuestions(
  ask: AskVault,
  connection: Connection,
  context: KeyboardAuthContext,
  name: string,
  source: string,
): Promise<Outcome<Proof> | undefined> {
  // Before anybody types a password that cannot be looked at.
  const key = await intakeKey(ask)
  if (!key.ok) return key
  const password = await question(context, 'Password: ')
  if (password === undefined) return undefined
  if (password.startsWith(ticketPrefix)) return proveByTicket(ask, connection, password, name, source)
  const code = await question(context, 'Code: ')
  if (code === undefined) return undefined
  await sodium.ready
  return ask('ssh.password', {
    name,
    connection: sessionIdOf(connection).toString('base64'),
    sealedPassword: makeSealedLoginPassword(sodium, key.value, name, password),
    totpCode: code.replaceAll(/\s/g, '').slice(0, 16),
    source,
  })
}

/** The vault's intake key, or why nobody's password can be looked at now. */
async function intakeKey(ask: AskVault): Promise<Outcome<string>> {
  const status = await ask('status', {})
  if (!status.ok) return status
  const { initialised, sealed, intakeKey: key } = status.value
  if (!initialised || key === null) return refused('not_initialised', 'this vault is not initialised')
  return sealed ? refused('sealed', 'the vault is sealed') : done(key)
}

function proveByTicket(
  ask: AskVault,
  connection: Connection,
  ticket: string,
  name: string,
  source: string,
): Promise<Outcome<Proof>> {
  return ask('ssh.ticket', {
    name,
    connection: sessionIdOf(connection).toString('base64'),
    ticket: ticket.trim().slice(0, 200),
    source,
  })
}

/** Asks one question without echo. Undefined when the client gives up or answers something else. */
function question(context: KeyboardAuthContext, prompt: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    context.once('abort', () => resolve(undefined))
    context.prompt([{ prompt, echo: false }], (answers) => {
      // ssh2 calls back with an error when the client starts over.
      const [answer] = Array.isArray(answers) ? answers : []
      resolve(typeof answer === 'string' && answer.length <= longestAnswer ? answer : undefined)
    })
  })
}
