import type { GroupKeys } from '../../vault/auditors/ceremony.ts'
import type { Sodium } from '../../vault/auditors/sodium.ts'
import { sameBytes } from '../../vault/kernel/digest.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import type { RecordingHeader } from './header.ts'
import { openRecordingKey } from './key.ts'
import { Replay } from './replay.ts'
import {
  dayKeyId,
  type IndexOwner,
  isHeadSigned,
  openDayKey,
  openTexts,
  parseIndex,
  SearchIndexError,
  trapdoorsOf,
} from './search-index.ts'
import { type SearchEntry, SearchText, searchForm, trigramsOf } from './search-text.ts'
import { type ByteSource, memorySource } from './source.ts'
import { readHeader, readStructure } from './structure.ts'

/** A day key as the server names it: by a head that a recording's own key has signed, and that recording's header. */
export type SearchKeyView = {
  readonly id: string
  readonly recording: string
  /** Base64. */
  readonly header: string
  readonly head: string
}

export type OpenedSearch = {
  readonly search: string
  /** Recordings that are searched, at most. */
  readonly of: number
  readonly more: boolean
  readonly keys: readonly SearchKeyView[]
  /** Recordings whose index is missing, or ends at `upTo` nanoseconds. */
  readonly unindexed: readonly { readonly id: string; readonly upTo: number }[]
}

export type KeyedTrapdoors = { readonly id: string; readonly trapdoors: readonly string[] }

/** What a search asks of the server, and of the audit log. */
export type SearchPorts = {
  readonly open: () => Promise<OpenedSearch>
  readonly candidates: (search: string, keys: readonly KeyedTrapdoors[]) => Promise<readonly string[]>
  /** The header record of a recording behind its length, and then its index. */
  readonly index: (search: string, recording: string) => Promise<Uint8Array>
  /** What the audit log says of the start of a session; null: nothing. */
  readonly vouched: (
    session: string,
  ) => Promise<{ readonly publicKey: Uint8Array; readonly headerHash: Uint8Array } | null>
}

/** One recording in which the words are, with the places: the text itself was looked at, none is found in vain. */
export type SearchHit = {
  readonly recording: string
  readonly header: RecordingHeader
  readonly places: readonly SearchEntry[]
}

export type SearchStep =
  /** `keys`: those that were opened. `strange`: keys and indexes that nothing vouches for, or that are not in order. */
  | {
      readonly kind: 'begun'
      readonly of: number
      readonly more: boolean
      readonly keys: number
      readonly closed: number
      readonly candidates: number
      readonly unindexed: OpenedSearch['unindexed']
    }
  | ({ readonly kind: 'hit' } & SearchHit)
  /** A candidate in whose text the words are not. */
  | { readonly kind: 'none'; readonly recording: string }
  | { readonly kind: 'strange'; readonly recording: string; readonly why: string }

const mostTrigrams = 16

/** The fewest characters that can be searched for. */
export const fewestCharacters = 3

/**
 * Searches inside recordings with an auditor's keys, the newest recording first. The words stay here: the server is given keyed
 * trigrams, of each day its own, and hands out the sealed indexes of the recordings that may hold them.
 *
 * SECURITY: a key is used only where the session's own key has signed it and the audit log knows that session: keyed trigrams under
 * a key that the server made up would tell it the words.
 */
export async function* searchInside(
  sodium: Sodium,
  ports: SearchPorts,
  groupKeys: GroupKeys,
  words: string,
): AsyncGenerator<SearchStep> {
  const all = [...trigramsOf(words)]
  // Spread over the words: more of them tell the candidates apart no better.
  const trigrams = all.filter((_, at) => at % Math.ceil(all.length / mostTrigrams) === 0)
  if (trigrams.length === 0) throw new SearchIndexError(`give ${fewestCharacters} characters or more`)
  const opened = await ports.open()
  const strange: SearchStep[] = []
  const keyed: KeyedTrapdoors[] = []
  let closed = 0
  for (const view of opened.keys) {
    const key = await vouchedKey(sodium, ports, groupKeys, view)
    if (key === 'closed') closed += 1
    else if (typeof key === 'string') strange.push({ kind: 'strange', recording: view.recording, why: key })
    else keyed.push({ id: view.id, trapdoors: (await trapdoorsOf(key, trigrams)).map(toBase64) })
  }
  const candidates = keyed.length === 0 ? [] : await ports.candidates(opened.search, keyed)
  yield {
    kind: 'begun',
    of: opened.of,
    more: opened.more,
    keys: keyed.length,
    closed,
    candidates: candidates.length,
    unindexed: opened.unindexed,
  }
  yield* strange
  for (const recording of candidates)
    yield await lookInto(sodium, ports, groupKeys, opened.search, recording, words)
}

/** Opens a day key where everything vouches for it; `closed`: it is sealed to none of these keys. */
async function vouchedKey(
  sodium: Sodium,
  ports: SearchPorts,
  groupKeys: GroupKeys,
  view: SearchKeyView,
): Promise<Uint8Array | string> {
  try {
    const owner = await ownerOf(sodium, fromBase64(view.header), view.recording)
    const index = parseHeadOf(fromBase64(view.head))
    if (!isHeadSigned(sodium, index, owner)) return 'a key that is not signed by its session'
    const key = index.head.keys.find(({ id }) => id === view.id)
    if (key === undefined) return 'a key that its recording does not name'
    const start = await ports.vouched(owner.header.session)
    if (
      start === null ||
      !sameBytes(start.publicKey, owner.publicKey) ||
      !sameBytes(start.headerHash, owner.headerHash)
    )
      return 'a key of a session that the audit log does not know so'
    const opened = openDayKey(sodium, key, groupKeys)
    if (opened === undefined) return 'closed'
    return (await dayKeyId(opened)) === view.id ? opened : 'a key under the name of another'
  } catch (error) {
    return error instanceof SearchIndexError ? error.message : 'a key that is malformed'
  }
}

async function lookInto(
  sodium: Sodium,
  ports: SearchPorts,
  groupKeys: GroupKeys,
  search: string,
  recording: string,
  words: string,
): Promise<SearchStep> {
  const strange = (why: string): SearchStep => ({ kind: 'strange', recording, why })
  const bytes = await ports.index(search, recording)
  const length = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  try {
    const owner = await ownerOf(sodium, bytes.subarray(4, 4 + length), recording)
    const index = parseIndex(bytes.subarray(4 + length))
    if (!isHeadSigned(sodium, index, owner)) return strange('its search index is not signed by its session')
    const key = openRecordingKey(sodium, owner.header, groupKeys)
    if (!key.ok) return strange(key.refusal.message)
    const places = placesOf(await openTexts(index, owner, key.value), words)
    return places.length === 0
      ? { kind: 'none', recording }
      : { kind: 'hit', recording, header: owner.header, places }
  } catch (error) {
    if (error instanceof SearchIndexError) return strange(error.message)
    throw error
  }
}

/** Where the words are among texts. */
function placesOf(entries: readonly SearchEntry[], words: string): readonly SearchEntry[] {
  const wanted = searchForm(words)
  return entries.filter(({ text }) => searchForm(text).includes(wanted))
}

type Owner = IndexOwner & { readonly header: RecordingHeader }

/** Reads a header, which its own key has signed, and looks whether it is that of the recording that was asked for. */
async function ownerOf(sodium: Sodium, header: Uint8Array, recording: string): Promise<Owner> {
  const read = await readHeader(sodium, memorySource(header)).catch(() => undefined)
  if (read === undefined) throw new SearchIndexError('a header that is malformed')
  if (read.header.recording !== recording) throw new SearchIndexError('the header of another recording')
  const { headerHash, publicKey } = read
  return { recording, headerHash, publicKey, header: read.header }
}

/** A head alone: of what follows on it, nothing is there. */
function parseHeadOf(bytes: Uint8Array): ReturnType<typeof parseIndex> {
  const { keys } = JSON.parse(new TextDecoder().decode(bytes.subarray(12 + 64))) as {
    readonly keys: readonly { readonly bits: number }[]
  }
  const filters = keys.reduce((sum, { bits }) => sum + (Number.isSafeInteger(bits) ? bits / 8 : 0), 0)
  if (filters > 64 * 1024 * 1024) throw new SearchIndexError('the head of the search index is malformed')
  const whole = new Uint8Array(bytes.length + filters)
  whole.set(bytes)
  return parseIndex(whole)
}

/**
 * Searches one recording by opening all of it from `from` nanoseconds on: where its index is missing or ends early. `onProgress` is
 * told the part that is done.
 */
export async function searchByOpening(
  sodium: Sodium,
  source: ByteSource,
  groupKeys: GroupKeys,
  recording: string,
  words: string,
  from = 0,
  onProgress: (part: number) => void = () => {},
): Promise<SearchStep> {
  const strange = (why: string): SearchStep => ({ kind: 'strange', recording, why })
  const structure = await readStructure(sodium, source)
  if (!structure.ok) return strange(structure.refusal.message)
  const { header, duration } = structure.value
  if (header.recording !== recording) return strange('the server sent another recording')
  const key = openRecordingKey(sodium, header, groupKeys)
  if (!key.ok) return strange(key.refusal.message)
  const text = new SearchText(Number.POSITIVE_INFINITY)
  const places: SearchEntry[] = []
  let last = 0
  for await (const frame of new Replay(source, structure.value, key.value).frames()) {
    last = frame.at
    text.add(frame)
    for (const place of placesOf(text.take(), words)) if (place.at >= from) places.push(place)
    if (duration > 0) onProgress(Math.min(1, frame.at / duration))
  }
  for (const place of placesOf(text.take({ at: last }), words)) if (place.at >= from) places.push(place)
  return places.length === 0 ? { kind: 'none', recording } : { kind: 'hit', recording, header, places }
}
