import { type Kysely, sql } from 'kysely'
import type { AuditLeafView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import { actorText, describe } from './describe.ts'
import type { Entry } from './entry.ts'
import { leafBytes } from './leaf.ts'

export type StoredLeaf = { readonly seq: number; readonly body: Uint8Array }

const pageLeaves = 5_000

/** Up to `limit` leaves from number `from` on, as they were hashed. Throws `Fault('audit')` where an entry is gone. */
export async function readLeaves(
  db: Kysely<Database>,
  from: number,
  limit: number,
): Promise<readonly StoredLeaf[]> {
  const rows = await db
    .selectFrom('audit_leaf as leaf')
    .leftJoin('audit_entry as entry', 'entry.id', 'leaf.entry')
    .select(['leaf.seq', 'leaf.unproven', 'leaf.hash', 'entry.body'])
    .where('leaf.seq', '>=', from - 1)
    .orderBy('leaf.seq')
    .limit(from > 0 ? limit + 1 : limit)
    .execute()
  const leaves: StoredLeaf[] = []
  let prev: Uint8Array | undefined
  for (const { seq, unproven, hash, body } of rows) {
    if (seq >= from) {
      if (body === null) throw new Fault('audit', `entry ${seq} of the audit log is missing`)
      leaves.push({ seq, body: leafBytes(seq, prev, body, unproven) })
    }
    prev = hash
  }
  return leaves
}

/** All leaves up to number `end`, page by page. */
export async function* streamLeaves(db: Kysely<Database>, end: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < end; ) {
    const page = await readLeaves(db, from, Math.min(pageLeaves, end - from))
    for (const leaf of page) yield leaf.body
    const last = page.at(-1)
    if (last === undefined) return
    from = last.seq + 1
  }
}

/** The signed checkpoints of at least `from` and at most `to` entries, the smallest first. */
export async function readCheckpoints(
  db: Kysely<Database>,
  from: number,
  to: number,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('audit_checkpoint')
    .select('body')
    .where('size', '>=', from)
    .where('size', '<=', to)
    .orderBy('size')
    .execute()
  return rows.map((row) => row.body)
}

export type ListOptions = {
  /** First number; without it, the last `limit` entries. */
  readonly from?: number | undefined
  readonly limit: number
  readonly kind?: string | undefined
}

/** Entries for people, in the order of the log. */
export async function listEntries(
  db: Kysely<Database>,
  { from, limit, kind }: ListOptions,
): Promise<readonly AuditLeafView[]> {
  let query = db
    .selectFrom('audit_leaf as leaf')
    .innerJoin('audit_entry as entry', 'entry.id', 'leaf.entry')
    .select(['leaf.seq', 'leaf.unproven', 'entry.body'])
    .orderBy('leaf.seq', from === undefined ? 'desc' : 'asc')
    .limit(limit)
  if (from !== undefined) query = query.where('leaf.seq', '>=', from)
  if (kind !== undefined) {
    const text = Buffer.from(`"kind":${JSON.stringify(kind)}`)
    query = query.where(sql<boolean>`position(${text}::bytea in entry.body) > 0`)
  }
  const rows = await query.execute()
  const views = rows.map(({ seq, unproven, body }) => viewEntry(seq, body, unproven))
  return from === undefined ? views.reverse() : views
}

/** An entry for people; `unreadable` where no version of this program wrote it. */
export function viewEntry(seq: number, body: Uint8Array, unproven: boolean): AuditLeafView {
  const entry = parseEntry(body)
  const text = textOf({ entry, unproven })
  return entry === undefined || lineOf(entry) === undefined
    ? { seq, at: '', kind: 'unreadable', actor: '', text, entry: null }
    : { seq, at: entry.at, kind: entry.kind, actor: actorText(entry.actor), text, entry }
}

/** What an entry says, as a line for people. */
export function textOf(of: { readonly entry: Entry | undefined; readonly unproven: boolean }): string {
  const doubt = of.unproven ? ' (nobody vouches for it: the vault was sealed, or did not write it)' : ''
  return `${lineOf(of.entry) ?? 'an unreadable entry'}${doubt}`
}

/** Undefined for one of a known kind, but without its members: only a stranger can have written it. */
function lineOf(entry: Entry | undefined): string | undefined {
  try {
    return entry === undefined ? undefined : describe(entry)
  } catch {
    return undefined
  }
}

/** The entry in these bytes. Undefined for what an older or newer version, or a stranger, wrote in another form. */
export function parseEntry(body: Uint8Array): Entry | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    if (typeof value !== 'object' || value === null || !('kind' in value) || !('at' in value))
      return undefined
    if (!('actor' in value) || typeof value.actor !== 'object' || value.actor === null) return undefined
    if (typeof value.kind !== 'string' || typeof value.at !== 'string') return undefined
    return value as Entry
  } catch {
    return undefined
  }
}
