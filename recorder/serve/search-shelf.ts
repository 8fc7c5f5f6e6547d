import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import sodium from 'libsodium-wrappers'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { readStructure } from '../replay/index.ts'
import { preamble, recordHeadBytes, recordTypes } from '../replay/record.ts'
import { isRecord, RecordScan } from '../replay/record-scan.ts'
import { maxHeadBytes, mayHold, parseIndex, type SearchHead } from '../replay/search-index.ts'
import type { ByteSource } from '../replay/source.ts'
import { indexPath, type RecordingStore } from '../store/index.ts'

/** Of an index, what its head and the filters of an ordinary recording take. */
const firstRead = 16 * 1024
/** Filters kept in memory, in bytes: of some hundred thousand ordinary recordings. */
const mostKept = 256 * 1024 * 1024
/** Recordings looked at before whoever waits has a turn. */
const atOnce = 200

type Kept = {
  readonly head: SearchHead
  readonly filters: readonly Uint8Array[]
  readonly size: number
}

/** The search indexes of a store: their filters in memory, as far as there is room, the rest on the disk. */
export class SearchShelf {
  readonly #store: RecordingStore
  readonly #kept = new Map<RecordingId, Kept>()
  #bytes = 0

  constructor(store: RecordingStore) {
    this.#store = store
  }

  /** Head and filters of a recording's index; undefined where it has none that can be read. */
  async filters(recording: RecordingId, startedAt: string): Promise<Kept | undefined> {
    const known = this.#kept.get(recording)
    if (known !== undefined) return known
    const found =
      readFilters(indexPath(this.#store.pathOf(recording, startedAt))) ?? (await this.#inside(recording))
    // One that goes on is written again.
    if (found?.head.closed === true) this.#keep(recording, found)
    return found
  }

  /** Of these recordings, which may hold all trigrams: each under one of the recording's keys. The order is kept. */
  async candidates(
    recordings: readonly { readonly id: RecordingId; readonly startedAt: string }[],
    trapdoors: ReadonlyMap<string, readonly Uint8Array[]>,
  ): Promise<readonly RecordingId[]> {
    const found: RecordingId[] = []
    for (const [at, { id, startedAt }] of recordings.entries()) {
      if (at % atOnce === atOnce - 1) await new Promise(setImmediate)
      const kept = await this.filters(id, startedAt)
      if (kept !== undefined && mayMatch(kept, id, trapdoors)) found.push(id)
    }
    return found
  }

  /** A recording's header record and its index, whole; undefined where it has none. */
  async whole(
    recording: RecordingId,
    startedAt: string,
  ): Promise<{ readonly header: Uint8Array; readonly index: Uint8Array } | undefined> {
    const path = this.#store.pathOf(recording, startedAt)
    const header = readHeader(path)
    const index = (await readFile(indexPath(path)).catch(() => undefined)) ?? (await this.#extra(recording))
    return header === undefined || index === undefined ? undefined : { header, index }
  }

  /** Forgets a recording that is destroyed. */
  forget(recording: RecordingId): void {
    this.#bytes -= this.#kept.get(recording)?.size ?? 0
    this.#kept.delete(recording)
  }

  #keep(recording: RecordingId, kept: Kept): void {
    this.#kept.set(recording, kept)
    this.#bytes += kept.size
    for (const [oldest, { size }] of this.#kept) {
      if (this.#bytes <= mostKept) break
      this.#kept.delete(oldest)
      this.#bytes -= size
    }
  }

  async #inside(recording: RecordingId): Promise<Kept | undefined> {
    const index = await this.#extra(recording)
    return index === undefined ? undefined : parsed(index)
  }

  /** The index that a recording has in itself, where what lay beside it is gone: a backup that was restored. */
  async #extra(recording: RecordingId): Promise<Uint8Array | undefined> {
    const opened = await this.#store.read(recording)
    if (!opened.ok) return undefined
    await using source: ByteSource & AsyncDisposable = opened.value
    await sodium.ready
    const structure = await readStructure(sodium, source)
    if (!structure.ok) return undefined
    const { final, segments } = structure.value
    const last = segments.at(-1)
    if (final === null || last === undefined || !final.extras.some(({ type }) => type === recordTypes.search))
      return undefined
    const scan = new RecordScan(source, last.offset, final.size)
    for (let one = await scan.next(); one !== undefined && isRecord(one); one = await scan.next())
      if (one.type === recordTypes.search) return one.payload
    return undefined
  }
}

function mayMatch(
  { head, filters }: Kept,
  recording: RecordingId,
  trapdoors: ReadonlyMap<string, readonly Uint8Array[]>,
): boolean {
  const keyed = head.keys.flatMap(({ id }, at) => {
    const [of, filter] = [trapdoors.get(id), filters[at]]
    return of === undefined || filter === undefined ? [] : [{ of, filter }]
  })
  const [first] = keyed
  if (first === undefined) return false
  const name = Buffer.from(recording)
  // A recording that goes on after midnight has some trigrams under one key, and some under the next.
  return first.of.every((_, at) =>
    keyed.some(({ of, filter }) =>
      mayHold(filter, hash('sha256', Buffer.concat([of[at] ?? new Uint8Array(), name]), 'buffer')),
    ),
  )
}

function parsed(bytes: Uint8Array): Kept | undefined {
  try {
    const { head, filters } = parseIndex(bytes)
    const own = filters.map((filter) => filter.slice())
    return { head, filters: own, size: own.reduce((sum, filter) => sum + filter.length, 2048) }
  } catch {
    return undefined
  }
}

/** Reads what comes before the texts. Synchronous: of ten thousand small reads, each would wait for its turn longer than it takes. */
function readFilters(path: string): Kept | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const { size } = fstatSync(fd)
    const first = Buffer.alloc(Math.min(size, firstRead))
    readSync(fd, first, 0, first.length, 0)
    const small = parsed(first)
    if (small !== undefined || size <= firstRead) return small
    const all = Buffer.alloc(Math.min(size, maxHeadBytes + 64 * 512 * 1024))
    readSync(fd, all, 0, all.length, 0)
    return parsed(all)
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** The first bytes of a recording, up to the end of its header record. */
function readHeader(path: string): Uint8Array | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const head = Buffer.alloc(preamble.length + recordHeadBytes)
    readSync(fd, head, 0, head.length, 0)
    const length = head.readUInt32BE(preamble.length + 1)
    if (length > 256 * 1024) return undefined
    const bytes = Buffer.alloc(head.length + length)
    const read = readSync(fd, bytes, 0, bytes.length, 0)
    return read === bytes.length ? bytes : undefined
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
