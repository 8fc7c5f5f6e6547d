import { connect as connectTcp, type Socket } from 'node:net'
import type { AuthenticationType, AuthHandlerMiddleware, Client as SshClient } from 'ssh2'
import type { EndReason, LegacyAlgorithm, Permit } from '../../../vault/contract.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { keyTypeOf, pinnedFirst } from './algorithms.ts'
import { coalesceWrites } from './coalesce.ts'
import { algorithmsFor, classOf, explainLacks, lacksOf, sorted } from './legacy.ts'
import { Client } from './library.ts'
import { type Offer, overhearOffer } from './offer.ts'
import { VaultAgent } from './vault-agent.ts'
import { type HostKey, isPinned, makeHostVerifier } from './verify-host-key.ts'

/** How to log in. The password is used once; a key stays in the vault, which signs. */
export type TargetCredential =
  | { readonly kind: 'password'; readonly secret: Secret }
  | {
      readonly kind: 'ssh-key'
      /** A line of OpenSSH's public key format, or the key blob in base64. */
      readonly publicKey: string
      readonly sign: (data: Uint8Array, algorithm: string) => Promise<Outcome<Uint8Array>>
    }

export type TargetLogin =
  | {
      readonly kind: 'connected'
      readonly client: SshClient
      readonly socket: Socket
      /** Old algorithms that are really spoken with it, of those that it is allowed. */
      readonly oldAlgorithms: readonly LegacyAlgorithm[]
    }
  | {
      readonly kind: 'failed'
      readonly reason: EndReason
      /** One sentence for the person who wanted to connect. */
      readonly message: string
      readonly next: string
      readonly changedKey?: HostKey
    }

type Failure = Omit<Extract<TargetLogin, { kind: 'failed' }>, 'kind'>

/**
 * Connects to the permit's target, whose host key must be one of the pinned ones, and logs in.
 *
 * SECURITY: the credential is given at most once, to a target that has proven its pinned key: as the answer to
 * `password`, or to a single question without echo, never to a second question and never to a request for a new
 * password. It is disposed of before this resolves, whatever comes.
 */
export async function logIn(
  permit: Permit,
  credential: TargetCredential,
  timeout: number,
): Promise<TargetLogin> {
  try {
    const { pins } = permit.target
    const allowed = permit.target.legacy?.algorithms ?? []
    let algorithms = pinnedFirst(algorithmsFor(allowed).serverHostKey, pins)
    let first: TargetLogin | undefined
    for (;;) {
      const login = await attempt(permit, credential, timeout, algorithms)
      if (login.kind === 'connected' || (first === undefined && login.changedKey === undefined)) return login
      // What was shown first counts: a target that then shows nothing else has changed its key.
      first ??= login
      // A pin of unknown type may be of a key that the target shows only when it is asked for that type.
      const seen = login.changedKey?.type
      algorithms = algorithms.filter((algorithm) => keyTypeOf(algorithm) !== seen)
      const isUntyped = pins.some(({ type }) => type === '')
      if (!isUntyped || seen === undefined || algorithms.length === 0) return first
    }
  } finally {
    if (credential.kind === 'password') credential.secret[Symbol.dispose]()
  }
}

function attempt(
  permit: Permit,
  credential: TargetCredential,
  timeout: number,
  serverHostKey: readonly string[],
): Promise<TargetLogin> {
  const { target, account } = permit
  const allowed = target.legacy?.algorithms ?? []
  return new Promise((resolve) => {
    let oldAlgorithms: readonly LegacyAlgorithm[] = []
    let refusedKey: HostKey | undefined
    let failure: Failure | undefined
    let isSettled = false
    const socket = connectTcp({ host: target.host, port: target.port, noDelay: true })
    const offer = overhearOffer(socket)
    coalesceWrites(socket)
    const client = new Client()

    const fail = (what: Failure) => {
      failure ??= what
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      client.end()
      socket.destroy()
      resolve({ kind: 'failed', ...failure })
    }
    const timer = setTimeout(
      () => fail(unreachable(target.name, `does not answer within ${Math.round(timeout / 1000)} s`)),
      timeout,
    )

    client.on('error', (error: Error & { level?: string; code?: string }) => {
      // One bad target never disturbs another session: an error after the login ends up in 'close'.
      if (refusedKey !== undefined) return fail(changedKey(target.name, refusedKey))
      fail(explain(target.name, account.login, error, () => lacking(target.name, offer(), allowed)))
    })
    client.on('handshake', ({ kex, serverHostKey: hostKey, cs, sc }) => {
      const spoken = [kex, hostKey, cs.cipher, sc.cipher, cs.mac, sc.mac]
      oldAlgorithms = sorted(spoken.flatMap((name) => classOf(name) ?? []))
    })
    client.on('close', () => fail(unreachable(target.name, 'closed the connection during the login')))
    client.on('change password', () =>
      fail({
        reason: 'target refused the credential',
        message: `${target.name} wants the password of ${account.login} changed before anybody logs in`,
        next: 'ask an administrator to rotate it',
      }),
    )
    client.once('ready', () => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      resolve({ kind: 'connected', client, socket, oldAlgorithms })
    })

    client.connect({
      sock: socket,
      username: account.login,
      ident: 'Tagout',
      algorithms: structuredClone({ ...algorithmsFor(allowed), serverHostKey }) as never,
      readyTimeout: 0,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 4,
      hostVerifier: makeHostVerifier((key) => {
        if (isPinned(target.pins, key)) return true
        refusedKey = key
        return false
      }),
      // The types of the library leave out the first call (null) and answers that are not one of its names.
      authHandler: authenticateWith(permit, credential, fail) as AuthHandlerMiddleware,
    })
  })
}

type NextAuth = (method: unknown) => void
type AuthHandler = (methodsLeft: AuthenticationType[] | null, partial: boolean | null, next: NextAuth) => void

function authenticateWith(
  permit: Permit,
  credential: TargetCredential,
  fail: (failure: Failure) => void,
): AuthHandler {
  const { target, account } = permit
  const username = account.login
  let isGiven = false
  const refused = () => {
    fail({
      reason: 'target refused the credential',
      message: `${target.name} refused the stored credential of ${username}`,
      next: 'ask an administrator to check or rotate it',
    })
    return false
  }

  const handler = (methodsLeft: AuthenticationType[] | null, partial: boolean | null, next: NextAuth) => {
    if (methodsLeft === null) return next({ type: 'none', username })
    if (partial === true) {
      fail({
        reason: 'target refused the credential',
        message: `${target.name} asks ${username} for a second factor, which cannot be given yet`,
        next: 'ask an administrator to exempt the account on the target',
      })
      return next(false)
    }
    if (isGiven) return next(refused())
    if (credential.kind === 'ssh-key') {
      if (!methodsLeft.includes('publickey')) return next(refused())
      isGiven = true
      return next({ type: 'agent', username, agent: new VaultAgent(credential.publicKey, credential.sign) })
    }
    if (methodsLeft.includes('password')) {
      isGiven = true
      return credential.secret.expose((bytes) =>
        // ssh2 copies the bytes into its packet at once, and encrypts that in place.
        next({
          type: 'password',
          username,
          password: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
        }),
      )
    }
    if (!methodsLeft.includes('keyboard-interactive')) return next(refused())
    isGiven = true
    let isAnswered = false
    return next({
      type: 'keyboard-interactive',
      username,
      prompt: (
        _name: string,
        _instructions: string,
        _language: string,
        prompts: readonly { readonly echo?: boolean }[],
        answer: (answers: string[]) => void,
      ) => {
        const [only] = prompts
        if (isAnswered || prompts.length !== 1 || only?.echo === true) {
          return fail({
            reason: 'target refused the credential',
            message: `${target.name} asks for something other than the password of ${username}`,
            next: 'ask an administrator to look at the login of that machine',
          })
        }
        isAnswered = true
        credential.secret.expose((bytes) => answer([Buffer.from(bytes).toString('utf8')]))
      },
    })
  }
  return handler
}

/** Its offer and ours do not meet: says in what, and what to do. */
function lacking(target: string, offer: Offer | undefined, allowed: readonly LegacyAlgorithm[]): Failure {
  const said = offer === undefined ? undefined : explainLacks(target, lacksOf(offer), allowed)
  return {
    reason: 'protocol error',
    ...(said ?? {
      message: `${target} offers no algorithm that is still safe`,
      next: 'update its SSH server',
    }),
  }
}

function unreachable(target: string, what: string): Failure {
  return {
    reason: 'target unreachable',
    message: `${target} ${what}`,
    next: 'check that the machine is on and reachable, then try again',
  }
}

function changedKey(target: string, key: HostKey): Failure {
  return {
    reason: 'target key changed',
    message: `${target} shows a host key (${key.fingerprint}) that is not the pinned one, so no credential was sent`,
    next: 'tell an administrator: if the machine was replaced, its new key has to be approved',
    changedKey: key,
  }
}

function explain(
  target: string,
  login: string,
  error: { level?: string; code?: string; message: string },
  lack: () => Failure,
): Failure {
  switch (error.code) {
    case 'ECONNREFUSED':
      return unreachable(target, 'refuses connections')
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(target, 'has an address that does not resolve')
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return unreachable(target, 'cannot be reached')
    case 'ECONNRESET':
    case 'EPIPE':
      return unreachable(target, 'broke the connection off')
  }
  if (error.level === 'client-authentication' || error.level === 'agent')
    return {
      reason: 'target refused the credential',
      message: `${target} refused the stored credential of ${login}`,
      next: 'ask an administrator to check or rotate it',
    }
  if (/no matching/i.test(error.message)) return lack()
  return {
    reason: 'protocol error',
    message: `${target} does not speak SSH as it should`,
    next: 'check what answers at its address',
  }
}
