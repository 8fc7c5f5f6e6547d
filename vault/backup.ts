import { type ControlledTransaction, type Kysely, sql } from 'kysely'
import type { Database } from './db/tables.ts'
import { done, refuse } from './kernel/outcome.ts'
import type { Peer } from './kernel/rpc.ts'
import { by, type Call, type Handler } from './world.ts'

/**
 * All tables of the vault, each after those that it refers to: the order in which a restore fills them. The index of the
 * audit log is not among them: it is made from the log.
 */
export const backupTables = [
  'installation',
  'seal_wrap',
  'root_key',
  'seal_set',
  'safe_key',
  'secret_key',
  'secret_payload',
  'key_rotation',
  'guard',
  'audit_entry',
  'audit_leaf',
  'audit_node',
  'audit_checkpoint',
  'app_user',
  'user_key',
  'user_mail',
  'recovery_code',
  'passkey',
  'enrolment',
  'login',
  'api_token',
  'ssh_connection',
  'company',
  'representative',
  'terms_acceptance',
  'directory',
  'directory_user',
  'directory_group',
  'auditor_list',
  'retention_class',
  'retention_floor',
  'safe',
  'safe_member',
  'target',
  'account',
  'credential',
  'binding',
  'elevation',
  'type_in',
  'desktop_files',
  'exposure',
  'exposure_due',
  'account_rotation',
  'rotation_recipe',
  'rotation_run',
  'rotation_task',
  'login_place',
  'rotation_hold',
  'rotation_limit',
  'contract_notice',
  'terms_text',
  'policy',
  'policy_request',
  'plant_switch',
  'offboarding',
  'rotation_due',
  'access_grant',
  'access_request',
  'approval',
  'break_glass',
  'emergency_kit',
  'kit_opening',
  'notification',
  'webhook',
  'siem_receiver',
  'lease',
  'lease_wait',
  'hand_over',
  'session',
  'recording',
  'close_out',
  'session_freeze',
  'hold',
  'favourite',
  'recording_review',
  'recording_note',
  'risk_mark',
  'risk_settings',
  'campaign',
  'campaign_item',
  'saved_filter',
  'legal_hold',
  'destruction',
  'tombstone',
] as const satisfies readonly (keyof Database)[]

// One moment for all pages: the tables of a backup fit together, and to their guards.
const snapshots = new WeakMap<Peer, Promise<ControlledTransaction<Database>>>()

export const backupTablesVerb: Handler<'backup.tables'> = async (call) => {
  const before = await snapshots.get(call.peer)
  if (before !== undefined && !before.isCommitted && !before.isRolledBack) await before.rollback().execute()
  snapshots.set(call.peer, takeSnapshot(call))
  await snapshots.get(call.peer)
  return done(backupTables)
}

async function takeSnapshot(call: Call): Promise<ControlledTransaction<Database>> {
  const snapshot = await call.world.vault.database
    .startTransaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute()
  // PostgreSQL takes the snapshot with the first statement, not with the transaction.
  await sql`select 1`.execute(snapshot)
  void call.peer.closed.then(async () => {
    if (!snapshot.isCommitted && !snapshot.isRolledBack)
      await snapshot
        .rollback()
        .execute()
        .catch(() => {})
  })
  return snapshot
}

/** Writes down that a backup was restored for trial, and what came of it. */
export const backupDrilled: Handler<'backup.drilled'> = async (call, input) =>
  call.world.vault.inTransaction(async (tx) => {
    await tx.audit({ kind: 'backup.drilled', ...input, ...by(call) })
    return done(null)
  })

/** A page of a table's rows as JSON, bytes as `\x…`, in the order of their physical place. */
export const backupPage: Handler<'backup.page'> = async (call, { table, after, limit }) => {
  const known = backupTables.find((name) => name === table)
  if (known === undefined) return refuse('not_found', 'there is no such table', 'ask backup.tables')
  if (after !== undefined && !/^\d{1,12}$/.test(after))
    return refuse('invalid', 'after: not a place in a table')
  const snapshot = await snapshots.get(call.peer)
  const offset = after === undefined ? 0 : Number(after)
  try {
    const rows = await pageOf(snapshot ?? call.world.vault.database, known, offset, limit)
    if (offset === 0)
      await call.world.vault.inTransaction((tx) =>
        tx.audit({ kind: 'backup.read', table: known, rows: rows.length, ...by(call) }),
      )
    return done({ rows, next: rows.length < limit ? null : String(offset + rows.length) })
  } catch (error) {
    if (snapshot === undefined) throw error
    snapshots.delete(call.peer)
    return refuse('unavailable', 'the moment of this backup has passed', 'begin it again')
  }
}

async function pageOf(
  db: Kysely<Database>,
  table: (typeof backupTables)[number],
  offset: number,
  limit: number,
): Promise<readonly unknown[]> {
  const { rows } = await sql<{ row: unknown }>`
    select to_jsonb(t) as row from ${sql.table(table)} as t order by ctid limit ${limit} offset ${offset}`.execute(
    db,
  )
  return rows.map(({ row }) => row)
}

/**
 * Fills an empty, migrated table with rows of a backup, by the database's owner. Values that the database makes
 * itself elsewhere (places in the order of the log) are taken as they were.
 */
export async function restoreRows(
  db: Kysely<Database>,
  table: (typeof backupTables)[number],
  rows: readonly unknown[],
): Promise<void> {
  if (rows.length === 0) return
  await sql`
    insert into ${sql.table(table)} overriding system value
    select * from jsonb_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::jsonb)`.execute(
    db,
  )
}
