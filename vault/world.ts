import { createHmac } from 'node:crypto'
import type { z } from 'zod'
import type { Actor } from './audit/entry.ts'
import type { VerbAnswer, VerbName, verbs } from './contract.ts'
import type { Caller } from './doors.ts'
import type { BackOff } from './identity/back-off.ts'
import type { ShortLived } from './identity/short-lived.ts'
import type { PasskeyNonce } from './identity/passkey.ts'
import type { Proof } from './identity/proof.ts'
import type { LoginId, WatchId } from './kernel/id.ts'
import type { Outcome } from './kernel/outcome.ts'
import type { Peer } from './kernel/rpc.ts'
import type { Vault } from './open.ts'
import type { Principal, Relation } from './policy/facts.ts'
import type { EnteredShares } from './custody/entered-shares.ts'
import type { Prepared } from './custody/ceremony.ts'
import type { HostKeySeen } from './contract.ts'
import type { Ticket } from './checkout/ticket.ts'
import type { Directories } from './directory/ask-worker.ts'
import type { OidcSignIns } from './directory/oidc-sign-in.ts'
import type { Bell } from './rotation/bell.ts'
import type { Sender } from './notifications/outbox.ts'
import type { Checkpoints } from './sessions/checkpoints.ts'
import type { Holds } from './sessions/hold.ts'
import type { LiveSessions } from './sessions/live.ts'
import type { Watching } from './sessions/watch.ts'
import type { Workers } from './sessions/workers.ts'
import type { Switches } from './switches/switches.ts'

/** What a site decides about sessions; see `config.ts`. */
export type Settings = {
  readonly quotaBytes: number
  readonly longestSessionSeconds: number
  /** A login ends after so many seconds without a call, and so many after it began. */
  readonly loginIdleSeconds: number
  readonly loginLongestSeconds: number
  /** The names under which people reach the console: where passkeys are good. */
  readonly consoleNames: readonly string[]
  /** The version of this program, for `status`. */
  readonly version: string
}

/** All that the vault's verbs work with: the keys and tables, and what lives in memory only. */
export type World = {
  readonly vault: Vault
  readonly settings: Settings
  readonly backOff: BackOff
  readonly workers: Workers
  readonly live: LiveSessions
  readonly holds: Holds
  readonly switches: Switches
  readonly watches: Map<WatchId, Watching>
  readonly checkpoints: Checkpoints
  readonly proofs: ShortLived<Proof>
  readonly tickets: ShortLived<Ticket>
  readonly scans: ShortLived<readonly HostKeySeen[]>
  readonly challenges: ShortLived<{ readonly auditor: string }>
  /** The latest step of each user's codes: later than the table's where that was set back. */
  readonly totpSteps: ShortLived<number>
  /** When whoever holds a login last showed a second factor since they signed in (ms). */
  readonly factors: ShortLived<number>
  /** Nonces that wait for a passkey: of sign-ins, of acts, and of passkeys to be made. */
  readonly passkeys: {
    readonly signIns: ShortLived<true>
    readonly acts: ShortLived<PasskeyNonce>
    readonly registrations: ShortLived<PasskeyNonce>
  }
  /** When a login was last written as seen. */
  readonly seen: ShortLived<LoginId>
  /** Of tokens of services: what of their use was written down a moment ago. */
  readonly tokensSeen: ShortLived<true>
  /** Shares that wait for others, in earnest and in a rehearsal, and keys that were handed out and not confirmed. */
  readonly custody: {
    readonly entered: EnteredShares
    readonly rehearsed: EnteredShares
    readonly prepared: ShortLived<Prepared>
  }
  /** Who sends notifications, as far as they have said. */
  readonly sender: Sender
  /** Sign-ins at providers of OpenID Connect that are under way. */
  readonly oidc: OidcSignIns
  /** What of rotation lives in memory. */
  readonly rotation: Bell
  /** Speaks with directories. */
  readonly directories: Directories
  readonly onFault: (what: string, error: unknown) => void
}

/** One call of a verb, after it was decided. */
export type Call = {
  readonly world: World
  readonly principal: Principal
  readonly actor: Actor
  readonly peer: Peer
  /** What is asked, as it was parsed: a passkey proves this and nothing else. */
  readonly act: { readonly verb: VerbName; readonly input: unknown }
  /** Where the person sits, as far as their login says. */
  readonly source?: string
}

/** Who does something, of whatever has called: a person, or the vault itself. */
export type Acting = Pick<Call, 'world' | 'actor' | 'source'> & {
  /** The name under which their act is kept in a row. */
  readonly name?: string
  readonly principal?: Principal
}

export type Input<Name extends VerbName> = z.output<(typeof verbs)[Name]['input']>
export type Handler<Name extends VerbName> = (
  call: Call,
  input: Input<Name>,
) => Promise<Outcome<VerbAnswer<Name>>>
export type Handlers = { readonly [Name in VerbName]: Handler<Name> }
export type Relate<Name extends VerbName> = (call: Call, input: Input<Name>) => Promise<Relation>
export type Relations = { readonly [Name in VerbName]?: Relate<Name> }

/** The principal as the audit log names them. */
export function actorOf(principal: Principal, caller: Caller): Actor {
  switch (principal.kind) {
    case 'local':
      return { kind: 'local', uid: principal.uid }
    case 'user':
      return { kind: 'user', id: principal.id, name: principal.name }
    case 'service':
      return { kind: 'service', token: principal.id, name: principal.service }
    case 'recorder':
    case 'rotation':
      return { kind: 'plane', plane: principal.kind }
    case 'anyone':
      return caller.kind === 'local' ? { kind: 'local', uid: caller.uid } : { kind: 'nobody' }
  }
}

/** What stands for a token in tables and in memory. Needs an open vault: a table alone cannot be given one. */
export function tokenHash(world: World, token: string): Buffer {
  return createHmac('sha256', world.vault.purposeKey('token')).update(token).digest()
}

/** The user who asks, where only users can. */
export function userOf(call: Call): Principal & { readonly kind: 'user' } {
  if (call.principal.kind !== 'user') throw new TypeError('asked by nobody that is a user')
  return call.principal
}

/** The name under which somebody's act is kept in a row. */
export function nameOf(call: Pick<Acting, 'name' | 'principal'>): string {
  if (call.name !== undefined) return call.name
  switch (call.principal?.kind) {
    case 'user':
      return call.principal.name
    case 'local':
      return `local:${call.principal.uid}`
    default:
      return call.principal?.kind ?? 'vault'
  }
}

/** The audit fields that each entry of this call has. */
export function by(call: Pick<Call, 'actor' | 'source'>): {
  readonly actor: Actor
  readonly source?: string
} {
  return call.source === undefined ? { actor: call.actor } : { actor: call.actor, source: call.source }
}
