import type { GroupKeys } from '../../vault/auditors/ceremony.ts'
import type { Sodium } from '../../vault/auditors/sodium.ts'
import { sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import {
  canonicalBytes,
  type Canonical,
  encodeParts,
  fromBase64,
  toBase64,
} from '../../vault/kernel/encoding.ts'
import { inflate } from './inflate.ts'
import { chunkNonce, plainBuffer, purposes, signatureBytes, signedPart, u32 } from './record.ts'
import { type SearchEntry, searchSources } from './search-text.ts'

/*
 * The search index of a recording, as it lies beside it and in it: a signed head, filters of keyed trigrams that say nothing to
 * who has not the key of their day, and the texts, sealed like the recording. See docs/recording-format.md §11.
 */

/** One filter: which day key its trigrams are keyed with, that key as it is sealed to the auditors, and its size. */
export type SearchKey = {
  /** Base64: the first 12 bytes of the SHA-256 of the key. */
  readonly id: string
  /** yyyy-mm-dd */
  readonly day: string
  readonly sealed: readonly { readonly key: string; readonly sealed: string }[]
  /** Of the filter: a power of two. */
  readonly bits: number
}

export type SearchHead = {
  readonly version: 1
  readonly recording: string
  /** Base64. */
  readonly headerHash: string
  /** How often the index was written before: the nonce of the texts. */
  readonly writes: number
  /** Nanoseconds: what came after it is not in the index. */
  readonly upTo: number
  /** The index was written when the recording was closed in order. */
  readonly closed: boolean
  readonly keys: readonly SearchKey[]
  /** SHA-256 (base64) of the filters, one after the other, and of the sealed texts. */
  readonly filters: string
  readonly texts: string
}

export type SearchIndex = {
  readonly head: SearchHead
  readonly signature: Uint8Array
  readonly headBytes: Uint8Array
  readonly filters: readonly Uint8Array[]
  readonly sealed: Uint8Array
}

export const searchMagic = new TextEncoder().encode('TGRINDEX')
export const maxHeadBytes = 64 * 1024
export const minFilterBits = 4096
const maxFilterBits = 2 ** 22
/** Positions of a trigram in a filter. */
const positions = 4
const maxTexts = 16 * 1024 * 1024
export const trapdoorBytes = 16

/** The index cannot be read: it is of a later version, or was changed. */
export class SearchIndexError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SearchIndexError'
  }
}

/** Splits an index into its parts, checking their sizes. `head` alone is enough where only filters are asked. */
export function parseIndex(bytes: Uint8Array): SearchIndex {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 12 || !sameBytes(bytes.subarray(0, 8), searchMagic))
    throw new SearchIndexError('not a search index')
  const length = view.getUint32(8)
  if (length > maxHeadBytes || bytes.length < 12 + signatureBytes + length)
    throw new SearchIndexError('the search index is cut short')
  const signature = bytes.subarray(12, 12 + signatureBytes)
  const headBytes = bytes.subarray(12 + signatureBytes, 12 + signatureBytes + length)
  const head = parseHead(headBytes)
  let at = 12 + signatureBytes + length
  const filters = head.keys.map(({ bits }) => {
    const filter = bytes.subarray(at, at + bits / 8)
    if (filter.length !== bits / 8) throw new SearchIndexError('the search index is cut short')
    at += filter.length
    return filter
  })
  return { head, signature, headBytes, filters, sealed: bytes.subarray(at) }
}

function parseHead(bytes: Uint8Array): SearchHead {
  let head: SearchHead
  try {
    head = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new SearchIndexError('the head of the search index is malformed')
  }
  const isSound =
    typeof head === 'object' &&
    head !== null &&
    head.version === 1 &&
    typeof head.recording === 'string' &&
    typeof head.headerHash === 'string' &&
    Number.isSafeInteger(head.writes) &&
    head.writes >= 0 &&
    head.writes < 2 ** 32 &&
    Number.isSafeInteger(head.upTo) &&
    typeof head.closed === 'boolean' &&
    typeof head.filters === 'string' &&
    typeof head.texts === 'string' &&
    Array.isArray(head.keys) &&
    head.keys.length <= 64 &&
    head.keys.every(isKey)
  if (!isSound) throw new SearchIndexError('the head of the search index is malformed, or of a later version')
  return head
}

function isKey(key: SearchKey): boolean {
  return (
    typeof key === 'object' &&
    key !== null &&
    typeof key.id === 'string' &&
    key.id.length <= 64 &&
    typeof key.day === 'string' &&
    /^\d{4}-\d\d-\d\d$/.test(key.day) &&
    Number.isSafeInteger(key.bits) &&
    key.bits >= minFilterBits &&
    key.bits <= maxFilterBits &&
    (key.bits & (key.bits - 1)) === 0 &&
    Array.isArray(key.sealed) &&
    key.sealed.length <= 64 &&
    key.sealed.every((one) => typeof one?.key === 'string' && typeof one.sealed === 'string')
  )
}

/** The bytes of an index: what `parseIndex` takes apart. */
export function encodeIndex(
  head: SearchHead,
  sign: (message: Uint8Array) => Uint8Array,
  filters: readonly Uint8Array[],
  sealed: Uint8Array,
): Uint8Array {
  const body = canonicalBytes(head as unknown as Canonical)
  const signature = sign(signedPart(purposes.searchHead, fromBase64(head.headerHash), body))
  const parts = [searchMagic, u32(body.length), signature, body, ...filters, sealed]
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** What an index belongs to, from the recording's own signed header. */
export type IndexOwner = {
  readonly recording: string
  readonly headerHash: Uint8Array
  /** The session's Ed25519 key. */
  readonly publicKey: Uint8Array
}

/** Whether the session's own key has signed this head, for this recording. */
export function isHeadSigned(
  sodium: Sodium,
  index: Pick<SearchIndex, 'head' | 'headBytes' | 'signature'>,
  owner: IndexOwner,
): boolean {
  const { head, headBytes, signature } = index
  return (
    head.recording === owner.recording &&
    head.headerHash === toBase64(owner.headerHash) &&
    sodium.crypto_sign_verify_detached(
      signature,
      signedPart(purposes.searchHead, owner.headerHash, headBytes),
      owner.publicKey,
    )
  )
}

export function searchContext(recording: string, headerHash: Uint8Array, writes: number): Uint8Array {
  return encodeParts(purposes.search, recording, headerHash, u32(writes))
}

/** How texts are written before they are sealed: milliseconds, channel, number of the source, text. */
export function encodeTexts(entries: readonly SearchEntry[]): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify(
      entries.map(({ at, channel, source, text }) => [at, channel, searchSources.indexOf(source), text]),
    ),
  )
}

/** Opens the texts of an index with the recording's key. Throws `SearchIndexError` where it was changed, or is another's. */
export async function openTexts(
  index: SearchIndex,
  owner: IndexOwner,
  recordingKey: Uint8Array,
): Promise<readonly SearchEntry[]> {
  const { head, sealed } = index
  if (toBase64(await sha256(sealed)) !== head.texts)
    throw new SearchIndexError('the texts are not those that the head of the index names')
  const plain = await unseal(sealed, owner, head.writes, recordingKey)
  const rows: unknown = plain === undefined ? undefined : JSON.parse(new TextDecoder().decode(plain))
  if (!Array.isArray(rows)) throw new SearchIndexError('the texts of the index do not inflate')
  return rows.flatMap((row: unknown) => {
    const [at, channel, source, text] = Array.isArray(row) ? row : []
    const known = searchSources[source]
    return known === undefined ||
      typeof at !== 'number' ||
      typeof channel !== 'number' ||
      typeof text !== 'string'
      ? []
      : [{ at, channel, source: known, text }]
  })
}

async function unseal(
  sealed: Uint8Array,
  owner: IndexOwner,
  writes: number,
  recordingKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  const base = await crypto.subtle.importKey('raw', plainBuffer(recordingKey), 'HKDF', false, ['deriveKey'])
  const key = await crypto.subtle.deriveKey(
    {
      name: 'HKDF',
      hash: 'SHA-256',
      salt: plainBuffer(owner.headerHash),
      info: plainBuffer(encodeParts(purposes.searchKey)),
    },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    ['decrypt'],
  )
  try {
    const opened = await crypto.subtle.decrypt(
      {
        name: 'AES-GCM',
        iv: plainBuffer(chunkNonce(writes)),
        additionalData: plainBuffer(searchContext(owner.recording, owner.headerHash, writes)),
        tagLength: 128,
      },
      key,
      plainBuffer(sealed),
    )
    return await inflate(new Uint8Array(opened), maxTexts)
  } catch {
    throw new SearchIndexError(
      'the texts of the index do not open: they were changed, or are another recording’s',
    )
  }
}

/** Opens the keys of days with an auditor's group keys; those that are sealed to none of them are left out. */
export function openDayKey(sodium: Sodium, key: SearchKey, groupKeys: GroupKeys): Uint8Array | undefined {
  for (const { key: to, sealed } of key.sealed) {
    const pair = groupKeys.get(to)
    if (pair === undefined) continue
    try {
      const opened = sodium.crypto_box_seal_open(fromBase64(sealed), pair.publicKey, pair.privateKey)
      return opened.length === 32 ? opened : undefined
    } catch {
      return undefined
    }
  }
  return undefined
}

/** The name of a day key: whoever has a key can tell whether it is the one that is meant. */
export async function dayKeyId(key: Uint8Array): Promise<string> {
  return toBase64((await sha256(encodeParts(purposes.searchHead, key))).subarray(0, 12))
}

/** What the server is given of each trigram: good for the recordings of this key alone. */
export async function trapdoorsOf(
  dayKey: Uint8Array,
  trigrams: readonly string[],
): Promise<readonly Uint8Array[]> {
  const key = await crypto.subtle.importKey(
    'raw',
    plainBuffer(dayKey),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  return Promise.all(
    trigrams.map(async (trigram) =>
      new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(trigram))).slice(
        0,
        trapdoorBytes,
      ),
    ),
  )
}

/** Whether a filter may hold what has this codeword: SHA-256 of trapdoor and recording. */
export function mayHold(filter: Uint8Array, codeword: Uint8Array): boolean {
  const view = new DataView(codeword.buffer, codeword.byteOffset, codeword.byteLength)
  const mask = filter.length * 8 - 1
  for (let place = 0; place < positions; place += 1) {
    const bit = view.getUint32(place * 4) & mask
    if (((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false
  }
  return true
}

/** Sets the bits of a codeword. */
export function putInto(filter: Uint8Array, codeword: Uint8Array): void {
  const view = new DataView(codeword.buffer, codeword.byteOffset, codeword.byteLength)
  const mask = filter.length * 8 - 1
  for (let place = 0; place < positions; place += 1) {
    const bit = view.getUint32(place * 4) & mask
    filter[bit >>> 3] = (filter[bit >>> 3] ?? 0) | (1 << (bit & 7))
  }
}
