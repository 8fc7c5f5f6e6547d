import type { Sodium } from '../../vault/auditors/sodium.ts'
import { count } from '../../vault/kernel/count.ts'
import { sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { clockText } from './clock-text.ts'
import type { RecordingHeader } from './header.ts'
import { FormatError, parseFinal, parseSegmentEnd, parseSegmentHead } from './parse.ts'
import {
  type Checkpoint,
  checkpointMarker,
  type FinalBody,
  isExtra,
  parseCheckpoint,
  purposes,
  recordHeadBytes,
  recordTypes,
  type SegmentEnd,
  signatureBytes,
  signedPart,
} from './record.ts'
import { type Break, type FileRecord, isRecord, RecordScan } from './record-scan.ts'
import type { ByteSource } from './source.ts'
import { cutFooterText, footerBytes, footerText, type ReadHeader, readEnd, readHeader } from './structure.ts'
import { leafHash, ReadTree } from './tree.ts'

/** A checkpoint as the vault keeps it (`session.checkpoint`). */
export type KnownCheckpoint = { readonly checkpoint: Uint8Array; readonly signature: Uint8Array }

export type Known = {
  /** The session's key, from the audit leaf that started it. */
  readonly publicKey?: Uint8Array
  /** SHA-256 of the header, from the same leaf. */
  readonly headerHash?: Uint8Array
  readonly checkpoints?: readonly KnownCheckpoint[]
  readonly onProgress?: (done: number, size: number) => void
}

/** What of a recording a cut has. */
export type CutPlace = {
  /** Nanoseconds from the start of the recording. */
  readonly from: number
  readonly to: number
  readonly first: number
  readonly last: number
  /** Segments of the whole. */
  readonly of: number
}

export type RecordingVerdict = {
  readonly state: 'complete' | 'incomplete' | 'tampered'
  /** One sentence for people. */
  readonly sentence: string
  /** Offset in the file where the first thing is wrong, or where an incomplete recording stops. */
  readonly at?: number
  /** The segment in which that is. */
  readonly segment?: number
  /** Nanoseconds of the session up to which all is as it was signed, where something is wrong. */
  readonly time?: number
  readonly cut?: CutPlace
  readonly header?: RecordingHeader
  /** Chunks that are in order. */
  readonly chunks: number
  /** Nanoseconds that are known to be recorded. */
  readonly duration: number
}

/** Something is not as it was signed. */
class Tampered extends Error {
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

type Progress = {
  readonly read: ReadHeader
  readonly expected: Map<string, Checkpoint>
  readonly roots: ReadTree
  tree: ReadTree | undefined
  segment: number
  lastRoot: Uint8Array | undefined
  chunks: number
  duration: number
  /** Everything before this offset is vouched for by a signature. */
  vouched: number
  /** The end of the whole, where this is a cut of it. */
  readonly whole: FinalBody | undefined
  /** How much further on in the whole this segment lies. */
  shift: number
  /** The segments that a cut has. */
  kept: number[]
  segments: [offset: number, at: number][]
  extras: { readonly type: number; readonly sha256: string }[]
}

/**
 * Verifies a recording without any private key: header, every chunk, every signature.
 *
 * `complete`: closed in order and untouched. `incomplete`: no signed end, but nothing is missing that a checkpoint
 * vouches for. `tampered`: anything else. Without `known.checkpoints` (the vault keeps them) a file that was cut off
 * cannot be told from a crash, and without `known.publicKey` one that was made up whole cannot be told at all.
 */
export async function verifyRecording(
  sodium: Sodium,
  source: ByteSource,
  known: Known = {},
): Promise<RecordingVerdict> {
  let read: ReadHeader
  try {
    read = await readHeader(sodium, source)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return tampered(0, error.message)
  }
  const whole = read.isCut ? (await readEnd(sodium, source, read))?.body : undefined
  const progress: Progress = {
    read,
    expected: new Map(),
    roots: new ReadTree(),
    tree: undefined,
    segment: -1,
    lastRoot: undefined,
    chunks: 0,
    duration: 0,
    vouched: read.end,
    whole,
    shift: 0,
    kept: [],
    segments: [],
    extras: [],
  }
  try {
    checkKnown(sodium, read, known, progress)
    if (read.isCut && whole === undefined)
      throw new Tampered(source.size, 'the signed end of the whole is not in it')
    return await verifyRecords(sodium, source, known, progress)
  } catch (error) {
    // A changed length shows only further on: what is certain is that all is well up to the last good signature.
    if (error instanceof Tampered)
      return tampered(Math.min(error.at, progress.vouched), error.message, progress, error.at)
    if (error instanceof FormatError) return tampered(progress.vouched, error.message, progress)
    throw error
  }
}

function checkKnown(sodium: Sodium, read: ReadHeader, known: Known, progress: Progress): void {
  if (known.publicKey !== undefined && !sameBytes(known.publicKey, read.publicKey))
    throw new Tampered(0, 'its key is not the one that the audit log has for this session')
  if (known.headerHash !== undefined && !sameBytes(known.headerHash, read.headerHash))
    throw new Tampered(0, 'its header is not the one that the audit log has for this session')
  for (const { checkpoint, signature } of known.checkpoints ?? []) {
    const parsed = parseCheckpoint(checkpoint)
    const signed = signedPart(purposes.checkpoint, read.headerHash, checkpoint)
    if (
      parsed === undefined ||
      signature.length !== signatureBytes ||
      !sodium.crypto_sign_verify_detached(signature, signed, read.publicKey)
    )
      throw new Tampered(0, 'a checkpoint that the vault keeps is not of this recording')
    progress.expected.set(`${parsed.segment}:${parsed.leaves}:${toBase64(parsed.root)}`, parsed)
  }
}

async function verifyRecords(
  sodium: Sodium,
  source: ByteSource,
  known: Known,
  progress: Progress,
): Promise<RecordingVerdict> {
  const { read } = progress
  const scan = new RecordScan(source, read.end)
  let toReport = 0
  for (let found = await scan.next(); found !== undefined; found = await scan.next()) {
    if (!isRecord(found) && read.isCut) throw new Tampered(found.offset, 'a record is none, or is cut short')
    if (!isRecord(found)) return verifyBreak(source, progress, found)
    if (found.type === recordTypes.final) return verifyFinal(sodium, source, progress, found)
    await verifyRecord(sodium, progress, found)
    if (found.end > toReport) {
      known.onProgress?.(found.end, source.size)
      toReport = found.end + 4 * 1024 * 1024
    }
  }
  if (read.isCut) throw new Tampered(source.size, 'the signed end of the whole is not in it')
  return incomplete(progress, source.size)
}

async function verifyRecord(sodium: Sodium, progress: Progress, record: FileRecord): Promise<void> {
  const { type, payload, offset } = record
  if (progress.extras.length > 0 && !isExtra(type)) throw new Tampered(offset, 'a record is out of place')
  switch (type) {
    case recordTypes.segment: {
      if (progress.tree !== undefined) throw new Tampered(offset, 'a segment begins inside another')
      const head = parseSegmentHead(payload)
      const previous = progress.lastRoot === undefined ? null : toBase64(progress.lastRoot)
      if (head.segment !== progress.segment + 1 || head.previous !== previous)
        throw new Tampered(offset, `segment ${head.segment} does not continue the one before`)
      progress.segment = head.segment
      progress.shift = (progress.whole?.segments[head.segment]?.[0] ?? offset) - offset
      progress.segments.push([offset + progress.shift, head.at])
      if (progress.whole !== undefined) progress.kept.push(head.segment)
      progress.tree = new ReadTree()
      await pushLeaf(progress, record)
      return
    }
    case recordTypes.chunk:
      if (progress.tree === undefined) throw new Tampered(offset, 'a chunk is outside any segment')
      progress.chunks += 1
      await pushLeaf(progress, record)
      return
    case recordTypes.checkpoint: {
      const body = verifySigned(sodium, progress, record, purposes.checkpoint)
      const checkpoint = parseCheckpoint(body)
      if (
        progress.tree === undefined ||
        checkpoint === undefined ||
        checkpoint.segment !== progress.segment ||
        checkpoint.leaves !== progress.tree.leaves ||
        checkpoint.chunks !== progress.chunks ||
        checkpoint.size !== offset + progress.shift ||
        !sameBytes(checkpoint.root, await progress.tree.root())
      )
        throw changedBefore(offset)
      progress.vouched = record.end
      progress.duration = Math.max(progress.duration, checkpoint.at)
      return
    }
    case recordTypes.segmentEnd: {
      const end = parseSegmentEnd(verifySigned(sodium, progress, record, purposes.segmentEnd))
      if (progress.tree === undefined && progress.whole !== undefined)
        return leftOut(progress, end, progress.whole, record)
      const root = await progress.tree?.root()
      if (
        root === undefined ||
        end.segment !== progress.segment ||
        end.leaves !== progress.tree?.leaves ||
        end.root !== toBase64(root)
      )
        throw changedBefore(offset)
      await progress.roots.push(await leafHash(root))
      progress.lastRoot = root
      progress.tree = undefined
      progress.vouched = record.end
      progress.duration = Math.max(progress.duration, end.at)
      return
    }
    default:
      if (!isExtra(type) || progress.tree !== undefined || progress.whole !== undefined)
        throw new Tampered(offset, 'a record is out of place')
      progress.extras.push({ type, sha256: toBase64(await sha256(payload)) })
  }
}

/** A segment that a cut leaves out: its signed end says its root, by which the others are bound to their places. */
async function leftOut(
  progress: Progress,
  end: SegmentEnd,
  whole: FinalBody,
  { offset, end: recordEnd }: FileRecord,
): Promise<void> {
  const place = whole.segments[end.segment]
  if (end.segment !== progress.segment + 1 || place === undefined)
    throw new Tampered(offset, `segment ${end.segment} does not continue the one before`)
  const root = fromBase64(end.root)
  progress.segment = end.segment
  progress.chunks += end.leaves - 1
  progress.lastRoot = root
  progress.segments.push([...place])
  await progress.roots.push(await leafHash(root))
  progress.vouched = recordEnd
  progress.duration = Math.max(progress.duration, end.at)
  for (const key of progress.expected.keys())
    if (key.startsWith(`${end.segment}:`)) progress.expected.delete(key)
}

async function pushLeaf(progress: Progress, { type, payload, offset }: FileRecord): Promise<void> {
  const tree = progress.tree as ReadTree
  await tree.push(await leafHash(Uint8Array.of(type), payload))
  // The vault's checkpoints, whether or not the file still has them.
  const prefix = `${progress.segment}:${tree.leaves}:`
  for (const [key, checkpoint] of progress.expected) {
    if (!key.startsWith(prefix)) continue
    if (!sameBytes(checkpoint.root, await tree.root()))
      throw new Tampered(offset, 'what a checkpoint of the vault vouches for was changed')
    progress.expected.delete(key)
  }
}

function verifySigned(
  sodium: Sodium,
  progress: Progress,
  { payload, offset }: FileRecord,
  purpose: string,
): Uint8Array {
  const body = payload.subarray(signatureBytes)
  const { headerHash, publicKey } = progress.read
  if (
    payload.length < signatureBytes ||
    !sodium.crypto_sign_verify_detached(
      payload.subarray(0, signatureBytes),
      signedPart(purpose, headerHash, body),
      publicKey,
    )
  )
    throw new Tampered(offset, 'a signature is wrong')
  return body
}

async function verifyFinal(
  sodium: Sodium,
  source: ByteSource,
  progress: Progress,
  record: FileRecord,
): Promise<RecordingVerdict> {
  const { offset } = record
  const final = parseFinal(verifySigned(sodium, progress, record, purposes.final))
  const sameSegments = JSON.stringify(final.segments) === JSON.stringify(progress.segments)
  const { isCut } = progress.read
  // A cut has no extras, and the end of the whole is elsewhere in the whole.
  const sameExtras =
    isCut ||
    (final.extras.length === progress.extras.length &&
      final.extras.every(
        ({ type, sha256 }, at) =>
          type === progress.extras[at]?.type && sha256 === progress.extras[at]?.sha256,
      ))
  if (
    progress.tree !== undefined ||
    final.recording !== progress.read.header.recording ||
    (!isCut && final.size !== offset) ||
    (isCut && progress.kept.length === 0) ||
    final.chunks !== progress.chunks ||
    !sameSegments ||
    !sameExtras ||
    !sameBytes(fromBase64(final.root), await progress.roots.root())
  )
    throw changedBefore(offset)
  if (progress.expected.size > 0)
    throw new Tampered(offset, 'it lacks what a checkpoint of the vault vouches for')
  progress.vouched = record.end
  progress.duration = final.duration
  if (source.size < record.end + footerBytes) {
    const rest = await source.read(record.end, footerBytes)
    if (isCut || !isFooter(rest, offset, footerText)) throw new Tampered(record.end, 'its footer was changed')
    return incomplete(progress, record.end)
  }
  const footer = await source.read(record.end, footerBytes)
  if (
    source.size !== record.end + footerBytes ||
    !isFooter(footer, offset, isCut ? cutFooterText : footerText)
  )
    throw new Tampered(record.end, 'something was added to it, or its footer was changed')
  if (isCut) return completeCut(progress, final)
  return {
    state: 'complete',
    sentence: `The recording is complete and as it was signed: ${count(progress.chunks, 'chunk')} in ${count(final.segments.length, 'segment')}.`,
    header: progress.read.header,
    chunks: progress.chunks,
    duration: progress.duration,
  }
}

function completeCut(progress: Progress, final: FinalBody): RecordingVerdict {
  const first = progress.kept[0] as number
  const last = progress.kept.at(-1) as number
  const from = first === 0 ? 0 : (final.segments[first]?.[1] ?? 0)
  const to = final.segments[last + 1]?.[1] ?? final.duration
  const of = final.segments.length
  return {
    state: 'complete',
    sentence: `The cut is whole and as it was signed: ${clockText(from)} to ${clockText(to)} of a recording of ${clockText(final.duration)} that was closed in order, segments ${first + 1} to ${last + 1} of ${of}.`,
    header: progress.read.header,
    chunks: progress.chunks,
    duration: final.duration,
    cut: { from, to, first, last, of },
  }
}

/** Whether these bytes are the footer of a final record at `offset`, or the beginning of it. */
function isFooter(found: Uint8Array, offset: number, text: Uint8Array): boolean {
  const footer = new Uint8Array(footerBytes)
  footer[0] = recordTypes.footer
  new DataView(footer.buffer).setUint32(1, 16)
  new DataView(footer.buffer).setBigUint64(recordHeadBytes, BigInt(offset))
  footer.set(text, recordHeadBytes + 8)
  return sameBytes(found, footer.subarray(0, found.length))
}

/**
 * Tells a crash from a change where a record is not whole. A crash leaves the beginning of what was being written and
 * nothing after it (or, after a power failure, zeros). Signed records further on, or a signed end, mean that the file
 * went on and was changed here.
 */
async function verifyBreak(source: ByteSource, progress: Progress, found: Break): Promise<RecordingVerdict> {
  const { offset } = found
  if (await endsWithFooter(source))
    throw new Tampered(offset, 'it was closed in order, and changed before its end')
  if (await isZero(source, offset)) return incomplete(progress, offset)
  if (found.kind === 'malformed') throw new Tampered(offset, 'a record is none')
  const type = (await source.read(offset, 1))[0] as number
  const ownMarker = type === recordTypes.checkpoint ? recordHeadBytes + signatureBytes : -1
  if (await holdsMarker(source, offset, ownMarker))
    throw new Tampered(offset, 'signed records follow on one that is cut short')
  return incomplete(progress, offset)
}

async function endsWithFooter(source: ByteSource): Promise<boolean> {
  const last = await source.read(Math.max(0, source.size - footerText.length), footerText.length)
  return sameBytes(last, footerText)
}

async function isZero(source: ByteSource, from: number): Promise<boolean> {
  for (let at = from; at < source.size; at += 65_536)
    if ((await source.read(at, 65_536)).some((byte) => byte !== 0)) return false
  return true
}

async function holdsMarker(source: ByteSource, from: number, except: number): Promise<boolean> {
  const rest = await source.read(from, Math.min(source.size - from, 32 * 1024 * 1024))
  for (let at = 0; at + checkpointMarker.length <= rest.length; at += 1)
    if (at !== except && checkpointMarker.every((byte, place) => rest[at + place] === byte)) return true
  return false
}

function changedBefore(offset: number): Tampered {
  return new Tampered(offset, 'what was recorded is not what was signed')
}

function incomplete(progress: Progress, at: number): RecordingVerdict {
  const missing = [...progress.expected.values()]
  if (missing.length > 0) {
    const most = Math.max(...missing.map(({ chunks }) => chunks))
    throw new Tampered(
      at,
      `the vault has a checkpoint over ${most} chunks, and the file has ${progress.chunks}`,
    )
  }
  return {
    state: 'incomplete',
    sentence: `The recording was not closed in order: it stops after ${progress.chunks} chunks, and what is there is as it was signed up to byte ${progress.vouched}.`,
    at,
    header: progress.read.header,
    chunks: progress.chunks,
    duration: progress.duration,
  }
}

function tampered(at: number, why: string, progress?: Progress, seen: number = at): RecordingVerdict {
  const place = seen > at ? `between byte ${at} and byte ${seen}` : `at byte ${at}`
  const inSession =
    progress === undefined || progress.segment < 0
      ? ''
      : `, in segment ${progress.segment + 1}, after ${clockText(progress.duration)} of the session`
  const where = `${place}${inSession}`
  const verdict = {
    state: 'tampered' as const,
    sentence: `The recording was tampered with ${where}: ${why}.`,
    at,
    chunks: progress?.chunks ?? 0,
    duration: progress?.duration ?? 0,
  }
  if (progress === undefined) return verdict
  const { header } = progress.read
  const { segment, duration: time } = progress
  return { ...verdict, header, ...(segment < 0 ? {} : { segment, time }) }
}
