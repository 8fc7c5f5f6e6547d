import { timingSafeEqual } from 'node:crypto'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import type { Keyring } from '../keys/keyring.ts'
import { entryMac } from './append.ts'
import type { Entry } from './entry.ts'
import { type IndexRow, indexRow } from './index-row.ts'
import { parseEntry } from './read.ts'
import { isSame } from './stored-index.ts'

/** An entry that the index has led to, and that is what the vault wrote; or says that nobody vouches for it. */
export type Checked = {
  readonly row: IndexRow
  readonly body: Uint8Array
  /** Undefined where no version of this program wrote it. */
  readonly entry: Entry | undefined
  readonly unproven: boolean
}

/** Reads the log's side of what the index names, through one connection or transaction. */
export type Reader = { readonly db: Kysely<Database>; readonly keyring: Keyring }

/**
 * Reads these entries, and compares each with its row of the index and with the MAC that it was given when it was
 * written. Throws `Fault('audit')` where they do not agree.
 *
 * SECURITY: this is what keeps whoever writes to the database from having an entry found where it does not belong, or
 * from telling another one. A row that was taken away is not noticed here: `compareIndex` does.
 */
export async function readChecked(
  { db, keyring }: Reader,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, Checked>> {
  const checked = new Map<number, Checked>()
  if (seqs.length === 0) return checked
  const rows = await db
    .selectFrom('audit_index as row')
    .leftJoin('audit_leaf as leaf', 'leaf.seq', 'row.seq')
    .leftJoin('audit_entry as entry', 'entry.id', 'leaf.entry')
    .selectAll('row')
    .select(['leaf.unproven', 'entry.id', 'entry.body', 'entry.mac'])
    .where('row.seq', 'in', seqs)
    .execute()
  for (const { unproven, id, body, mac, ...row } of rows) {
    if (unproven === null || id === null || body === null || !isSame(row, indexRow(row.seq, body)))
      throw new Fault(
        'audit',
        `the index of the audit log says something else of entry ${row.seq} than the log`,
      )
    if (!unproven && (mac === null || !timingSafeEqual(mac, entryMac(keyring, id, body))))
      throw new Fault('audit', `entry ${row.seq} of the audit log is not what the vault wrote`)
    checked.set(row.seq, { row, body, entry: parseEntry(body), unproven })
  }
  return checked
}

/** The entries that the index has under this condition, the oldest first, checked. */
export async function entriesWhere(
  reader: Reader,
  condition: RawBuilder<unknown>,
): Promise<readonly Checked[]> {
  const { rows } = await sql<{ seq: number }>`
    select seq from audit_index where kind <> 'session.checkpoint' and ${condition} order by seq`.execute(
    reader.db,
  )
  const seqs = rows.map(({ seq }) => seq)
  const checked = await readChecked(reader, seqs)
  return seqs.flatMap((seq) => checked.get(seq) ?? [])
}

/** The entries of one kind among them, without those that nobody vouches for: these are shown, and prove nothing. */
export function vouchedFor<Kind extends Entry['kind']>(
  entries: readonly Checked[],
  kind: Kind,
): readonly Extract<Entry, { readonly kind: Kind }>[] {
  return entries.flatMap(({ entry, unproven }) =>
    entry?.kind === kind && !unproven ? [entry as Extract<Entry, { readonly kind: Kind }>] : [],
  )
}
