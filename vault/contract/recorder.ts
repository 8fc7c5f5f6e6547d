import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { type AuditorListLink } from './audit.ts'
import type { RecordingView } from './sessions.ts'
import { recordingAsked } from './recordings.ts'
import { base64, id, nameText, nothing, sealed, type Verb, verb } from './shapes.ts'
import {
  type Action,
  actions,
  clipboardWays,
  type DesktopSettings,
  type ElevationKind,
  type EndReason,
  endReasons,
  type ForwardRule,
  type InputPolicy,
  type LegacyAlgorithm,
  type Mask,
  type Protocol,
  rdpSecurities,
  rotatedProtocols,
} from './words.ts'

/** What can be asked about the recorder: what it asks of the vault, and the vault of it. */

/** How much room there is for recordings: see `recorder.space`. Below the floor no session starts. */
export const spaceStates = ['enough', 'low', 'refusing', 'reserve freed'] as const

export type SpaceState = (typeof spaceStates)[number]

/** Everything that a recording's header says and a broker enforces, decided by the vault once. */
export type Permit = {
  readonly session: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly user: { readonly id: Id<'usr'>; readonly name: string }
  readonly account: { readonly id: Id<'acc'>; readonly name: string; readonly login: string }
  readonly target: {
    readonly id: Id<'tgt'>
    readonly name: string
    readonly protocol: Protocol
    readonly host: string
    readonly port: number
    readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
    /** Old algorithms that it may be spoken with, and until when; null: modern ones alone. */
    readonly legacy: { readonly algorithms: readonly LegacyAlgorithm[]; readonly until: string } | null
    /** How it is logged in to; missing: as usual. */
    readonly desktop?: DesktopSettings
    /** What of its screen is not recorded; missing: all is. */
    readonly mask?: Mask
    /** Megabytes that the files of the session may carry; missing: as usual. */
    readonly fileMegabytes?: number
  }
  readonly safe: { readonly id: Id<'saf'>; readonly name: string }
  readonly grant: Id<'grt'>
  readonly lease: Id<'lse'>
  readonly actions: readonly Action[]
  /** How the account is elevated, and whether the grant allows it; missing where it is not. */
  readonly elevation?: { readonly kind: ElevationKind; readonly isGranted: boolean }
  /** Whose secrets its user may have typed into the desktop; missing where nobody's, or the grant does not allow it. */
  readonly typeIns?: readonly { readonly account: Id<'acc'>; readonly name: string }[]
  /** As whom files go beside the desktop; missing where nobody was named, or the grant does not allow it. */
  readonly files?: { readonly account: Id<'acc'>; readonly name: string }
  /** The session is a forwarding, to here and nowhere else. */
  readonly forward?: ForwardRule
  /** The user let themselves in; missing where somebody else did. */
  readonly breakGlass?: { readonly id: Id<'bgl'>; readonly reason: string }
  /** Whether its user says afterwards what they did; missing: they are not asked. */
  readonly closeOut?: 'asked' | 'required'
  readonly inputPolicy: InputPolicy
  readonly startedAt: string
  /** The session ends here: the least of grant end and longest session. */
  readonly endsAt: string
  /** SHA-256 (hex) of the canonical facts that decided. */
  readonly policyDigest: string
  readonly quotaBytes: number
  readonly source: string
  readonly auditorLists: readonly AuditorListLink[]
  /** Latest signed audit checkpoint, as text, for the header. */
  readonly auditCheckpoint: string
  readonly credential:
    | { readonly kind: 'password' }
    | { readonly kind: 'ssh-key'; readonly publicKey: string }
}

/** What a ticket that came over a live socket is good for. */
export type RedeemedTicket = ConnectTicket | WatchTicket

/** Shows a session that the worker carries. */
export type WatchTicket = {
  readonly kind: 'watch'
  readonly watch: Id<'wch'>
  readonly session: Id<'ses'>
  /** Who watches. */
  readonly by: string
  /** Is the session's user told? */
  readonly notice: boolean
  readonly user: string
  readonly account: string
}

export type ConnectTicket = {
  readonly kind: 'connect'
  /** For `session.open`, of this target and account alone. */
  readonly proof: string
  readonly user: string
  readonly target: string
  /** What it is spoken with: a terminal or a desktop. */
  readonly protocol: Protocol
  /** The account's login name. */
  readonly account: string
}

export const recorderCalls = {
  /** Ends a live session within 3 s, telling its user why. */
  'session.cut': z.strictObject({
    session: id('ses'),
    reason: z.enum(endReasons),
    message: z.string().max(500),
  }),
  /** Holds the input of a session's user, or lets it go on. Said again, it changes nothing. */
  'session.freeze': z.strictObject({
    session: id('ses'),
    frozen: z.boolean(),
    by: z.string().max(100),
    reason: z.string().max(500),
    /** Held for want of a supervisor: what the user asks for waits, and is not refused. */
    waits: z.boolean(),
    /** The watch whose watcher types in the user's place, while it is held. */
    hands: id('wch').optional(),
  }),
  /** Moves a session's end: its grant was extended. Said again, it changes nothing. */
  'session.extend': z.strictObject({ session: id('ses'), endsAt: z.iso.datetime() }),
  /** Ends a watch: its right is no more. */
  'watch.cut': z.strictObject({ watch: id('wch'), message: z.string().max(500) }),
  /** Shows a line in the terminals of a session; answered with how many they are. */
  'session.message': z.strictObject({
    session: id('ses'),
    by: z.string().max(100),
    text: z.string().max(500),
  }),
  /** Fetches the host keys that a target presents. */
  'host-key.fetch': z.strictObject({ host: z.string().max(255), port: z.int().min(1).max(65535) }),
  /** Fetches the certificate that a target presents: one of RDP, or one that opens no session. */
  'certificate.fetch': z.strictObject({
    host: z.string().max(255),
    port: z.int().min(1).max(65535),
    protocol: z.enum(['rdp', ...rotatedProtocols]),
    /** Of RDP; `nla` where it is not named. */
    security: z.enum(rdpSecurities).exclude(['rdp']).optional(),
  }),
} as const

export const recorderVerbs = {
  'backup.tables': verb(['local'], nothing),
  /** Registers a worker and the sessions that it carries; answered with those that must end. */
  'recorder.hello': verb(
    ['recorder'],
    z.strictObject({ node: nameText, worker: nameText, live: z.array(id('ses')).max(100_000) }),
  ),
  /** How much room the recorder's store has, whenever that changes its state. */
  'recorder.space': verb(
    ['recorder'],
    z.strictObject({ node: nameText, state: z.enum(spaceStates), freeBytes: z.int().min(0) }),
  ),
  'ssh.publickey': verb(
    ['recorder'],
    z.strictObject({
      name: z.string().max(100),
      connection: z.string().max(100), // the SSH session id (exchange hash), base64
      algorithm: z.string().max(64),
      key: base64, // key blob, RFC 4253 §6.6
      signature: base64.optional(), // absent: would this key be acceptable?
      signed: base64.optional(), // the signed bytes, RFC 4252 §7
      source: z.string().max(100),
    }),
  ),
  'ssh.password': verb(
    ['recorder'],
    z.strictObject({
      name: z.string().max(100),
      connection: z.string().max(100),
      sealedPassword: sealed, // sealed by the recorder; the vault's log and memory treat it like the console's
      totpCode: z.string().max(16),
      source: z.string().max(100),
    }),
  ),
  'ssh.ticket': verb(
    ['recorder'],
    z.strictObject({
      name: z.string().max(100),
      connection: z.string().max(100),
      ticket: z.string().max(200),
      source: z.string().max(100),
    }),
  ),
  /**
   * Does the policy want a second factor of whoever has proven themselves over SSH, before they open a session there?
   * With a code of theirs: takes it, and nothing is wanted any more.
   */
  'ssh.factor': verb(
    ['recorder'],
    z.strictObject({
      proof: z.string().max(200), // from ssh.*
      target: z.string().max(100),
      account: z.string().max(100).optional(),
      totpCode: z.string().max(16).optional(),
    }),
  ),
  /** Takes a ticket that came over the live socket of a login, once. */
  'ticket.redeem': verb(
    ['recorder'],
    z.strictObject({ ticket: z.string().max(200), login: id('lgn'), source: z.string().max(100) }),
  ),
  /** Decides, takes or joins the lease, and makes the session `opening`. */
  'session.open': verb(
    ['recorder'],
    z.strictObject({
      proof: z.string().max(200), // from ssh.* or ticket.redeem
      target: z.string().max(100),
      account: z.string().max(100).optional(), // may be left out when there is one
      wants: z.enum(actions),
      /** With `forward`: where to, as the user spelled it. */
      forward: z.strictObject({ host: z.string().max(300), port: z.int().min(0).max(65_535) }).optional(),
      worker: nameText,
      source: z.string().max(100),
    }),
  ),
  /** The header is durable: writes the audit leaf that starts the session, then releases the credential once. */
  'session.start': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      headerHash: base64, // SHA-256 of the header
      publicKey: base64, // Ed25519, the session's own
      boxKey: base64, // X25519, the session's own: the password comes sealed to it
    }),
  ),
  /** Signs an SSH userauth request (RFC 4252 §7) with the account's private key. */
  'session.sign': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      data: base64,
      algorithm: z.string().max(64),
      /** Of the login for the files beside the desktop, and not of the session's own. */
      files: z.literal(true).optional(),
    }),
  ),
  /** The secret for one elevation, sealed to the key of `session.start`. Once per act of the user. */
  'session.elevate': verb(['recorder'], z.strictObject({ session: id('ses') })),
  /** The secret of a linked account, to be typed into the desktop; sealed likewise. Once per act of the user. */
  'session.type-in': verb(['recorder'], z.strictObject({ session: id('ses'), account: id('acc') })),
  /** Where and as whom to log in for the files beside the desktop, with the credential; a password sealed likewise. */
  'session.files': verb(['recorder'], z.strictObject({ session: id('ses') })),
  /** What came of that login; `untried`: nothing of the credential went to the machine. */
  'session.files-login': verb(
    ['recorder'],
    z.strictObject({ session: id('ses'), verdict: z.enum(['accepted', 'rejected', 'untried']) }),
  ),
  'session.connected': verb(['recorder'], z.strictObject({ session: id('ses') })),
  'session.checkpoint': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      checkpoint: base64.max(4_096),
      signature: base64.max(128),
      sizeBytes: z.int().min(0),
    }),
  ),
  'session.file': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      name: z.string().max(4096),
      direction: z.enum(['upload', 'download']),
      via: z.enum(['sftp', 'scp']),
      size: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      complete: z.boolean(),
    }),
  ),
  /** A text that went over the clipboard of a desktop, to its end. */
  'session.clipboard': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      way: z.enum(clipboardWays),
      mimetype: z.string().max(100),
      size: z.int().min(0),
      /** Of texts that are too long to be guessed: whoever reads the log could try what a short one was. */
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    }),
  ),
  /** Something refused or odd during a session: forwarding asked for, a changed key, a denied channel. */
  'session.event': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      event: z.enum([
        'refused channel',
        'changed key',
        'forwarding refused',
        'quota warning',
        'time warning',
        'nested ssh',
        'old algorithms',
        'password change demanded',
        'elevation refused',
        'elevation echoed',
        'type-in refused',
        'type-in broken off',
        'password change',
        'target banner',
        'clipboard refused',
        'files refused',
      ]),
      /** For `changed key`: `<type> SHA256:…` of the key that was presented. */
      detail: z.string().max(500),
    }),
  ),
  /** How many connections a forwarding session wants open from now on. Refused as `held` where its grant has no more. */
  'session.forwarding': verb(['recorder'], z.strictObject({ session: id('ses'), open: z.int().min(0) })),
  /** What a forwarding session carried, once, before its end. */
  'session.forwarded': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      connections: z.int().min(0),
      bytesUp: z.int().min(0),
      bytesDown: z.int().min(0),
    }),
  ),
  'session.end': verb(
    ['recorder'],
    z.strictObject({
      session: id('ses'),
      reason: z.enum(endReasons),
      recording: z.strictObject({
        state: z.enum(['complete', 'incomplete', 'tampered']),
        sizeBytes: z.int().min(0),
        root: base64.optional(), // root hash over all segments
      }),
    }),
  ),
  /** May the holder of this login token read this recording's ciphertext, for `purpose`? Audited when `replay`. */
  'recording.authorise': verb(
    ['recorder'],
    z.strictObject({
      token: z.string().max(200),
      recording: id('rec'),
      /** `search`: its search index alone. */
      purpose: z.enum(['replay', 'verify', 'export', 'search']),
    }),
  ),
  /** Which of the recordings that are asked for may the holder of this token search? What for is not told. Audited. */
  'recording.searchable': verb(
    ['recorder'],
    z.strictObject({ token: z.string().max(200), asked: z.strictObject(recordingAsked) }),
  ),
} as const satisfies Record<string, Verb>

export type RecorderAnswers = {
  'backup.tables': readonly string[]
  'recorder.hello': { readonly end: readonly { readonly session: Id<'ses'>; readonly reason: EndReason }[] }
  'recorder.space': null
  /** `proof` is null for a key offered without a signature: acceptable, go on. */
  'ssh.publickey': { readonly proof: string | null; readonly user: string }
  'ssh.password': { readonly proof: string; readonly user: string }
  'ssh.ticket': { readonly proof: string; readonly user: string }
  'ssh.factor': { readonly isWanted: boolean }
  'ticket.redeem': RedeemedTicket
  'session.open': Permit
  'session.start': { readonly kind: 'password'; readonly sealed: string } | { readonly kind: 'ssh-key' }
  'session.sign': { readonly signature: string }
  'session.elevate': { readonly kind: ElevationKind; readonly sealed: string }
  'session.type-in': { readonly name: string; readonly sealed: string }
  'session.files': {
    readonly target: Pick<Permit['target'], 'name' | 'host' | 'port' | 'pins' | 'legacy'>
    readonly account: Pick<Permit['account'], 'name' | 'login'>
    /** Which ways are free now, of those that the session may, and for how long. */
    readonly ways: readonly Action[]
    readonly secondsLeft: number
    readonly credential:
      | { readonly kind: 'password'; readonly sealed: string }
      | { readonly kind: 'ssh-key'; readonly publicKey: string }
  }
  'session.files-login': null
  /** With a freeze that was ordered before the target let the session in. */
  'session.connected': {
    readonly freeze: { readonly by: string; readonly reason: string; readonly waits: boolean } | null
  }
  'session.checkpoint': null
  'session.file': null
  'session.clipboard': null
  'session.event': null
  'session.forwarding': null
  'session.forwarded': null
  'session.end': null
  'recording.authorise': RecordingView & { readonly reader: string }
  /** The newest first; `more`: there were too many for one search. */
  'recording.searchable': {
    readonly recordings: readonly { readonly id: Id<'rec'>; readonly startedAt: string }[]
    readonly more: boolean
  }
}
