import { timingSafeEqual } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import type { Guard, GuardedShapes } from './guard.ts'
import type { GuardedRow, GuardedShape, Stamp } from './guarded.ts'

/** What the vault remembers of its guards outside the database: counter, and MAC in hex, by table. */
export type GuardMemory = Readonly<Record<string, { readonly counter: number; readonly mac: string }>>

const pageRows = 5_000

/** Writes the guard rows of tables that have none yet: at initialisation, and when a version brings a new table. */
export async function initialiseGuards(
  db: Kysely<Database>,
  guard: Guard,
  names: readonly string[],
): Promise<void> {
  for (const guarded of names) {
    const mac = guard.guardMac(guarded, 0, 0, 0, 0n)
    await db.insertInto('guard').values({ guarded, counter: 0, epoch: 0, row_count: 0, mac }).execute()
    const table = guard.tables.get(guarded)
    if (table !== undefined) table.mac = mac
  }
}

/**
 * Reads every guarded row and checks it: its own MAC, the sum over its table, and the guard rows against `memory`.
 * Answers what is wrong with `memory` alone (the database is older than what the vault last wrote), or undefined.
 * Throws `Fault` `forged_row` or `rolled_back_row` for rows that do not even agree among themselves.
 */
export async function loadGuards(
  db: Kysely<Database>,
  guard: Guard,
  shapes: GuardedShapes,
  memory: GuardMemory,
): Promise<string | undefined> {
  const guardRows = new Map(
    (await db.selectFrom('guard').selectAll().execute()).map((row) => [row.guarded, row]),
  )
  let finding: string | undefined
  const fresh: string[] = []
  for (const [name, shape] of Object.entries(shapes)) {
    const table = guard.tables.get(name)
    if (table === undefined) continue
    for await (const row of readRows(db, name, shape)) guard.load(name, row)
    const row = guardRows.get(name)
    if (row === undefined) {
      if (table.tags.size > 0 || memory[name] !== undefined)
        throw new Fault('rolled_back_row', `the guard of ${name} was taken away`)
      fresh.push(name)
      continue
    }
    const right = guard.guardMac(name, row.counter, row.epoch, table.tags.size, table.sum)
    if (row.mac.length !== right.length || !timingSafeEqual(row.mac, right))
      throw new Fault('rolled_back_row', mismatch(name, row.row_count, table.tags.size))
    table.counter = row.counter
    table.epoch = row.epoch
    table.mac = right
    finding ??= compare(name, row.counter, right.toString('hex'), memory[name])
  }
  await initialiseGuards(db, guard, fresh)
  return finding
}

function mismatch(name: string, expected: number, found: number): string {
  const how =
    expected === found
      ? 'rows were put back or exchanged'
      : found > expected
        ? `there are ${found} rows, the vault wrote ${expected}`
        : `${found} rows are left of ${expected}`
  return `table ${name} is not what the vault last wrote: ${how}`
}

function compare(
  name: string,
  counter: number,
  mac: string,
  known: { readonly counter: number; readonly mac: string } | undefined,
): string | undefined {
  if (known === undefined) return undefined
  if (counter < known.counter)
    return `table ${name} is at change ${counter}, this vault has written change ${known.counter}`
  if (counter === known.counter && mac !== known.mac)
    return `table ${name} holds another change ${counter} than this vault wrote`
  return undefined
}

/** All rows of a table, page by page in the order of its key. */
async function* readRows(
  db: Kysely<Database>,
  name: string,
  shape: GuardedShape,
): AsyncGenerator<GuardedRow & Stamp> {
  const key = sql.join(shape.id.map((column) => sql.ref(column)))
  const columns = sql.join([...shape.id, ...shape.columns, 'epoch', 'mac'].map((column) => sql.ref(column)))
  let after: readonly unknown[] | undefined
  for (;;) {
    const where = after === undefined ? sql`` : sql`where (${key}) > (${sql.join([...after])})`
    const page = await sql<GuardedRow & Stamp>`
      select ${columns} from ${sql.table(name)} ${where} order by ${key} limit ${pageRows}`.execute(db)
    yield* page.rows
    const last = page.rows.at(-1)
    if (last === undefined || page.rows.length < pageRows) return
    after = shape.id.map((column) => last[column])
  }
}
