import { cutFooterText } from './structure.ts'
import { cutPreamble, encodeRecord, preamble, recordTypes } from './record.ts'
import { isRecord, RecordScan } from './record-scan.ts'
import type { ByteSource } from './source.ts'
import type { RecordingStructure } from './structure.ts'

/** Segments, from and with the first to and with the last. */
export type CutRange = { readonly first: number; readonly last: number }

/** The segments that have all that was recorded between these times; undefined where nothing was. */
export function cutRange({ segments }: RecordingStructure, from: number, to: number): CutRange | undefined {
  if (to < from || segments.length === 0) return undefined
  const first = Math.max(
    0,
    segments.findLastIndex(({ at }) => at <= from),
  )
  const last = segments.findLastIndex(({ at }) => at <= to)
  return last < first ? undefined : { first, last }
}

/**
 * Writes a cut of a recording that was closed in order (docs/recording-format.md §10): its header, some of its segments
 * as they are, of the others the signed ends with their roots, and the signed end of the whole. The pieces are views:
 * they hold until the next one is asked for.
 */
export async function* writeCut(
  source: ByteSource,
  { segments, final }: RecordingStructure,
  { first, last }: CutRange,
): AsyncGenerator<Uint8Array> {
  if (final === null)
    throw new RangeError('a recording that was not closed in order has no end to prove a cut by')
  let at = cutPreamble.length
  yield cutPreamble
  const scan = new RecordScan(source, preamble.length)
  for (let record = await scan.next(); record !== undefined && isRecord(record); record = await scan.next()) {
    const segment = segments.findLastIndex(({ offset }) => offset <= record.offset)
    const isKept = segment >= first && segment <= last && record.type <= recordTypes.checkpoint
    if (record.type === recordTypes.footer) break
    if (!isKept && !boundTo.has(record.type)) continue
    const bytes = encodeRecord(record.type, record.payload)
    if (record.type === recordTypes.final) {
      yield bytes
      const place = new Uint8Array(8)
      new DataView(place.buffer).setBigUint64(0, BigInt(at))
      yield encodeRecord(recordTypes.footer, place, cutFooterText)
      return
    }
    at += bytes.length
    yield bytes
  }
}

/** What every cut has of all of the recording. */
const boundTo: ReadonlySet<number> = new Set([recordTypes.header, recordTypes.segmentEnd, recordTypes.final])
