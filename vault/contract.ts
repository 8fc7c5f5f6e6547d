import { z } from 'zod'
import type { Id } from './kernel/id.ts'
import { isId } from './kernel/id.ts'
import { type PolicyDocument, policyDocument } from './policy/document.ts'

/**
 * What the vault can be asked: one entry per verb, with the shape of its input (checked by the vault at its edge)
 * and the type of its answer. Everybody who asks (console, CLI, recorder) asks through these.
 *
 * `asks` says through which door a verb may be called at all; whether this caller may is decided per call by
 * `policy.decide`. Bytes travel as base64 text, moments as ISO 8601 in UTC, durations in whole seconds.
 */

/** Names of users, safes, targets and accounts: no `@ : / %`, no white space, nothing that looks like an option. */
export const nameText = z
  .string()
  .regex(/^[a-z0-9_][a-z0-9._-]{0,62}$/i, 'use 1 to 63 letters, digits, dots, dashes or underscores')
/** Login names on targets are the target's business, but they travel in `user@account@target`. */
export const loginName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\s@:/%\p{C}]+$/u, 'a login name holds no spaces, control characters or any of @ : / %')
/**
 * A mail address in the form that mail servers give people: letters, digits and signs of ASCII, one @, a domain.
 * SECURITY: nothing in it begins a line, a quotation or an option.
 */
export const mailAddress = z
  .string()
  .max(254)
  .regex(
    /^[a-z0-9!#$%&'*+/=?^_{|}~][a-z0-9.!#$%&'*+/=?^_{|}~-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i,
    'not a mail address: write it as name@example.com',
  )
const base64 = z
  .string()
  .max(3_000_000)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'not base64')
const moment = z.iso.datetime({ offset: true })
const seconds = z
  .int()
  .min(1, 'a second at least')
  .max(366 * 24 * 3600, 'a year at most')
const id = <Kind extends string>(kind: Kind) =>
  z.custom<Id<Kind>>(
    (value) => typeof value === 'string' && isId(kind, value),
    `not an id of the form ${kind}_…`,
  )
/** A thing named by its id or its name (`press-3/engineer` for an account). */
const reference = z.string().min(1).max(160)
const mailDomain = z.string().min(1).max(253)
const termsText = z.string().trim().min(1, 'leave it out where there are none').max(40_000)
const reason = z.string().max(500).optional()
/** A code of the asking person's authenticator that was not used before. The machine's administrator gives none. */
const base64url = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/, 'not base64url')
/** What a passkey signed, as the browser gives it, all in base64url; `nonce` is the vault's, which its challenge holds. */
const passkeyProof = z.strictObject({
  nonce: base64url(100),
  credential: base64url(1400),
  clientDataJSON: base64url(4000),
  authenticatorData: base64url(4000),
  signature: base64url(2000),
})
export type PasskeyProof = z.output<typeof passkeyProof>
/** A code of the authenticator that was not used before, or a proof by a passkey, made for this act alone. */
const freshCode = z.union([z.string().max(16), passkeyProof]).optional()
export type FreshCode = z.output<typeof freshCode>

export const roles = ['admin', 'approver', 'operator', 'vendor', 'auditor'] as const
export type Role = (typeof roles)[number]

/** What can be imported from a file. */
export const importKinds = ['targets', 'accounts', 'users', 'grants'] as const
export type ImportKind = (typeof importKinds)[number]

export const permissions = ['use', 'reveal', 'approve', 'manage', 'replay', 'break-glass'] as const
export type Permission = (typeof permissions)[number]

export const actions = ['shell', 'exec', 'sftp-read', 'sftp-write', 'forward', 'elevate'] as const
export type Action = (typeof actions)[number]

export const verdicts = ['approve', 'deny'] as const
export type Verdict = (typeof verdicts)[number]
export const requestStates = ['open', 'approved', 'denied', 'withdrawn', 'expired'] as const

/** At whose prompt a secret of the vault is typed, on the user's act. */
export const elevationKinds = ['sudo', 'su', 'enable'] as const
export type ElevationKind = (typeof elevationKinds)[number]

/** `counts`: bytes and times of each connection; `stream`: all that passed too. */
export const forwardRecords = ['counts', 'stream'] as const
/** One destination that a grant lets its user reach through the target. */
export type ForwardRule = {
  readonly host: string
  readonly port: number
  readonly record: (typeof forwardRecords)[number]
  /** Connections at a time. */
  readonly connections: number
  /** Of both directions, in one session (10^6 bytes); null: no limit. */
  readonly megabytes: number | null
}
/** What a forwarding session has carried. Counts are those of its end; null while it lives. */
export type ForwardView = {
  readonly to: string
  readonly connections: number | null
  readonly bytesUp: number | null
  readonly bytesDown: number | null
}
/** Where forwarding may go. */
const forwards = z
  .array(
    z.strictObject({
      host: z.string().min(1).max(253),
      port: z.int().min(1).max(65_535),
      record: z.enum(forwardRecords).optional(),
      connections: z.int().min(1).max(64).optional(),
      megabytes: z.int().min(1).max(1_000_000).optional(),
    }),
  )
  .min(1)
  .max(32)
export const ticketUses = ['ssh', 'connect'] as const

export const inputPolicies = ['echoed', 'full', 'timing_only'] as const
export type InputPolicy = (typeof inputPolicies)[number]

/**
 * Classes of algorithms that nobody should speak any more and that old machines have nothing instead of. A target is
 * allowed those that it needs, one by one; nothing else is.
 */
export const legacyAlgorithms = [
  'group1-sha1',
  'group14-sha1',
  'gex-sha1',
  'ssh-rsa',
  'ssh-dss',
  'aes-cbc',
  '3des-cbc',
  'hmac-sha1',
  'hmac-md5',
] as const
export type LegacyAlgorithm = (typeof legacyAlgorithms)[number]

/** Who asks. `local` is the machine's administrator through the admin door. */
export type Door = 'local' | 'user' | 'anyone' | 'recorder' | 'api'

// ---------------------------------------------------------------- answers

export const sealKinds = ['passphrase', 'key-file', 'recovery', 'custodians', 'pkcs11', 'plug-in'] as const
/** Ways to unseal the vault. */
export type SealKind = (typeof sealKinds)[number]

export type SharesView = {
  readonly set: string // K3F9-21XX
  readonly threshold: number
  readonly given: readonly { readonly index: number; readonly name: string }[]
  readonly missing: readonly string[]
  readonly until: string
}

export type SealView = {
  readonly id: string
  readonly kind: SealKind
  readonly createdAt: string
  /** The root key can be exchanged without it; otherwise it must unseal the vault once before. */
  readonly followsRotation: boolean
  readonly path: string | null
  /** What is outside of the vault: a key in a token, or a plug-in. */
  readonly outside: string | null
  /** Opens the vault at a start without a person. */
  readonly byItself: boolean
  readonly custodians: {
    readonly set: string
    readonly threshold: number
    readonly names: readonly string[]
  } | null
}

export type RotationView = {
  readonly id: string
  readonly what: 'root' | 'safe'
  readonly safe: string | null
  readonly version: number
  readonly total: number
  readonly done: number
  readonly startedBy: string
  readonly startedAt: string
  readonly finishedAt: string | null
  /** `stopped`: something is wrong; it goes on at the next unsealing. */
  readonly state: 'running' | 'finished' | 'stopped'
}

export type VaultStatus = {
  readonly initialised: boolean
  readonly sealed: boolean
  /** X25519 public key (base64) to which secrets for the vault are sealed; null until initialised. */
  readonly intakeKey: string | null
  /** SHA256:… of the intake key, for people to compare. */
  readonly fingerprint: string | null
  readonly sealProviders: readonly {
    readonly kind: SealKind
    readonly path?: string
    /** It opens the vault without a person. */
    readonly byItself?: true
  }[]
  /** How many custodians have entered their shares; null while none has. Names are for the administrator's door. */
  readonly shares: SharesView | null
  /** The same of shares that were entered to rehearse; null at every door but the administrator's. */
  readonly rehearsal: SharesView | null
  readonly auditors: { readonly version: number; readonly count: number; readonly fingerprint: string } | null
  /** Null for vendors, and for nobody. */
  readonly users: number | null
  readonly version: string
}

/** How much room there is for recordings: see `recorder.space`. Below the floor no session starts. */
export const spaceStates = ['enough', 'low', 'refusing', 'reserve freed'] as const
export type SpaceState = (typeof spaceStates)[number]

/** What a user is written to about: everything that concerns them, or what concerns security alone. */
export const noticeChoices = ['all', 'security'] as const
export type NoticeChoice = (typeof noticeChoices)[number]
export type MailView = { readonly address: string; readonly notices: NoticeChoice }

export type UserView = {
  readonly id: Id<'usr'>
  readonly name: string
  readonly roles: readonly Role[]
  readonly state: 'enrolling' | 'active' | 'disabled'
  readonly hasPassword: boolean
  readonly hasTotp: boolean
  readonly keys: number
  readonly passkeys: number
  /** How many recovery codes are left. */
  readonly recoveryCodes: number
  readonly mail: MailView | null
  readonly createdAt: string
  readonly lastLoginAt: string | null
  /** The company that they represent; missing for everybody else. */
  readonly company?: string
  /** When its contract ends. Missing in lists. */
  readonly contractEndsAt?: string
  /** Its terms were not accepted: nothing else is answered before they are. */
  readonly owesTerms?: true
}
/** What a representative agrees to. */
export type TermsView = {
  readonly company: string
  readonly text: string
  /** SHA-256 of the text, in hex: what is accepted is what was shown. */
  readonly digest: string
}
export const companyStates = ['active', 'ended', 'off'] as const
export type CompanyView = {
  readonly id: Id<'cmp'>
  readonly name: string
  /** `ended`: its contract is over. `off`: it was taken off before. */
  readonly state: (typeof companyStates)[number]
  readonly contractEndsAt: string
  /** Who answers for it in the plant. */
  readonly sponsor: string
  /** Can the sponsor sign in? */
  readonly isSponsorActive: boolean
  readonly mailDomains: readonly string[]
  readonly hasTerms: boolean
  readonly representatives: number
  readonly offAt: string | null
  readonly createdAt: string
}
export type RepresentativeView = {
  readonly user: string
  readonly mail: string
  readonly state: UserView['state']
  readonly invitedBy: string
  readonly createdAt: string
  readonly lastLoginAt: string | null
  /** When they accepted the present terms; null: not yet, or there are none. */
  readonly termsAcceptedAt: string | null
}
export type CompanyDetail = CompanyView & {
  readonly terms: Omit<TermsView, 'company'> | null
  readonly people: readonly RepresentativeView[]
  /** Those that have not ended. */
  readonly grants: readonly GrantView[]
  readonly offboardings: readonly { readonly id: Id<'off'>; readonly at: string }[]
}
/** What taking a user or a company off has ended, and how long it took. */
export type OffboardingView = {
  readonly id: Id<'off'>
  /** One of the two. */
  readonly company: string | null
  readonly user: string | null
  readonly reason: string
  readonly by: string
  readonly at: string
  readonly people: readonly string[]
  readonly logins: number
  readonly sessions: readonly {
    readonly session: Id<'ses'>
    readonly user: string
    readonly account: string
    /** Null until the recorder says that it has ended. */
    readonly endedAt: string | null
    readonly endedAfterMs: number | null
  }[]
  readonly grants: readonly { readonly id: Id<'grt'>; readonly user: string; readonly account: string }[]
  readonly requests: readonly { readonly id: Id<'req'>; readonly user: string; readonly account: string }[]
  readonly leases: readonly { readonly id: Id<'lse'>; readonly user: string; readonly account: string }[]
  /** Secrets that they have seen and that have not been changed since then, when they were taken off. */
  readonly secrets: readonly {
    readonly account: string
    readonly version: number
    readonly user: string
    readonly dueAt: string
    /** When another version took its place; null: it is still to be rotated. */
    readonly rotatedAt: string | null
  }[]
}
export type Enrolment = { readonly token: string; readonly path: string; readonly expiresAt: string }
export type UserKeyView = {
  readonly id: Id<'key'>
  readonly type: string
  readonly fingerprint: string
  readonly comment: string
  readonly createdAt: string
}
export type LoginView = {
  readonly token: string
  readonly user: UserView
  readonly expiresAt: string
}
export type PasskeyView = {
  readonly id: Id<'pky'>
  readonly name: string
  /** The name of the console at which it was made: it is good there alone. */
  readonly site: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
}
/** What a browser asks an authenticator with. */
export type PasskeyAsk = {
  readonly nonce: string
  readonly passkeys: readonly { readonly credential: string; readonly site: string }[]
}
/** Recovery codes, a JSON array of texts sealed to the box key of whoever asked. They are shown this once. */
export type RecoveryCodes = { readonly sealedRecoveryCodes: string }
export type LoginListing = {
  readonly id: Id<'lgn'>
  readonly user: string
  readonly source: string
  readonly createdAt: string
  /** When something was last asked with it, to 20 s. */
  readonly lastSeenAt: string
  readonly expiresAt: string
  /** It ends after so many seconds in which nothing is asked with it. */
  readonly idleSeconds: number
  /** Until it ends whatever is asked: no two clocks need agree. */
  readonly secondsLeft: number
  /** Is it the one that asks? */
  readonly isOwn: boolean
}
/** Who is written to about a safe. */
export type SafeNotifications = {
  /** Minutes after which people are reminded of a request that nobody answered; null: never. */
  readonly unansweredMinutes: number | null
  /** Who is told then, beside the approvers; null: the administrators. */
  readonly escalateTo: string | null
  /** Are the approvers written to when a session begins and ends? */
  readonly sessions: boolean
}
export type SafeView = {
  readonly id: Id<'saf'>
  readonly name: string
  readonly inputPolicy: InputPolicy
  /** Is a user told in their terminal who watches them? */
  readonly watchNotice: boolean
  /** How many people must approve a request for one of its accounts. */
  readonly approvals: number
  readonly notifications: SafeNotifications
  /** For how long members with `break-glass` may let themselves in, and who is alarmed; null: they may not. */
  readonly breakGlass: { readonly minutes: number; readonly alarms: readonly string[] } | null
  readonly targets: number
  readonly accounts: number
  readonly members: readonly { readonly user: string; readonly permissions: readonly Permission[] }[]
  readonly createdAt: string
}
export type TargetView = {
  readonly id: Id<'tgt'>
  readonly name: string
  readonly safe: string
  readonly protocol: 'ssh'
  readonly host: string
  readonly port: number
  /** Pinned host keys: `SHA256:…`. Empty: nobody can connect until one is approved. */
  readonly pins: readonly {
    readonly type: string
    readonly fingerprint: string
    readonly approvedBy: string
  }[]
  /** A key other than the pinned one, seen and refused; cleared by pinning. */
  readonly changedKey: { readonly type: string; readonly fingerprint: string; readonly seenAt: string } | null
  /** Old algorithms that it may be spoken with until a day; null: modern ones alone. */
  readonly legacy: {
    readonly algorithms: readonly LegacyAlgorithm[]
    readonly reason: string
    readonly until: string
    readonly isExpired: boolean
    readonly allowedBy: string
    readonly allowedAt: string
  } | null
  readonly createdAt: string
}
export type AccountView = {
  readonly id: Id<'acc'>
  readonly name: string // `press-3/engineer`
  readonly target: string
  readonly login: string
  readonly safe: string
  readonly credential: {
    readonly kind: 'password' | 'ssh-key'
    readonly version: number
    readonly at: string
  } | null
  /** Targets whose present identity this account is bound to. */
  readonly boundTo: readonly string[]
  /** What is typed, on the user's act, at the prompt of `kind`: the secret of `account`. */
  readonly elevation: { readonly kind: ElevationKind; readonly account: string } | null
  readonly holder: {
    readonly user: string
    readonly until: string | null
    readonly exclusive: boolean
  } | null
  readonly createdAt: string
}
export type ExposureView = {
  readonly user: string
  readonly account: string
  readonly version: number
  readonly at: string
  readonly reason: string
  /** By when it has to be rotated: its user was taken off, and it is in use still. */
  readonly rotationDueAt: string | null
}
export type GrantView = {
  readonly id: Id<'grt'>
  readonly user: string
  readonly account: string
  readonly actions: readonly Action[]
  /** Where the action `forward` may go. */
  readonly forwards: readonly ForwardRule[]
  readonly notBefore: string
  readonly notAfter: string
  readonly maxSessionSeconds: number
  readonly mode: 'shared' | 'exclusive'
  readonly reason: string
  readonly state: 'future' | 'active' | 'expired' | 'revoked'
  readonly grantedBy: string
  readonly createdAt: string
}
/** A person's wish for a grant, and what others said to it. */
export type RequestView = {
  readonly id: Id<'req'>
  readonly user: string
  readonly account: string
  readonly actions: readonly Action[]
  readonly forwards: readonly ForwardRule[]
  readonly mode: 'shared' | 'exclusive'
  /** Null: from its approval on. */
  readonly notBefore: string | null
  readonly forSeconds: number
  readonly reason: string
  readonly workOrder: string | null
  readonly createdAt: string
  /** When nobody can approve it any more. */
  readonly expiresAt: string
  readonly state: (typeof requestStates)[number]
  readonly closedAt: string | null
  readonly closedBy: string | null
  readonly grant: Id<'grt'> | null
  /** How many people must approve. */
  readonly approvalsNeeded: number
  /** Groups of the policy whose members must approve, among them; `missing`: how many have not. */
  readonly approvalsFrom: readonly {
    readonly group: string
    readonly count: number
    readonly missing: number
  }[]
  readonly approvals: readonly {
    readonly user: string
    readonly verdict: Verdict
    readonly note: string
    readonly at: string
  }[]
  /** SHA-256 of what is asked, in hex: an approval is of this. */
  readonly digest: string
  /** May the asking user decide it? */
  readonly mayDecide: boolean
}
export const switchActs = ['freeze', 'terminate'] as const
/** `lost`: its input cannot be read, which holds too. */
export const switchStates = ['run', 'stop', 'lost'] as const
export type PlantSwitchState = (typeof switchStates)[number]
export type PlantSwitchView = {
  readonly id: Id<'psw'>
  readonly name: string
  readonly safes: readonly string[]
  readonly act: (typeof switchActs)[number]
  /** Where its input is read; null: it calls. */
  readonly input: string | null
  readonly stopsAt: boolean | null
  readonly state: PlantSwitchState
  readonly changedAt: string
  readonly addedBy: string
}
export type PolicyView = {
  /** 0: none was applied yet, and grants alone let in. */
  readonly version: number
  /** SHA-256 of the document, in hex. */
  readonly digest: string | null
  readonly appliedBy: string | null
  readonly appliedAt: string | null
  readonly document: PolicyDocument
}
export type PolicyChange = {
  /** A user, target or account: its name, which stands as it is, means another one now. */
  readonly what: 'rule' | 'group' | 'calendar' | 'user' | 'safe' | 'target' | 'account'
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
}
/** Pairs of user and account: all are counted, some named. */
type Pairs = {
  readonly total: number
  readonly pairs: readonly { readonly user: string; readonly account: string }[]
}
export type PolicyPlan = {
  /** The digest of the policy that it was planned against; null: none was applied yet. */
  readonly from: string | null
  readonly digest: string
  readonly changes: readonly PolicyChange[]
  /** Who could use what by rules, at some time, and could not before. */
  readonly gains: Pairs
  readonly loses: Pairs
}
export type PolicyAnswer = {
  readonly allowed: boolean
  /** As the user would read it. */
  readonly sentence: string
  readonly next: string | null
  readonly endsAt: string | null
  readonly exclusive: boolean
  /** Everything that was looked at: grants, rules, and what a target needs. */
  readonly steps: readonly {
    readonly what: string // grant grt_…, rule line-3, target
    readonly effect: 'allows' | 'limits' | 'nothing'
    readonly holds: boolean
    readonly text: string
  }[]
}
export type ReachView = {
  readonly user: string
  readonly account: string
  /** Where they could use it: its own target, or another that it is bound to. */
  readonly target: string
  readonly actions: readonly Action[]
  /** What lets in: grants and rules. */
  readonly by: readonly string[]
  /** When the longest session that began then would end. */
  readonly until: string
  readonly exclusive: boolean
}
export const breakGlassStates = ['running', 'ended', 'reviewed'] as const
/** That somebody let themselves in, without anybody's approval. */
export type BreakGlassView = {
  readonly id: Id<'bgl'>
  readonly user: string
  readonly account: string
  readonly safe: string
  readonly grant: Id<'grt'>
  readonly reason: string
  readonly openedAt: string
  readonly endsAt: string
  /** `ended`: it waits for its review. */
  readonly state: (typeof breakGlassStates)[number]
  readonly sessions: number
  /** Who was told at once. */
  readonly alarmed: readonly string[]
  readonly reviewedBy: string | null
  readonly reviewedAt: string | null
  readonly note: string | null
  /** By when the account's secret should be another one, and whether it is. */
  readonly secretDueAt: string
  readonly secretChanged: boolean
  /** May the asking user review it now? */
  readonly mayReview: boolean
}
export const notificationStates = ['waiting', 'sent', 'failed', 'dropped'] as const
/** What somebody was written, or the webhook told, and what became of it. */
export type NotificationView = {
  readonly id: Id<'ntf'>
  /** One of `AboutKind` (vault/notifications/about.ts). */
  readonly kind: string
  readonly channel: 'mail' | 'webhook'
  /** To whom; null: the webhook. */
  readonly user: string | null
  readonly text: string
  readonly createdAt: string
  /** `dropped`: there was no reason any more to send it. */
  readonly state: (typeof notificationStates)[number]
  readonly attempts: number
  /** When it is tried next, where it waits. */
  readonly nextAt: string | null
  readonly endedAt: string | null
  /** What went wrong last. */
  readonly error: string | null
}
/** What is to be sent, as whoever sends it gets it. */
export type Envelope =
  | {
      readonly id: Id<'ntf'>
      readonly channel: 'mail'
      readonly to: string
      readonly subject: string
      readonly lines: readonly string[]
      /** Where its link leads in the console; null: it has none. */
      readonly path: string | null
      readonly linkUntil: string
      readonly at: string
    }
  | {
      readonly id: Id<'ntf'>
      readonly channel: 'webhook'
      readonly url: string
      readonly body: string
      /** Seconds since 1970, as text. */
      readonly timestamp: string
      readonly signature: string
    }
export type LeaseView = {
  readonly id: Id<'lse'>
  readonly account: string
  readonly user: string
  readonly exclusive: boolean
  readonly explicit: boolean
  readonly since: string
  /** Null: until a minute after the last session. A moment that has passed: until the last session ends. */
  readonly until: string | null
  /** Sessions under it that have not ended. */
  readonly sessions: number
}
/** An account that the asking user may use now, or will. */
export type AccessView = {
  readonly account: string
  /** The user's own grants for it that have not ended, the one that ends first at the beginning. */
  readonly grants: readonly GrantView[]
  /** Rules of the policy that let the user use it without a grant. */
  readonly rules: readonly {
    readonly name: string
    readonly actions: readonly Action[]
    /** Why it does not now; null: it does. */
    readonly unmet: string | null
    readonly exclusive: boolean
    /** When it ends by itself; null: it does not, or it does not hold now. */
    readonly until: string | null
    readonly contact: string | null
  }[]
  readonly favourite: boolean
  /** When the user's last session began. */
  readonly lastUsedAt: string | null
  /** What the user holds of it. */
  readonly lease: LeaseView | null
  /** Who else holds it. */
  readonly others: readonly Pick<LeaseView, 'user' | 'exclusive' | 'until'>[]
}
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
export const recordingStates = ['recording', 'complete', 'incomplete', 'tampered'] as const
export type RecordingState = (typeof recordingStates)[number]
export type SessionView = {
  readonly id: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly user: string
  readonly account: string
  readonly target: string
  readonly protocol: 'ssh'
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
  /** One of `endReasons`, null while live. */
  readonly endReason: string | null
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
  readonly protocol: 'ssh'
  readonly grant: Id<'grt'>
  readonly source: string
  readonly startedAt: string
  readonly endedAt: string | null
  readonly endReason: string | null
  readonly forward: ForwardView | null
  readonly breakGlass: Id<'bgl'> | null
  readonly state: RecordingState
  readonly sizeBytes: number
}
export const endReasons = [
  'finished', // what ran on the target ended by itself
  'closed by the user',
  'closed by the target', // the connection, under what still ran
  'terminated',
  'user disabled',
  'grant revoked',
  'time is up',
  'vault sealed',
  'recording failed',
  'quota reached',
  'target unreachable',
  'target refused the credential',
  'target key changed',
  'recorder crashed',
  'protocol error',
  'vault away too long',
  'shut down',
] as const
export type EndReason = (typeof endReasons)[number]

export type AuditLeafView = {
  readonly seq: number
  readonly at: string
  readonly kind: string
  readonly actor: string
  readonly text: string // one line for people
  readonly entry: unknown // the entry as it was signed
}
export type AuditVerdict = {
  readonly ok: boolean
  readonly leaves: number
  readonly checkpoints: number
  readonly sentence: string
}

/** A link of the chain of auditor lists; `body` (canonical JSON, base64) is what `signature` signs. */
export type AuditorListLink = { readonly version: number; readonly body: string; readonly signature: string }

/** Everything that a recording's header says and a broker enforces, decided by the vault once. */
export type Permit = {
  readonly session: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly user: { readonly id: Id<'usr'>; readonly name: string }
  readonly account: { readonly id: Id<'acc'>; readonly name: string; readonly login: string }
  readonly target: {
    readonly id: Id<'tgt'>
    readonly name: string
    readonly protocol: 'ssh'
    readonly host: string
    readonly port: number
    readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
    /** Old algorithms that it may be spoken with, and until when; null: modern ones alone. */
    readonly legacy: { readonly algorithms: readonly LegacyAlgorithm[]; readonly until: string } | null
  }
  readonly safe: { readonly id: Id<'saf'>; readonly name: string }
  readonly grant: Id<'grt'>
  readonly lease: Id<'lse'>
  readonly actions: readonly Action[]
  /** How the account is elevated, and whether the grant allows it; missing where it is not. */
  readonly elevation?: { readonly kind: ElevationKind; readonly isGranted: boolean }
  /** The session is a forwarding, to here and nowhere else. */
  readonly forward?: ForwardRule
  /** The user let themselves in; missing where somebody else did. */
  readonly breakGlass?: { readonly id: Id<'bgl'>; readonly reason: string }
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
  /** The account's login name. */
  readonly account: string
}

// ---------------------------------------------------------------- verbs

type Verb = { readonly door: readonly Door[]; readonly input: z.ZodType }
const verb = <Input extends z.ZodType>(door: readonly Door[], input: Input) => ({ door, input })
const people: readonly Door[] = ['local', 'user']
const nothing = z.strictObject({})

const sealProvider = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('passphrase'), passphrase: z.string().min(8).max(1024) }),
  z.strictObject({ kind: z.literal('key-file'), path: z.string().min(1).max(4096) }),
])

/** A name that tagout.json gives to a token's library or to a plug-in. */
const sealerName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of small letters, digits and hyphens')
const pin = z.string().min(1).max(256)
const label = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'letters, digits and signs of ASCII')
const outsideProvider = z.discriminatedUnion('kind', [
  ...sealProvider.options,
  z.strictObject({
    kind: z.literal('pkcs11'),
    module: sealerName,
    token: label(32).optional(), // by its label, or by its slot
    slot: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    key: label(63), // the label of the key that is made in it
    pin: pin.optional(), // else it is in the file
    pinFile: z.string().min(1).max(4096).optional(), // read at each start
  }),
  z.strictObject({ kind: z.literal('plug-in'), name: sealerName }),
])

/** Take a database that is older than the vault remembers: a backup was restored. Audited. */
const acceptRollback = z.boolean().optional()

/** A sealed secret as the console or CLI sends it: `crypto_box_seal` to the intake key over `sealedPayload`. */
const sealed = base64

/** Characters of a sealed secret within an import: a private key of 8 KiB fits. Others are added by themselves. */
export const maxImportedSecret = 16_000
/** Of a row of an import. A private key with a passphrase is added by itself. */
const importedCredential = z.strictObject({
  kind: z.enum(['password', 'ssh-key']),
  sealed: base64.max(maxImportedSecret, 'this secret is too long to be imported'),
})

const sealId = z.string().regex(/^wrp_[0-9a-z]{26}$/, 'not an id of the form wrp_…')
const unsealing = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('passphrase'), passphrase: z.string().min(8).max(1024), acceptRollback }),
  z.strictObject({ kind: z.literal('key-file'), path: z.string().min(1).max(4096), acceptRollback }),
  z.strictObject({ kind: z.literal('recovery'), recoveryKey: z.string().max(200), acceptRollback }),
  z.strictObject({ kind: z.literal('stored-key-file'), acceptRollback }),
  /** Without a PIN: by the stored file that holds it. */
  z.strictObject({ kind: z.literal('pkcs11'), pin: pin.optional(), seal: sealId.optional(), acceptRollback }),
  z.strictObject({ kind: z.literal('plug-in'), seal: sealId.optional(), acceptRollback }),
])

/** Says only what would happen, or proves that it can, and changes nothing. */
const rehearse = z.boolean().optional()

export const verbs = {
  status: verb(['anyone', 'local', 'user', 'recorder', 'api'], nothing),

  'vault.initialise': verb(['local'], z.strictObject({ provider: sealProvider })),
  'vault.unseal': verb(['local'], unsealing),
  'vault.seal': verb(people, z.strictObject({ sessions: z.enum(['end', 'keep']) })),

  'seal.list': verb(people, nothing),
  'seal.add': verb(['local'], z.strictObject({ provider: outsideProvider, rehearse })),
  'seal.remove': verb(['local'], z.strictObject({ seal: sealId, rehearse })),
  'seal.rehearse': verb(['local'], z.strictObject({ how: unsealing })),
  /** A new recovery key, which opens the vault instead of the present one once it is confirmed. */
  'seal.renewRecovery': verb(['local'], z.strictObject({ rehearse })),
  /** What was prepared has been handed out and kept: it opens the vault from now on. */
  'seal.confirm': verb(['local'], z.strictObject({ prepared: z.string().regex(/^[0-9a-f]{32}$/) })),
  /** Makes the shares of custodians; they open nothing until they are confirmed. */
  'custody.prepare': verb(
    ['local'],
    z.strictObject({
      custodians: z.array(nameText).min(2, 'two custodians at least').max(16, 'sixteen custodians at most'),
      threshold: z.int().min(2, 'two at least: one alone would open the vault').max(16),
      change: z.boolean(), // they take the place of the present ones
      rehearse,
    }),
  ),
  /** A custodian's share. With the last one that is needed the vault opens. */
  'custody.share': verb(
    ['local'],
    z.strictObject({ share: z.string().max(4_000), rehearse, acceptRollback }),
  ),
  'custody.forget': verb(['local'], nothing),
  /** Begins to exchange the root key, or the key of a safe. It goes on in the background. */
  'keys.rotate': verb(
    ['local'],
    z.discriminatedUnion('what', [
      z.strictObject({ what: z.literal('root'), rehearse }),
      z.strictObject({ what: z.literal('safe'), safe: reference, rehearse }),
    ]),
  ),
  'keys.status': verb(people, nothing),

  'user.add': verb(
    people,
    z.strictObject({ name: nameText, roles: z.array(z.enum(roles)).min(1).max(5), totpCode: freshCode }),
  ),
  /**
   * Adds what the rows of a file ask for, all or nothing; without `apply` it says what it would do. Columns are those
   * of `vault/import/columns.ts`. The secret of an account is never a cell: it comes as `credential`, sealed for
   * `target/login` as the cells of its row say, in the look as well.
   */
  import: verb(
    people,
    z.strictObject({
      kind: z.enum(importKinds),
      rows: z
        .array(
          z.strictObject({
            line: z.int().min(1).max(2_000_000),
            cells: z.record(z.string().max(40), z.string().max(2000)),
            credential: importedCredential.optional(), // of accounts, and of those only that are not there yet
          }),
        )
        .min(1)
        .max(1000),
      apply: z.boolean(),
      totpCode: freshCode, // for users, and where a person grants to themself
    }),
  ),
  'user.list': verb(people, nothing),
  'user.show': verb(people, z.strictObject({ user: reference })),
  'user.roles': verb(
    people,
    z.strictObject({
      user: reference,
      roles: z.array(z.enum(roles)).min(1).max(5),
      totpCode: freshCode, // where a role is added
    }),
  ),
  /** `evenLast`: the last active administrator too, which the machine's administrator alone may. */
  'user.disable': verb(people, z.strictObject({ user: reference, evenLast: z.boolean().optional() })),
  'user.enable': verb(people, z.strictObject({ user: reference })),
  /** A new one-time link; resets password and TOTP when used. */
  'user.enrol': verb(people, z.strictObject({ user: reference, totpCode: freshCode })),
  /** Where a user is written to; null takes the address away. `notices` stays as it is where it is not given. */
  'user.mail': verb(
    people,
    z.strictObject({
      user: reference,
      address: mailAddress.nullable(),
      notices: z.enum(noticeChoices).optional(),
      totpCode: freshCode,
    }),
  ),
  'user.key.add': verb(
    people,
    z.strictObject({ user: reference, publicKey: z.string().max(16_384), totpCode: freshCode }),
  ),
  'user.key.list': verb(people, z.strictObject({ user: reference })),
  'user.key.remove': verb(people, z.strictObject({ user: reference, key: id('key') })),

  /**
   * Takes a user off for good: sessions, logins, grants, requests, leases, memberships and keys end, and what they have
   * seen is due to be rotated.
   */
  'user.off': verb(people, z.strictObject({ user: reference, reason: z.string().trim().min(1).max(500) })),

  'company.add': verb(
    people,
    z.strictObject({
      name: nameText,
      contractEndsAt: moment,
      sponsor: reference,
      mailDomains: z.array(mailDomain).min(1).max(20),
      terms: termsText.optional(),
      totpCode: freshCode,
    }),
  ),
  'company.list': verb(people, nothing),
  'company.show': verb(people, z.strictObject({ company: reference })),
  'company.change': verb(
    people,
    z.strictObject({
      company: reference,
      contractEndsAt: moment.optional(),
      sponsor: reference.optional(),
      mailDomains: z.array(mailDomain).min(1).max(20).optional(),
      terms: termsText.nullable().optional(), // null takes them away
      totpCode: freshCode,
    }),
  ),
  /** Adds a representative, who is a user with the role vendor, and their link. */
  'company.invite': verb(
    people,
    z.strictObject({ company: reference, name: nameText, mail: z.string().max(254), totpCode: freshCode }),
  ),
  /** Takes a company off with all its representatives. */
  'company.off': verb(
    people,
    z.strictObject({ company: reference, reason: z.string().trim().min(1).max(500) }),
  ),
  /** Lets a company be worked with again. Its people stay off until each is enabled. */
  'company.on': verb(people, z.strictObject({ company: reference, totpCode: freshCode })),
  'offboarding.list': verb(people, nothing),
  'offboarding.show': verb(people, z.strictObject({ offboarding: id('off') })),
  /** The terms of the asking user's own company, if they have to accept any. */
  'terms.show': verb(['user'], nothing),
  'terms.accept': verb(['user'], z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/) })),

  /** `boxKey`: the asking client's one-time X25519 key, to which the second factor comes sealed. */
  'enrolment.begin': verb(['anyone'], z.strictObject({ token: z.string().max(200), boxKey: base64 })),
  'enrolment.finish': verb(
    ['anyone'],
    z.strictObject({
      token: z.string().max(200),
      sealedPassword: sealed,
      totpCode: z.string().max(16),
      termsDigest: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(), // of the terms that were shown
      /** The asking client's one-time X25519 key, to which recovery codes come sealed. Without it none are made. */
      boxKey: base64.optional(),
      source: z.string().max(100),
    }),
  ),
  /** Makes ten new recovery codes; those before are good no longer. */
  'user.renewCodes': verb(['user'], z.strictObject({ boxKey: base64, totpCode: freshCode })),
  'login.start': verb(
    ['anyone'],
    z.strictObject({
      name: z.string().max(100),
      sealedPassword: sealed,
      /** Of the authenticator, or a recovery code. */
      totpCode: z.string().max(16),
      source: z.string().max(100),
    }),
  ),
  /** Begins a sign-in by a passkey, which answers `login.passkey` within 60 s. */
  'login.challenge': verb(['anyone'], nothing),
  'login.passkey': verb(['anyone'], z.strictObject({ proof: passkeyProof, source: z.string().max(100) })),
  /** Begins a proof by a passkey in place of a fresh code: good for one act of this login, within 60 s. */
  'passkey.challenge': verb(['user'], nothing),
  'passkey.begin': verb(['user'], nothing),
  'passkey.add': verb(
    ['user'],
    z.strictObject({
      nonce: base64url(100),
      name: z.string().trim().min(1, 'give it a name').max(60),
      credential: base64url(1400),
      clientDataJSON: base64url(4000),
      attestationObject: base64url(16_000),
      totpCode: freshCode,
    }),
  ),
  'passkey.list': verb(people, z.strictObject({ user: reference })),
  'passkey.remove': verb(people, z.strictObject({ user: reference, passkey: id('pky') })),
  'login.who': verb(['user'], nothing),
  'login.end': verb(['user'], nothing),
  'login.list': verb(people, nothing),
  'login.revoke': verb(people, z.strictObject({ login: id('lgn') })),
  /** Ends all logins of a user but the one that asks. */
  'login.revokeAll': verb(people, z.strictObject({ user: reference })),
  /** A token that lets the machine's administrator read recordings' ciphertext from the recorder (list, verify). */
  'login.local': verb(['local'], nothing),

  'safe.add': verb(people, z.strictObject({ name: nameText, inputPolicy: z.enum(inputPolicies).optional() })),
  /** Whether users are told in their terminal who watches them. */
  'safe.watchNotice': verb(people, z.strictObject({ safe: reference, shown: z.boolean() })),
  /** How many people must approve a request for an account of the safe. */
  'safe.approvals': verb(
    people,
    z.strictObject({ safe: reference, approvals: z.int().min(1).max(5), totpCode: freshCode }),
  ),
  /** Who is written to about the safe. What is not given stays as it is. */
  'safe.notifications': verb(
    people,
    z.strictObject({
      safe: reference,
      unansweredMinutes: z
        .int()
        .min(1, 'a minute at least')
        .max(24 * 60, 'a day at most')
        .nullable()
        .optional(),
      escalateTo: reference.nullable().optional(),
      sessions: z.boolean().optional(),
    }),
  ),
  /** For how long members with `break-glass` may let themselves in, and who is alarmed; null: they may not. */
  'safe.breakGlass': verb(
    people,
    z.strictObject({
      safe: reference,
      minutes: z
        .int()
        .min(5, 'five minutes at least')
        .max(24 * 60, 'a day at most')
        .nullable(),
      alarms: z.array(reference).min(2, 'name two people at least').max(20).optional(), // with minutes
      totpCode: freshCode,
    }),
  ),
  'safe.list': verb(people, nothing),
  'safe.member.set': verb(
    people,
    z.strictObject({
      safe: reference,
      user: reference,
      permissions: z.array(z.enum(permissions)).max(permissions.length),
      totpCode: freshCode, // where reveal, approve, manage or break-glass is added
    }),
  ),

  'target.add': verb(
    people,
    z.strictObject({
      name: nameText,
      safe: reference,
      address: z.string().max(300), // ssh://host[:port]
      pin: z.string().max(100).optional(), // SHA256:…
    }),
  ),
  'target.list': verb(people, nothing),
  'target.show': verb(people, z.strictObject({ target: reference })),
  'target.address': verb(people, z.strictObject({ target: reference, address: z.string().max(300) })),
  /** Has a recorder fetch the host keys that the target presents now. Nothing is pinned. */
  'target.scan': verb(people, z.strictObject({ target: reference })),
  /** Pins a host key (replacing earlier ones). Accounts that were bound to the target until now follow it. */
  'target.pin': verb(people, z.strictObject({ target: reference, fingerprint: z.string().max(100) })),
  /**
   * Allows a target old algorithms, in place of those that it was allowed: a reason and an end are needed. None takes
   * them all back.
   */
  'target.legacy': verb(
    people,
    z.strictObject({
      target: reference,
      algorithms: z.array(z.enum(legacyAlgorithms)).max(legacyAlgorithms.length),
      reason,
      until: moment.optional(),
      forSeconds: seconds.optional(), // one of until and forSeconds
    }),
  ),
  'target.remove': verb(people, z.strictObject({ target: reference })),

  'account.add': verb(
    people,
    z.strictObject({
      target: reference,
      login: loginName,
      credential: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('password'), sealed }),
        z.strictObject({ kind: z.literal('ssh-key'), sealed, sealedPassphrase: sealed.optional() }),
      ]),
    }),
  ),
  'account.list': verb(people, nothing),
  'account.show': verb(people, z.strictObject({ account: reference })),
  'account.secret': verb(
    people,
    z.strictObject({
      account: reference,
      credential: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('password'), sealed }),
        z.strictObject({ kind: z.literal('ssh-key'), sealed, sealedPassphrase: sealed.optional() }),
      ]),
    }),
  ),
  /** Binds the account to a target as it is now. Where it was not bound to until now: with `manage` and `reveal`. */
  'account.bind': verb(people, z.strictObject({ account: reference, target: reference.optional() })),
  /** Names whose secret is typed at the prompt of sudo, su or enable; null takes it back. */
  'account.elevation': verb(
    people,
    z.strictObject({
      account: reference,
      elevation: z.strictObject({ kind: z.enum(elevationKinds), account: reference }).nullable(),
    }),
  ),
  'account.remove': verb(people, z.strictObject({ account: reference })),
  /** The secret, sealed to the asking client's one-time X25519 key. Needs `reveal` and a fresh TOTP code. */
  'account.reveal': verb(
    ['user'],
    z.strictObject({
      account: reference,
      boxKey: base64,
      totpCode: z.union([z.string().max(16), passkeyProof]),
      reason: z.string().min(1).max(500),
    }),
  ),
  'exposure.list': verb(people, z.strictObject({ account: reference.optional() })),

  'grant.add': verb(
    people,
    z.strictObject({
      user: reference,
      account: reference,
      actions: z.array(z.enum(actions)).min(1).max(actions.length),
      forwards: forwards.optional(), // with the action `forward`, and only with it
      notBefore: moment.optional(),
      notAfter: moment.optional(),
      forSeconds: seconds.optional(), // one of notAfter and forSeconds
      maxSessionSeconds: seconds.optional(),
      mode: z.enum(['shared', 'exclusive']).optional(),
      reason,
      totpCode: freshCode, // where a person grants to themself
    }),
  ),
  'grant.list': verb(people, z.strictObject({ user: reference.optional(), account: reference.optional() })),
  'grant.revoke': verb(people, z.strictObject({ grant: id('grt') })),

  /** Asks for a grant that others approve. Without `notBefore`: from the approval on. */
  'request.add': verb(
    ['user'],
    z.strictObject({
      account: reference,
      actions: z.array(z.enum(actions)).min(1).max(actions.length),
      forwards: forwards.optional(),
      mode: z.enum(['shared', 'exclusive']).optional(),
      notBefore: moment.optional(),
      forSeconds: z
        .int()
        .min(60, 'a minute at least')
        .max(31 * 24 * 3600, '31 days at most'),
      reason: z.string().trim().min(1, 'say why').max(500),
      workOrder: z.string().trim().min(1).max(100).optional(),
    }),
  ),
  'request.list': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })),
  'request.show': verb(people, z.strictObject({ request: id('req') })),
  'request.withdraw': verb(['user'], z.strictObject({ request: id('req') })),
  /** `digest`: of what was asked, as the approver saw it. Approving takes a fresh code. */
  'request.decide': verb(
    ['user'],
    z.strictObject({
      request: id('req'),
      verdict: z.enum(verdicts),
      digest: z.string().regex(/^[0-9a-f]{64}$/),
      note: z.string().max(500).optional(),
      totpCode: freshCode,
    }),
  ),

  /** A switch at the plant that holds, or ends, what goes on in its safes. */
  'switch.add': verb(
    people,
    z.strictObject({
      name: nameText,
      safes: z.array(reference).min(1).max(100),
      act: z.enum(switchActs),
      input: z.string().max(300).optional(), // modbus://host[:port]/unit/discrete|coil/number; else it calls
      stopsAt: z.boolean().optional(), // the value of the input that stops
      totpCode: freshCode,
    }),
  ),
  'switch.list': verb(people, nothing),
  'switch.key': verb(['local'], z.strictObject({ switch: reference })),
  'switch.remove': verb(people, z.strictObject({ switch: reference, totpCode: freshCode })),
  /** A call of a switch. `signature`: HMAC-SHA256 over `signedText` of vault/switches, in hex. */
  'switch.call': verb(
    ['anyone'],
    z.strictObject({
      switch: nameText,
      state: z.enum(['run', 'stop']),
      at: z.iso.datetime({ offset: true }).max(40),
      signature: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits'),
      source: z.string().max(100),
    }),
  ),
  'switch.inputs': verb(['api'], nothing),
  'switch.sense': verb(['api'], z.strictObject({ switch: id('psw'), state: z.enum(switchStates) })),

  'policy.show': verb(people, nothing),
  /** What a policy would change, for whom. */
  'policy.plan': verb(people, z.strictObject({ document: policyDocument })),
  /** Puts a policy in force in place of the one whose digest is `expected` (null: none was applied before). */
  'policy.apply': verb(
    people,
    z.strictObject({
      document: policyDocument,
      expected: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'not a digest: 64 hex digits')
        .nullable(),
      totpCode: freshCode,
    }),
  ),
  /** May this user do this with this account, at this moment (default: now), and why? */
  'policy.explain': verb(
    people,
    z.strictObject({
      user: reference,
      account: reference,
      action: z.enum(['shell', 'exec', 'sftp-read', 'sftp-write', 'elevate', 'reveal']).optional(), // default: shell
      at: moment.optional(),
      source: z.string().max(100).optional(), // the address they come from; left out: any that the rules want
    }),
  ),
  /** Who could use what at a moment: of a user, or of an account, a target or a safe. */
  'policy.reach': verb(
    people,
    z.strictObject({
      user: reference.optional(),
      account: reference.optional(),
      target: reference.optional(),
      safe: reference.optional(),
      at: moment.optional(),
    }),
  ),

  /** Lets the asking user use an account at once, for the time of its safe. People are alarmed, and somebody reviews it. */
  'breakglass.open': verb(
    ['user'],
    z.strictObject({
      account: reference,
      reason: z.string().trim().min(1, 'say why').max(500),
      totpCode: freshCode,
    }),
  ),
  'breakglass.list': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })),
  /** Says what came of it, and ends the alarm: never by who opened it. */
  'breakglass.review': verb(
    ['user'],
    z.strictObject({
      breakGlass: id('bgl'),
      note: z.string().trim().min(1, 'say what came of it').max(1_000),
      totpCode: freshCode,
    }),
  ),

  'notification.status': verb(people, nothing),
  'notification.test': verb(people, z.strictObject({ user: reference })),
  'notification.testWebhook': verb(people, nothing),
  /** Opens what the link in a mail leads to: once, by who it was sent to. */
  'notification.open': verb(['user'], z.strictObject({ token: z.string().max(200) })),
  /** The one address that is told of everything; null takes it away. */
  'webhook.set': verb(people, z.strictObject({ url: z.string().max(500).nullable(), totpCode: freshCode })),
  /** What is due, for whoever sends it; `mail` is null where no mail is set up. */
  'notification.take': verb(
    ['api'],
    z.strictObject({
      mail: z.strictObject({ server: z.string().max(300), from: z.string().max(300) }).nullable(),
      limit: z.int().min(1).max(50),
    }),
  ),
  /** What became of it. Without `error` it was sent; `forGood`: another attempt would end the same way. */
  'notification.done': verb(
    ['api'],
    z.strictObject({
      notification: id('ntf'),
      error: z.string().max(300).optional(),
      forGood: z.boolean().optional(),
    }),
  ),

  'lease.checkOut': verb(
    ['user'],
    z.strictObject({ account: reference, exclusive: z.boolean(), forSeconds: seconds.optional() }),
  ),
  /** Of somebody else's lease with the reason, which the holder is told. */
  'lease.checkIn': verb(people, z.strictObject({ lease: id('lse'), reason })),
  'lease.list': verb(people, nothing),
  /** The accounts that the asking user may use, who holds them, and which of them are favourites. */
  'access.list': verb(['user'], nothing),
  'favourite.set': verb(['user'], z.strictObject({ account: reference, favourite: z.boolean() })),

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

  'auditor.lists': verb(['local', 'user', 'recorder'], nothing),
  /** Adds a link to the chain. The first comes through the admin door; the next are signed by an existing auditor. */
  'auditor.append': verb(
    people,
    z.strictObject({ body: base64, signature: base64, newAuditorUser: nameText.optional() }),
  ),
  'auditor.challenge': verb(['local', 'anyone'], z.strictObject({ auditor: nameText })),
  /** Proves an auditor by a signature over the challenge; the login may only replay. */
  'auditor.login': verb(
    ['local', 'anyone'],
    z.strictObject({ auditor: nameText, challenge: base64, signature: base64, source: z.string().max(100) }),
  ),

  'audit.list': verb(
    people,
    z.strictObject({
      from: z.int().min(0).optional(),
      limit: z.int().min(1).max(10_000).optional(),
      kind: z.string().max(60).optional(),
    }),
  ),
  'audit.verify': verb(people, nothing),
  /** A page of the export: raw leaves and checkpoints, enough to verify offline. */
  'audit.export': verb(people, z.strictObject({ from: z.int().min(0), limit: z.int().min(1).max(5_000) })),

  'backup.page': verb(
    ['local'],
    z.strictObject({
      table: z.string().max(63),
      after: z.string().max(200).optional(),
      limit: z.int().min(1).max(5_000),
    }),
  ),
  'backup.tables': verb(['local'], nothing),

  // ---- the recorder's

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
    z.strictObject({ session: id('ses'), data: base64, algorithm: z.string().max(64) }),
  ),
  /** The secret for one elevation, sealed to the key of `session.start`. Once per act of the user. */
  'session.elevate': verb(['recorder'], z.strictObject({ session: id('ses') })),
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
        'password change',
        'target banner',
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
      purpose: z.enum(['replay', 'verify', 'export']),
    }),
  ),
} as const satisfies Record<string, Verb>

export type VerbName = keyof typeof verbs
export type VerbInput<Name extends VerbName> = z.input<(typeof verbs)[Name]['input']>

/** What an import did, or would do, with a row; a sentence where it cannot. */
export type ImportedRow = {
  readonly line: number
  readonly does: 'create' | 'unchanged' | 'conflict' | 'invalid'
  readonly sentence?: string
  /** Of an account whose target is not there: that is added as well. */
  readonly addsTarget?: 'pinned' | 'not pinned'
  readonly enrolment?: Enrolment
}

export type ImportAnswer = { readonly applied: boolean; readonly rows: readonly ImportedRow[] }

/** The answer of each verb. `null` where there is nothing to say but that it is done. */
export type VerbAnswers = {
  status: VaultStatus
  'vault.initialise': {
    readonly recoveryKey: string
    readonly firstAdmin: Enrolment
    readonly fingerprint: string
  }
  'vault.unseal': null
  'vault.seal': null
  'seal.list': readonly SealView[]
  /** Null after a rehearsal. */
  'seal.add': SealView | null
  'seal.remove': SealView
  'seal.rehearse': null
  /** Null and empty in a rehearsal. */
  'seal.renewRecovery': { readonly prepared: string | null; readonly recoveryKey: string }
  'seal.confirm': SealView
  'custody.prepare': {
    /** Null in a rehearsal, whose shares are empty. */
    readonly prepared: string | null
    readonly set: string
    readonly threshold: number
    readonly shares: readonly { readonly index: number; readonly name: string; readonly text: string }[]
  }
  'custody.share': {
    readonly name: string
    /** It had been entered before. */
    readonly already: boolean
    readonly opened: boolean
    readonly shares: SharesView
  }
  'custody.forget': { readonly given: number }
  /** `total`: how many keys are wrapped anew. `rotation` is null in a rehearsal. */
  'keys.rotate': { readonly total: number; readonly rotation: RotationView | null }
  'keys.status': {
    readonly rootVersion: number
    readonly rotations: readonly RotationView[]
    /** Shares that were entered to rehearse, and wait for others. */
    readonly rehearsal: SharesView | null
  }
  'user.add': { readonly user: UserView; readonly enrolment: Enrolment }
  import: ImportAnswer
  'user.list': readonly UserView[]
  'user.show': UserView
  'user.roles': UserView
  'user.disable': UserView
  'user.enable': UserView
  'user.enrol': Enrolment
  'user.mail': UserView
  'user.key.add': UserKeyView
  'user.key.list': readonly UserKeyView[]
  'user.key.remove': null
  'user.off': OffboardingView
  'company.add': CompanyView
  'company.list': readonly CompanyView[]
  'company.show': CompanyDetail
  'company.change': CompanyView
  'company.invite': { readonly representative: RepresentativeView; readonly enrolment: Enrolment }
  'company.off': OffboardingView
  'company.on': CompanyView
  'offboarding.list': readonly OffboardingView[]
  'offboarding.show': OffboardingView
  'terms.show': TermsView | null
  'terms.accept': UserView
  'enrolment.begin': {
    readonly name: string
    /** What a representative has to accept with it. */
    readonly terms: TermsView | null
    /** `crypto_box_seal` of the JSON `{ secret, uri }` (base32, `otpauth:`), as base64. */
    readonly sealedTotp: string
    readonly expiresAt: string
  }
  'enrolment.finish': LoginView & Partial<RecoveryCodes>
  'user.renewCodes': RecoveryCodes & { readonly user: UserView }
  'login.start': LoginView
  'login.challenge': { readonly nonce: string }
  'login.passkey': LoginView
  'passkey.challenge': PasskeyAsk
  'passkey.begin': PasskeyAsk & { readonly handle: string }
  'passkey.add': PasskeyView
  'passkey.list': readonly PasskeyView[]
  'passkey.remove': null
  'login.who': UserView
  'login.end': null
  'login.list': readonly LoginListing[]
  'login.revoke': null
  'login.revokeAll': { readonly revoked: number }
  'login.local': { readonly token: string; readonly expiresAt: string }
  'safe.add': SafeView
  'safe.watchNotice': SafeView
  'safe.approvals': SafeView
  'safe.notifications': SafeView
  'safe.breakGlass': SafeView
  'safe.list': readonly SafeView[]
  'safe.member.set': SafeView
  'target.add': TargetView
  'target.list': readonly TargetView[]
  'target.show': TargetView
  'target.address': TargetView
  'target.scan': readonly ScannedKey[]
  'target.pin': TargetView
  'target.legacy': TargetView
  'target.remove': null
  'account.add': AccountView
  'account.list': readonly AccountView[]
  'account.show': AccountView
  'account.secret': AccountView
  'account.bind': AccountView
  'account.elevation': AccountView
  'account.remove': null
  'account.reveal': { readonly sealed: string; readonly version: number }
  'exposure.list': readonly ExposureView[]
  'grant.add': GrantView
  'grant.list': readonly GrantView[]
  'grant.revoke': GrantView
  'request.add': RequestView
  'request.list': readonly RequestView[]
  'request.show': RequestView
  'request.withdraw': RequestView
  'request.decide': RequestView
  'switch.add': PlantSwitchView
  'switch.list': readonly PlantSwitchView[]
  'switch.key': { readonly key: string }
  'switch.remove': null
  'switch.call': null
  'switch.inputs': readonly {
    readonly switch: Id<'psw'>
    readonly host: string
    readonly port: number
    readonly unit: number
    readonly kind: 'discrete' | 'coil'
    readonly number: number
    readonly stopsAt: boolean
  }[]
  'switch.sense': null
  'policy.show': PolicyView
  'policy.plan': PolicyPlan
  'policy.apply': PolicyPlan & { readonly version: number }
  'policy.explain': PolicyAnswer
  'policy.reach': readonly ReachView[]
  'breakglass.open': BreakGlassView
  'breakglass.list': readonly BreakGlassView[]
  'breakglass.review': BreakGlassView
  'notification.status': {
    /** When the sender last asked for something to send; null: not since the vault started. */
    readonly senderSeenAt: string | null
    /** Null: no mail is set up. */
    readonly mail: { readonly server: string; readonly from: string } | null
    readonly webhook: { readonly url: string; readonly setBy: string; readonly setAt: string } | null
    /** The Ed25519 key that signs what the webhook is told: `whpk_` and base64. */
    readonly webhookKey: string
    readonly waiting: Readonly<
      Record<'mail' | 'webhook', { readonly count: number; readonly since: string | null }>
    >
    readonly latest: readonly NotificationView[]
  }
  'notification.test': { readonly notification: Id<'ntf'> }
  'notification.testWebhook': { readonly notification: Id<'ntf'> }
  'notification.open': { readonly request: Id<'req'> }
  'webhook.set': { readonly key: string }
  'notification.take': readonly Envelope[]
  'notification.done': null
  'lease.checkOut': LeaseView
  'lease.checkIn': null
  'lease.list': readonly LeaseView[]
  'access.list': readonly AccessView[]
  'favourite.set': null
  'ticket.issue': { readonly ticket: string; readonly expiresAt: string }
  'live.open': { readonly login: Id<'lgn'>; readonly user: string }
  'session.list': readonly SessionView[]
  'session.show': SessionView
  'session.terminate': null
  'session.freeze': SessionView
  'session.unfreeze': SessionView
  /** In how many of the user's terminals the line was shown. */
  'session.message': { readonly terminals: number }
  /** `worker`: the recorder's worker that carries the session, whose live socket the ticket is for. */
  'session.watch': { readonly ticket: string; readonly worker: string; readonly expiresAt: string }
  'watch.end': null
  'hold.list': readonly HoldView[]
  'hold.release': null
  'recording.list': readonly RecordingView[]
  'recording.show': RecordingView
  'recording.readable': RecordingView
  'auditor.lists': readonly AuditorListLink[]
  'auditor.append': {
    readonly version: number
    readonly fingerprint: string
    readonly enrolment: Enrolment | null
  }
  'auditor.challenge': { readonly challenge: string }
  'auditor.login': LoginView
  'audit.list': readonly AuditLeafView[]
  'audit.verify': AuditVerdict
  'audit.export': {
    readonly leaves: readonly { readonly seq: number; readonly body: string }[]
    readonly checkpoints: readonly string[]
    readonly publicKey: string
    readonly next: number | null
  }
  'backup.page': { readonly rows: readonly unknown[]; readonly next: string | null }
  'backup.tables': readonly string[]
  'recorder.hello': { readonly end: readonly { readonly session: Id<'ses'>; readonly reason: EndReason }[] }
  'recorder.space': null
  /** `proof` is null for a key offered without a signature: acceptable, go on. */
  'ssh.publickey': { readonly proof: string | null; readonly user: string }
  'ssh.password': { readonly proof: string; readonly user: string }
  'ssh.ticket': { readonly proof: string; readonly user: string }
  'ticket.redeem': RedeemedTicket
  'session.open': Permit
  'session.start': { readonly kind: 'password'; readonly sealed: string } | { readonly kind: 'ssh-key' }
  'session.sign': { readonly signature: string }
  'session.elevate': { readonly kind: ElevationKind; readonly sealed: string }
  /** With a freeze that was ordered before the target let the session in. */
  'session.connected': {
    readonly freeze: { readonly by: string; readonly reason: string; readonly waits: boolean } | null
  }
  'session.checkpoint': null
  'session.file': null
  'session.event': null
  'session.forwarding': null
  'session.forwarded': null
  'session.end': null
  'recording.authorise': RecordingView & { readonly reader: string }
}

export type VerbAnswer<Name extends VerbName> = VerbAnswers[Name]

// ---------------------------------------------------------------- what the vault asks of a recorder worker

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
  }),
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
} as const

/** A host key that a target presents. `needs`: the old algorithms without which no session with it comes about. */
export type ScannedKey = {
  readonly type: string
  readonly fingerprint: string
  readonly needs: readonly LegacyAlgorithm[]
}
export type HostKeySeen = ScannedKey & { readonly key: string }
