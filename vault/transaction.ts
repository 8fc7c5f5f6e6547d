import type { Transaction } from 'kysely'
import type { EntryInput } from './audit/entry.ts'
import type { Database } from './db/tables.ts'
import type { GuardedRow, GuardedTable, Stamp } from './keys/guarded.ts'

/** One transaction of the vault: rows, their guards and their audit entries commit together or not at all. */
export type Tx = {
  readonly db: Transaction<Database>
  /** The moment at which the transaction began, by the vault's clock. */
  readonly now: Date
  /** Adds an entry to the audit log. Times and sequence are the vault's to give. */
  readonly audit: (entry: EntryInput) => Promise<void>
  readonly guard: {
    /** The epoch and MAC with which this row must be inserted or updated. Give all columns, changed or not. */
    readonly stamp: (table: GuardedTable, row: GuardedRow) => Stamp
    /** Says that this row is deleted. Give at least the columns of its id. */
    readonly remove: (table: GuardedTable, row: GuardedRow) => void
    /** Throws `Fault` `forged_row` or `rolled_back_row` unless this row is what the vault last wrote. */
    readonly check: (table: GuardedTable, row: GuardedRow & Stamp) => void
    /** Throws `Fault` `rolled_back_row` if the vault wrote this row and it should be there. */
    readonly checkAbsent: (table: GuardedTable, row: GuardedRow) => void
  }
  /** Runs `act` once the transaction has committed (tell a recorder to cut, wake a waiter). */
  readonly afterCommit: (act: () => void) => void
}
