import pg from 'pg'
import { Fault } from '../kernel/fault.ts'

/** Names the lock that the one vault of a database holds. */
const lockKey = '7453214998120731214'

const retryMs = 250

/**
 * Keeps a second vault off the database: holds an advisory lock on a connection of its own. When that connection
 * breaks, it takes the lock again; in between, `isHeld` is false and nothing may be sequenced.
 */
export class Fence implements AsyncDisposable {
  readonly #url: string
  readonly #onLost: (error: unknown) => void
  #client: pg.Client | undefined
  #closed = false
  #retry: NodeJS.Timeout | undefined

  private constructor(url: string, onLost: (error: unknown) => void) {
    this.#url = url
    this.#onLost = onLost
  }

  /**
   * Takes the lock, waiting up to `patience` milliseconds for a vault that is just ending. Throws
   * `Fault('configuration')` when another one goes on holding it.
   */
  static async take(url: string, onLost: (error: unknown) => void, patience = 5_000): Promise<Fence> {
    const fence = new Fence(url, onLost)
    const deadline = performance.now() + patience
    while (!(await fence.#try())) {
      if (performance.now() > deadline)
        throw new Fault('configuration', 'another vault is running on this database; stop it first')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return fence
  }

  get isHeld(): boolean {
    return this.#client !== undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #try(): Promise<boolean> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'tagout-vault fence',
      keepAlive: true,
    })
    let held = false
    const lost = (error?: unknown) => {
      if (!held || this.#client !== client) return
      this.#client = undefined
      if (this.#closed) return
      this.#onLost(error ?? new Fault('database', 'the connection that keeps other vaults off was lost'))
      this.#again()
    }
    client.on('error', lost)
    client.on('end', () => lost())
    try {
      await client.connect()
      const { rows } = await client.query<{ held: boolean }>(
        `select pg_try_advisory_lock(${lockKey}) as held`,
      )
      held = rows[0]?.held === true
    } catch (error) {
      await client.end().catch(() => {})
      throw new Fault('database', 'the database cannot be reached', { cause: error })
    }
    if (held) this.#client = client
    else await client.end().catch(() => {})
    return held
  }

  #again(): void {
    this.#retry = setTimeout(() => {
      this.#try().then(
        (held) => {
          if (!held && !this.#closed) this.#again()
        },
        () => {
          if (!this.#closed) this.#again()
        },
      )
    }, retryMs)
  }
}
