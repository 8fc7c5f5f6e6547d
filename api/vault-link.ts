import type { VerbAnswer, VerbInput, VerbName } from '../vault/contract.ts'
import { connectPlane, type Outcome, type PlaneIdentity, type VaultClient } from '../vault/index.ts'

/** Asks the vault on behalf of whoever holds `token`; `source`: from where, if it is a service's. */
export type AskVault = <Name extends VerbName>(
  verb: Name,
  input: VerbInput<Name>,
  token?: string,
  timeout?: number,
  source?: string,
) => Promise<Outcome<VerbAnswer<Name>>>

/** The api's connection to the vault: opened when first needed, and again after it was lost. */
export class VaultLink implements AsyncDisposable {
  readonly #path: string
  readonly #identity: PlaneIdentity
  #client: Promise<VaultClient> | undefined

  constructor(path: string, identity: PlaneIdentity) {
    this.#path = path
    this.#identity = identity
  }

  /** Throws `Fault('closed')` while the vault is away: nothing is queued, the person is told at once. */
  readonly ask: AskVault = async (verb, input, token, timeout, source) => {
    const client = await this.#connected()
    return client.call(verb, input, token, timeout, source)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.[Symbol.asyncDispose]()
  }

  async #connected(): Promise<VaultClient> {
    const known = this.#client
    if (known !== undefined) {
      const client = await known.catch(() => undefined)
      if (client?.peer.isOpen === true) return client
    }
    // Whoever comes first connects; the others of that moment wait for the same connection.
    if (this.#client === known) this.#client = connectPlane(this.#path, this.#identity, () => undefined)
    return this.#client ?? this.#connected()
  }
}
