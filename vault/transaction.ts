import { AsyncLocalStorage } from 'node:async_hooks'
import { type ControlledTransaction, type Kysely, sql, type Transaction } from 'kysely'
import { append } from './audit/append.ts'
import type { EntryInput } from './audit/entry.ts'
import type { Database } from './db/tables.ts'
import { Fault } from './kernel/fault.ts'
import type { Guard, GuardChanges } from './keys/guard.ts'
import type { GuardedRow, GuardedTable, Stamp } from './keys/guarded.ts'
import type { Keyring } from './keys/keyring.ts'

/** One transaction of the vault: rows, their guards and their audit entries commit together or not at all. */
export type Tx = {
  readonly db: Transaction<Database>
  /** The moment at which the transaction began, by the vault's clock. */
  readonly now: Date
  /** Milliseconds by which that clock was set forward after a moment: that much less has really passed since. */
  readonly skippedSince: (moment: Date) => number
  /** Adds an entry to the audit log. Times and sequence are the vault's to give. */
  readonly audit: (...entries: readonly EntryInput[]) => Promise<void>
  readonly guard: {
    /** The epoch and MAC with which this row must be inserted or updated. Give all columns, changed or not. */
    readonly stamp: (table: GuardedTable, row: GuardedRow) => Stamp
    /** Says that this row is deleted. Give at least the columns of its id. */
    readonly remove: (table: GuardedTable, row: GuardedRow) => void
    /** Throws `Fault` `forged_row` or `rolled_back_row` unless this row is what the vault last wrote. */
    readonly check: (table: GuardedTable, row: GuardedRow & Stamp) => void
    /** Throws `Fault` `rolled_back_row` if the vault wrote this row and it should be there. */
    readonly checkAbsent: (table: GuardedTable, row: GuardedRow) => void
    /** Throws `Fault` `rolled_back_row` if one is missing among all rows of a table. Give at least the columns of their ids. */
    readonly checkWhole: (table: GuardedTable, rows: readonly GuardedRow[]) => void
  }
  /** Runs `act` once the transaction has committed (tell a recorder to cut, wake a waiter). */
  readonly afterCommit: (act: () => void) => void
}

export type TransactionPorts = {
  readonly database: Kysely<Database>
  readonly clock: () => Date
  readonly skippedSince: (moment: Date) => number
  /** The keys and guards of the unsealed vault; undefined while it is sealed. */
  readonly unsealed: () => { readonly keyring: Keyring; readonly guard: Guard } | undefined
  /** Told of each commit: wakes the sequencer, notes changed guards. */
  readonly onCommit: (changed: { readonly audit: boolean; readonly guards: boolean }) => void
}

const retries = 4

const acting = new AsyncLocalStorage<true>()

/**
 * Does the calling code run within a transaction?
 *
 * INVARIANT: what runs within one reads through `tx.db`. Asking the pool for a second connection while holding the
 * first one stops all of them for good, once as many callers do it as there are connections.
 */
export function isInTransaction(): boolean {
  return acting.getStore() === true
}

/** Milliseconds for which a caller waits for the fate of a commit whose answer was lost. */
const doubtMs = 15_000

/**
 * Runs `act` in one transaction. It may run again after a deadlock or a serialisation failure: it must change nothing
 * but `tx`. While the vault is sealed, the audit log can be added to and guarded tables cannot be written.
 *
 * Throws what `act` throws, and `Fault('database')` when nobody can tell whether the transaction committed.
 */
export async function runTransaction<T>(ports: TransactionPorts, act: (tx: Tx) => Promise<T>): Promise<T> {
  for (let left = retries; ; left -= 1)
    try {
      return await once(ports, act)
    } catch (error) {
      if (left === 0 || !isWorthAnotherTry(error)) throw error
    }
}

/** SQLSTATE 40001 and 40P01: PostgreSQL has undone the transaction and asks for another try. */
function isWorthAnotherTry(error: unknown): boolean {
  return hasCode(error) && (error.code === '40001' || error.code === '40P01')
}

async function once<T>(ports: TransactionPorts, act: (tx: Tx) => Promise<T>): Promise<T> {
  const unsealed = ports.unsealed()
  const changes = unsealed?.guard.begin()
  const begun = performance.now()
  const acts: (() => void)[] = []
  let xid: string | undefined
  let entry: Uint8Array | undefined
  const db = await ports.database.startTransaction().execute()
  let result: T
  try {
    const now = ports.clock()
    const tx: Tx = {
      db,
      now,
      skippedSince: ports.skippedSince,
      audit: async (...inputs) => {
        if (inputs.length === 0) return
        const entries = inputs.map((input) => ({ ...input, at: now.toISOString() }))
        const added = await append(db, unsealed?.keyring, entries)
        xid = added.xid
        entry = added.first
      },
      guard: guardOf(unsealed?.guard, changes, begun),
      afterCommit: (later) => acts.push(later),
    }
    result = await acting.run(true, () => act(tx))
    if (changes !== undefined && !changes.isEmpty) {
      await changes.prepare(db)
      xid ??= await currentXid(db)
    }
  } catch (error) {
    // The rollback of a broken connection fails too; PostgreSQL has rolled back by itself then.
    await db
      .rollback()
      .execute()
      .catch(() => {})
    changes?.dropped()
    throw error
  }
  const settle = (committed: boolean) => {
    if (!committed) return changes?.dropped()
    changes?.committed()
    ports.onCommit({ audit: xid !== undefined, guards: changes?.isEmpty === false })
  }
  await commit(db, xid, settle, () =>
    fateOf(ports, unsealed?.guard, xid ?? '', async () =>
      changes?.isEmpty === false ? changes.isKept(ports.database) : hasEntry(ports.database, entry),
    ),
  )
  for (const later of acts) later()
  return result
}

function guardOf(guard: Guard | undefined, changes: GuardChanges | undefined, begun: number): Tx['guard'] {
  const open = <X>(value: X | undefined): X => {
    if (value === undefined) throw new Fault('closed', 'the vault is sealed')
    return value
  }
  return {
    stamp: (table, row) => open(changes).stamp(table, row),
    remove: (table, row) => open(changes).remove(table, row),
    check: (table, row) => open(guard).check(table, row, begun),
    checkAbsent: (table, row) => open(guard).checkAbsent(table, row, begun),
    checkWhole: (table, rows) => open(guard).checkWhole(table, rows, begun),
  }
}

async function hasEntry(db: Kysely<Database>, entry: Uint8Array | undefined): Promise<boolean> {
  if (entry === undefined) return false
  return (
    (await db.selectFrom('audit_entry').select('id').where('id', '=', entry).executeTakeFirst()) !== undefined
  )
}

async function currentXid(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ xid: string }>`select pg_current_xact_id()::text as xid`.execute(db)
  return rows[0]?.xid ?? ''
}

type Fate = 'committed' | 'aborted' | 'unknown'

/** Commits, and tells `settle` what came of it, once it is known. */
async function commit(
  db: ControlledTransaction<Database>,
  xid: string | undefined,
  settle: (committed: boolean) => void,
  askFate: () => Promise<Fate>,
): Promise<void> {
  try {
    await db.commit().execute()
  } catch (error) {
    const undone = db.isRolledBack || (hasCode(error) && /^(23|40)/.test(error.code))
    await db
      .rollback()
      .execute()
      .catch(() => {})
    if (undone) {
      settle(false)
      throw error
    }
    // The connection broke before the answer came: only PostgreSQL knows. Until it says, nobody else commits to the
    // same guarded tables, and rows are taken in both states.
    const asked = xid === undefined ? Promise.resolve<Fate>('unknown') : askFate()
    const told = asked.then((fate) => {
      settle(fate === 'committed')
      return fate
    })
    const fate = await Promise.race([told, unknownAfter(doubtMs)])
    if (fate === 'committed') return
    if (fate === 'aborted') throw error
    throw new Fault('database', 'nobody can tell whether a change was kept: look before you repeat it', {
      cause: error,
    })
  }
  settle(true)
}

function unknownAfter(ms: number): Promise<Fate> {
  return new Promise((resolve) => setTimeout(resolve, ms, 'unknown').unref())
}

/**
 * Asks PostgreSQL until it answers, or until the vault was sealed and nobody needs to know any more.
 *
 * INVARIANT: a number says nothing by itself. PostgreSQL that crashed, its disk full or its power gone, gives numbers
 * of which it had written nothing down to other transactions: so what this one wrote is looked for.
 */
async function fateOf(
  ports: TransactionPorts,
  guard: Guard | undefined,
  xid: string,
  isKept: () => Promise<boolean>,
): Promise<Fate> {
  while (ports.unsealed()?.guard === guard) {
    try {
      const { rows } = await sql<{ fate: string | null }>`
        select pg_xact_status(${xid}::xid8) as fate`.execute(ports.database)
      const fate = rows[0]?.fate
      if (fate === 'aborted') return fate
      if (fate === 'committed') return (await isKept()) ? fate : 'aborted'
    } catch (error) {
      // A number that it has not given to anybody yet: nothing of that transaction outlived a crash.
      if (hasCode(error) && error.code === '22023') return 'aborted'
      // Still away.
    }
    await new Promise((resolve) => setTimeout(resolve, 100).unref())
  }
  return 'unknown'
}

function hasCode(error: unknown): error is { readonly code: string } {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
}
