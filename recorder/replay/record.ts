import { encodeParts } from '../../vault/kernel/encoding.ts'

/**
 * The outer layer of a recording file, version 1 (docs/recording-format.md): a preamble, then records of
 * one type byte, a 32-bit big-endian length, and the payload. Runs in browsers too.
 */

/** Not text on any system: a transfer that changes line ends, or strips the eighth bit, spoils it visibly. */
export const preamble = Uint8Array.of(0x89, 0x54, 0x47, 0x52, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 1)
/** Of a cut: what of a recording somebody left in it, and the proof of its place in the whole. */
export const cutPreamble = Uint8Array.of(0x89, 0x54, 0x47, 0x43, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 1)
export const recordHeadBytes = 5
export const signatureBytes = 64

export const recordTypes = {
  header: 0x01, // signed
  segment: 0x02, // opens a segment; leaf 0 of its tree
  chunk: 0x03, // sealed frames; the further leaves
  segmentEnd: 0x04, // signed
  checkpoint: 0x05, // signed
  final: 0x06, // signed
  footer: 0x07, // where the final record is
  marks: 0x20, // sealed list of all marks
  search: 0x21, // the search index: a filter of keyed trigrams, and the texts, sealed
} as const

/** Types whose records stand between the last segment and the final record, which holds their digests. */
export function isExtra(type: number): boolean {
  return type >= 0x20 && type <= 0x2f
}

/** Longest payload that a reader accepts, by type. A hostile length never makes it allocate more. */
export function maxPayload(type: number): number {
  switch (type) {
    case recordTypes.header:
      return 256 * 1024
    case recordTypes.segment:
      return 1024
    case recordTypes.chunk:
      return 1024 * 1024 + 64
    case recordTypes.segmentEnd:
      return 1024
    case recordTypes.checkpoint:
      return signatureBytes + checkpointBytes
    case recordTypes.final:
      return 16 * 1024 * 1024
    case recordTypes.footer:
      return 16
    default:
      return isExtra(type) ? 16 * 1024 * 1024 : -1
  }
}

export const purposes = {
  header: 'tagout/v1/recording-header',
  segmentEnd: 'tagout/v1/recording-segment-end',
  checkpoint: 'tagout/v1/recording-checkpoint',
  final: 'tagout/v1/recording-final',
  segmentKey: 'tagout/v1/recording-segment-key',
  chunk: 'tagout/v1/recording-chunk',
  marksKey: 'tagout/v1/recording-marks-key',
  marks: 'tagout/v1/recording-marks',
  searchHead: 'tagout/v1/recording-search-head',
  searchKey: 'tagout/v1/recording-search-key',
  search: 'tagout/v1/recording-search',
  note: 'tagout/v1/recording-note',
} as const

/** Text that stands in each checkpoint: a reader that lost its way can tell that more follows. */
export const checkpointMarker = new TextEncoder().encode('TGRCHKPT')
export const checkpointBytes = 72

/** What a checkpoint says: so much was recorded then, and nothing of it may be missing or other later. */
export type Checkpoint = {
  readonly segment: number
  /** Leaves of this segment's tree so far, its opening record among them. */
  readonly leaves: number
  /** Chunks of the whole recording so far. */
  readonly chunks: number
  /** Bytes of the file before this checkpoint's record. */
  readonly size: number
  /** Nanoseconds from the start of the recording. */
  readonly at: number
  /** Root of this segment's tree so far. Earlier segments are bound by its first leaf. */
  readonly root: Uint8Array
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const bytes = new Uint8Array(checkpointBytes)
  const view = new DataView(bytes.buffer)
  bytes.set(checkpointMarker)
  view.setUint32(8, checkpoint.segment)
  view.setUint32(12, checkpoint.leaves)
  view.setBigUint64(16, BigInt(checkpoint.chunks))
  view.setBigUint64(24, BigInt(checkpoint.size))
  view.setBigUint64(32, BigInt(checkpoint.at))
  bytes.set(checkpoint.root, 40)
  return bytes
}

/** Parses a checkpoint's body; undefined for anything else. */
export function parseCheckpoint(bytes: Uint8Array): Checkpoint | undefined {
  if (bytes.length !== checkpointBytes || !checkpointMarker.every((byte, at) => bytes[at] === byte))
    return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [chunks, size, at] = [view.getBigUint64(16), view.getBigUint64(24), view.getBigUint64(32)].map(Number)
  if (![chunks, size, at].every((value) => Number.isSafeInteger(value))) return undefined
  return {
    segment: view.getUint32(8),
    leaves: view.getUint32(12),
    chunks: chunks as number,
    size: size as number,
    at: at as number,
    root: bytes.slice(40),
  }
}

/** Bytes of a record whose payload is `parts` joined. */
export function encodeRecord(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(recordHeadBytes + length)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(1, length)
  let at = recordHeadBytes
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** What a signature in the file signs: the purpose, the recording (by its header), the body. */
export function signedPart(purpose: string, headerHash: Uint8Array, body: Uint8Array): Uint8Array {
  return encodeParts(purpose, headerHash, body)
}

/** HKDF `info` of a segment's key (first 32 bytes) and its commitment (the next 32). */
export function segmentKeyInfo(segment: number): Uint8Array {
  return encodeParts(purposes.segmentKey, u32(segment))
}

/** Bit 0 of a chunk's flags: the frames were deflated (RFC 1951) before they were sealed. */
export const deflatedFlag = 1

/** What a chunk is bound to besides its key: file, segment, place in it, and its flags. */
export function chunkContext(
  recording: string,
  headerHash: Uint8Array,
  segmentHash: Uint8Array,
  segment: number,
  index: number,
  flags: number,
): Uint8Array {
  return encodeParts(
    purposes.chunk,
    recording,
    headerHash,
    segmentHash,
    u32(segment),
    u32(index),
    Uint8Array.of(flags),
  )
}

export function marksContext(recording: string, headerHash: Uint8Array, flags: number): Uint8Array {
  return encodeParts(purposes.marks, recording, headerHash, Uint8Array.of(flags))
}

/** Nonce of chunk `index`: eight zero bytes and the index. The key is the segment's own. */
export function chunkNonce(index: number): Uint8Array {
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setUint32(8, index)
  return nonce
}

/** Most bytes of frames in one chunk, before compression. */
export const maxChunkPlain = 1024 * 1024
export const maxSegmentPlain = 8 * 1024 * 1024
export const maxSegmentNanoseconds = 60e9

/** The canonical JSON of a segment's opening record. */
export type SegmentHead = {
  readonly segment: number
  /** Nanoseconds from the start of the recording to its first frame. */
  readonly at: number
  /** Wall-clock time of the recorder then. */
  readonly wall: string
  /** Root of the segment before, base64; null in the first. */
  readonly previous: string | null
  /** Commitment of the segment's key, base64. */
  readonly commitment: string
}

/** The canonical JSON of a segment's signed end. */
export type SegmentEnd = {
  readonly segment: number
  readonly leaves: number
  readonly root: string
  /** Nanoseconds from the start of the recording to its last frame. */
  readonly at: number
}

/** The canonical JSON of a recording's signed end. */
export type FinalBody = {
  readonly recording: string
  readonly reason: string
  readonly endedAt: string
  /** Nanoseconds from the start of the recording to the last frame. */
  readonly duration: number
  readonly chunks: number
  /** Bytes of frames before compression. */
  readonly plainBytes: number
  /** Offset of each segment's opening record, and its start in nanoseconds. */
  readonly segments: readonly (readonly [offset: number, at: number])[]
  /** Root of the tree over the segments' roots, base64. */
  readonly root: string
  /** Records between the last segment and this one. */
  readonly extras: readonly { readonly type: number; readonly sha256: string }[]
  /** Bytes of the file before this record. */
  readonly size: number
}

/** WebCrypto's types ask for views of plain buffers; none here is shared. */
export function plainBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}
