import { connectReplay, type ReplayClient } from '../recorder/index.ts'
import { done } from '../vault/kernel/outcome.ts'
import type { ContentPorts } from './content.ts'
import type { SearchPort } from './search.ts'

/** The api's connection to the recorder's replay socket: opened when first needed, and again after it was lost. */
export class ReplayLink implements AsyncDisposable {
  readonly #dataDir: string
  #client: Promise<ReplayClient> | undefined

  constructor(dataDir: string) {
    this.#dataDir = dataDir
  }

  readonly open: ContentPorts['open'] = async (token, recording, purpose) => {
    const client = await this.#connected()
    const opened = await client.open(token, recording, purpose)
    if (!opened.ok) return opened
    const { value } = opened
    return done({
      size: value.size,
      read: (offset, length) => value.read(offset, length),
      close: async () => value[Symbol.asyncDispose](),
    })
  }

  readonly search: SearchPort = {
    begin: async (token, asked) => (await this.#connected()).search(token, asked),
    candidates: async (token, search, keys) => (await this.#connected()).candidates(token, search, keys),
    index: async (token, search, recording) =>
      (await this.#connected()).searchIndex(token, search, recording),
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.[Symbol.asyncDispose]()
  }

  async #connected(): Promise<ReplayClient> {
    const known = this.#client
    if (known !== undefined) {
      const client = await known.catch(() => undefined)
      if (client?.isOpen === true) return client
    }
    // Whoever comes first connects; the others of that moment wait for the same connection.
    if (this.#client === known) this.#client = connectReplay(this.#dataDir)
    return this.#client ?? this.#connected()
  }
}
