import { Fault } from '../kernel/fault.ts'

/** A state in which a row may be found: the tag of its MAC, or undefined for "there is no such row". */
type Found = string | undefined

type Past = { readonly found: Found; readonly until: number }

/** How long a state that was replaced is remembered, in milliseconds. No transaction of the vault lasts longer. */
const pastMs = 120_000

/**
 * What the vault knows of one guarded table: the tag of each row, and the states that a reader may still see.
 *
 * A reader sees a row as it was when its statement began. So beside the present state of a row, two others are
 * right: one that is being committed at this moment, and one that was replaced after the reader had begun.
 */
export class GuardTable {
  readonly tags = new Map<string, string>()
  /** Sum over all rows of their elements, modulo 2^256. */
  sum = 0n
  counter = 0
  /** The highest epoch ever given out. It only rises, also where a transaction was rolled back. */
  epoch = 0
  mac: Uint8Array = new Uint8Array(32)
  readonly #pending = new Map<string, Found[]>()
  readonly #past = new Map<string, Past[]>()
  #pastOrder: { readonly id: string; readonly until: number }[] = []
  #turn: Promise<void> = Promise.resolve()

  /** May a reader who began at `readAt` (`performance.now()`) find the row so? */
  mayBe(id: string, found: Found, readAt: number): boolean {
    if (this.tags.get(id) === found) return true
    if (this.#pending.get(id)?.includes(found) === true) return true
    return this.#past.get(id)?.some((past) => past.found === found && past.until >= readAt) === true
  }

  announce(id: string, found: Found): void {
    const states = this.#pending.get(id)
    if (states === undefined) this.#pending.set(id, [found])
    else states.push(found)
  }

  withdraw(id: string, found: Found): void {
    const states = this.#pending.get(id)
    const at = states?.indexOf(found) ?? -1
    if (states === undefined || at < 0) return
    states.splice(at, 1)
    if (states.length === 0) this.#pending.delete(id)
  }

  /** The row is so from now on. */
  apply(id: string, found: Found, now: number): void {
    const past: Past = { found: this.tags.get(id), until: now }
    const known = this.#past.get(id)
    if (known === undefined) this.#past.set(id, [past])
    else known.push(past)
    this.#pastOrder.push({ id, until: now })
    if (found === undefined) this.tags.delete(id)
    else this.tags.set(id, found)
    this.#forget(now - pastMs)
  }

  /** Waits until nobody else is committing to this table; answers how to give the turn on. */
  async takeTurn(): Promise<() => void> {
    const before = this.#turn
    let pass: () => void = () => {}
    this.#turn = new Promise((resolve) => {
      pass = resolve
    })
    await before
    return pass
  }

  #forget(before: number): void {
    let gone = 0
    for (const { id, until } of this.#pastOrder) {
      if (until >= before) break
      gone += 1
      const rest = this.#past.get(id)?.filter((past) => past.until >= before) ?? []
      if (rest.length === 0) this.#past.delete(id)
      else this.#past.set(id, rest)
    }
    // Cut off in strides: one by one would cost the length of the list each time.
    if (gone >= 1024 || gone === this.#pastOrder.length) this.#pastOrder = this.#pastOrder.slice(gone)
  }
}

export function rolledBack(table: string, id: string): Fault {
  return new Fault('rolled_back_row', `row ${id} of ${table} is not what the vault last wrote`)
}

export function forged(table: string, id: string): Fault {
  return new Fault('forged_row', `row ${id} of ${table} was not written by the vault`)
}
