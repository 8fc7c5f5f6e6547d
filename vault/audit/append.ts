import { randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { encodeParts } from '../kernel/encoding.ts'
import type { Keyring } from '../keys/keyring.ts'
import { type Entry, entryBytes } from './entry.ts'

const idBytes = 16

/**
 * Adds entries to the log, in the caller's transaction and in this order; the sequencer gives them their numbers once
 * it has committed. Answers the transaction's number and the id of the first entry. Without a keyring (the vault is sealed) they carry no MAC, and the
 * log will say that nobody vouches for them.
 */
export async function append(
  db: Kysely<Database>,
  keyring: Keyring | undefined,
  entries: readonly Entry[],
): Promise<{ readonly xid: string; readonly first: Uint8Array | undefined }> {
  const random = randomBytes(idBytes * entries.length)
  const ids = entries.map((_, at) => random.subarray(at * idBytes, (at + 1) * idBytes))
  const bodies = entries.map((entry) => Buffer.from(entryBytes(entry)))
  const macs = ids.map((id, at) =>
    keyring === undefined ? null : entryMac(keyring, id, bodies[at] ?? new Uint8Array(0)),
  )
  const { rows } = await sql<{ xid: string }>`
    insert into audit_entry (id, body, mac)
    select * from unnest(${ids}::bytea[], ${bodies}::bytea[], ${macs}::bytea[])
    returning pg_current_xact_id()::text as xid`.execute(db)
  return { xid: rows[0]?.xid ?? '', first: ids[0] }
}

/**
 * Vouches for an entry.
 *
 * SECURITY: without it whoever can insert a row could have the vault sign any story. The id is in it, and can be in
 * the log once, so that a genuine entry cannot be told twice.
 */
export function entryMac(keyring: Keyring, id: Uint8Array, body: Uint8Array): Buffer {
  return keyring.mac('audit-entry', encodeParts(id, body))
}
