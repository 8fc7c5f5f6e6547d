/** A value of a guarded row, as the database gives it back. No JSON columns: they do not come back byte for byte. */
export type GuardValue = string | number | boolean | null | Date | Uint8Array | readonly string[]

export type GuardedRow = Readonly<Record<string, GuardValue>>

export type GuardedShape = {
  /** Columns of the primary key, text, in order. */
  readonly id: readonly string[]
  /** All other columns that decide anything, in the order in which they enter the MAC. Never reorder: add. */
  readonly columns: readonly string[]
}

/**
 * The guarded tables (invariant 6). Each has, beside these columns, `epoch bigint` and `mac bytea`, both not null.
 * A new one is an entry here and a migration.
 */
export const guardedTables = {
  app_user: {
    id: ['id'],
    columns: [
      'name',
      'roles',
      'state',
      'password_salt',
      'password_hash',
      'totp',
      'credential_set_by_other_at',
      'created_at',
      'same_as',
    ],
  },
  user_key: {
    id: ['id'],
    columns: ['user_id', 'type', 'blob', 'fingerprint', 'comment', 'added_by', 'created_at'],
  },
  user_mail: { id: ['user_id'], columns: ['address', 'notices', 'set_by', 'set_at'] },
  recovery_code: { id: ['id'], columns: ['user_id', 'hash', 'created_at', 'used_at'] },
  passkey: {
    id: ['id'],
    columns: ['user_id', 'credential', 'public_key', 'rp_id', 'name', 'counter', 'created_at'],
  },
  enrolment: {
    id: ['id'],
    columns: ['user_id', 'token_hash', 'totp', 'resets', 'issued_by', 'created_at', 'expires_at', 'used_at'],
  },
  login: {
    id: ['id'],
    columns: ['user_id', 'uid', 'kind', 'token_hash', 'source', 'created_at', 'expires_at', 'ended_at'],
  },
  safe: {
    id: ['id'],
    columns: [
      'name',
      'input_policy',
      'created_at',
      'watch_notice',
      'approvals',
      'unanswered_minutes',
      'escalate_to',
      'session_notices',
      'break_glass_minutes',
      'break_glass_alarms',
      'exposure_days',
      'close_out',
    ],
  },
  safe_member: { id: ['safe_id', 'user_id'], columns: ['permissions'] },
  target: {
    id: ['id'],
    columns: [
      'name',
      'safe_id',
      'protocol',
      'host',
      'port',
      'pins',
      'created_at',
      'removed_at',
      'legacy',
      'legacy_reason',
      'legacy_until',
      'legacy_by',
      'legacy_at',
      'tags',
      'zone',
      'desktop',
    ],
  },
  account: {
    id: ['id'],
    columns: ['target_id', 'safe_id', 'login', 'created_at', 'removed_at'],
  },
  credential: {
    id: ['id'],
    columns: ['account_id', 'version', 'state', 'kind', 'public_key', 'created_by', 'created_at'],
  },
  binding: {
    id: ['id'],
    columns: ['account_id', 'target_id', 'digest', 'bound_by', 'bound_at'],
  },
  type_in: { id: ['account_id', 'secret_account_id'], columns: ['digest', 'set_by', 'set_at'] },
  elevation: { id: ['account_id'], columns: ['kind', 'secret_account_id', 'set_by', 'set_at'] },
  access_grant: {
    id: ['id'],
    columns: [
      'user_id',
      'account_id',
      'actions',
      'not_before',
      'not_after',
      'max_session_seconds',
      'mode',
      'reason',
      'granted_by',
      'created_at',
      'revoked_at',
      'forwards',
      'rule',
    ],
  },
  policy: { id: ['id'], columns: ['version', 'body', 'digest', 'applied_by', 'applied_at'] },
  policy_request: {
    id: ['id'],
    columns: [
      'document',
      'digest',
      'expected',
      'means',
      'asked_by',
      'asked_by_name',
      'asked_at',
      'expires_at',
      'state',
      'closed_at',
      'closed_by',
    ],
  },
  access_request: {
    id: ['id'],
    columns: [
      'user_id',
      'account_id',
      'actions',
      'forwards',
      'mode',
      'not_before',
      'for_seconds',
      'reason',
      'work_order',
      'created_at',
      'expires_at',
      'state',
      'closed_at',
      'closed_by',
      'grant_id',
      'extends_grant',
    ],
  },
  approval: {
    id: ['id'],
    columns: ['request_id', 'user_id', 'verdict', 'note', 'digest', 'created_at'],
  },
  break_glass: {
    id: ['id'],
    columns: [
      'user_id',
      'account_id',
      'grant_id',
      'reason',
      'version',
      'alarmed',
      'opened_at',
      'ends_at',
      'reviewed_at',
      'reviewed_by',
      'note',
    ],
  },
  close_out: {
    id: ['session_id'],
    columns: [
      'lease_id',
      'user_id',
      'account_id',
      'safe_id',
      'opened_at',
      'filled_at',
      'result',
      'done',
      'left_behind',
      'work_order',
    ],
  },
  notification: {
    id: ['id'],
    columns: ['kind', 'channel', 'user_id', 'address', 'about', 'created_at'],
  },
  webhook: { id: ['id'], columns: ['url', 'set_by', 'set_at'] },
  company: {
    id: ['id'],
    columns: ['name', 'contract_ends_at', 'sponsor_id', 'mail_domains', 'terms', 'created_at', 'off_at'],
  },
  representative: { id: ['user_id'], columns: ['company_id', 'mail', 'invited_by', 'created_at'] },
  terms_acceptance: {
    id: ['id'],
    columns: ['user_id', 'company_id', 'digest', 'source', 'created_at'],
  },
  offboarding: {
    id: ['id'],
    columns: [
      'company_id',
      'user_id',
      'reason',
      'by_name',
      'created_at',
      'users',
      'sessions',
      'grants',
      'requests',
      'leases',
      'secrets',
      'logins',
    ],
  },
  rotation_due: {
    id: ['id'],
    columns: ['account_id', 'version', 'user_id', 'offboarding_id', 'due_at', 'created_at'],
  },
  exposure_due: { id: ['exposure_id'], columns: ['due_at', 'reason', 'set_by', 'set_at'] },
  contract_notice: { id: ['id'], columns: ['company_id', 'contract_ends_at', 'days', 'told_at'] },
  terms_text: { id: ['id'], columns: ['company_id', 'digest', 'body', 'since'] },
  plant_switch: {
    id: ['id'],
    columns: [
      'name',
      'safes',
      'act',
      'input',
      'stops_at',
      'state',
      'changed_at',
      'called_at',
      'added_by',
      'added_at',
      'removed_at',
    ],
  },
  lease_wait: {
    id: ['id'],
    columns: [
      'account_id',
      'user_id',
      'exclusive',
      'place',
      'since',
      'until',
      'kept_until',
      'ended_at',
      'ended_why',
    ],
  },
  hand_over: {
    id: ['id'],
    columns: [
      'lease_id',
      'account_id',
      'from_user_id',
      'to_user_id',
      'created_at',
      'expires_at',
      'state',
      'closed_at',
      'to_lease_id',
    ],
  },
  directory: {
    id: ['id'],
    columns: [
      'name',
      'kind',
      'settings',
      'secret',
      'mappings',
      'sync_minutes',
      'added_by',
      'added_at',
      'removed_at',
    ],
  },
  directory_user: {
    id: ['user_id'],
    columns: ['directory_id', 'subject', 'login', 'given_roles', 'policy_groups', 'state', 'seen_at'],
  },
  directory_group: { id: ['name'], columns: ['members'] },
  session_freeze: { id: ['session_id'], columns: ['frozen', 'by_name', 'reason', 'at'] },
  hold: {
    id: ['id'],
    columns: [
      'user_id',
      'target_id',
      'safe_id',
      'session_id',
      'reason',
      'held_by',
      'created_at',
      'until',
      'released_at',
    ],
  },
  api_token: {
    id: ['id'],
    columns: [
      'service',
      'scopes',
      'networks',
      'token_hash',
      'added_by',
      'added_at',
      'expires_at',
      'revoked_at',
    ],
  },
  auditor_list: { id: ['version'], columns: ['body', 'signature', 'appended_by', 'created_at'] },
} as const satisfies Record<string, GuardedShape>

export type GuardedTable = keyof typeof guardedTables

/** What the vault writes into each guarded row. */
export type Stamp = { readonly epoch: number; readonly mac: Uint8Array }
