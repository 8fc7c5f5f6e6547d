import type { EndReason, LegacyAlgorithm } from '../contract.ts'
import { explainLacks, lacksOf } from './legacy.ts'
import type { Offer } from './offer.ts'
import { quotable } from './readable.ts'
import type { HostKey } from './verify-host-key.ts'

/** Why a target was not logged in to, in one sentence for the person who wanted to connect, and what to do about it. */
export type Failure = {
  readonly reason: EndReason
  readonly message: string
  readonly next: string
  readonly changedKey?: HostKey
  /** The target was given the credential, and said no. */
  readonly isRefused?: true
  /** It wants the password changed before it lets anybody in. */
  readonly wantsNewPassword?: boolean
}

export function refusedCredential(target: string, login: string): Failure {
  return {
    reason: 'target refused the credential',
    message: `${target} refused the stored credential of ${login}`,
    next: 'ask an administrator to check or rotate it',
    isRefused: true,
  }
}

/** What an administrator has to do about a password that a machine wants changed. */
export function changePassword(account: string): string {
  return `ask an administrator to set a new password on the machine and to give it to Tagout with tagout account secret ${account}`
}

export function wantsNewPassword(target: string, login: string, account: string): Failure {
  return {
    reason: 'target refused the credential',
    message: `${target} wants the password of ${login} changed before anybody logs in`,
    next: changePassword(account),
    wantsNewPassword: true,
  }
}

/** A question that the stored password is no answer to. */
export function asksOtherwise(target: string, login: string, prompts: readonly string[]): Failure {
  const asked = quotable(prompts[0] ?? '')
  const what =
    prompts.length > 1
      ? `${prompts.length} things at once`
      : asked === ''
        ? 'something that it does not name'
        : `“${asked}”`
  return {
    reason: 'target refused the credential',
    message: `${target} asks for something other than the password of ${login}: ${what}`,
    next: 'nothing was sent: ask an administrator to look at the login of that machine',
  }
}

export function unreachable(target: string, what: string, next?: string): Failure {
  return {
    reason: 'target unreachable',
    message: `${target} ${what}`,
    next: next ?? 'check that the machine is on and reachable, then try again',
  }
}

/** Machines that take few at a time say it in many ways, and most by not saying anything. */
const mayBeFull =
  'it may take only so many connections at a time: see who else is on it, have them leave, then try again'

/** It hung up before the keys were exchanged. `said` is what it sent instead of a version. */
export function turnedAway(target: string, said: string): Failure {
  const words = said.includes('\u{fffd}') ? '' : quotable(said)
  return words === ''
    ? unreachable(target, 'closed the connection before anything was said', mayBeFull)
    : unreachable(target, `closed the connection, saying “${words}”`, mayBeFull)
}

export function silent(target: string, seconds: number, hasAnswered: boolean): Failure {
  return hasAnswered
    ? unreachable(target, `did not finish the login within ${seconds} s`, mayBeFull)
    : unreachable(
        target,
        `does not answer within ${seconds} s`,
        `check that the machine is on and reachable; ${mayBeFull}`,
      )
}

export function changedKey(target: string, key: HostKey): Failure {
  return {
    reason: 'target key changed',
    message: `${target} shows a host key (${key.fingerprint}) that is not the pinned one, so no credential was sent`,
    next: 'tell an administrator: if the machine was replaced, its new key has to be approved',
    changedKey: key,
  }
}

/** Its offer and ours do not meet: says in what, and what to do. */
export function lacking(
  target: string,
  offer: Offer | undefined,
  allowed: readonly LegacyAlgorithm[],
): Failure {
  const said = offer === undefined ? undefined : explainLacks(target, lacksOf(offer), allowed)
  return {
    reason: 'protocol error',
    ...(said ?? {
      message: `${target} offers no algorithm that is still safe`,
      next: 'update its SSH server',
    }),
  }
}

export type LoginError = Error & { readonly level?: string; readonly code?: string | number }

/** RFC 4253 §11.1: a disconnect with this reason. */
const tooManyConnections = 12

export type Stage = {
  /** The bytes that it sent before or instead of its version. */
  readonly said: string
  readonly isSpeaking: boolean
}

export function explain(
  target: string,
  login: string,
  error: LoginError,
  stage: Stage,
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
      return stage.isSpeaking
        ? unreachable(target, 'broke the connection off')
        : turnedAway(target, stage.said)
    case tooManyConnections:
      return unreachable(target, 'has too many connections', mayBeFull)
  }
  if (error.level === 'client-authentication' || error.level === 'agent')
    return refusedCredential(target, login)
  if (/no matching/i.test(error.message)) return lack()
  if (!stage.isSpeaking && /before handshake/i.test(error.message)) return turnedAway(target, stage.said)
  return {
    reason: 'protocol error',
    message: `${target} does not speak SSH as it should`,
    next: 'check what answers at its address',
  }
}
