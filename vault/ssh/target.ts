import { connect as connectTcp, type Socket } from 'node:net'
import type { AuthHandlerMiddleware, Client as SshClient } from 'ssh2'
import type { LegacyAlgorithm, Permit } from '../contract.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { Secret } from '../kernel/secret.ts'
import { keyTypeOf, pinnedFirst } from './algorithms.ts'
import { coalesceWrites } from './coalesce.ts'
import { algorithmsFor, classOf, sorted } from './legacy.ts'
import { Client, onQuestions } from './library.ts'
import { overhearGreeting, overhearOffer } from './offer.ts'
import { authenticateWith } from './target-auth.ts'
import {
  changedKey,
  explain,
  type Failure,
  type LoginError,
  lacking,
  silent,
  turnedAway,
  unreachable,
  wantsNewPassword,
} from './target-failure.ts'
import { TargetNotices } from './target-notices.ts'
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

/** Where to log in, and as whom. */
export type Place = {
  readonly target: Pick<Permit['target'], 'name' | 'host' | 'port' | 'pins'> & {
    readonly legacy: Pick<NonNullable<Permit['target']['legacy']>, 'algorithms'> | null
  }
  readonly account: Pick<Permit['account'], 'login' | 'name'>
}

export type TargetLogin =
  | {
      readonly kind: 'connected'
      readonly client: SshClient
      readonly socket: Socket
      /** Old algorithms that are really spoken with it, of those that it is allowed. */
      readonly oldAlgorithms: readonly LegacyAlgorithm[]
      /** What it said before the login was over, fit to be shown. */
      readonly notices: readonly string[]
    }
  | ({
      readonly kind: 'failed'
      readonly notices: readonly string[]
      /** The credential was sent, or may have been. */
      readonly given: boolean
    } & Failure)

/**
 * Connects to the permit's target, whose host key must be one of the pinned ones, and logs in.
 *
 * SECURITY: the credential is given at most once, to a target that has proven its pinned key (target-auth.ts says to
 * which of its questions). It is disposed of before this resolves, whatever comes.
 */
export async function logIn(
  permit: Place,
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
  permit: Place,
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
    let given = false
    const socket = connectTcp({ host: target.host, port: target.port, noDelay: true })
    const offer = overhearOffer(socket)
    const said = overhearGreeting(socket)
    const notices = new TargetNotices()
    coalesceWrites(socket)
    const client = new Client()

    const fail = (what: Failure) => {
      failure ??= what
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      client.end()
      socket.destroy()
      resolve({ kind: 'failed', notices: notices.lines(), given, ...failure })
    }
    const timer = setTimeout(
      () => fail(silent(target.name, Math.round(timeout / 1000), socket.bytesRead > 0)),
      timeout,
    )

    client.on('error', (error: LoginError) => {
      // One bad target never disturbs another session: an error after the login ends up in 'close'.
      if (refusedKey !== undefined) return fail(changedKey(target.name, refusedKey))
      fail(explain(target.name, account.login, error, said(), () => lacking(target.name, offer(), allowed)))
    })
    client.on('handshake', ({ kex, serverHostKey: hostKey, cs, sc }) => {
      const spoken = [kex, hostKey, cs.cipher, sc.cipher, cs.mac, sc.mac]
      oldAlgorithms = sorted(spoken.flatMap((name) => classOf(name) ?? []))
    })
    client.on('close', () => {
      const { said: words, isSpeaking } = said()
      fail(
        isSpeaking
          ? unreachable(target.name, 'closed the connection during the login')
          : turnedAway(target.name, words),
      )
    })
    client.on('banner', (text: string) => notices.said(text))
    client.on('change password', () => fail(wantsNewPassword(target.name, account.login, account.name)))
    client.once('ready', () => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      resolve({ kind: 'connected', client, socket, oldAlgorithms, notices: notices.lines() })
    })

    client.connect({
      sock: socket,
      username: account.login,
      ident: 'Tagout',
      algorithms: structuredClone({ ...algorithmsFor(allowed), serverHostKey }) as never,
      readyTimeout: 0,
      keepaliveInterval: 0,
      hostVerifier: makeHostVerifier((key) => {
        if (isPinned(target.pins, key)) return true
        refusedKey = key
        return false
      }),
      // The types of the library leave out the first call (null) and answers that are not one of its names.
      authHandler: authenticateWith(permit, credential, fail, () => {
        given = true
      }) as AuthHandlerMiddleware,
    })
    onQuestions(client, (text) => notices.said(text))
  })
}
