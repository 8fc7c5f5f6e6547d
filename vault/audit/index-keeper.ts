import { setTimeout as wait } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { countMissing, fillIndex } from './stored-index.ts'

/** Milliseconds after which it is tried again, when the database was away. */
const againMs = 5_000

/** How far the index is: what is missing of how many entries. */
export type Filling = { readonly missing: number; readonly of: number }

/**
 * Keeps the index whole: makes what an older version did not make, what a restored backup does not hold, and what
 * somebody took away. Entries that come meanwhile get their rows from the sequencer.
 */
export class IndexKeeper {
  readonly #database: Kysely<Database>
  #filling: Filling | undefined
  #running: Promise<unknown> = Promise.resolve()
  #stopping = new AbortController()

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /** Undefined while every entry can be found. */
  get filling(): Filling | undefined {
    return this.#filling
  }

  /** Makes in the background what the log's first `size` entries lack; `made` is told how many that was. */
  start(size: number, made: (rows: number) => Promise<void>, onFault: (fault: unknown) => void): void {
    this.#stopping = new AbortController()
    this.#filling = { missing: size, of: size }
    this.#running = this.#fill(size, made, onFault, this.#stopping.signal)
  }

  /** Waits until every entry can be found, for so many milliseconds at most. */
  async settled(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([this.#running, patience])
    clearTimeout(timer)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #fill(
    size: number,
    made: (rows: number) => Promise<void>,
    onFault: (fault: unknown) => void,
    stopping: AbortSignal,
  ): Promise<void> {
    while (!stopping.aborted)
      try {
        const missing = await countMissing(this.#database, size)
        if (missing > 0) {
          this.#filling = { missing, of: size }
          const rows = await fillIndex(this.#database, size, (done) => {
            this.#filling = { missing: Math.max(0, missing - done), of: size }
            return !stopping.aborted
          })
          if (stopping.aborted) return
          await made(rows)
        }
        this.#filling = undefined
        return
      } catch (fault) {
        if (stopping.aborted) return
        onFault(fault)
        await wait(againMs, undefined, { signal: stopping, ref: false }).catch(() => {})
      }
  }
}
