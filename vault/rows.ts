import type { Kysely, Selectable, Updateable } from 'kysely'
import type { Database } from './db/tables.ts'
import type { GuardedRow, GuardedTable, Stamp } from './keys/guarded.ts'
import { guardedTables } from './keys/guarded.ts'
import { Fault } from './kernel/fault.ts'
import type { Tx } from './transaction.ts'

/** A row of a table, as it is read. */
export type Row<Table extends keyof Database> = Selectable<Database[Table]>
type Values<Table extends keyof Database> = Omit<Row<Table>, 'epoch' | 'mac'>

/** What checks guarded rows: a transaction, or the vault itself outside of one. */
export type Checker = {
  readonly check: (table: GuardedTable, row: GuardedRow & Stamp) => void
  readonly checkAbsent: (table: GuardedTable, row: GuardedRow) => void
  readonly checkWhole: (table: GuardedTable, rows: readonly GuardedRow[]) => void
}

/**
 * Checks rows that were read. Throws `Fault` where one is forged or rolled back.
 *
 * INVARIANT: no guarded row decides anything before it has come through here.
 */
export function checked<Table extends GuardedTable>(
  checker: Checker,
  table: Table,
  rows: readonly Row<Table>[],
): readonly Row<Table>[] {
  for (const row of rows) checker.check(table, row as unknown as GuardedRow & Stamp)
  return rows
}

/** Checks all rows of a table. Throws `Fault` also where one is missing that the vault wrote. For tables of few rows. */
export function checkedWhole<Table extends GuardedTable>(
  checker: Checker,
  table: Table,
  rows: readonly Row<Table>[],
): readonly Row<Table>[] {
  checker.checkWhole(table, rows as unknown as readonly GuardedRow[])
  return checked(checker, table, rows)
}

/** Checks a row that may be missing. */
export function checkedOne<Table extends GuardedTable>(
  checker: Checker,
  table: Table,
  row: Row<Table> | undefined,
): Row<Table> | undefined {
  if (row !== undefined) checker.check(table, row as unknown as GuardedRow & Stamp)
  return row
}

/** Inserts a guarded row with its stamp. */
export async function insertGuarded<Table extends GuardedTable>(
  tx: Tx,
  table: Table,
  values: Values<Table>,
): Promise<Row<Table>> {
  const stamp = tx.guard.stamp(table, values as unknown as GuardedRow)
  const row = { ...values, ...stamp }
  await anyTable(tx.db)
    .insertInto(table as string)
    .values(row)
    .execute()
  return row as unknown as Row<Table>
}

/** Changes columns of a guarded row that this transaction has read `for update`. */
export async function updateGuarded<Table extends GuardedTable>(
  tx: Tx,
  table: Table,
  before: Row<Table>,
  change: Updateable<Database[Table]>,
): Promise<Row<Table>> {
  const values = { ...(before as object), ...change } as Record<string, unknown>
  const stamp = tx.guard.stamp(table, values as GuardedRow)
  const { numUpdatedRows } = await anyTable(tx.db)
    .updateTable(table as string)
    .set({ ...change, ...stamp })
    .where((eb) => eb.and(idOf(table, values)))
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) throw new Fault('database', `a row of ${table} went away while it was changed`)
  return { ...values, ...stamp } as unknown as Row<Table>
}

/** Deletes a guarded row. */
export async function deleteGuarded<Table extends GuardedTable>(
  tx: Tx,
  table: Table,
  row: Row<Table>,
): Promise<void> {
  const values = row as unknown as GuardedRow
  tx.guard.remove(table, values)
  await anyTable(tx.db)
    .deleteFrom(table as string)
    .where((eb) => eb.and(idOf(table, values)))
    .execute()
}

function idOf(table: GuardedTable, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(guardedTables[table].id.map((column) => [column, values[column]]))
}

// Kysely cannot follow a table name that is itself a type parameter; the functions above keep the types.
function anyTable(db: Kysely<Database>): Kysely<Record<string, Record<string, unknown>>> {
  return db as unknown as Kysely<Record<string, Record<string, unknown>>>
}
