import type {
  DesktopSettings,
  Action,
  ElevationKind,
  EndReason,
  HeldKind,
  InputPolicy,
  LegacyAlgorithm,
  MaskRegion,
  NoticeChoice,
  Permission,
  RecordingState,
  ReportName,
  RiskFinding,
  RiskRule,
  RiskSettings,
  Role,
  SpaceState,
  Verdict,
} from '../contract.ts'
import { type Canonical, canonicalBytes } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import type { Id } from '../kernel/id.ts'
import type { RefusalCode } from '../kernel/outcome.ts'
import type { AboutKind } from '../notifications/about.ts'

/** Who did it. `nobody`: somebody who had not proven who they are. */
export type Actor =
  | { readonly kind: 'local'; readonly uid: number }
  | { readonly kind: 'user'; readonly id: Id<'usr'>; readonly name: string }
  | { readonly kind: 'auditor'; readonly name: string }
  /** A program, by a token of its own. */
  | { readonly kind: 'service'; readonly token: Id<'tok'>; readonly name: string }
  | { readonly kind: 'plane'; readonly plane: 'recorder' | 'rotation' | 'api' }
  | { readonly kind: 'vault' }
  | { readonly kind: 'nobody' }

type UserRef = { readonly user: Id<'usr'>; readonly name: string }
type AccountRef = { readonly account: Id<'acc'>; readonly accountName: string }
type TargetRef = { readonly target: Id<'tgt'>; readonly targetName: string }
type SafeRef = { readonly safe: Id<'saf'>; readonly safeName: string }
type LegalHoldRef = {
  readonly legalHold: Id<'lho'>
  readonly on: HeldKind
  readonly of: string
  readonly ofName: string
  readonly matter: string
  /** Whom it concerns, where it is on a person, and which session, where on one. */
  readonly userName?: string
  readonly session?: Id<'ses'>
}
type GrantRef = AccountRef & {
  readonly grant: Id<'grt'>
  readonly user: Id<'usr'>
  readonly userName: string
}
type RequestRef = AccountRef & {
  readonly request: Id<'req'>
  readonly user: Id<'usr'>
  readonly userName: string
}
type WaitRef = AccountRef & {
  readonly wait: Id<'wai'>
  readonly user: Id<'usr'>
  readonly userName: string
}
/** Of whom, and to whom. */
type HandOverRef = AccountRef & {
  readonly handOver: Id<'hov'>
  readonly lease: Id<'lse'>
  readonly from: Id<'usr'>
  readonly userName: string
  readonly to: Id<'usr'>
  readonly toName: string
}
/** To whom is missing where it is the webhook. */
type NotificationRef = {
  readonly notification: Id<'ntf'>
  readonly about: AboutKind
  readonly user?: Id<'usr'>
  readonly userName?: string
}
type CompanyRef = { readonly company: Id<'cmp'>; readonly companyName: string }
type CompanyNow = CompanyRef & {
  readonly contractEndsAt: string
  readonly sponsorName: string
  readonly mailDomains: readonly string[]
  readonly termsDigest?: string
}
type RotationRef = AccountRef & { readonly rotation: Id<'rot'> }
type TaskRef = RotationRef & { readonly task: Id<'rtk'>; readonly place?: string }
type TaskSaid = {
  readonly note: string
  readonly workOrder?: string
  readonly evidence?: string
  readonly evidenceSha256?: string
}
type SwitchRef = { readonly switch: Id<'psw'>; readonly switchName: string }
type TokenRef = { readonly token: Id<'tok'>; readonly service: string }
type DirectoryRef = { readonly directory: Id<'dir'>; readonly directoryName: string }
type CampaignRef = { readonly campaign: Id<'cam'>; readonly campaignName: string }
type MarkRef = {
  readonly mark: Id<'rsk'>
  readonly rule: RiskRule
  readonly userName: string
  readonly accountName: string
  readonly session?: Id<'ses'>
  readonly exposure?: Id<'exp'>
}
type SessionRef = {
  readonly session: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly userName: string
  readonly accountName: string
}

/** What happened, by kind. One member per kind; text that a person or a target chose is data, never a kind. */
export type Happening =
  | {
      readonly kind: 'vault.initialised'
      readonly installation: string
      readonly provider: string
      readonly fingerprint: string
    }
  | { readonly kind: 'vault.unsealed'; readonly provider: string }
  | { readonly kind: 'vault.unseal-refused'; readonly provider: string }
  | { readonly kind: 'vault.sealed'; readonly sessions: 'end' | 'keep' }
  | { readonly kind: 'vault.rollback-accepted'; readonly finding: string }
  | {
      readonly kind: 'seal.added'
      readonly seal: string
      readonly provider: string
      readonly detail: string
      /** The ways to unseal that went with it. */
      readonly replaced: readonly string[]
    }
  | {
      readonly kind: 'seal.removed'
      readonly seal: string
      readonly provider: string
      readonly detail: string
    }
  | { readonly kind: 'seal.rehearsed'; readonly seal: string; readonly provider: string }
  | {
      readonly kind: 'custody.prepared'
      readonly set: string
      readonly threshold: number
      readonly names: readonly string[]
      readonly rehearsal: boolean
    }
  | {
      readonly kind: 'custody.share-entered'
      readonly set: string
      readonly index: number
      readonly name: string
      readonly given: number
      readonly threshold: number
      readonly rehearsal: boolean
    }
  | { readonly kind: 'custody.share-refused'; readonly why: string; readonly rehearsal: boolean }
  | { readonly kind: 'custody.forgotten'; readonly given: number; readonly why: string }
  /** Shares of a safe's emergency kit were made; they open nothing before it is confirmed. */
  | ({
      readonly kind: 'kit.prepared'
      readonly kit: Id<'kit'>
      readonly set: string
      readonly threshold: number
      readonly names: readonly string[]
    } & SafeRef)
  | ({
      readonly kind: 'kit.confirmed'
      readonly kit: Id<'kit'>
      readonly set: string
      readonly replaced: string | null
    } & SafeRef)
  | ({
      readonly kind: 'kit.ended'
      readonly kit: Id<'kit'>
      readonly set: string
      readonly reason: string
    } & SafeRef)
  | ({ readonly kind: 'kit.taken'; readonly kit: Id<'kit'>; readonly accounts: number } & SafeRef)
  /** Somebody says that it was opened, or that opening it was practised; `secrets`: how many are to be rotated. */
  | ({
      readonly kind: 'kit.opened'
      readonly kit: Id<'kit'>
      readonly set: string
      readonly drill: boolean
      readonly custodians: readonly string[]
      readonly openedAt: string
      readonly reason: string
      readonly secrets: number
    } & SafeRef)
  | {
      readonly kind: 'keys.rotation-started'
      readonly what: 'root' | 'safe'
      readonly safeName: string
      readonly version: number
      readonly total: number
    }
  | {
      readonly kind: 'keys.rotation-rehearsed'
      readonly what: 'root' | 'safe'
      readonly safeName: string
      readonly total: number
    }
  | {
      readonly kind: 'keys.rotation-finished'
      readonly what: 'root' | 'safe'
      readonly safeName: string
      readonly version: number
      readonly total: number
    }
  | { readonly kind: 'vault.fault'; readonly code: string; readonly finding: string }
  /** The machine's clock was set (negative: back). `aheadMs`: so far ahead of it is the vault's time, which never goes back. */
  | { readonly kind: 'clock.jumped'; readonly byMs: number; readonly aheadMs: number }
  | ({ readonly kind: 'user.added'; readonly roles: readonly Role[] } & UserRef)
  | ({ readonly kind: 'user.roles'; readonly roles: readonly Role[] } & UserRef)
  /** `wasLastAdmin`: nobody administers in the console any more. */
  | ({ readonly kind: 'user.disabled'; readonly wasLastAdmin?: true } & UserRef)
  | ({ readonly kind: 'user.enabled' } & UserRef)
  | ({
      readonly kind: 'user.off'
      readonly offboarding: Id<'off'>
      readonly reason: string
      /** How many of each were ended, and how many secrets are due to be rotated. */
      readonly sessions: number
      readonly grants: number
      readonly secrets: number
    } & UserRef)
  | ({ readonly kind: 'company.added' } & CompanyNow)
  | ({ readonly kind: 'company.changed' } & CompanyNow)
  | ({ readonly kind: 'company.invited'; readonly mail: string } & CompanyRef & UserRef)
  | ({ readonly kind: 'company.off'; readonly reason: string } & CompanyRef)
  | ({ readonly kind: 'company.on' } & CompanyRef)
  | ({ readonly kind: 'terms.accepted'; readonly digest: string } & CompanyRef & UserRef)
  | ({ readonly kind: 'user.enrolment-issued'; readonly expiresAt: string } & UserRef)
  | ({ readonly kind: 'user.enrolment-opened' } & UserRef)
  /** `as`: the other user; missing: nobody any more. */
  | ({ readonly kind: 'user.same-person'; readonly as?: string } & UserRef)
  | ({ readonly kind: 'user.enrolled' } & UserRef)
  /** `address` is missing where it was taken away. */
  | ({
      readonly kind: 'user.mail-set'
      readonly address?: string
      readonly before?: string
      readonly notices?: NoticeChoice
    } & UserRef)
  | ({ readonly kind: 'user.key-added'; readonly key: Id<'key'>; readonly fingerprint: string } & UserRef)
  | ({ readonly kind: 'user.key-removed'; readonly key: Id<'key'>; readonly fingerprint: string } & UserRef)
  | ({
      readonly kind: 'user.passkey-added'
      readonly passkey: Id<'pky'>
      readonly passkeyName: string
      readonly site: string
    } & UserRef)
  | ({
      readonly kind: 'user.passkey-removed'
      readonly passkey: Id<'pky'>
      readonly passkeyName: string
    } & UserRef)
  | ({ readonly kind: 'user.codes-renewed'; readonly count: number } & UserRef)
  /** A recovery code stood in for one of the authenticator; `left`: how many are unused. */
  | ({ readonly kind: 'user.code-used'; readonly via: string; readonly left: number } & UserRef)
  | ({ readonly kind: 'login.started'; readonly login: Id<'lgn'>; readonly via: string } & UserRef)
  | { readonly kind: 'login.refused'; readonly name: string; readonly via: string; readonly why: string }
  /** Their provider has asked them anew. `acr`: how, as it says. */
  | ({
      readonly kind: 'login.stepped-up'
      readonly login: Id<'lgn'>
      readonly acr: string | null
    } & DirectoryRef &
      UserRef)
  /** They showed a second factor anew, for a rule of the policy. `login`: in the console; without one, over SSH. */
  | ({ readonly kind: 'factor.shown'; readonly login?: Id<'lgn'> } & UserRef)
  | ({ readonly kind: 'login.ended'; readonly login: Id<'lgn'> } & UserRef)
  | ({ readonly kind: 'login.revoked'; readonly login: Id<'lgn'> } & UserRef)
  | ({ readonly kind: 'ssh.proven'; readonly via: 'publickey' | 'password' | 'ticket' } & UserRef)
  | ({ readonly kind: 'safe.added'; readonly inputPolicy: InputPolicy } & SafeRef)
  | ({
      readonly kind: 'safe.member-set'
      readonly permissions: readonly Permission[]
    } & SafeRef &
      UserRef)
  | ({
      readonly kind: 'target.added'
      readonly address: string
      readonly desktop?: DesktopSettings
      readonly tags?: readonly string[]
      readonly zone?: string
    } & TargetRef &
      SafeRef)
  | ({
      readonly kind: 'target.marked'
      readonly tags: readonly string[]
      readonly zone: string | null
      readonly before: { readonly tags: readonly string[]; readonly zone: string | null }
    } & TargetRef)
  | ({
      readonly kind: 'target.address'
      readonly address: string
      readonly before: string
      /** Where that was changed: how it is logged in to; null: as usual. */
      readonly desktop?: DesktopSettings | null
      readonly desktopBefore?: DesktopSettings | null
    } & TargetRef)
  | ({ readonly kind: 'target.scanned'; readonly fingerprints: readonly string[] } & TargetRef)
  | ({ readonly kind: 'target.pinned'; readonly type: string; readonly fingerprint: string } & TargetRef)
  | ({ readonly kind: 'target.changed-key'; readonly type: string; readonly fingerprint: string } & TargetRef)
  | ({
      readonly kind: 'target.legacy-allowed'
      readonly algorithms: readonly LegacyAlgorithm[]
      readonly until: string
      readonly reason: string
    } & TargetRef)
  | ({ readonly kind: 'target.legacy-ended' } & TargetRef)
  /** What of its screen is not recorded from now on; no regions: all is. */
  | ({
      readonly kind: 'target.mask-set'
      readonly regions: readonly MaskRegion[]
      readonly before: readonly MaskRegion[]
      readonly reason: string
    } & TargetRef)
  /** What the files of one session on it may carry from now on; null: as usual. */
  | ({
      readonly kind: 'target.files-bound'
      readonly megabytes: number | null
      readonly before: number | null
    } & TargetRef)
  | ({ readonly kind: 'target.removed' } & TargetRef)
  | ({ readonly kind: 'account.added' } & AccountRef & SafeRef)
  | ({ readonly kind: 'account.secret'; readonly version: number; readonly credential: string } & AccountRef)
  | ({ readonly kind: 'account.bound' } & AccountRef & TargetRef)
  | ({
      readonly kind: 'account.elevation-set'
      readonly elevation: ElevationKind
      readonly secretAccount: Id<'acc'>
      readonly secretAccountName: string
    } & AccountRef)
  | ({ readonly kind: 'account.elevation-ended' } & AccountRef)
  /** The secret of another account may be typed into desktops of this one, or not any more. */
  | ({
      readonly kind: 'account.type-in-linked' | 'account.type-in-unlinked'
      readonly secretAccount: Id<'acc'>
      readonly secretAccountName: string
    } & AccountRef)
  /** Files go beside desktops of this account by the login of another one, or not any more. */
  | ({
      readonly kind: 'account.files-linked' | 'account.files-unlinked'
      readonly filesAccount: Id<'acc'>
      readonly filesAccountName: string
    } & AccountRef)
  | ({ readonly kind: 'account.removed' } & AccountRef)
  | ({
      readonly kind: 'account.revealed'
      readonly version: number
      readonly reason: string
    } & AccountRef)
  | ({
      readonly kind: 'grant.added'
      readonly actions: readonly Action[]
      /** Where forwarding may go: `host:port record connections megabytes` each. */
      readonly forwards?: readonly string[]
      readonly notBefore: string
      readonly notAfter: string
      readonly maxSessionSeconds: number
      readonly mode: 'shared' | 'exclusive'
      readonly reason: string
    } & GrantRef)
  | ({ readonly kind: 'grant.revoked' } & GrantRef)
  | ({
      readonly kind: 'token.added'
      readonly scopes: readonly string[]
      /** From where it may be used; missing: from everywhere. */
      readonly networks?: readonly string[]
      readonly expiresAt: string
    } & TokenRef)
  | ({ readonly kind: 'token.revoked' } & TokenRef)
  /** Somebody brought one that is good no longer, or from where it is not good. */
  | ({ readonly kind: 'token.refused'; readonly why: 'revoked' | 'expired' | 'from elsewhere' } & TokenRef)
  | ({
      readonly kind: 'switch.added'
      readonly safes: readonly string[]
      readonly act: 'freeze' | 'terminate'
      readonly input?: string
    } & SwitchRef)
  /** `what` of it changed; the rest says how it is now. */
  | ({
      readonly kind: 'switch.changed'
      readonly what: readonly string[]
      readonly safes: readonly string[]
      readonly act: 'freeze' | 'terminate'
      readonly input?: string
      readonly stopsAt?: boolean
    } & SwitchRef)
  | { readonly kind: 'switch.tested'; readonly input: string; readonly reads: 'on' | 'off' | 'nothing' }
  | ({ readonly kind: 'switch.removed' } & SwitchRef)
  | ({ readonly kind: 'switch.key-shown' } & SwitchRef)
  | ({ readonly kind: 'switch.turned'; readonly state: 'run' | 'stop' | 'lost' } & SwitchRef)
  | ({ readonly kind: 'directory.added'; readonly at: string } & DirectoryRef)
  /** `what`: names of settings, `url`; what they say is the directory's own matter. */
  | ({ readonly kind: 'directory.changed'; readonly what: readonly string[] } & DirectoryRef)
  | ({
      readonly kind: 'directory.mapped'
      readonly group: string
      readonly roles: readonly Role[]
      readonly policyGroup?: string
    } & DirectoryRef)
  | ({ readonly kind: 'directory.removed'; readonly people: number } & DirectoryRef)
  | ({
      readonly kind: 'directory.synced'
      readonly people: number
      readonly added: number
      readonly changed: number
      readonly off: number
    } & DirectoryRef)
  | ({ readonly kind: 'directory.failed'; readonly why: string } & DirectoryRef)
  /** What a directory says of one of its users, where it says something else than before. */
  | ({ readonly kind: 'directory.person'; readonly what: string } & DirectoryRef & UserRef)
  | {
      readonly kind: 'policy.applied'
      readonly version: number
      readonly digest: string
      /** `rule line-3 changed`, of groups and calendars too. */
      readonly changes: readonly string[]
      /** Though it takes two, as there was no second administrator. */
      readonly alone?: boolean
      /** What was asked for before, and by whom. */
      readonly request?: string
      readonly askedBy?: string
    }
  | {
      readonly kind: 'policy.asked'
      readonly request: string
      readonly digest: string
      readonly means: string
      readonly changes: readonly string[]
    }
  | {
      readonly kind: 'policy.withdrawn'
      readonly request: string
      readonly digest: string
      readonly askedBy: string
    }
  /** Nobody answered: people were reminded, or it can be approved no more. */
  | {
      readonly kind: 'policy.unanswered'
      readonly request: string
      readonly digest: string
      readonly askedBy: string
      readonly hours: number
    }
  | {
      readonly kind: 'policy.expired'
      readonly request: string
      readonly digest: string
      readonly askedBy: string
    }
  | ({ readonly kind: 'grant.shortened'; readonly notAfter: string } & GrantRef)
  | ({
      readonly kind: 'grant.extended'
      readonly request: Id<'req'>
      /** When it would have ended. */
      readonly was: string
      readonly notAfter: string
    } & GrantRef)
  | ({
      readonly kind: 'request.made'
      readonly actions: readonly Action[]
      readonly forwards?: readonly string[]
      readonly mode: 'shared' | 'exclusive'
      /** Missing: from its approval on. */
      readonly notBefore?: string
      readonly forSeconds: number
      /** The grant that is to end so much later. */
      readonly extends?: Id<'grt'>
      readonly reason: string
      readonly workOrder?: string
      readonly digest: string
    } & RequestRef)
  | ({
      readonly kind: 'request.decided'
      readonly verdict: Verdict
      readonly note: string
      readonly digest: string
      /** Missing where more people must approve, or it was denied. */
      readonly grant?: Id<'grt'>
    } & RequestRef)
  | ({ readonly kind: 'request.withdrawn' } & RequestRef)
  | ({ readonly kind: 'request.expired' } & RequestRef)
  /** Nobody answered in the time of the safe: people were reminded. */
  | ({ readonly kind: 'request.unanswered'; readonly minutes: number } & RequestRef)
  /** Somebody let themselves in: for how long, and how many people were told at once. */
  | ({
      readonly kind: 'breakglass.opened'
      readonly breakGlass: Id<'bgl'>
      readonly until: string
      readonly reason: string
      /** Of the account's secret then; 0: it had none. */
      readonly version: number
      readonly alarmed: number
    } & GrantRef)
  | ({
      readonly kind: 'breakglass.reviewed'
      readonly breakGlass: Id<'bgl'>
      readonly note: string
    } & GrantRef)
  | ({
      readonly kind: 'safe.break-glass-set'
      /** Missing: nobody may any more. */
      readonly minutes?: number
      readonly alarms: readonly string[]
    } & SafeRef)
  | ({ readonly kind: 'notification.sent' } & NotificationRef)
  | ({ readonly kind: 'notification.not-sent'; readonly why: string } & NotificationRef)
  | ({ readonly kind: 'notification.opened' } & NotificationRef)
  | ({ readonly kind: 'notification.test' } & NotificationRef)
  /** `url` is missing where it was taken away. */
  | { readonly kind: 'webhook.set'; readonly url?: string }
  | {
      readonly kind: 'siem.added'
      readonly receiver: Id<'sie'>
      readonly name: string
      readonly address: string
      readonly format: string
    }
  | {
      readonly kind: 'siem.removed'
      readonly receiver: Id<'sie'>
      readonly name: string
      readonly address: string
    }
  | ({
      readonly kind: 'safe.notifications-set'
      /** Missing: nobody is reminded. */
      readonly unansweredMinutes?: number
      readonly escalateTo?: string
      readonly sessions: boolean
    } & SafeRef)
  | ({
      readonly kind: 'lease.taken'
      readonly lease: Id<'lse'>
      readonly exclusive: boolean
      readonly explicit: boolean
      readonly until?: string
      readonly userName: string
    } & AccountRef)
  | ({
      readonly kind: 'lease.ended'
      readonly lease: Id<'lse'>
      readonly why: string
      /** Why somebody else than the holder checked it in. */
      readonly reason?: string
      readonly userName: string
    } & AccountRef)
  | ({ readonly kind: 'lease.wait-begun'; readonly exclusive: boolean } & WaitRef)
  /** It is their turn, and the account is kept for them. */
  | ({ readonly kind: 'lease.kept'; readonly until: string } & WaitRef)
  | ({ readonly kind: 'lease.wait-ended'; readonly why: string } & WaitRef)
  | ({ readonly kind: 'handover.offered'; readonly expiresAt: string } & HandOverRef)
  /** `toLease`: the colleague's own, in place of `lease`. */
  | ({
      readonly kind: 'handover.accepted'
      readonly toLease: Id<'lse'>
      /** Of who held it, which end. */
      readonly sessions: number
    } & HandOverRef)
  | ({
      readonly kind: 'handover.ended'
      readonly how: 'declined' | 'withdrawn' | 'expired'
    } & HandOverRef)
  | ({
      readonly kind: 'ticket.issued'
      readonly expiresAt: string
      /** What it is good for, where that is not a login over SSH. */
      readonly for?: 'connect'
    } & AccountRef)
  /** A ticket came over a live socket of the login that took it. */
  | ({ readonly kind: 'ticket.used' } & UserRef & AccountRef)
  | ({
      readonly kind: 'session.opened'
      readonly grant: Id<'grt'>
      readonly lease: Id<'lse'>
      readonly targetName: string
      readonly policyDigest: string
      readonly endsAt: string
      /** The session is a forwarding: the rule that allowed it. */
      readonly forward?: string
      /** Somebody else set the user's password, key or code in the seven days before. */
      readonly credentialSetByOther?: boolean
      readonly breakGlass?: Id<'bgl'>
    } & SessionRef)
  /** The header is durable: its hash, and the session's own public key. */
  | ({
      readonly kind: 'session.started'
      readonly headerHash: string
      readonly publicKey: string
    } & SessionRef)
  /** The secret of another account, or its own, left for one prompt of the session. */
  | ({
      readonly kind: 'session.elevated'
      readonly elevation: ElevationKind
      readonly secretAccount: Id<'acc'>
      readonly secretAccountName: string
      readonly version: number
    } & SessionRef)
  /** The secret of another account, left to be typed into the session's desktop. */
  | ({
      readonly kind: 'session.typed-in'
      readonly secretAccount: Id<'acc'>
      readonly secretAccountName: string
      readonly version: number
    } & SessionRef)
  /** The credential of the account by whose login files go beside the session's desktop has left. */
  | ({
      readonly kind: 'session.files-opened'
      readonly filesAccount: Id<'acc'>
      readonly filesAccountName: string
      readonly version: number
    } & SessionRef)
  | ({ readonly kind: 'session.connected' } & SessionRef)
  /** The room of a recorder's store came into another state (contract.ts, `spaceStates`). */
  | {
      readonly kind: 'recorder.space'
      readonly node: string
      readonly state: SpaceState
      readonly freeBytes: number
    }
  | ({
      readonly kind: 'session.checkpoint'
      readonly checkpoint: string
      readonly signature: string
      readonly sizeBytes: number
    } & SessionRef)
  | ({
      readonly kind: 'session.file'
      readonly name: string
      readonly direction: 'upload' | 'download'
      readonly via: 'sftp' | 'scp'
      readonly size: number
      readonly sha256: string
      readonly complete: boolean
    } & SessionRef)
  | ({
      readonly kind: 'session.clipboard'
      /** `in`: onto the machine's; `out`: off it. */
      readonly way: 'in' | 'out'
      readonly mimetype: string
      readonly size: number
      readonly sha256?: string
    } & SessionRef)
  | ({ readonly kind: 'session.event'; readonly event: string; readonly detail: string } & SessionRef)
  | ({
      readonly kind: 'session.forwarded'
      readonly to: string
      readonly connections: number
      readonly bytesUp: number
      readonly bytesDown: number
    } & SessionRef)
  | ({ readonly kind: 'session.signed'; readonly algorithm: string } & SessionRef)
  | ({
      readonly kind: 'session.terminated'
      readonly reason: string
      /** Until when the user is held off the target. */
      readonly holdUntil?: string
    } & SessionRef)
  | ({ readonly kind: 'session.frozen'; readonly reason: string } & SessionRef)
  | ({
      readonly kind: 'session.presence'
      /** Groups of the policy of whom nobody watches: while there is one, the user's input is held. */
      readonly missing: readonly string[]
      /** Who came or left. */
      readonly by: string
    } & SessionRef)
  | ({ readonly kind: 'session.unfrozen' } & SessionRef)
  /** It ends later: its grant was extended. */
  | ({ readonly kind: 'session.extended'; readonly grant: Id<'grt'>; readonly endsAt: string } & SessionRef)
  | ({ readonly kind: 'session.taken'; readonly watch: Id<'wch'>; readonly reason: string } & SessionRef)
  | ({ readonly kind: 'session.given-back'; readonly watch: Id<'wch'> } & SessionRef)
  | ({
      readonly kind: 'session.take-ended'
      readonly watch: Id<'wch'>
      /** Who had taken it over. It stays frozen. */
      readonly by: string
      readonly why: 'left' | 'not allowed any more' | 'frozen by another'
    } & SessionRef)
  | ({ readonly kind: 'session.messaged'; readonly text: string } & SessionRef)
  | ({ readonly kind: 'session.watched'; readonly watch: Id<'wch'>; readonly notice: boolean } & SessionRef)
  | ({ readonly kind: 'session.watch-ended'; readonly watch: Id<'wch'>; readonly by: string } & SessionRef)
  | ({ readonly kind: 'safe.watch-notice'; readonly shown: boolean } & SafeRef)
  | ({
      readonly kind: 'safe.exposure-set'
      readonly days: number
      readonly before: number
      readonly reason: string
    } & SafeRef)
  /** Another date than the safe's, by which an exposed secret is rotated. */
  | ({
      readonly kind: 'exposure.due-set'
      readonly exposure: Id<'exp'>
      readonly version: number
      readonly dueAt: string
      readonly before: string
      readonly reason: string
      readonly userName: string
    } & AccountRef)
  /** People were told of the end of a contract; `days` before it, 0: that it has ended. */
  | ({
      readonly kind: 'company.contract-notice'
      readonly days: number
      readonly contractEndsAt: string
    } & CompanyRef)
  /** Null: for good. `before` is missing where the class is new. */
  | {
      readonly kind: 'retention.set'
      readonly retentionClass: string
      readonly days: number | null
      readonly before?: number | null
      readonly shortens: boolean
      readonly reason: string
    }
  | { readonly kind: 'retention.removed'; readonly retentionClass: string; readonly days: number | null }
  | {
      readonly kind: 'retention.floor-set'
      readonly days: number
      readonly before: number
      readonly basis: string
    }
  | ({
      readonly kind: 'safe.retention-set'
      readonly retentionClass: string
      readonly before: string
      readonly shortens: boolean
      readonly reason: string
    } & SafeRef)
  | {
      readonly kind: 'destruction.asked'
      readonly destruction: Id<'dst'>
      readonly recordings: readonly string[]
      readonly digest: string
      readonly reason: string
    }
  | {
      readonly kind: 'destruction.approved'
      readonly destruction: Id<'dst'>
      readonly recordings: readonly string[]
      readonly digest: string
      readonly askedBy: string
    }
  | {
      readonly kind: 'destruction.withdrawn'
      readonly destruction: Id<'dst'>
      readonly askedBy: string
    }
  /** What is left of a recording, before anything of it is destroyed: canonical JSON, and its CMS signature in base64. */
  | ({
      readonly kind: 'recording.tombstone'
      readonly destruction: Id<'dst'>
      readonly askedBy: string
      readonly approvedBy: string
      readonly content: string
      readonly signature: string
    } & SessionRef)
  | ({ readonly kind: 'recording.destroyed'; readonly destruction: Id<'dst'> } & SessionRef)
  /** Its file is not there, although nobody had it destroyed; and that it is there again. */
  | ({ readonly kind: 'recording.missing' } & SessionRef)
  | ({ readonly kind: 'recording.found-again' } & SessionRef)
  /** The log knows the session, and the tables know no recording of it. */
  | { readonly kind: 'recording.row-missing'; readonly session: Id<'ses'> }
  | ({ readonly kind: 'legalhold.placed'; readonly reason: string } & LegalHoldRef)
  | ({ readonly kind: 'legalhold.lift-asked'; readonly reason: string } & LegalHoldRef)
  | ({ readonly kind: 'legalhold.kept'; readonly askedBy: string } & LegalHoldRef)
  | ({ readonly kind: 'legalhold.lifted'; readonly askedBy: string; readonly reason: string } & LegalHoldRef)
  | ({ readonly kind: 'safe.close-out-set'; readonly closeOut: 'none' | 'asked' | 'required' } & SafeRef)
  | ({ readonly kind: 'close-out.asked' } & SessionRef)
  | ({
      readonly kind: 'close-out.filled'
      readonly result: 'done' | 'not done' | 'follow-up'
      readonly done: string
      readonly left?: string
      readonly workOrder?: string
    } & SessionRef)
  | ({ readonly kind: 'safe.approvals-set'; readonly approvals: number } & SafeRef)
  | {
      readonly kind: 'hold.released'
      readonly hold: Id<'hld'>
      readonly userName: string
      readonly targetName: string
    }
  | ({
      readonly kind: 'session.ended'
      readonly reason: EndReason
      readonly state: RecordingState
      readonly sizeBytes: number
      readonly root?: string
      /** It ended while it was frozen: until when its user is held off the target. */
      readonly holdUntil?: string
    } & SessionRef)
  | {
      readonly kind: 'session.refused'
      readonly userName: string
      readonly target: string
      readonly account: string
      readonly code: RefusalCode
      readonly why: string
    }
  | ({ readonly kind: 'recording.replayed' } & SessionRef)
  | ({ readonly kind: 'recording.exported' } & SessionRef)
  | ({ readonly kind: 'recording.verified' } & SessionRef)
  /** An evidence package was signed: the hash of its list of files; nanoseconds of the cut, where it is one; how its key is kept. */
  | ({
      readonly kind: 'recording.packaged'
      readonly listHash: string
      readonly cut?: { readonly from: number; readonly to: number }
      readonly opens: 'openly' | 'passphrase'
    } & SessionRef)
  /** The certificate by which evidence packages are checked (base64 of its DER), made once. */
  | { readonly kind: 'evidence.certificate'; readonly certificate: string; readonly fingerprint: string }
  | ({ readonly kind: 'recording.searched' } & SessionRef)
  | { readonly kind: 'search.begun'; readonly recordings: number }
  | ({ readonly kind: 'recording.noted'; readonly note: Id<'nte'> } & SessionRef)
  | ({ readonly kind: 'recording.reviewed'; readonly note: string } & SessionRef)
  | (CampaignRef & { readonly kind: 'campaign.started'; readonly items: number; readonly dueAt: string })
  | (CampaignRef & {
      readonly kind: 'campaign.decided'
      readonly item: Id<'cmi'>
      /** Whose it is. */
      readonly userName: string
      readonly what: string
      readonly decision: 'keep' | 'revoke'
      readonly reason: string
    })
  | (CampaignRef & {
      readonly kind: 'campaign.signed-off'
      readonly kept: number
      readonly revoked: number
      readonly undecided: number
      readonly note: string
    })
  /** A report was made and signed: `sha256` of its bytes. */
  | {
      readonly kind: 'report.made'
      readonly report: ReportName
      readonly from: string
      readonly to: string
      readonly targetName?: string
      readonly sha256: string
    }
  /** A rule found something out of the ordinary: of a session, or of a secret that somebody saw. */
  | (MarkRef & { readonly kind: 'risk.marked'; readonly why: string })
  | (MarkRef & { readonly kind: 'risk.reviewed'; readonly finding: RiskFinding; readonly note: string })
  | { readonly kind: 'risk.settings-set'; readonly settings: RiskSettings; readonly reason: string }
  | {
      readonly kind: 'auditor.list'
      readonly version: number
      readonly fingerprint: string
      readonly names: readonly string[]
      readonly body: string
      readonly signature: string
    }
  | (AccountRef & {
      readonly kind: 'rotation.set'
      readonly grade: string
      readonly gradeReason: string
      readonly connector: string | null
      readonly profile: string | null
      readonly maxAgeDays: number | null
      readonly calendar: string | null
      readonly essential: boolean
      readonly afterCheckIn: boolean
      readonly afterReveal: boolean
      readonly reconcileAccount: string | null
      readonly dependants: readonly string[]
      readonly schedule?: string
      readonly leakAtOnce?: boolean
      readonly recipe?: string
      /** What it is taken for that locks the account out; who answers for it that nothing changes it, and until when. */
      readonly lockOut?: { readonly refused: number; readonly seconds: number }
      readonly exemption?: { readonly owner: string; readonly until: string }
      /** Another account of the same host, as which it is changed. */
      readonly throughAccount?: string
    })
  /** `what`: rotate or verify; `cause`: by hand, age, check-in and so on. */
  | (RotationRef & {
      readonly kind: 'rotation.asked'
      readonly cause: string
      readonly what: string
      readonly reason: string
    })
  /** A step was given to the worker, with what it needs. */
  | (RotationRef & { readonly kind: 'rotation.step'; readonly step: string; readonly generation: number })
  | (RotationRef & { readonly kind: 'rotation.signed'; readonly algorithm: string })
  /** `version`: that of the candidate; 0: there is none. */
  | (RotationRef & {
      readonly kind: 'rotation.moved'
      readonly from: string
      readonly to: string
      readonly version: number
      readonly why: string
    })
  /** A recipe of rotation: `digest` is the SHA-256 of its text. */
  | { readonly kind: 'rotation.recipe-added'; readonly recipe: string; readonly digest: string }
  | { readonly kind: 'rotation.recipe-removed'; readonly recipe: string }
  | (SafeRef & { readonly kind: 'rotation.held'; readonly reason: string; readonly until?: string })
  | (SafeRef & { readonly kind: 'rotation.unheld' })
  /** How many rotations go on at a time, and begin within an hour: of a safe, of a target, or of neither and so of all. */
  | (Partial<SafeRef> &
      Partial<TargetRef> & {
        readonly kind: 'rotation.limited'
        readonly abreast: number | null
        readonly perHour: number | null
      })
  | (AccountRef & { readonly kind: 'rotation.leaked'; readonly reason: string })
  /** What people do of a rotation. `place`: of another place that holds the secret, and not of the change itself. */
  | (TaskRef & { readonly kind: 'rotation.task-opened' | 'rotation.task-overdue'; readonly dueAt: string })
  | (TaskRef & { readonly kind: 'rotation.task-taken'; readonly session: Id<'ses'> })
  /** `userName`: of who has it in hand, and is let see the secret. */
  | (TaskRef & { readonly kind: 'rotation.task-approved'; readonly userName: string })
  | (TaskRef & {
      readonly kind: 'rotation.task-revealed'
      readonly version: number
      readonly session?: Id<'ses'>
    })
  | (TaskRef & TaskSaid & { readonly kind: 'rotation.task-made' })
  | (TaskRef & TaskSaid & { readonly kind: 'rotation.task-signed'; readonly userName: string })
  | (TaskRef & {
      readonly kind: 'rotation.task-released' | 'rotation.task-dropped'
      readonly reason: string
    })
  | (TaskRef & {
      readonly kind: 'rotation.task-postponed'
      readonly dueAt: string
      readonly pausedUntil?: string
      readonly reason: string
    })
  | { readonly kind: 'auditor.proven'; readonly name: string; readonly login: Id<'lgn'> }
  | {
      readonly kind: 'audit.verified'
      readonly ok: boolean
      readonly leaves: number
      readonly sentence: string
    }
  | { readonly kind: 'audit.exported'; readonly from: number; readonly to: number }
  /** Entries were given out with their proofs: how many, and the first and the last. */
  | { readonly kind: 'audit.proven'; readonly count: number; readonly from: number; readonly to: number }
  /** Rows of the index by which the log is searched were made where they were missing. */
  | { readonly kind: 'audit.indexed'; readonly rows: number }
  | { readonly kind: 'audit.reindexed' }
  /** A backup was restored for trial: how many secrets opened, entries and recordings verified, and in how many seconds. */
  | {
      readonly kind: 'backup.drilled'
      readonly createdAt: string
      readonly ok: boolean
      readonly secrets: number
      readonly entries: number
      readonly recordings: number
      readonly seconds: number
    }
  | { readonly kind: 'backup.read'; readonly table: string; readonly rows: number }
  | { readonly kind: 'refused'; readonly verb: string; readonly code: RefusalCode; readonly why: string }

/** What a caller gives: the vault adds the time. `source`: address of the person's machine, where known. */
export type EntryInput = Happening & { readonly actor: Actor; readonly source?: string }

export type Entry = EntryInput & { readonly at: string }

export type EntryKind = Entry['kind']

/** Bytes of an entry's body at most. */
export const maxEntryBytes = 64 * 1024

/**
 * The canonical bytes of an entry: what is hashed, signed and kept. Text that is not well-formed Unicode is made so.
 * Throws `Fault('audit')` if they are more than `maxEntryBytes`.
 */
export function entryBytes(entry: Entry): Uint8Array {
  const value = entry as unknown as Canonical
  const bytes = canonicalBytes(isWellFormed(value) ? value : wellFormed(value))
  if (bytes.length > maxEntryBytes) throw new Fault('audit', `an entry ${entry.kind} is too large`)
  return bytes
}

function isWellFormed(value: Canonical | undefined): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.values(value).every(isWellFormed)
}

function wellFormed(value: Canonical): Canonical {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(wellFormed)
  return Object.fromEntries(
    Object.entries(value as Record<string, Canonical | undefined>).map(([key, member]) => [
      key,
      member === undefined ? undefined : wellFormed(member),
    ]),
  )
}
