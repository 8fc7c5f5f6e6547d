import { type NoteOwner, type NoteText, openNote, sealNote } from './note.ts'
import { sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import { encodeParts, fromBase64 } from '../../vault/kernel/encoding.ts'
import type { Frame, Mark } from './frame.ts'
import { decodeFrames, FrameError } from './frame-codec.ts'
import type { RecordingHeader } from './header.ts'
import { inflate } from './inflate.ts'
import { FormatError, parseSegmentHead } from './parse.ts'
import {
  chunkContext,
  chunkNonce,
  deflatedFlag,
  marksContext,
  maxChunkPlain,
  purposes,
  recordTypes,
  segmentKeyInfo,
  plainBuffer,
} from './record.ts'
import { isRecord, RecordScan } from './record-scan.ts'
import type { ByteSource } from './source.ts'
import type { RecordingStructure, SegmentPlace } from './structure.ts'

/** The recording does not open there: it was changed, or the key is not its own. `at` is an offset in the file. */
export class ReplayError extends Error {
  readonly at: number

  constructor(message: string, at: number, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'ReplayError'
    this.at = at
  }
}

export type TimedMark = { readonly at: number; readonly channel: number; readonly mark: Mark }

const maxMarksBytes = 16 * 1024 * 1024

/** The key of the recording, or those of some of its segments by their numbers (64 bytes: key and commitment). */
export type RecordingKey = Uint8Array | ReadonlyMap<number, Uint8Array>

/** A recording opened for replay. Holds the recording's key. */
export class Replay {
  readonly structure: RecordingStructure
  readonly #source: ByteSource
  readonly #key: RecordingKey

  /** `key` is from `openRecordingKey`; of a cut, the keys of its segments. */
  constructor(source: ByteSource, structure: RecordingStructure, key: RecordingKey) {
    this.#source = source
    this.structure = structure
    this.#key = key
  }

  get header(): RecordingHeader {
    return this.structure.header
  }

  /** Seals a note on this recording (base64). Of a cut nothing is noted: it has the keys of its segments alone. */
  async sealNote(note: string, by: string, said: NoteText): Promise<string> {
    if (!(this.#key instanceof Uint8Array)) throw new TypeError('a cut has no key for notes')
    return sealNote(this.#key, this.#noteOwner(note, by), said)
  }

  /** Opens a note on this recording; undefined where it was changed or is another's. */
  async openNote(note: string, by: string, sealed: string): Promise<NoteText | undefined> {
    if (!(this.#key instanceof Uint8Array)) return undefined
    return openNote(this.#key, this.#noteOwner(note, by), sealed)
  }

  #noteOwner(note: string, by: string): NoteOwner {
    return { recording: this.header.recording, headerHash: this.structure.headerHash, note, by }
  }

  /** The same recording, read from another place. */
  over(source: ByteSource): Replay {
    return new Replay(source, this.structure, this.#key)
  }

  /**
   * All frames from the start, in order of time. Ends after the last whole chunk of an incomplete recording; throws
   * `ReplayError` where a recording was changed.
   */
  async *frames(): AsyncGenerator<Frame> {
    for (const segment of this.structure.segments) yield* this.segmentFrames(segment)
  }

  /**
   * Frames from the last keyframe at or before `at` (nanoseconds) on: write all to the terminal at once up to `at`,
   * then in time.
   */
  async *seek(at: number): AsyncGenerator<Frame> {
    const { segments } = this.structure
    const first = Math.max(
      0,
      segments.findLastIndex((segment) => segment.at <= at),
    )
    for (const segment of segments.slice(first)) yield* this.segmentFrames(segment)
  }

  /** The frames of one segment: keyframes first, but in the very first segment. */
  async *segmentFrames(segment: SegmentPlace): AsyncGenerator<Frame> {
    const scan = new RecordScan(this.#source, segment.offset, segment.end)
    const opening = await scan.next()
    if (opening === undefined || !isRecord(opening) || opening.type !== recordTypes.segment)
      throw new ReplayError('a segment is not where the recording says', segment.offset)
    const head = parseSegmentHead(opening.payload)
    if (head.segment !== segment.index)
      throw new ReplayError('a segment is not the one it should be', segment.offset)
    const { headerHash, header } = this.structure
    const segmentHash = await sha256(opening.payload)
    const derived = await segmentKey(this.#key, headerHash, segment.index)
    if (derived === undefined)
      throw new ReplayError('there is no key for this part of the recording', segment.offset)
    const commitment = derived.subarray(32)
    // AES-GCM does not commit to its key: the segment names which one it was sealed under.
    if (!sameBytes(commitment, fromBase64(head.commitment)))
      throw new ReplayError('a segment is sealed under another key', segment.offset)

    const key = await importKey(derived.subarray(0, 32))
    let index = 0
    for (let record = await scan.next(); record !== undefined; record = await scan.next()) {
      if (!isRecord(record)) return
      if (record.type !== recordTypes.chunk) continue
      const flags = record.payload[0] ?? 0
      const context = chunkContext(header.recording, headerHash, segmentHash, segment.index, index, flags)
      const packed = await open(key, chunkNonce(index), context, record.payload.subarray(1), record.offset)
      index += 1
      yield* this.#decode(packed, flags, record.offset)
    }
  }

  /**
   * All marks with their times, for a time line: one read where the recording ends in their list, all of it where it
   * does not (it is incomplete, or has too many of them).
   */
  async marks(): Promise<readonly TimedMark[]> {
    const sealed = await this.#sealedMarks()
    const found: TimedMark[] = []
    if (sealed !== undefined) {
      for (const frame of decodeAll(sealed.bytes, sealed.offset))
        if (frame.kind === 'mark') found.push({ at: frame.at, channel: frame.channel, mark: frame.mark })
      return found
    }
    for await (const frame of this.frames())
      if (frame.kind === 'mark') found.push({ at: frame.at, channel: frame.channel, mark: frame.mark })
    return found
  }

  async *#decode(packed: Uint8Array, flags: number, offset: number): AsyncGenerator<Frame> {
    let plain = packed
    if ((flags & deflatedFlag) !== 0) {
      const inflated = await inflate(packed, maxChunkPlain)
      if (inflated === undefined) throw new ReplayError('a chunk does not inflate', offset)
      plain = inflated
    }
    yield* decodeAll(plain, offset)
  }

  async #sealedMarks(): Promise<{ readonly bytes: Uint8Array; readonly offset: number } | undefined> {
    const { final, segments, header, headerHash } = this.structure
    const recordingKey = this.#key
    if (!(recordingKey instanceof Uint8Array)) return undefined
    if (final === null || !final.extras.some(({ type }) => type === recordTypes.marks)) return undefined
    const last = segments.at(-1)
    if (last === undefined) return { bytes: new Uint8Array(), offset: 0 }
    // Extras stand right before the final record, behind the last segment's end.
    const scan = new RecordScan(this.#source, last.offset, final.size)
    for (
      let record = await scan.next();
      record !== undefined && isRecord(record);
      record = await scan.next()
    ) {
      if (record.type !== recordTypes.marks) continue
      const flags = record.payload[0] ?? 0
      const key = await deriveKey(recordingKey, headerHash, encodeParts(purposes.marksKey), 32)
      const context = marksContext(header.recording, headerHash, flags)
      const cipher = await importKey(key)
      const packed = await open(cipher, chunkNonce(0), context, record.payload.subarray(1), record.offset)
      const plain = await inflate(packed, maxMarksBytes)
      if (plain === undefined) throw new ReplayError('the list of marks does not inflate', record.offset)
      return { bytes: plain, offset: record.offset }
    }
    return undefined
  }
}

function* decodeAll(plain: Uint8Array, offset: number): Generator<Frame> {
  if (plain.length === 0) return
  try {
    yield* decodeFrames(plain)
  } catch (error) {
    if (error instanceof FrameError || error instanceof FormatError)
      throw new ReplayError('a chunk holds frames that are none', offset, { cause: error })
    throw error
  }
}

/** Key and commitment of a segment, 64 bytes: whoever has them opens this segment and no other. */
export async function segmentKey(
  key: RecordingKey,
  headerHash: Uint8Array,
  segment: number,
): Promise<Uint8Array | undefined> {
  return key instanceof Uint8Array
    ? deriveKey(key, headerHash, segmentKeyInfo(segment), 64)
    : key.get(segment)
}

async function deriveKey(
  key: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const base = await crypto.subtle.importKey('raw', plainBuffer(key), 'HKDF', false, ['deriveBits'])
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: plainBuffer(salt), info: plainBuffer(info) }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, base, length * 8))
}

function importKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', plainBuffer(key), 'AES-GCM', false, ['decrypt'])
}

async function open(
  key: CryptoKey,
  nonce: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  offset: number,
): Promise<Uint8Array> {
  try {
    const algorithm = {
      name: 'AES-GCM',
      iv: plainBuffer(nonce),
      additionalData: plainBuffer(context),
      tagLength: 128,
    }
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, plainBuffer(sealed)))
  } catch (error) {
    throw new ReplayError('a chunk does not open: it was changed or is out of place', offset, {
      cause: error,
    })
  }
}
