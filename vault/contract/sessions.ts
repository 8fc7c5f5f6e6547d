import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import type { RecordingFound } from './recordings.ts'
import { freshCode, id, nothing, people, reason, reference, seconds, type Verb, verb } from './shapes.ts'
import type { AuditorListLink } from './audit.ts'
import { type ForwardView, type Protocol, type ShownState, ticketUses } from './words.ts'

/** What can be asked about sessions, watches, holds and recordings. */

/** Keeps a user off a target for a while after their session there was terminated. */
export type HoldView = {
  readonly id: Id<'hld'>
  readonly user: string
  readonly target: string
  readonly reason: string
  readonly heldBy: string
  readonly createdAt: string
  readonly until: string
}

export type SessionView = {
  readonly id: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly user: string
  readonly account: string
  readonly target: string
  readonly protocol: Protocol
  readonly grant: Id<'grt'>
  readonly source: string
  readonly state: 'opening' | 'live' | 'frozen' | 'ended'
  readonly startedAt: string
  readonly endsAt: string
  readonly endedAt: string | null
  /** When the recording last vouched for something new, to within 5 s; null before that. */
  readonly lastActivityAt: string | null
  /** Who holds the user's input, and why. `isHeld`: the recorder has said that nothing reaches the target. */
  readonly freeze: {
    readonly by: string
    readonly reason: string
    readonly at: string
    /** For want of a supervisor, whom the policy wants; it goes on when one watches. */
    readonly waits: boolean
    readonly isHeld: boolean
  } | null
  /** Who has taken it over and types in the user's place; null: nobody. */
  readonly takenBy: string | null
  /** One of `endReasons`, null while live. */
  readonly endReason: string | null
  /** Who terminated it, and why; null: nobody did. */
  readonly endedBy: { readonly by: string; readonly reason: string } | null
  /** In a list: a rule of the policy alone lets who asks watch it, now or at another time; they do nothing else to it. */
  readonly byRule?: 'now' | 'not now'
  /** Who watches now, each once. */
  readonly watchers: readonly string[]
  readonly forward: ForwardView | null
  /** Somebody else set the user's password, key or code in the seven days before. */
  readonly credentialSetByOther: boolean
  /** The break-glass by which it came about; null: somebody let the user in. */
  readonly breakGlass: Id<'bgl'> | null
}

export type RecordingView = {
  readonly id: Id<'rec'>
  readonly session: Id<'ses'>
  readonly user: string
  readonly account: string
  readonly target: string
  readonly protocol: Protocol
  readonly grant: Id<'grt'>
  readonly source: string
  readonly startedAt: string
  readonly endedAt: string | null
  readonly endReason: string | null
  readonly forward: ForwardView | null
  readonly breakGlass: Id<'bgl'> | null
  readonly state: ShownState
  readonly sizeBytes: number
}

export const sessionsVerbs = {
  /**
   * A one-time ticket for this account. `ssh`: given instead of password and code, within 60 s. `connect`: opens a
   * terminal over the console's live socket, within 30 s, for the login that took it.
   */
  'ticket.issue': verb(['user'], z.strictObject({ account: reference, for: z.enum(ticketUses).optional() })),
  /** Which login a live socket belongs to. Asked by the api before it lets one through to a recorder's worker. */
  'live.open': verb(['user'], nothing),
  'session.list': verb(
    people,
    z.strictObject({ live: z.boolean().optional(), limit: z.int().min(1).max(10_000).optional() }),
  ),
  'session.show': verb(people, z.strictObject({ session: id('ses') })),
  /** With `holdSeconds` the user cannot connect to that target again before the hold ends or is released. */
  'session.terminate': verb(
    people,
    z.strictObject({ session: id('ses'), reason, holdSeconds: seconds.max(7 * 24 * 3600).optional() }),
  ),
  /** Holds the user's input: what they send reaches the target no more, what the target prints goes on. */
  'session.freeze': verb(people, z.strictObject({ session: id('ses'), reason })),
  'session.unfreeze': verb(people, z.strictObject({ session: id('ses') })),
  /** Shows a line in the user's terminals. */
  'session.message': verb(
    people,
    z.strictObject({ session: id('ses'), text: z.string().trim().min(1).max(500) }),
  ),
  /** A one-time ticket that shows the session, from its present screen on, over a live socket of the login that took it. */
  'session.watch': verb(['user'], z.strictObject({ session: id('ses') })),
  /** Takes over a session that the asker watches by `watch`: what they type over it goes on, and the user's does not. */
  'session.take': verb(
    ['user'],
    z.strictObject({ session: id('ses'), watch: id('wch'), reason, totpCode: freshCode }),
  ),
  'session.giveBack': verb(['user'], z.strictObject({ session: id('ses') })),
  /** A watcher has left. */
  'watch.end': verb(
    ['recorder'],
    z.strictObject({ watch: id('wch'), session: id('ses'), by: z.string().max(100) }),
  ),
  'hold.list': verb(people, nothing),
  'hold.release': verb(people, z.strictObject({ hold: id('hld') })),
  'recording.list': verb(people, z.strictObject({ limit: z.int().min(1).max(10_000).optional() })),
  'recording.show': verb(people, z.strictObject({ recording: id('rec') })),
  /** May the asker still read this recording's ciphertext? Each part that is read asks; nothing is audited. */
  'recording.readable': verb(['user'], z.strictObject({ recording: id('rec') })),
  /** May the asker search inside recordings? Each step of a search asks; nothing is audited. */
  'recording.search': verb(['user'], z.strictObject({})),
  /**
   * What proves a recording without the vault: entries of the audit log about its session with their proofs, and that the
   * log begins with the one of `from` entries, which a header of a recording names.
   */
  'evidence.gather': verb(people, z.strictObject({ recording: id('rec'), from: z.int().min(0).optional() })),
  /** Signs the list of an evidence package's files; the log then has who made it, of which part, and how its key is kept. */
  'evidence.sign': verb(
    people,
    z.strictObject({
      recording: id('rec'),
      /** `SHA256SUMS` of the package. */
      list: z
        .string()
        .max(8_192)
        .regex(/^(?:[0-9a-f]{64} {2}[A-Za-z0-9.-]{1,60}\n){1,40}$/, 'give a list as sha256sum writes it'),
      cut: z.strictObject({ from: z.int().min(0), to: z.int().min(0) }).optional(),
      opens: z.enum(['openly', 'passphrase']),
    }),
  ),
} as const satisfies Record<string, Verb>

export type SessionsAnswers = {
  'ticket.issue': { readonly ticket: string; readonly expiresAt: string }
  'live.open': { readonly login: Id<'lgn'>; readonly user: string }
  'session.list': readonly SessionView[]
  'session.show': SessionView
  'session.terminate': null
  'session.freeze': SessionView
  'session.unfreeze': SessionView
  'session.take': SessionView
  'session.giveBack': SessionView
  /** In how many of the user's terminals the line was shown. */
  'session.message': { readonly terminals: number }
  /** `worker`: the recorder's worker that carries the session, whose live socket the ticket is for. */
  'session.watch': { readonly ticket: string; readonly worker: string; readonly expiresAt: string }
  'watch.end': null
  'hold.list': readonly HoldView[]
  'hold.release': null
  'recording.list': readonly RecordingView[]
  'evidence.gather': {
    readonly leaves: readonly {
      readonly seq: number
      readonly body: string
      readonly proof: readonly string[]
    }[]
    readonly checkpoint: string
    readonly publicKey: string
    /** Hashes that prove that the log begins with its first `from` entries (RFC 6962 §2.1.2). */
    readonly consistency: readonly string[]
    readonly auditorLists: readonly AuditorListLink[]
    /** DER, base64. */
    readonly certificate: string
  }
  /** CMS (RFC 5652), detached, DER in base64. */
  'evidence.sign': { readonly signature: string }
  'recording.show': RecordingFound
  'recording.readable': RecordingView
  'recording.search': null
}
