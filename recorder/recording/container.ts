import {
  createCipheriv,
  createHash,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomInt,
  sign,
} from 'node:crypto'
import { fdatasync, writevSync } from 'node:fs'
import { promisify } from 'node:util'
import { deflateRawSync } from 'node:zlib'
import { type Canonical, canonicalBytes, encodeParts, toBase64 } from '../../vault/kernel/encoding.ts'
import {
  chunkContext,
  chunkNonce,
  deflatedFlag,
  encodeCheckpoint,
  encodeRecord,
  type FinalBody,
  marksContext,
  maxChunkPlain,
  maxSegmentNanoseconds,
  maxSegmentPlain,
  purposes,
  recordHeadBytes,
  recordTypes,
  type SegmentEnd,
  type SegmentHead,
  segmentKeyInfo,
  signedPart,
} from '../replay/record.ts'
import { Tree } from './tree.ts'

const sync = promisify(fdatasync)

/** What sealing a recording needs, once its header lies in the file. */
export type ContainerKeys = {
  readonly recording: string
  readonly headerHash: Uint8Array
  /** 32 bytes; wiped by `finish` and `abandon`. */
  readonly recordingKey: Uint8Array
  /** The session's Ed25519 key. */
  readonly signKey: KeyObject
}

/** What stands behind the last segment: each is there or not. */
export type Extras = {
  /** Frames, to be sealed. */
  readonly marks?: Uint8Array | undefined
  /** Whole, as it lies beside the recording. */
  readonly search?: Uint8Array | undefined
}

export type WrittenCheckpoint = {
  readonly body: Uint8Array
  readonly signature: Uint8Array
  readonly size: number
}

type Segment = {
  readonly index: number
  /** As a key object: with raw bytes Node takes three times as long per chunk. */
  readonly key: KeyObject
  /** The context of chunk 0; a chunk's own differs in the index and the flags, which are its end. */
  readonly context: Buffer
  readonly at: number
  readonly tree: Tree
  /** Nanoseconds that this one may take; sessions that began together do not all begin their segments together. */
  readonly length: number
  chunks: number
  plain: number
}

/** Above this rate chunks are stored as they are: compressing would slow the session down. */
const compressBelowBytesPerSecond = 8_000_000
const compressFrom = 128
const rateWindowMs = 250

/**
 * Seals chunks into a recording file and keeps its tree and signatures. Everything is synchronous and appends: a
 * crash leaves a prefix of what was written.
 *
 * INVARIANT: nothing that was written is ever changed, and no pair of key and nonce is used twice: an index is
 * counted up before it is used, and a container whose write failed writes no more.
 */
export class Container {
  readonly #fd: number
  readonly #keys: ContainerKeys
  readonly #segments: [offset: number, at: number][] = []
  readonly #roots = new Tree()
  #segment: Segment | undefined
  #lastRoot: Uint8Array | undefined
  #size: number
  #chunks = 0
  #plain = 0
  #at = 0
  #checkpointed = 0
  #broken = false
  #rateFrom = 0
  #rateBytes = 0
  #rateBefore = 0

  constructor(fd: number, size: number, keys: ContainerKeys) {
    this.#fd = fd
    this.#size = size
    this.#keys = keys
  }

  /** Bytes of the file so far. */
  get size(): number {
    return this.#size
  }

  get hasUncheckpointed(): boolean {
    return this.#chunks > this.#checkpointed
  }

  /** Whether a chunk of `plain` bytes at `at` has to begin a new segment. */
  needsSegment(at: number, plain: number): boolean {
    const segment = this.#segment
    return (
      segment === undefined || segment.plain + plain > maxSegmentPlain || at - segment.at >= segment.length
    )
  }

  /** Ends the present segment, if any, and begins the next. */
  beginSegment(at: number): void {
    this.#endSegment()
    const index = this.#segments.length
    const derived = new Uint8Array(
      hkdfSync('sha256', this.#keys.recordingKey, this.#keys.headerHash, segmentKeyInfo(index), 64),
    )
    const head: SegmentHead = {
      segment: index,
      at,
      wall: new Date().toISOString(),
      previous: this.#lastRoot === undefined ? null : toBase64(this.#lastRoot),
      commitment: toBase64(derived.subarray(32)),
    }
    const payload = canonicalBytes(head as Canonical)
    this.#segments.push([this.#size, at])
    const tree = new Tree()
    tree.push(leafOf(recordTypes.segment, [payload]))
    this.#segment = {
      index,
      key: createSecretKey(derived.subarray(0, 32)),
      context: Buffer.from(
        chunkContext(
          this.#keys.recording,
          this.#keys.headerHash,
          hash('sha256', payload, 'buffer'),
          index,
          0,
          0,
        ),
      ),
      at,
      tree,
      length: maxSegmentNanoseconds * (1 - (index === 0 ? 0.6 : 0.1) * (randomInt(2 ** 32) / 2 ** 32)),
      chunks: 0,
      plain: 0,
    }
    derived.fill(0)
    this.#write([encodeRecord(recordTypes.segment, payload)])
  }

  /** Seals frames as the next chunk of the present segment. `lastAt` is the time of the last frame in it. */
  chunk(plain: Uint8Array, lastAt: number): void {
    const segment = this.#segment
    if (segment === undefined || plain.length > maxChunkPlain)
      throw new Error('a chunk without a segment, or too large')
    const index = segment.chunks
    segment.chunks += 1
    segment.plain += plain.length
    this.#plain += plain.length
    this.#at = Math.max(this.#at, lastAt)
    const packed = this.#pack(plain)
    const flags = Uint8Array.of(packed === plain ? 0 : deflatedFlag)
    const { context } = segment
    context.writeUInt32BE(index, context.length - 9)
    context[context.length - 1] = flags[0] as number
    const sealed = seal(segment.key, chunkNonce(index), context, packed)
    segment.tree.push(leafOf(recordTypes.chunk, [flags, ...sealed]))
    const head = Buffer.alloc(recordHeadBytes + 1)
    head[0] = recordTypes.chunk
    head.writeUInt32BE(1 + packed.length + 16, 1)
    head[recordHeadBytes] = flags[0] as number
    this.#write([head, ...sealed])
    this.#chunks += 1
  }

  /** Writes a signed checkpoint over everything so far. */
  checkpoint(): WrittenCheckpoint | undefined {
    const segment = this.#segment
    if (segment === undefined) return undefined
    const body = encodeCheckpoint({
      segment: segment.index,
      leaves: segment.tree.leaves,
      chunks: this.#chunks,
      size: this.#size,
      at: this.#at,
      root: segment.tree.root(),
    })
    const signature = this.#sign(purposes.checkpoint, body)
    this.#write([encodeRecord(recordTypes.checkpoint, signature, body)])
    this.#checkpointed = this.#chunks
    return { body, signature, size: this.#size }
  }

  /** Writes the end: the extras, the signed final record, the footer. Wipes the keys. */
  finish(reason: string, { marks, search }: Extras): { readonly size: number; readonly root: Uint8Array } {
    this.#endSegment()
    const extras: (readonly [type: number, payload: Uint8Array])[] = []
    if (marks !== undefined) extras.push([recordTypes.marks, this.#sealMarks(marks)])
    if (search !== undefined) extras.push([recordTypes.search, search])
    for (const [type, payload] of extras) this.#write([encodeRecord(type, payload)])
    const root = this.#roots.root()
    const final: FinalBody = {
      recording: this.#keys.recording,
      reason,
      endedAt: new Date().toISOString(),
      duration: this.#at,
      chunks: this.#chunks,
      plainBytes: this.#plain,
      segments: this.#segments,
      root: toBase64(root),
      extras: extras.map(([type, payload]) => ({
        type,
        sha256: toBase64(hash('sha256', payload, 'buffer')),
      })),
      size: this.#size,
    }
    const body = canonicalBytes(final as unknown as Canonical)
    const offset = Buffer.alloc(16)
    offset.writeBigUInt64BE(BigInt(this.#size))
    offset.write('TGR-END\n', 8, 'latin1')
    this.#write([
      encodeRecord(recordTypes.final, this.#sign(purposes.final, body), body),
      encodeRecord(recordTypes.footer, offset),
    ])
    this.abandon()
    return { size: this.#size, root }
  }

  /** Wipes the keys; nothing can be written after. */
  abandon(): void {
    this.#broken = true
    this.#keys.recordingKey.fill(0)
    this.#segment = undefined
  }

  sync(): Promise<void> {
    return sync(this.#fd)
  }

  #endSegment(): void {
    const segment = this.#segment
    if (segment === undefined) return
    const root = segment.tree.root()
    const end: SegmentEnd = {
      segment: segment.index,
      leaves: segment.tree.leaves,
      root: toBase64(root),
      at: this.#at,
    }
    const body = canonicalBytes(end as Canonical)
    this.#write([encodeRecord(recordTypes.segmentEnd, this.#sign(purposes.segmentEnd, body), body)])
    this.#roots.push(hash('sha256', Buffer.concat([Buffer.of(0), root]), 'buffer'))
    this.#lastRoot = root
    this.#checkpointed = this.#chunks
    this.#segment = undefined
  }

  #sealMarks(marks: Uint8Array): Uint8Array {
    const { recordingKey, headerHash, recording } = this.#keys
    const key = new Uint8Array(
      hkdfSync('sha256', recordingKey, headerHash, encodeParts(purposes.marksKey), 32),
    )
    const flags = Uint8Array.of(deflatedFlag)
    const context = marksContext(recording, headerHash, deflatedFlag)
    const sealed = seal(key, chunkNonce(0), context, deflateRawSync(marks))
    key.fill(0)
    return Buffer.concat([flags, ...sealed])
  }

  #sign(purpose: string, body: Uint8Array): Uint8Array {
    return sign(null, signedPart(purpose, this.#keys.headerHash, body), this.#keys.signKey)
  }

  /** Deflates where it pays: not tiny chunks, not at a high rate, not what does not shrink. */
  #pack(plain: Uint8Array): Uint8Array {
    const now = performance.now()
    if (now - this.#rateFrom > rateWindowMs) {
      this.#rateBefore = now - this.#rateFrom > 2 * rateWindowMs ? 0 : this.#rateBytes
      this.#rateFrom = now
      this.#rateBytes = 0
    }
    this.#rateBytes += plain.length
    const limit = (compressBelowBytesPerSecond * rateWindowMs) / 1000
    if (plain.length < compressFrom || Math.max(this.#rateBytes, this.#rateBefore) > limit) return plain
    const small = plain.length <= 4096
    const packed = deflateRawSync(plain, small ? { level: 1, windowBits: 12, memLevel: 5 } : { level: 1 })
    return packed.length < plain.length * 0.95 ? packed : plain
  }

  #write(parts: readonly Uint8Array[]): void {
    if (this.#broken) throw new Error('this recording cannot be written any more')
    let left = parts.reduce((sum, part) => sum + part.length, 0)
    let rest = parts
    this.#broken = true // until all of it is written
    while (left > 0) {
      const written = writevSync(this.#fd, rest as NodeJS.ArrayBufferView[])
      left -= written
      this.#size += written
      if (left > 0) rest = [Buffer.concat(rest).subarray(written)]
    }
    this.#broken = false
  }
}

function seal(
  key: KeyObject | Uint8Array,
  nonce: Uint8Array,
  context: Uint8Array,
  plain: Uint8Array,
): readonly [Buffer, Buffer] {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(context)
  const sealed = cipher.update(plain)
  cipher.final()
  return [sealed, cipher.getAuthTag()]
}

function leafOf(type: number, parts: readonly Uint8Array[]): Buffer {
  const digest = createHash('sha256').update(Buffer.of(0, type))
  for (const part of parts) digest.update(part)
  return digest.digest()
}
