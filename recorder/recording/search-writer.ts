import { createCipheriv, createSecretKey, hash, hkdfSync, type KeyObject, randomInt, sign } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { encodeParts, toBase64 } from '../../vault/kernel/encoding.ts'
import type { Frame } from '../replay/frame.ts'
import { chunkNonce, purposes } from '../replay/record.ts'
import {
  encodeIndex,
  encodeTexts,
  mayHold,
  minFilterBits,
  putInto,
  type SearchHead,
  searchContext,
} from '../replay/search-index.ts'
import { type SearchEntry, SearchText, trigramsOf } from '../replay/search-text.ts'
import type { ContainerKeys } from './container.ts'
import type { DayKey, DayKeys } from './day-keys.ts'

/** Of a session that goes on, the index is written at most so often (milliseconds), and a large one less often. */
const writeEveryMs = 60_000
const bytesPerSecond = 4096
/** Bits of a filter per trigram, at least. With four positions each, about one in eighty is found in vain. */
const bitsEach = 10
/** Of all bits, the part that is set in a filter that is as full as its size allows. */
const fullPart = 1 - Math.exp(-4 / bitsEach)
const maxTrigrams = 50_000
/** Milliseconds that the end of a recording may wait for what is not indexed yet. */
const finishMs = 150

/** Where an index goes, and to whom its keys are sealed. */
export type SearchPlace = { readonly path: string; readonly recipients: readonly string[] }

/** The trigrams of one recording under one day's key, as they are kept until their filter's size is known. */
class Trigrams {
  readonly key: DayKey
  #filter = new Uint8Array(minFilterBits / 8)
  #codewords: Buffer[] = []

  constructor(key: DayKey) {
    this.key = key
  }

  get count(): number {
    return this.#codewords.length
  }

  add(trigram: string, recording: Buffer): void {
    const codeword = hash(
      'sha256',
      Buffer.concat([this.key.trapdoor(trigram), recording]),
      'buffer',
    ).subarray(0, 16)
    // What is found in vain here would be found in vain by whoever searches, too.
    if (mayHold(this.#filter, codeword)) return
    this.#codewords.push(Buffer.from(codeword))
    if (this.#codewords.length * bitsEach > this.#filter.length * 8) {
      this.#filter = new Uint8Array(this.#filter.length * 2)
      for (const one of this.#codewords) putInto(this.#filter, one)
    } else putInto(this.#filter, codeword)
  }

  /**
   * SECURITY: bits that nothing stands for are set until the filter is as full as any of its size: it tells the order of
   * magnitude of how many trigrams there are, and no count.
   */
  blinded(): Uint8Array {
    const filter = this.#filter.slice()
    const bits = filter.length * 8
    let set = 0
    for (const byte of filter) set += ones[byte] as number
    const wanted = Math.round(bits * fullPart)
    while (set < wanted) {
      const bit = randomInt(bits)
      const before = filter[bit >>> 3] as number
      if ((before & (1 << (bit & 7))) !== 0) continue
      filter[bit >>> 3] = before | (1 << (bit & 7))
      set += 1
    }
    return filter
  }
}

const ones = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

/**
 * Makes the search index of one recording while it is recorded, and writes it beside the recording each minute or so and at its
 * end. Whatever goes wrong here costs the index, and never the recording: `isLost` is true from then on.
 */
export class SearchWriter {
  readonly #place: SearchPlace
  readonly #keys: ContainerKeys
  readonly #days: DayKeys
  readonly #sealKey: KeyObject
  readonly #recording: Buffer
  readonly #text = new SearchText()
  readonly #entries: SearchEntry[] = []
  readonly #pending: SearchEntry[] = []
  readonly #parts = new Map<string, Trigrams>()
  #trigrams = 0
  #writes = 0
  #lastAt = 0
  #isChanged = false
  #dueAt = performance.now() + writeEveryMs * (0.5 + randomInt(1000) / 2000)
  #isLost = false
  #fullAt: number | null = null

  constructor(place: SearchPlace, keys: ContainerKeys, days: DayKeys) {
    this.#place = place
    this.#keys = keys
    this.#days = days
    this.#recording = Buffer.from(keys.recording)
    const key = new Uint8Array(
      hkdfSync('sha256', keys.recordingKey, keys.headerHash, encodeParts(purposes.searchKey), 32),
    )
    this.#sealKey = createSecretKey(key)
    key.fill(0)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** Takes note of a frame that is sealed. */
  add(frame: Frame): void {
    this.#lastAt = Math.max(this.#lastAt, frame.at)
    if (frame.kind === 'output' || frame.kind === 'stderr' || frame.kind === 'mark') {
      this.#isChanged = true
      this.#guard(() => {
        this.#text.add(frame)
        this.#pending.push(...this.#text.take())
      })
    }
  }

  /** Whether texts wait to be indexed: call `index` when nothing is waiting to be sealed. */
  get isDue(): boolean {
    return this.#pending.length > 0
  }

  /**
   * Indexes texts until that moment at most, and the oldest of them in any case.
   *
   * SECURITY: whoever makes many texts makes nobody wait: what is not indexed at the end is found by opening the recording.
   */
  index(until: number): void {
    this.#guard(() => {
      for (let entry = this.#pending.shift(); entry !== undefined; entry = this.#pending.shift()) {
        // Whoever floods the index ends it there. What it has stays.
        if (this.#trigrams >= maxTrigrams) this.#fullAt ??= entry.at
        if (this.#fullAt !== null) this.#pending.length = 0
        else {
          this.#entries.push(entry)
          this.#note(entry.text)
        }
        if (performance.now() > until) return
      }
    })
  }

  /** Writes the index beside the recording where that is due: called every half second. */
  sweep(now: number = performance.now()): void {
    if (now < this.#dueAt || !this.#isChanged) return
    const size = this.#guard(() => this.#write(false))?.length ?? 0
    this.#dueAt = now + Math.max(writeEveryMs, (size / bytesPerSecond) * 1000)
  }

  /** Writes the whole index, and returns what goes into the recording. Undefined where it was lost. */
  finish(): Uint8Array | undefined {
    this.#guard(() => this.#pending.push(...this.#text.take({ at: this.#lastAt })))
    this.index(performance.now() + finishMs)
    return this.#guard(() => this.#write(true))
  }

  #write(closed: boolean): Uint8Array {
    const [unread] = this.#pending
    this.#isChanged = false
    const fullAt = this.#fullAt ?? unread?.at ?? this.#text.fullAt
    const parts = [...this.#parts.values()]
    const filters = parts.map((part) => part.blinded())
    const writes = this.#writes
    this.#writes += 1 // before it is used: no nonce is used twice
    const sealed = this.#seal(encodeTexts(this.#entries), writes)
    const head: SearchHead = {
      version: 1,
      recording: this.#keys.recording,
      headerHash: toBase64(this.#keys.headerHash),
      writes,
      upTo: fullAt ?? this.#lastAt,
      closed: closed && fullAt === null,
      keys: parts.map(({ key }, at) => ({ ...key.name, bits: (filters[at]?.length ?? 0) * 8 })),
      filters: toBase64(hash('sha256', Buffer.concat(filters), 'buffer')),
      texts: toBase64(hash('sha256', sealed, 'buffer')),
    }
    const bytes = encodeIndex(head, (message) => sign(null, message, this.#keys.signKey), filters, sealed)
    // Beside it and then in its place: whoever reads finds one or the other, whole.
    const next = `${this.#place.path}.new`
    writeFileSync(next, bytes, { mode: 0o600 })
    renameSync(next, this.#place.path)
    return bytes
  }

  #note(text: string): void {
    const today = this.#days.today(this.#place.recipients)
    let part = this.#parts.get(today.name.id)
    if (part === undefined) {
      part = new Trigrams(today)
      this.#parts.set(today.name.id, part)
    }
    const before = part.count
    for (const trigram of trigramsOf(text)) part.add(trigram, this.#recording)
    this.#trigrams += part.count - before
  }

  #seal(plain: Uint8Array, writes: number): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, chunkNonce(writes))
    cipher.setAAD(searchContext(this.#keys.recording, this.#keys.headerHash, writes))
    const sealed = cipher.update(deflateRawSync(plain, { level: 1 }))
    cipher.final()
    return Buffer.concat([sealed, cipher.getAuthTag()])
  }

  #guard<T>(act: () => T): T | undefined {
    if (this.#isLost) return undefined
    try {
      return act()
    } catch {
      this.#isLost = true
      this.#entries.length = 0
      this.#pending.length = 0
      this.#parts.clear()
      // What is there would look like an index that only ends early.
      rmSync(this.#place.path, { force: true })
      return undefined
    }
  }
}
