import { createHmac, hash, randomBytes } from 'node:crypto'
import sodium from 'libsodium-wrappers'
import { encodeParts, fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { purposes } from '../replay/record.ts'
import { type SearchKey, trapdoorBytes } from '../replay/search-index.ts'

const mostKept = 100_000

/** The key of one day's trigrams, for the auditors of one list. */
export class DayKey {
  readonly day: string
  readonly name: Omit<SearchKey, 'bits'>
  readonly #key = randomBytes(32)
  /** Most trigrams are common to many recordings. Gone with the key. */
  readonly #trapdoors = new Map<string, Buffer>()

  constructor(day: string, recipients: readonly string[]) {
    this.day = day
    this.name = {
      id: toBase64(hash('sha256', encodeParts(purposes.searchHead, this.#key), 'buffer').subarray(0, 12)),
      day,
      sealed: recipients.map((key) => ({
        key,
        sealed: toBase64(sodium.crypto_box_seal(this.#key, fromBase64(key))),
      })),
    }
  }

  trapdoor(trigram: string): Buffer {
    const known = this.#trapdoors.get(trigram)
    if (known !== undefined) return known
    const made = createHmac('sha256', this.#key).update(trigram).digest().subarray(0, trapdoorBytes)
    if (this.#trapdoors.size < mostKept) this.#trapdoors.set(trigram, made)
    return made
  }

  wipe(): void {
    this.#key.fill(0)
    this.#trapdoors.clear()
  }
}

/**
 * The keys with which this process keys trigrams today.
 *
 * INVARIANT: a key is sealed to the auditors when it is made, and wiped with its day (UTC): what was recorded on days before,
 * this process can search no more than anybody else.
 */
export class DayKeys {
  readonly #now: () => Date
  readonly #keys = new Map<string, DayKey>()

  constructor(now: () => Date = () => new Date()) {
    this.#now = now
  }

  /** The key of today for these recipients' X25519 keys, in base64. A new list of auditors gets a key of its own. */
  today(recipients: readonly string[]): DayKey {
    this.forgetPast()
    const day = this.#now().toISOString().slice(0, 10)
    const name = recipients.join(' ')
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const made = new DayKey(day, recipients)
    this.#keys.set(name, made)
    return made
  }

  /** Wipes the keys of days that are over. */
  forgetPast(): void {
    const day = this.#now().toISOString().slice(0, 10)
    for (const [name, key] of this.#keys) {
      if (key.day === day) continue
      key.wipe()
      this.#keys.delete(name)
    }
  }

  get count(): number {
    return this.#keys.size
  }
}
