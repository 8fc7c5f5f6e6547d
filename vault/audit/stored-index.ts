import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { type IndexRow, indexRow } from './index-row.ts'

/** Entries whose rows are made at once. */
const pageLeaves = 5_000

export async function insertIndex(db: Kysely<Database>, rows: readonly IndexRow[]): Promise<void> {
  if (rows.length === 0) return
  const column = <Name extends keyof IndexRow>(name: Name) => rows.map((row) => row[name])
  await sql`
    insert into audit_index
      (seq, at, kind, actor, person, target, account, company, safe, session, grant_id, request)
    select * from unnest(
      ${column('seq')}::bigint[], ${column('at')}::timestamptz[], ${column('kind')}::text[],
      ${column('actor')}::text[], ${column('person')}::text[], ${column('target')}::text[],
      ${column('account')}::text[], ${column('company')}::text[], ${column('safe')}::text[],
      ${column('session')}::text[], ${column('grant_id')}::text[], ${column('request')}::text[])
    on conflict (seq) do nothing`.execute(db)
}

/** Takes away the rows of entries from number `size` on. */
export async function forgetBeyond(db: Kysely<Database>, size: number): Promise<void> {
  await db.deleteFrom('audit_index').where('seq', '>=', size).execute()
}

/** How many of the log's first `size` entries have no row in the index. */
export async function countMissing(db: Kysely<Database>, size: number): Promise<number> {
  const { rows } = await sql<{ indexed: number }>`
    select count(*) as indexed from audit_index where seq < ${size}`.execute(db)
  return Math.max(0, size - Number(rows[0]?.indexed ?? 0))
}

/**
 * Makes the rows that the log's first `size` entries lack, page by page, each page for itself; `told` hears how far it
 * is, and answers whether to go on. Answers how many were made.
 */
export async function fillIndex(
  db: Kysely<Database>,
  size: number,
  told: (done: number) => boolean,
): Promise<number> {
  let made = 0
  for (let from = 0; from < size; ) {
    const { rows } = await sql<{ seq: number; body: Uint8Array }>`
      select leaf.seq, entry.body from audit_leaf as leaf
      join audit_entry as entry on entry.id = leaf.entry
      where leaf.seq >= ${from} and leaf.seq < ${size}
        and not exists (select 1 from audit_index as known where known.seq = leaf.seq)
      order by leaf.seq limit ${pageLeaves}`.execute(db)
    await insertIndex(
      db,
      rows.map(({ seq, body }) => indexRow(seq, body)),
    )
    made += rows.length
    const last = rows.at(-1)
    if (last === undefined || !told(made)) break
    from = last.seq + 1
  }
  return made
}

/** What the index has against the log's first `size` entries, as a sentence; undefined where they agree. */
export async function compareIndex(db: Kysely<Database>, size: number): Promise<string | undefined> {
  const wrong = { lacking: [] as number[], changed: [] as number[] }
  for (let from = 0; from < size; from += pageLeaves) {
    const rows = await db
      .selectFrom('audit_leaf as leaf')
      .innerJoin('audit_entry as entry', 'entry.id', 'leaf.entry')
      .leftJoin('audit_index as row', 'row.seq', 'leaf.seq')
      .select(['leaf.seq as leafSeq', 'entry.body'])
      .selectAll('row')
      .where('leaf.seq', '>=', from)
      .where('leaf.seq', '<', Math.min(size, from + pageLeaves))
      .orderBy('leaf.seq')
      .execute()
    for (const { leafSeq, body, ...stored } of rows)
      if (stored.seq === null) wrong.lacking.push(leafSeq)
      else if (!isSame(stored as IndexRow, indexRow(leafSeq, body))) wrong.changed.push(leafSeq)
  }
  const { rows } = await sql<{ seq: number }>`
    select seq from audit_index where seq < 0 or seq >= ${size} order by seq limit 1`.execute(db)
  const strange = rows[0]?.seq
  const [lacking, changed] = [wrong.lacking[0], wrong.changed[0]]
  const found = [
    lacking === undefined ? '' : `lacks ${wrong.lacking.length} of them, the first is ${lacking}`,
    changed === undefined ? '' : `says something else of ${wrong.changed.length}, the first is ${changed}`,
    strange === undefined ? '' : `has an entry ${strange}, which there is not`,
  ].filter((part) => part !== '')
  return found.length === 0 ? undefined : found.join('; ')
}

/** Does the row say what the entry says? */
export function isSame(stored: IndexRow, made: IndexRow): boolean {
  const names = Object.keys(made) as (keyof IndexRow)[]
  return names.every((name) => {
    const [left, right] = [stored[name], made[name]]
    return left instanceof Date && right instanceof Date ? left.getTime() === right.getTime() : left === right
  })
}
