import type { Sodium } from '../../vault/auditors/sodium.ts'
import { sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { RecordingHeader } from './header.ts'
import { bytes, FormatError, parseFinal, parseHeader, parseSegmentHead } from './parse.ts'
import {
  cutPreamble,
  type FinalBody,
  maxPayload,
  preamble,
  purposes,
  recordHeadBytes,
  recordTypes,
  signatureBytes,
  signedPart,
} from './record.ts'
import { isRecord, RecordScan } from './record-scan.ts'
import type { ByteSource } from './source.ts'

export type SegmentPlace = {
  readonly index: number
  /** Of its opening record, in the file. */
  readonly offset: number
  /** Where it ends in the file at the latest. */
  readonly end: number
  /** Nanoseconds from the start of the recording. */
  readonly at: number
}

export type RecordingStructure = {
  readonly header: RecordingHeader
  readonly headerHash: Uint8Array
  /** Present where the recording was closed in order, and its signature is good. */
  readonly final: FinalBody | null
  readonly segments: readonly SegmentPlace[]
  /** Nanoseconds from the start to where a cut begins and ends; null: it is all of the recording. */
  readonly cut: { readonly from: number; readonly to: number } | null
  /** Nanoseconds from the start to the last frame; of an incomplete recording to the start of its last segment. */
  readonly duration: number
}

export type ReadHeader = {
  readonly header: RecordingHeader
  readonly headerHash: Uint8Array
  readonly publicKey: Uint8Array
  /** Where the records after the header begin. */
  readonly end: number
  /** It is a cut of a recording: some of its segments, and of the others their signed roots. */
  readonly isCut: boolean
}

export const footerBytes = recordHeadBytes + 16
/** The last bytes of a recording that was closed in order. */
export const footerText = new TextEncoder().encode('TGR-END\n')
/** The last bytes of a cut. */
export const cutFooterText = new TextEncoder().encode('TGC-END\n')

/**
 * Finds a recording's header and segments. Reads little: the head and the tail of a complete recording; of an
 * unfinished one it goes from record to record. Refuses (`invalid`) what is not a recording. It does not verify more
 * than the signatures of header and end: `verifyRecording` does.
 */
export async function readStructure(
  sodium: Sodium,
  source: ByteSource,
): Promise<Outcome<RecordingStructure>> {
  try {
    const read = await readHeader(sodium, source)
    const { header, headerHash } = read
    const final = await readEnd(sodium, source, read)
    if (final !== undefined) {
      const { body, offset } = final
      if (read.isCut) return await cutStructure(source, read, body, offset)
      const segments = body.segments.map(([from, at], index) => ({
        index,
        offset: from,
        end: body.segments[index + 1]?.[0] ?? offset,
        at,
      }))
      if (segments.some((segment) => segment.offset < read.end || segment.end < segment.offset))
        return refuse('invalid', 'the recording names segments that cannot be')
      return done({ header, headerHash, final: body, segments, cut: null, duration: body.duration })
    }
    if (read.isCut) return refuse('invalid', 'this cut of a recording has no signed end: it was changed')
    const segments = await scanSegments(source, read.end)
    return done({ header, headerHash, final: null, segments, cut: null, duration: segments.at(-1)?.at ?? 0 })
  } catch (error) {
    if (error instanceof FormatError) return refuse('invalid', `this is not a recording: ${error.message}`)
    throw error
  }
}

/** Reads and verifies the header. Throws `FormatError`. */
export async function readHeader(sodium: Sodium, source: ByteSource): Promise<ReadHeader> {
  const start = await source.read(0, preamble.length + recordHeadBytes)
  if (start.length < preamble.length + recordHeadBytes) throw new FormatError('the file is too short')
  const isCut = sameBytes(start.subarray(0, 8), cutPreamble.subarray(0, 8))
  const wrong = (isCut ? cutPreamble : preamble).findIndex((byte, at) => byte !== start[at])
  if (wrong >= 8) throw new FormatError('its version is not known')
  if (wrong >= 0) throw new FormatError('it does not begin like one, or was changed as text')
  const length = new DataView(start.buffer, start.byteOffset).getUint32(preamble.length + 1)
  if (start[preamble.length] !== recordTypes.header || length > maxPayload(recordTypes.header))
    throw new FormatError('the header is malformed')
  const end = preamble.length + recordHeadBytes + length
  const payload = (await source.read(end - length, length)).slice()
  if (payload.length < length || length < signatureBytes) throw new FormatError('the header is cut short')
  const body = payload.subarray(signatureBytes)
  const header = parseHeader(body)
  const headerHash = await sha256(body)
  const publicKey = bytes(header.publicKey, 32, 'public key')
  if (
    !sodium.crypto_sign_verify_detached(
      payload.subarray(0, signatureBytes),
      signedPart(purposes.header, headerHash, body),
      publicKey,
    )
  )
    throw new FormatError('the signature of its header is wrong')
  return { header, headerHash, publicKey, end, isCut }
}

/** The signed end, found from the footer; undefined where there is none that holds. */
export async function readEnd(
  sodium: Sodium,
  source: ByteSource,
  { header, headerHash, publicKey, end, isCut }: ReadHeader,
): Promise<{ readonly body: FinalBody; readonly offset: number } | undefined> {
  const footer = await source.read(Math.max(end, source.size - footerBytes), footerBytes)
  if (footer.length < footerBytes || footer[0] !== recordTypes.footer) return undefined
  if (!sameBytes(footer.subarray(recordHeadBytes + 8), isCut ? cutFooterText : footerText)) return undefined
  const offset = Number(new DataView(footer.buffer, footer.byteOffset).getBigUint64(recordHeadBytes))
  if (!(offset >= end && offset < source.size)) return undefined
  const scan = new RecordScan(source, offset, source.size - footerBytes)
  const record = await scan.next()
  if (record === undefined || !isRecord(record) || record.type !== recordTypes.final) return undefined
  if (record.end !== source.size - footerBytes) return undefined
  const body = record.payload.slice(signatureBytes)
  const signature = record.payload.slice(0, signatureBytes)
  if (signature.length < signatureBytes) return undefined
  if (!sodium.crypto_sign_verify_detached(signature, signedPart(purposes.final, headerHash, body), publicKey))
    return undefined
  try {
    const final = parseFinal(body)
    const isOurs = final.recording === header.recording && (isCut || final.size === offset)
    return isOurs ? { body: final, offset } : undefined
  } catch {
    return undefined
  }
}

/** The segments that a cut has, from one record to the next: it is read whole anyway. */
async function cutStructure(
  source: ByteSource,
  { header, headerHash, end }: ReadHeader,
  final: FinalBody,
  finalAt: number,
): Promise<Outcome<RecordingStructure>> {
  const segments: SegmentPlace[] = []
  const scan = new RecordScan(source, end, finalAt)
  for (let record = await scan.next(); record !== undefined && isRecord(record); record = await scan.next()) {
    if (record.type === recordTypes.segment) {
      const { segment: index, at } = parseSegmentHead(record.payload)
      segments.push({ index, offset: record.offset, end: finalAt, at })
    }
    const last = segments.at(-1)
    if (record.type === recordTypes.segmentEnd && last?.end === finalAt)
      segments[segments.length - 1] = { ...last, end: record.end }
  }
  const [first, last] = [segments[0], segments.at(-1)]
  if (first === undefined || last === undefined)
    return refuse('invalid', 'this cut of a recording has no segment')
  const to = final.segments[last.index + 1]?.[1] ?? final.duration
  return done({
    header,
    headerHash,
    final,
    segments,
    cut: { from: first.index === 0 ? 0 : first.at, to },
    duration: final.duration,
  })
}

/** Finds segments by going through the heads of all records. */
async function scanSegments(source: ByteSource, from: number): Promise<SegmentPlace[]> {
  const found: { offset: number; at: number }[] = []
  const scan = new RecordScan(source, from)
  let end = from
  for (let record = await scan.next(); record !== undefined && isRecord(record); record = await scan.next()) {
    end = record.end
    if (record.type !== recordTypes.segment) continue
    const head = parseSegmentHead(record.payload)
    if (head.segment !== found.length) throw new FormatError('its segments are out of order')
    found.push({ offset: record.offset, at: head.at })
  }
  return found.map(({ offset, at }, index) => ({ index, offset, at, end: found[index + 1]?.offset ?? end }))
}
