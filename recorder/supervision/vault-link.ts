import { join } from 'node:path'
import { connectPlane, Fault, type Outcome, type PlaneIdentity, type VaultClient } from '../../vault/index.ts'
import type { VerbAnswer, VerbInput, VerbName } from '../../vault/contract.ts'
import { refuse } from '../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../vault/kernel/rpc.ts'

export type VaultLinkOptions = {
  readonly dataDir: string
  readonly identity: PlaneIdentity
  /** Answers what the vault asks of this process. */
  readonly dispatch: Dispatch
  /** Called on each new connection, before anything else is asked through it. */
  readonly onConnected?: (client: VaultClient) => Promise<void>
  readonly log: (message: string, data: Readonly<Record<string, unknown>>) => void
}

const firstDelayMs = 100
const lastDelayMs = 2_000

/** A process's connection to the vault, connected again with back-off whenever it is lost. */
export class VaultLink implements AsyncDisposable {
  readonly #options: VaultLinkOptions
  #client: VaultClient | undefined
  #awaySince: number | undefined = Date.now()
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  readonly #waiting = new Set<() => void>()

  constructor(options: VaultLinkOptions) {
    this.#options = options
    void this.#connect(firstDelayMs)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Milliseconds since the vault was last there; 0 while it is. */
  get awayMs(): number {
    return this.#awaySince === undefined ? 0 : Date.now() - this.#awaySince
  }

  /** Resolves when the vault is there. */
  async present(signal?: AbortSignal): Promise<void> {
    while (this.#client === undefined && !this.#isClosed && signal?.aborted !== true)
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake)
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal?.addEventListener('abort', wake)
      })
  }

  /**
   * Asks the vault. While it is away the answer is the refusal `unavailable`; a fault of the vault throws.
   */
  async call<Name extends VerbName>(
    verb: Name,
    input: VerbInput<Name>,
    token?: string,
  ): Promise<Outcome<VerbAnswer<Name>>> {
    const client = this.#client
    if (client === undefined) return vaultAway()
    try {
      return await client.call(verb, input, token)
    } catch (error) {
      if (error instanceof Fault && (error.code === 'closed' || error.code === 'timeout')) return vaultAway()
      throw error
    }
  }

  async #connect(delay: number): Promise<void> {
    if (this.#isClosed) return
    let client: VaultClient | undefined
    try {
      client = await connectPlane(
        join(this.#options.dataDir, 'run', 'planes.sock'),
        this.#options.identity,
        this.#options.dispatch,
      )
      await this.#options.onConnected?.(client)
    } catch {
      client?.close()
      this.#timer = setTimeout(() => void this.#connect(Math.min(delay * 2, lastDelayMs)), delay)
      return
    }
    if (this.#isClosed) return client.close()
    this.#client = client
    this.#awaySince = undefined
    for (const wake of this.#waiting) wake()
    void client.peer.closed.then(() => {
      this.#client = undefined
      this.#awaySince = Date.now()
      if (!this.#isClosed) this.#options.log('the vault went away', {})
      void this.#connect(firstDelayMs)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const wake of this.#waiting) wake()
    const client = this.#client
    await client?.[Symbol.asyncDispose]()
  }
}

function vaultAway(): Outcome<never> {
  return refuse('unavailable', 'the vault cannot be reached', 'try again in a minute')
}
