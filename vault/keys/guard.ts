import { timingSafeEqual } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { forged, GuardTable, rolledBack } from './guard-table.ts'
import type { GuardedRow, GuardedShape, Stamp } from './guarded.ts'
import type { Keyring } from './keyring.ts'
import { rowElement, rowId, rowMac, tagOf } from './row-mac.ts'

export type GuardedShapes = Readonly<Record<string, GuardedShape>>

/** Milliseconds before now at which a statement outside a transaction may have begun. */
const statementMs = 5_000

const modulus = 1n << 256n

/**
 * Tells whether guarded rows are what the vault last wrote (invariant 6).
 *
 * Each row carries a MAC: nobody else can write one. The unsealed vault remembers the MAC of every row: none can be
 * put back, added or taken away. A guard row per table carries a MAC over the sum of all rows: what the vault does
 * not remember after a restart, it checks against that, and the guard row itself against the local state file.
 */
export class Guard {
  readonly tables = new Map<string, GuardTable>()
  readonly #keyring: Keyring
  readonly #shapes: GuardedShapes

  constructor(keyring: Keyring, shapes: GuardedShapes) {
    this.#keyring = keyring
    this.#shapes = shapes
    for (const name of Object.keys(shapes)) this.tables.set(name, new GuardTable())
  }

  /** Throws `Fault` `forged_row` or `rolled_back_row` unless `row` is what the vault last wrote. */
  check(table: string, row: GuardedRow & Stamp, readAt: number = performance.now() - statementMs): void {
    const { id, tag } = this.#verified(table, row)
    if (!this.#table(table).mayBe(id, tag, readAt)) throw rolledBack(table, id)
  }

  /** Throws `Fault` `rolled_back_row` if this row should be there. Give the columns of its id. */
  checkAbsent(table: string, row: GuardedRow, readAt: number = performance.now() - statementMs): void {
    const id = rowId(table, this.#shape(table), row)
    if (!this.#table(table).mayBe(id, undefined, readAt)) throw rolledBack(table, id)
  }

  /** Throws `Fault` `rolled_back_row` if a row of the table is missing among `rows`. Give the columns of their ids. */
  checkWhole(
    table: string,
    rows: readonly GuardedRow[],
    readAt: number = performance.now() - statementMs,
  ): void {
    const found = new Set(rows.map((row) => rowId(table, this.#shape(table), row)))
    const known = this.#table(table)
    for (const id of known.tags.keys())
      if (!found.has(id) && !known.mayBe(id, undefined, readAt)) throw rolledBack(table, id)
  }

  /** Takes note of a row read while loading. Throws like `check`, and for a row that comes twice. */
  load(table: string, row: GuardedRow & Stamp): void {
    const { id, tag } = this.#verified(table, row)
    const known = this.#table(table)
    if (known.tags.has(id)) throw forged(table, id)
    known.tags.set(id, tag)
    known.sum = (known.sum + rowElement(this.#keyring, table, id, tag)) % modulus
  }

  /** Begins the changes of one transaction. */
  begin(): GuardChanges {
    return new GuardChanges(this, this.#keyring, this.#shapes)
  }

  /** The MAC that the guard row of a table must carry. */
  guardMac(table: string, counter: number, epoch: number, rows: number, sum: bigint): Buffer {
    return this.#keyring.mac(
      'guard',
      encodeParts(table, String(counter), String(epoch), String(rows), sum.toString(16)),
    )
  }

  #verified(table: string, row: GuardedRow & Stamp): { readonly id: string; readonly tag: string } {
    const shape = this.#shape(table)
    const id = rowId(table, shape, row)
    const { epoch, mac } = row
    const right = rowMac(this.#keyring, table, shape, row, epoch)
    if (!(mac instanceof Uint8Array) || mac.length !== right.length || !timingSafeEqual(mac, right))
      throw forged(table, id)
    return { id, tag: tagOf(right) }
  }

  #shape(table: string): GuardedShape {
    const shape = this.#shapes[table]
    if (shape === undefined) throw new TypeError(`${table} is not a guarded table`)
    return shape
  }

  #table(table: string): GuardTable {
    const known = this.tables.get(table)
    if (known === undefined) throw new TypeError(`${table} is not a guarded table`)
    return known
  }
}

type Next = {
  readonly table: GuardTable
  readonly sum: bigint
  readonly counter: number
  readonly mac: Buffer
}

/**
 * The changes of one transaction to guarded rows.
 *
 * Order: `stamp` and `remove` while it runs, `prepare` as its last statements, then `committed` or `dropped`, always
 * one of the two. Between `prepare` and the end no other transaction commits to the same tables.
 */
export class GuardChanges {
  readonly #guard: Guard
  readonly #keyring: Keyring
  readonly #shapes: GuardedShapes
  readonly #changes = new Map<string, Map<string, string | undefined>>()
  readonly #announced: {
    readonly table: GuardTable
    readonly id: string
    readonly found: string | undefined
  }[] = []
  readonly #next = new Map<string, Next>()
  #turns: (() => void)[] = []

  constructor(guard: Guard, keyring: Keyring, shapes: GuardedShapes) {
    this.#guard = guard
    this.#keyring = keyring
    this.#shapes = shapes
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0
  }

  /** The epoch and MAC with which a row must be written. Give all columns, changed or not. */
  stamp(table: string, row: GuardedRow): Stamp {
    const [known, shape] = this.#of(table)
    known.epoch += 1
    const mac = rowMac(this.#keyring, table, shape, row, known.epoch)
    this.#note(table, known, rowId(table, shape, row), tagOf(mac))
    return { epoch: known.epoch, mac }
  }

  /** Says that a row is deleted. */
  remove(table: string, row: GuardedRow): void {
    const [known, shape] = this.#of(table)
    this.#note(table, known, rowId(table, shape, row), undefined)
  }

  /**
   * Writes the guard rows. Tables are taken in the order of their names, so that two transactions never wait for each
   * other. Throws `Fault('rolled_back_row')` when a guard row is not what the vault last wrote.
   */
  async prepare(db: Kysely<Database>): Promise<void> {
    for (const name of [...this.#changes.keys()].sort()) {
      const [known] = this.#of(name)
      this.#turns.push(await known.takeTurn())
      const next = this.#compute(name, known)
      const row = { counter: next.counter, epoch: known.epoch, row_count: next.rows, mac: next.mac }
      const written = await db
        .updateTable('guard')
        .set(row)
        .where('guarded', '=', name)
        .where('mac', '=', known.mac)
        .executeTakeFirst()
      if (written.numUpdatedRows !== 1n)
        throw new Fault('rolled_back_row', `the guard of ${name} is not what the vault last wrote`)
      this.#next.set(name, { table: known, ...next })
    }
  }

  /** Asked of whom nobody told whether it committed: are the guard rows that it wrote there? */
  async isKept(db: Kysely<Database>): Promise<boolean> {
    for (const [name, { mac }] of this.#next) {
      const query = db
        .selectFrom('guard')
        .select('guarded')
        .where('guarded', '=', name)
        .where('mac', '=', mac)
      if ((await query.executeTakeFirst()) === undefined) return false
    }
    return this.#next.size > 0
  }

  /** The transaction has committed: what it wrote is what rows must be from now on. */
  committed(now: number = performance.now()): void {
    for (const [name, { table, sum, counter, mac }] of this.#next) {
      table.sum = sum
      table.counter = counter
      table.mac = mac
      for (const [id, found] of this.#changes.get(name) ?? []) table.apply(id, found, now)
    }
    this.dropped()
  }

  /** The transaction is over and nothing of it is left to come. */
  dropped(): void {
    for (const { table, id, found } of this.#announced) table.withdraw(id, found)
    this.#announced.length = 0
    for (const pass of this.#turns) pass()
    this.#turns = []
  }

  #compute(name: string, known: GuardTable): Omit<Next, 'table'> & { readonly rows: number } {
    let { sum } = known
    let rows = known.tags.size
    for (const [id, found] of this.#changes.get(name) ?? []) {
      const before = known.tags.get(id)
      if (before !== undefined) {
        sum -= rowElement(this.#keyring, name, id, before)
        rows -= 1
      }
      if (found !== undefined) {
        sum += rowElement(this.#keyring, name, id, found)
        rows += 1
      }
    }
    sum = ((sum % modulus) + modulus) % modulus
    const counter = known.counter + 1
    return { sum, rows, counter, mac: this.#guard.guardMac(name, counter, known.epoch, rows, sum) }
  }

  #note(table: string, known: GuardTable, id: string, found: string | undefined): void {
    const changes = this.#changes.get(table)
    if (changes === undefined) this.#changes.set(table, new Map([[id, found]]))
    else changes.set(id, found)
    known.announce(id, found)
    this.#announced.push({ table: known, id, found })
  }

  #of(table: string): readonly [GuardTable, GuardedShape] {
    const known = this.#guard.tables.get(table)
    const shape = this.#shapes[table]
    if (known === undefined || shape === undefined) throw new TypeError(`${table} is not a guarded table`)
    return [known, shape]
  }
}
