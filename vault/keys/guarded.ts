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
export const guardedTables = {} as const satisfies Record<string, GuardedShape>

export type GuardedTable = keyof typeof guardedTables & string

/** What the vault writes into each guarded row. */
export type Stamp = { readonly epoch: number; readonly mac: Uint8Array }
