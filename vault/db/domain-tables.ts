import type {
  SiemFormat,
  Action,
  DirectoryKind,
  ElevationKind,
  EndReason,
  HeldKind,
  InputPolicy,
  LegacyAlgorithm,
  Permission,
  RecordingState,
  CampaignDecision,
  RiskFinding,
  RiskRule,
  Role,
  ServiceScope,
  CloseOutResult,
  Protocol,
  RotationCause,
  RotationGrade,
  RotationPhase,
  TaskState,
} from '../contract.ts'
import type { Id } from '../kernel/id.ts'
import type { AboutKind } from '../notifications/about.ts'

/** What the vault adds to each row of a guarded table. */
type Guarded = { readonly epoch: number; readonly mac: Uint8Array }

/** Tables of identity, safes, targets, accounts, grants, leases, sessions and recordings. */
export type DomainTables = {
  /** Somebody who logs in to us. `user` is a word of SQL. */
  app_user: Guarded & {
    readonly id: Id<'usr'>
    readonly name: string
    readonly roles: readonly Role[]
    readonly state: 'enrolling' | 'active' | 'disabled'
    readonly password_salt: Uint8Array | null
    readonly password_hash: Uint8Array | null
    /** The TOTP secret, sealed under a key of the vault's. */
    readonly totp: Uint8Array | null
    /** When somebody else last set a password, key or code of theirs. */
    readonly credential_set_by_other_at: Date | null
    readonly created_at: Date
    /** The user whom an administrator has said that this one is; one that is nobody else's. */
    readonly same_as: Id<'usr'> | null
    // Not guarded: they change with every login.
    readonly totp_last_step: number
    readonly last_login_at: Date | null
  }
  user_key: Guarded & {
    readonly id: Id<'key'>
    readonly user_id: Id<'usr'>
    readonly type: string
    readonly blob: Uint8Array
    readonly fingerprint: string
    readonly comment: string
    readonly added_by: string
    readonly created_at: Date
  }
  /** Where a user is written to, and of what: `security` is all that concerns it, and nothing else. */
  user_mail: Guarded & {
    readonly user_id: Id<'usr'>
    readonly address: string
    readonly notices: 'all' | 'security'
    readonly set_by: string
    readonly set_at: Date
  }
  /** Stands in for a code of the authenticator at one sign-in. The code itself is kept nowhere. */
  recovery_code: Guarded & {
    readonly id: Id<'rcc'>
    readonly user_id: Id<'usr'>
    readonly hash: Uint8Array
    readonly created_at: Date
    readonly used_at: Date | null
  }
  /** A passkey, as its authenticator made it: id, COSE key, and the site that it is good at. */
  passkey: Guarded & {
    readonly id: Id<'pky'>
    readonly user_id: Id<'usr'>
    /** Its id, base64url. */
    readonly credential: string
    readonly public_key: Uint8Array
    readonly rp_id: string
    readonly name: string
    /** How often the authenticator says it was used; 0: it does not count. */
    readonly counter: number
    readonly created_at: Date
    // Not guarded: nothing is decided by it.
    readonly last_used_at: Date | null
  }
  /** A one-time link. `resets`: it replaces what an active user had. */
  enrolment: Guarded & {
    readonly id: Id<'enr'>
    readonly user_id: Id<'usr'>
    readonly token_hash: Uint8Array
    readonly totp: Uint8Array
    readonly resets: boolean
    readonly issued_by: string
    readonly created_at: Date
    readonly expires_at: Date
    readonly used_at: Date | null
  }
  login: Guarded & {
    readonly id: Id<'lgn'>
    /** Null for the machine's administrator. */
    readonly user_id: Id<'usr'> | null
    readonly uid: number | null
    readonly kind: 'console' | 'replay' | 'local'
    readonly token_hash: Uint8Array
    readonly source: string
    readonly created_at: Date
    readonly expires_at: Date
    readonly ended_at: Date | null
    // Not guarded: it moves with use.
    readonly last_seen_at: Date
  }
  safe: Guarded & {
    readonly id: Id<'saf'>
    readonly name: string
    readonly input_policy: InputPolicy
    readonly created_at: Date
    /** Is a user told who watches? Null, as it is until somebody sets it, means yes. */
    readonly watch_notice: boolean | null
    /** How many people must approve a request; null: one. */
    readonly approvals: number | null
    /** Minutes after which people are reminded of a request that nobody answered; null: never. */
    readonly unanswered_minutes: number | null
    /** Who is told then, beside the approvers; null: the administrators. */
    readonly escalate_to: Id<'usr'> | null
    /** Are the approvers written to when a session begins and ends? Null: no. */
    readonly session_notices: boolean | null
    /** How long a break-glass lasts; null: nobody breaks the glass there. */
    readonly break_glass_minutes: number | null
    /** Ids of the users who are alarmed then, beside the administrators. */
    readonly break_glass_alarms: readonly string[] | null
    /** Days within which an exposed secret is rotated; null: 30. */
    readonly exposure_days: number | null
    /** Null: nobody is asked what they did. */
    readonly close_out: 'asked' | 'required' | null
    /** Null: `standard`. */
    readonly retention_class: string | null
  }
  /** For how many days recordings are kept; null: for good. */
  retention_class: Guarded & {
    readonly name: string
    readonly days: number | null
    readonly reason: string
    readonly set_by: string
    readonly set_at: Date
  }
  /** For how many days all of them are kept at least. One row. */
  retention_floor: Guarded & {
    readonly id: 'floor'
    readonly days: number
    readonly basis: string
    readonly set_by: string
    readonly set_at: Date
  }
  /** Recordings past their time that somebody wants destroyed. */
  destruction: Guarded & {
    readonly id: Id<'dst'>
    readonly recordings: readonly string[]
    /** SHA-256 (hex) of which they are. */
    readonly digest: string
    readonly reason: string
    readonly asked_by: Id<'usr'>
    readonly asked_by_name: string
    readonly asked_at: Date
    readonly state: 'open' | 'approved' | 'withdrawn'
    readonly closed_by_name: string | null
    readonly closed_at: Date | null
  }
  /** What is left of a recording that two people had destroyed. */
  tombstone: Guarded & {
    readonly recording_id: Id<'rec'>
    readonly destruction_id: Id<'dst'>
    readonly retention_class: string
    readonly due_at: Date
    readonly approved_at: Date
    /** Canonical JSON, and its detached CMS signature in base64; null: nothing was destroyed yet. */
    readonly content: string | null
    readonly signature: string | null
    readonly signed_at: Date | null
    readonly destroyed_at: Date | null
  }
  /** Keeps recordings from being destroyed, whatever their age. */
  legal_hold: Guarded & {
    readonly id: Id<'lho'>
    readonly of_kind: HeldKind
    readonly of_id: string
    readonly of_name: string
    readonly matter: string
    readonly reason: string
    readonly placed_by: string
    readonly placed_by_name: string
    readonly placed_at: Date
    /** Who wants it lifted. */
    readonly lift_by: Id<'usr'> | null
    readonly lift_by_name: string | null
    readonly lift_reason: string | null
    readonly lift_asked_at: Date | null
    readonly lifted_by_name: string | null
    readonly lifted_at: Date | null
  }
  safe_member: Guarded & {
    readonly safe_id: Id<'saf'>
    readonly user_id: Id<'usr'>
    readonly permissions: readonly Permission[]
  }
  target: Guarded & {
    readonly id: Id<'tgt'>
    readonly name: string
    readonly safe_id: Id<'saf'>
    readonly protocol: Protocol
    readonly host: string
    readonly port: number
    /** Canonical JSON: `[{ type, fingerprint, approvedBy }]`. */
    readonly pins: string
    readonly created_at: Date
    readonly removed_at: Date | null
    /** Old algorithms that it is spoken with until `legacy_until`; all five are null where it needs none. */
    readonly legacy: readonly LegacyAlgorithm[] | null
    readonly legacy_reason: string | null
    readonly legacy_until: Date | null
    readonly legacy_by: string | null
    readonly legacy_at: Date | null
    /** What rules of the policy may name it by, in small letters; null: nothing. */
    readonly tags: readonly string[] | null
    readonly zone: string | null
    /** Canonical JSON: how it is logged in to, where its protocol leaves that open; null: as usual. */
    readonly desktop: string | null
    /** Canonical JSON: what of its screen is not recorded, why, and who said so; null: all is recorded. */
    readonly mask: string | null
    /** Megabytes that the files of one session may carry; null: as usual. */
    readonly file_megabytes: number | null
    // Not guarded: what a target showed, which decides nothing.
    readonly changed_key_type: string | null
    readonly changed_key: string | null
    readonly changed_key_at: Date | null
  }
  account: Guarded & {
    readonly id: Id<'acc'>
    readonly target_id: Id<'tgt'>
    readonly safe_id: Id<'saf'>
    readonly login: string
    readonly created_at: Date
    readonly removed_at: Date | null
  }
  credential: Guarded & {
    readonly id: Id<'crd'>
    readonly account_id: Id<'acc'>
    readonly version: number
    readonly state: 'candidate' | 'current' | 'retired' | 'discarded'
    readonly kind: 'password' | 'ssh-key'
    /** The public half (RFC 4253 §6.6, base64) of a key. */
    readonly public_key: string | null
    readonly created_by: string
    readonly created_at: Date
  }
  /** How the credential of an account is changed. */
  account_rotation: Guarded & {
    readonly account_id: Id<'acc'>
    readonly grade: RotationGrade
    readonly grade_reason: string
    readonly connector: string | null
    readonly profile: string | null
    readonly max_age_days: number | null
    /** A calendar of the policy: within it alone. */
    readonly calendar: string | null
    /** Never rotated by itself. */
    readonly essential: boolean
    readonly after_check_in: boolean
    readonly after_reveal: boolean
    readonly reconcile_account_id: Id<'acc'> | null
    /** Canonical JSON: `Dependant[]`. */
    readonly dependants: string
    readonly lock_out_refused: number | null
    readonly lock_out_seconds: number | null
    readonly exempt_owner: string | null
    readonly exempt_until: Date | null
    /** Five fields of cron, in the time of a zone. */
    readonly schedule: string | null
    readonly schedule_zone: string | null
    /** Before its window, where it has leaked. */
    readonly leak_at_once: boolean | null
    readonly set_by: string
    readonly set_at: Date
    /** Another account of the same host, as which it is changed. */
    readonly through_account_id: Id<'acc'> | null
    /** Canonical JSON: `ToldRules`, as its machine said. */
    readonly told: string | null
    readonly told_at: Date | null
    /** Name and version: `cisco-ios@1`. */
    readonly recipe: string | null
  }
  /** A recipe that somebody added, one version of it. */
  rotation_recipe: Guarded & {
    readonly id: Id<'rcp'>
    readonly name: string
    readonly version: number
    /** JSON, as it was given. */
    readonly document: string
    readonly added_by: string
    readonly added_at: Date
    readonly removed_by: string | null
    readonly removed_at: Date | null
  }
  /** One rotation, or one verification. See rotation/phases.ts. */
  rotation_run: Guarded & {
    readonly id: Id<'rot'>
    readonly account_id: Id<'acc'>
    readonly target_id: Id<'tgt'>
    readonly kind: 'rotate' | 'assist' | 'verify'
    readonly cause: RotationCause
    readonly asked_by: string
    readonly reason: string
    readonly despite_dependants: boolean
    readonly batch: string | null
    /** In its batch; 0: the canary. */
    readonly place: number | null
    readonly connector: string
    /** Of the candidate; null: none was made. */
    readonly version: number | null
    /** Of the credential that was current when it began. */
    readonly from_version: number | null
    readonly created_at: Date
    readonly begun_at: Date | null
    readonly ended_at: Date | null
    readonly phase: RotationPhase
    readonly attempts: number
    readonly believes: 'current' | 'candidate' | 'nothing'
    readonly refused: readonly string[]
    readonly reconciled: boolean
    readonly persisted: boolean | null
    readonly why: string
    /** Counts up with each step that is given out: what is said of an earlier one is not heard. */
    readonly generation: number
    /** When its next step is due. */
    readonly due_at: Date
    /** A worker does a step until then; null: none does. */
    readonly step_until: Date | null
    /** The task of the place that takes another account's secret by this run; null: it makes its own. */
    readonly for_task: Id<'rtk'> | null
  }
  /** What people do of a rotation. See rotation/assisted.ts. */
  rotation_task: Guarded & {
    /** Of the change: that of its run, so that one that is gone is missed. */
    readonly id: Id<'rtk'>
    readonly run_id: Id<'rot'>
    readonly account_id: Id<'acc'>
    readonly kind: 'change' | 'place'
    /** Where else the secret is kept; empty for the change itself. */
    readonly place: string
    readonly state: TaskState
    readonly created_at: Date
    readonly due_at: Date
    readonly paused_until: Date | null
    readonly pause_reason: string
    readonly changer_id: Id<'usr'> | null
    readonly session_id: Id<'ses'> | null
    readonly asked_at: Date | null
    readonly approver_id: Id<'usr'> | null
    readonly approved_at: Date | null
    /** When the candidate was shown last. */
    readonly revealed_at: Date | null
    readonly made_by: string | null
    readonly made_at: Date | null
    readonly note: string
    readonly work_order: string
    readonly evidence_name: string
    readonly evidence_sha256: string
    readonly signer_id: Id<'usr'> | null
    readonly signed_at: Date | null
    readonly sign_note: string
    readonly reminded_at: Date | null
    readonly escalated_at: Date | null
    readonly closed_at: Date | null
    /** The place is an account here, whose connector takes the secret there; null: it is none. */
    readonly place_account_id: Id<'acc'> | null
  }
  /** A login that sent, or may have sent, a secret. */
  login_place: {
    readonly id: Id<'lgp'>
    readonly target_id: Id<'tgt'>
    readonly login: string
    readonly at: Date
    readonly run_id: Id<'rot'> | null
    readonly generation: number | null
    readonly session_id: Id<'ses'> | null
    readonly verdict: 'pending' | 'accepted' | 'rejected'
  }
  /** Production runs: nothing of the safe is rotated by itself. */
  rotation_hold: Guarded & {
    readonly id: Id<'rhd'>
    readonly safe_id: Id<'saf'>
    readonly reason: string
    readonly held_by: string
    readonly since: Date
    readonly until: Date | null
    readonly ended_at: Date | null
  }
  /** How many rotations go on at a time and begin within an hour, on a target or in a safe; of neither: in all. */
  rotation_limit: Guarded & {
    readonly id: Id<'rlm'>
    readonly safe_id: Id<'saf'> | null
    readonly target_id: Id<'tgt'> | null
    readonly abreast: number | null
    readonly per_hour: number | null
    readonly set_by: string
    readonly set_at: Date
  }
  /** Lets the account's secret go to exactly this identity of this target. */
  binding: Guarded & {
    readonly id: Id<'bnd'>
    readonly account_id: Id<'acc'>
    readonly target_id: Id<'tgt'>
    /** SHA-256 of the canonical target record and the login name. */
    readonly digest: Uint8Array
    readonly bound_by: string
    readonly bound_at: Date
  }
  /** Whose secret is typed at the prompt of sudo, su or enable. */
  elevation: Guarded & {
    readonly account_id: Id<'acc'>
    readonly kind: ElevationKind
    readonly secret_account_id: Id<'acc'>
    readonly set_by: string
    readonly set_at: Date
  }
  /** Whose secret is typed into the desktop of an account, on its user's act. */
  type_in: Guarded & {
    readonly account_id: Id<'acc'>
    readonly secret_account_id: Id<'acc'>
    /** As a binding's: the account's target as it was when the secret was linked, and the login name. */
    readonly digest: Uint8Array
    readonly set_by: string
    readonly set_at: Date
  }
  /** By whose login, of SSH on the same machine, files go beside the desktop of an account. */
  desktop_files: Guarded & {
    readonly account_id: Id<'acc'>
    readonly files_account_id: Id<'acc'>
    /** As a binding's: the account's target as it was when that was said, and the login name. */
    readonly digest: Uint8Array
    readonly set_by: string
    readonly set_at: Date
  }
  /** A firm whose people work on the plant's machines, for as long as its contract runs. */
  company: Guarded & {
    readonly id: Id<'cmp'>
    readonly name: string
    readonly contract_ends_at: Date
    /** Who answers for it in the plant. */
    readonly sponsor_id: Id<'usr'>
    /** In small letters. */
    readonly mail_domains: readonly string[]
    readonly terms: string | null
    readonly created_at: Date
    readonly off_at: Date | null
  }
  representative: Guarded & {
    readonly user_id: Id<'usr'>
    readonly company_id: Id<'cmp'>
    readonly mail: string
    readonly invited_by: string
    readonly created_at: Date
  }
  terms_acceptance: Guarded & {
    readonly id: Id<'trm'>
    readonly user_id: Id<'usr'>
    readonly company_id: Id<'cmp'>
    /** SHA-256 of the terms that were shown, in hex. */
    readonly digest: string
    readonly source: string
    readonly created_at: Date
  }
  /** What taking a company or a user off has ended, by their ids. */
  offboarding: Guarded & {
    readonly id: Id<'off'>
    readonly company_id: Id<'cmp'> | null
    readonly user_id: Id<'usr'> | null
    readonly reason: string
    readonly by_name: string
    readonly created_at: Date
    readonly users: readonly Id<'usr'>[]
    readonly sessions: readonly Id<'ses'>[]
    readonly grants: readonly Id<'grt'>[]
    readonly requests: readonly Id<'req'>[]
    readonly leases: readonly Id<'lse'>[]
    /** What is due to be rotated. */
    readonly secrets: readonly Id<'due'>[]
    readonly logins: number
  }
  /** A version of a secret that somebody who was taken off has seen. */
  rotation_due: Guarded & {
    readonly id: Id<'due'>
    readonly account_id: Id<'acc'>
    readonly version: number
    readonly user_id: Id<'usr'>
    readonly offboarding_id: Id<'off'>
    readonly due_at: Date
    readonly created_at: Date
  }
  exposure: {
    readonly id: Id<'exp'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly version: number
    readonly at: Date
    readonly reason: string
    /** Into whose desktop it was typed; null: it was shown otherwise. */
    readonly session_id: Id<'ses'> | null
  }
  /** When a person said that an exposed secret is rotated, in place of what its safe says. */
  exposure_due: Guarded & {
    readonly exposure_id: Id<'exp'>
    readonly due_at: Date
    readonly reason: string
    readonly set_by: string
    readonly set_at: Date
  }
  /** That people were told of a contract's end. */
  contract_notice: Guarded & {
    readonly id: Id<'cnt'>
    readonly company_id: Id<'cmp'>
    readonly contract_ends_at: Date
    /** Days before the end; 0: that it has ended. */
    readonly days: number
    readonly told_at: Date
  }
  /** What a company's people agreed to, or would have. */
  terms_text: Guarded & {
    readonly id: Id<'tmt'>
    readonly company_id: Id<'cmp'>
    /** SHA-256 of the text, in hex. */
    readonly digest: string
    readonly body: string
    readonly since: Date
  }
  access_grant: Guarded & {
    readonly id: Id<'grt'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly actions: readonly Action[]
    readonly not_before: Date
    readonly not_after: Date
    readonly max_session_seconds: number
    readonly mode: 'shared' | 'exclusive'
    readonly reason: string
    readonly granted_by: string
    readonly created_at: Date
    readonly revoked_at: Date | null
    /** See checkout/forward.ts; null where forwarding is not granted. */
    readonly forwards: readonly string[] | null
    /** The rule of the policy that made it; null: a person gave it. */
    readonly rule: string | null
  }
  /** See access/policy.ts. */
  policy: Guarded & {
    readonly id: string
    readonly version: number
    /** Canonical JSON of the document and of the ids that its names stood for. */
    readonly body: string
    /** SHA-256 of the document, in hex. */
    readonly digest: string
    readonly applied_by: string
    readonly applied_at: Date
  }
  /** A policy that somebody asks for, where it takes two to change it. */
  policy_request: Guarded & {
    readonly id: Id<'plr'>
    /** Canonical JSON. */
    readonly document: string
    readonly digest: string
    /** The digest of the policy that it takes the place of; null: none was applied yet. */
    readonly expected: string | null
    /** SHA-256 of the document, what its names stood for, and `expected`. */
    readonly means: string
    readonly asked_by: string
    readonly asked_by_name: string
    readonly asked_at: Date
    readonly expires_at: Date
    readonly state: 'open' | 'applied' | 'withdrawn' | 'expired'
    readonly closed_at: Date | null
    readonly closed_by: string | null
    /** Not guarded: it keeps people from being reminded twice. */
    readonly reminded_at: Date | null
  }
  access_request: Guarded & {
    readonly id: Id<'req'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly actions: readonly Action[]
    readonly forwards: readonly string[] | null
    readonly mode: 'shared' | 'exclusive'
    /** Null: from its approval on. */
    readonly not_before: Date | null
    readonly for_seconds: number
    readonly reason: string
    readonly work_order: string | null
    readonly created_at: Date
    readonly expires_at: Date
    readonly state: 'open' | 'approved' | 'denied' | 'withdrawn' | 'expired'
    readonly closed_at: Date | null
    readonly closed_by: string | null
    readonly grant_id: Id<'grt'> | null
    /** The grant that is to end later: at `not_before` it ends now, and `for_seconds` after that it will. */
    readonly extends_grant: Id<'grt'> | null
    // Not guarded: it keeps people from being reminded twice.
    readonly reminded_at: Date | null
  }
  approval: Guarded & {
    readonly id: Id<'apr'>
    readonly request_id: Id<'req'>
    readonly user_id: Id<'usr'>
    readonly verdict: 'approve' | 'deny'
    readonly note: string
    /** SHA-256 of what was asked, in hex. */
    readonly digest: string
    readonly created_at: Date
  }
  /** That somebody let themselves in, until somebody else has reviewed it. */
  break_glass: Guarded & {
    readonly id: Id<'bgl'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly grant_id: Id<'grt'>
    readonly reason: string
    /** Of the secret when it was opened; 0: there was none. */
    readonly version: number
    /** Ids of the users who were alarmed. */
    readonly alarmed: readonly string[]
    readonly opened_at: Date
    readonly ends_at: Date
    readonly reviewed_at: Date | null
    readonly reviewed_by: Id<'usr'> | null
    readonly note: string | null
  }
  /** The secrets of a safe, for custodians who open them together when nothing else is left. */
  emergency_kit: Guarded & {
    readonly id: Id<'kit'>
    readonly safe_id: Id<'saf'>
    /** Canonical JSON: `custodianParameters`. */
    readonly custodians: string
    /** X25519: what the secrets are sealed to. */
    readonly box_key: Uint8Array
    readonly prepared_by: string
    readonly prepared_at: Date
    readonly confirmed_by: string | null
    readonly confirmed_at: Date | null
    readonly ended_by: string | null
    readonly ended_at: Date | null
    readonly taken_by: string | null
    readonly taken_at: Date | null
    readonly drilled_at: Date | null
  }
  /** That an emergency kit was opened. */
  kit_opening: Guarded & {
    readonly id: Id<'kop'>
    readonly kit_id: Id<'kit'>
    /** When the kit that was opened had been made. */
    readonly made_at: Date
    readonly opened_at: Date
    readonly custodians: readonly string[]
    readonly reason: string
    readonly reported_by: string
    readonly reported_at: Date
  }
  /** What somebody says that they did in a check-out; asked at the end of its session. */
  close_out: Guarded & {
    readonly session_id: Id<'ses'>
    readonly lease_id: Id<'lse'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly safe_id: Id<'saf'>
    readonly opened_at: Date
    readonly filled_at: Date | null
    readonly result: CloseOutResult | null
    readonly done: string | null
    readonly left_behind: string | null
    readonly work_order: string | null
  }
  /** What somebody is written to, or the webhook is told. */
  notification: Guarded & {
    readonly id: Id<'ntf'>
    readonly kind: AboutKind
    readonly channel: 'mail' | 'webhook'
    readonly user_id: Id<'usr'> | null
    /** Null: the address that the user has when it is sent. */
    readonly address: string | null
    /** JSON of an `About`. */
    readonly about: string
    readonly created_at: Date
    // Not guarded: how far it has come.
    readonly state: 'waiting' | 'sent' | 'failed' | 'dropped'
    readonly attempts: number
    readonly next_at: Date
    readonly ended_at: Date | null
    readonly error: string | null
    readonly opened_at: Date | null
  }
  webhook: Guarded & {
    readonly id: string
    readonly url: string
    readonly set_by: string
    readonly set_at: Date
  }
  /** Where entries of the audit log are sent. */
  siem_receiver: Guarded & {
    readonly id: Id<'sie'>
    readonly name: string
    readonly address: string
    readonly format: SiemFormat
    /** PEM; null: public authorities are trusted. */
    readonly certificates: string | null
    readonly set_by: string
    readonly set_at: Date
    readonly ended_at: Date | null
    // Not guarded: how far it has come.
    readonly through_seq: number
    readonly told_seq: number | null
    readonly told_at: Date | null
    readonly attempts: number
    readonly next_at: Date
    readonly error: string | null
    readonly failing_since: Date | null
    readonly is_over: boolean
  }
  plant_switch: Guarded & {
    readonly id: Id<'psw'>
    readonly name: string
    readonly safes: readonly Id<'saf'>[]
    readonly act: 'freeze' | 'terminate'
    /** Where its input is read (`modbus://…`); null: it calls. */
    readonly input: string | null
    /** The value at which it stops. */
    readonly stops_at: boolean | null
    readonly state: 'run' | 'stop' | 'lost'
    readonly changed_at: Date
    readonly called_at: Date | null
    readonly added_by: string
    readonly added_at: Date
    readonly removed_at: Date | null
  }
  lease: {
    readonly id: Id<'lse'>
    readonly account_id: Id<'acc'>
    readonly user_id: Id<'usr'>
    readonly exclusive: boolean
    readonly explicit: boolean
    /** Which part of the account it takes: all of it, or a place of its own among those who share. */
    readonly claim: string
    readonly since: Date
    readonly until: Date | null
    readonly ended_at: Date | null
  }
  /** Somebody's place in the queue for an account. */
  lease_wait: Guarded & {
    readonly id: Id<'wai'>
    readonly account_id: Id<'acc'>
    readonly user_id: Id<'usr'>
    readonly exclusive: boolean
    /** Who has the lesser one comes first. */
    readonly place: number
    readonly since: Date
    /** Ends by itself then. */
    readonly until: Date
    /** It is their turn, and the account is kept for them until then; null: somebody is before them. */
    readonly kept_until: Date | null
    readonly ended_at: Date | null
    readonly ended_why: string | null
  }
  /** That the holder of a lease wants somebody else to have it. */
  hand_over: Guarded & {
    readonly id: Id<'hov'>
    readonly lease_id: Id<'lse'>
    readonly account_id: Id<'acc'>
    readonly from_user_id: Id<'usr'>
    readonly to_user_id: Id<'usr'>
    readonly created_at: Date
    readonly expires_at: Date
    readonly state: 'offered' | 'accepted' | 'declined' | 'withdrawn' | 'expired'
    readonly closed_at: Date | null
    /** What came of it. */
    readonly to_lease_id: Id<'lse'> | null
  }
  session: {
    readonly id: Id<'ses'>
    readonly recording_id: Id<'rec'>
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly target_id: Id<'tgt'>
    readonly safe_id: Id<'saf'>
    readonly grant_id: Id<'grt'>
    readonly lease_id: Id<'lse'>
    // Names as they were: what they name may be removed or renamed later.
    readonly user_name: string
    readonly account_name: string
    readonly target_name: string
    readonly protocol: Protocol
    readonly source: string
    readonly node: string
    readonly worker: string
    readonly state: 'opening' | 'live' | 'ended'
    /** The user's password, key or code was set by somebody else in the last seven days. */
    readonly credential_set_by_other: boolean
    readonly policy_digest: string
    readonly started_at: Date
    readonly ends_at: Date
    readonly ended_at: Date | null
    readonly end_reason: EndReason | null
    /** Who terminated it, and why; null: nobody did. */
    readonly ended_by: string | null
    readonly ended_why: string | null
    /** When the credential left, once. */
    readonly released_at: Date | null
    readonly header_hash: Uint8Array | null
    readonly public_key: Uint8Array | null
    readonly forward_to: string | null
    readonly forward_connections: number | null
    readonly forward_bytes_up: number | null
    readonly forward_bytes_down: number | null
    /** The console's login from whose browser it is used; null for a native client's. */
    readonly login_id: Id<'lgn'> | null
    /** The break-glass by which it came about. */
    readonly break_glass_id: Id<'bgl'> | null
    readonly safe_name: string | null
    /** Whose representative its user was; null: nobody's. */
    readonly company_name: string | null
    /** Where its target stood, in the words of the policy; null: nowhere named. */
    readonly zone: string | null
    /** Who gave its grant, or approved the request. */
    readonly let_in_by: readonly string[]
    /** That of its request, and what its close-out names. */
    readonly work_orders: readonly string[]
    /** How far the rules of risk have looked at it. */
    readonly judged: 'no' | 'begun' | 'ended'
  }
  /** Something out of the ordinary, as a rule found it, and what somebody found who looked. */
  risk_mark: Guarded & {
    readonly id: Id<'rsk'>
    readonly rule: RiskRule
    readonly user_id: Id<'usr'>
    readonly user_name: string
    readonly account_id: Id<'acc'>
    readonly account_name: string
    readonly session_id: Id<'ses'> | null
    readonly exposure_id: Id<'exp'> | null
    readonly why: string
    /** Canonical JSON: `RiskFact[]`. */
    readonly facts: string
    readonly at: Date
    readonly found_at: Date
    readonly reviewer_id: Id<'usr'> | null
    readonly reviewer_name: string | null
    readonly reviewed_at: Date | null
    readonly finding: RiskFinding | null
    readonly note: string | null
  }
  /** An access review: who still needs what. */
  campaign: Guarded & {
    readonly id: Id<'cam'>
    readonly name: string
    readonly due_at: Date
    readonly started_by: string
    readonly started_at: Date
    readonly closed_by: string | null
    readonly closed_at: Date | null
    readonly note: string | null
    // Not guarded: they keep people from being reminded twice.
    readonly reminded_at: Date | null
    readonly escalated_at: Date | null
  }
  /** One thing that somebody may, and whether they keep it. */
  campaign_item: Guarded & {
    readonly id: Id<'cmi'>
    readonly campaign_id: Id<'cam'>
    readonly user_id: Id<'usr'>
    readonly user_name: string
    readonly safe_id: Id<'saf'>
    readonly what: string
    /** Null: permissions on the safe. */
    readonly grant_id: Id<'grt'> | null
    readonly reviewer_id: Id<'usr'>
    readonly reviewer_name: string
    readonly decision: CampaignDecision | null
    readonly reason: string | null
    readonly decided_by: string | null
    readonly decided_at: Date | null
  }
  /** By what is marked; no row: as usual. */
  risk_settings: Guarded & {
    readonly id: string
    /** Canonical JSON: `RiskSettings`. */
    readonly settings: string
    readonly set_by: string
    readonly set_at: Date
  }
  /** That an auditor has looked at a recording, and what they say of it. */
  recording_review: Guarded & {
    readonly recording_id: Id<'rec'>
    readonly user_id: Id<'usr'>
    readonly user_name: string
    readonly note: string
    readonly reviewed_at: Date
  }
  /** What an auditor noted at a moment of a recording, sealed by its key. */
  recording_note: Guarded & {
    readonly id: Id<'nte'>
    readonly recording_id: Id<'rec'>
    readonly user_id: Id<'usr'>
    readonly user_name: string
    readonly sealed: Uint8Array
    readonly written_at: Date
  }
  /** What a user looks for often. */
  saved_filter: {
    readonly user_id: Id<'usr'>
    readonly name: string
    /** Canonical JSON of what `recording.find` is asked. */
    readonly asked: string
    readonly saved_at: Date
  }
  /** Accounts that a user wants to find first. */
  favourite: {
    readonly user_id: Id<'usr'>
    readonly account_id: Id<'acc'>
    readonly since: Date
  }
  /** Where people come from who are not ours alone. */
  directory: Guarded & {
    readonly id: Id<'dir'>
    readonly name: string
    readonly kind: DirectoryKind
    /** Canonical JSON: `DirectorySettings` of its kind. */
    readonly settings: string
    /** What the vault proves itself with there, sealed; null: nothing. */
    readonly secret: Uint8Array | null
    /** Canonical JSON: `DirectoryMapping[]`. */
    readonly mappings: string
    /** 0: it is read when somebody asks for it. */
    readonly sync_minutes: number
    readonly added_by: string
    readonly added_at: Date
    readonly removed_at: Date | null
    // Not guarded: shown, and nothing is decided by them.
    readonly last_sync_at: Date | null
    readonly last_try_at: Date | null
    readonly last_fault: string | null
  }
  /** A user whom a directory knows. Rows stay when users are turned off: their entries are known for good. */
  directory_user: Guarded & {
    readonly user_id: Id<'usr'>
    readonly directory_id: Id<'dir'>
    /** Stays when the entry is renamed, and is never given twice: entryUUID, objectGUID, sub. */
    readonly subject: string
    /** How they are called there, for people. */
    readonly login: string
    /** What its groups gave when it was last seen. */
    readonly given_roles: readonly Role[]
    readonly policy_groups: readonly string[]
    readonly state: 'present' | 'disabled' | 'gone'
    readonly seen_at: Date
  }
  /** Members that directories give to a group of the policy, by its name in small letters. */
  directory_group: Guarded & { readonly name: string; readonly members: readonly Id<'usr'>[] }
  /** Whether somebody holds the input of a session's user: the latest word. No row: nobody ever did. */
  session_freeze: Guarded & {
    readonly session_id: Id<'ses'>
    readonly frozen: boolean
    readonly by_name: string
    readonly reason: string
    readonly at: Date
  }
  /** Keeps a user off a target after a terminate. */
  hold: Guarded & {
    readonly id: Id<'hld'>
    readonly user_id: Id<'usr'>
    readonly target_id: Id<'tgt'>
    readonly safe_id: Id<'saf'>
    readonly session_id: Id<'ses'>
    readonly reason: string
    readonly held_by: string
    readonly created_at: Date
    readonly until: Date
    readonly released_at: Date | null
  }
  recording: {
    readonly id: Id<'rec'>
    readonly session_id: Id<'ses'>
    readonly state: RecordingState
    readonly size_bytes: number
    readonly root: Uint8Array | null
    readonly checkpoint: Uint8Array | null
    readonly checkpoint_at: Date | null
    /** Since when a recorder misses its file, which nobody had destroyed. */
    readonly missing_since: Date | null
  }
  /** SSH connections that have given a proof: the same one never gives another. */
  ssh_connection: {
    readonly hash: Uint8Array
    readonly at: Date
  }
  /** Tokens of services: programs that read, and are no users. */
  api_token: Guarded & {
    readonly id: Id<'tok'>
    readonly service: string
    readonly scopes: ServiceScope[]
    /** From where it may be used; empty: from everywhere. */
    readonly networks: string[]
    readonly token_hash: Uint8Array
    readonly added_by: string
    readonly added_at: Date
    readonly expires_at: Date
    readonly revoked_at: Date | null
    readonly last_used_at: Date | null
    readonly last_source: string | null
  }
  auditor_list: Guarded & {
    readonly version: string
    readonly body: Uint8Array
    readonly signature: Uint8Array
    readonly appended_by: string
    readonly created_at: Date
  }
}
