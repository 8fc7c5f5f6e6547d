import type { LegacyAlgorithm, Protocol } from '../contract.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { Secret } from '../kernel/secret.ts'
import type { ChangeResult, KeepResult, LoginResult } from './phases.ts'
import type { ToldRules } from './profile-shape.ts'

/**
 * What a connector is: how one kind of machine is told to take another credential. It runs in the worker, which has no
 * keys; docs/rotation-connectors.md says how to write one. Each of its functions does one thing, says what it saw, and never throws for
 * what a target does.
 */
export type Connector = {
  /**
   * Logs in with `current` and has the machine take `candidate`. `untouched` only where nothing of the candidate had left;
   * in doubt `unknown`.
   */
  readonly change: (at: Place, current: Credential, candidate: Credential) => Promise<Seen<ChangeResult>>
  /** Asks the machine which passwords it takes, before one is made. Missing: it does not say. */
  readonly rules?: (at: Place) => Promise<Seen<ToldResult>>
  /** Logs in freshly, and out again. Sends the credential once. */
  readonly login: (at: Place, credential: Credential) => Promise<Seen<LoginResult>>
  /** Has the machine keep what it took over a restart. Missing: it does so by itself. */
  readonly persist?: (at: Place, candidate: Credential) => Promise<Seen<KeepResult>>
  /** After the promotion: has the machine forget what was there before. Missing: it has. */
  readonly retire?: (at: Place, candidate: Credential, old: Credential) => Promise<Seen<KeepResult>>
  /** Has a privileged account of the same machine set the candidate. */
  readonly reconcile?: (
    at: Place,
    privileged: Credential & { readonly login: string },
    candidate: Credential,
  ) => Promise<Seen<ChangeResult>>
}

/** Where, and as whom. */
export type Place = Pick<Through, 'target' | 'account'> & {
  /** Another account of the same host, where the table says that this step is done as that one. */
  readonly through?: Through
  /** The recipe by which it is changed, as JSON; missing: its connector follows none. */
  readonly recipe?: string
  /** The password with which the account is elevated on its machine, where the recipe asks for one. Borrowed. */
  readonly elevation?: Secret
  /** Milliseconds that the whole of it may take. */
  readonly withinMs: number
  /** Aborted when they are over, or nobody waits any more: let go of the target at once. */
  readonly signal: AbortSignal
}

/** An account at its target. */
export type Through = {
  readonly target: {
    readonly name: string
    /** How it is spoken with, for connectors that know several ways. */
    readonly protocol?: Protocol
    readonly host: string
    readonly port: number
    readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
    readonly legacy: { readonly algorithms: readonly LegacyAlgorithm[] } | null
    /** How it asks at a login of Telnet, where somebody has said so. */
    readonly prompts?: { readonly user?: string; readonly password?: string }
  }
  readonly account: { readonly login: string; readonly name: string }
  readonly credential: Credential
}

/** A password, borrowed for the call; or a key of which the vault holds the private half. */
export type Credential =
  | { readonly kind: 'password'; readonly secret: Secret }
  | {
      readonly kind: 'ssh-key'
      /** The blob of the public half, base64. */
      readonly publicKey: string
      readonly sign: (data: Uint8Array, algorithm: string) => Promise<Outcome<Uint8Array>>
    }

/** What a machine says of its rules; `untold`: nothing was heard of it. One that has none tells `{}`. */
export type ToldResult =
  | { readonly kind: 'told'; readonly rules: ToldRules }
  | { readonly kind: 'untold'; readonly why: string }

/**
 * Whether a secret left, or may have left, for the target: that counts against its lock-out, unless the target let it in,
 * whatever came of the rest.
 */
export type Sent = boolean | 'let in'

export type Seen<Result> = { readonly result: Result; readonly sent: Sent }

export function saw<Result>(result: Result, sent: Sent): Seen<Result> {
  return { result, sent }
}
