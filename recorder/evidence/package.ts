import type { VerbAnswer } from '../../vault/contract.ts'
import { sha256 } from '../../vault/kernel/digest.ts'
import { type Canonical, canonicalJson, fromBase64, toBase64, toHex } from '../../vault/kernel/encoding.ts'
import { pemOf } from '../../vault/proof/cms.ts'
import { concat } from '../../vault/proof/der.ts'
import { readNote } from '../../vault/proof/note.ts'
import { type CutRange, cutRange, writeCut } from '../replay/cut.ts'
import { type RecordingKey, segmentKey } from '../replay/replay.ts'
import type { ByteSource } from '../replay/source.ts'
import type { RecordingStructure } from '../replay/structure.ts'
import { type EvidenceFacts, openKeyOf, sealKey } from './facts.ts'
import { type PackedFile, readZip, writeZip } from './zip.ts'

/** Making an evidence package (docs/evidence-format.md), by whoever has the recording's key. Runs in browsers too. */

export type Gathered = VerbAnswer<'evidence.gather'>

export type PackageParts = {
  readonly source: ByteSource
  readonly structure: RecordingStructure
  readonly key: Uint8Array
  readonly gathered: Gathered
  readonly madeBy: string
  readonly madeAt: Date
  /** Nanoseconds; all of the recording if left out. */
  readonly range?: { readonly from: number; readonly to: number } | undefined
  readonly passphrase?: string | undefined
  /** The page that plays and verifies it: `web/dist/evidence.html`. */
  readonly viewer: string
  readonly sign: (
    list: string,
    cut: { readonly from: number; readonly to: number } | undefined,
    opens: 'openly' | 'passphrase',
  ) => Promise<string>
  /** A time-stamp (RFC 3161) of what is signed, where there is a time-stamper. */
  readonly stamp?: ((signature: Uint8Array) => Promise<Uint8Array | undefined>) | undefined
  /** Certificates of the time-stamper and who certified it. */
  readonly stampCertificates?: string | undefined
  readonly onProgress?: ((done: number, size: number) => void) | undefined
}

/** Larger recordings are packaged in cuts: all of a package is in memory once. */
export const mostPackaged = 1024 * 1024 * 1024
/** Up to here the page has the recording within it; a larger one is opened from beside it. */
export const mostEmbedded = 48 * 1024 * 1024

/** The time-stamp of a package, over `SHA256SUMS.p7s`. */
export const stampFile = 'SHA256SUMS.tsr'

/** Where the page has its data: the line is replaced. */
export const dataMark = '<!--tagout-evidence-->'

/** The size of the log that a recording's header names. */
export function sizeInHeader({ header }: RecordingStructure): number {
  return readNote(header.auditCheckpoint)?.size ?? 0
}

/** The segments of a cut. Of a desktop it begins where the picture is whole: `keyframes` are the times of whole pictures. */
export function rangeOf(
  structure: RecordingStructure,
  { from, to }: { readonly from: number; readonly to: number },
  keyframes: readonly number[] = [],
): CutRange | undefined {
  const isDesktop = structure.header.target.protocol !== 'ssh'
  return cutRange(structure, isDesktop ? (keyframes.findLast((at) => at <= from) ?? 0) : from, to)
}

/** Makes a package; answers its pieces in order. Throws `RangeError` for what cannot be packaged. */
export async function makePackage(
  parts: PackageParts,
  range: CutRange | undefined,
): Promise<readonly Uint8Array[]> {
  const { structure, gathered } = parts
  const { header, segments, final } = structure
  const recording = range === undefined ? await whole(parts) : await cutBytes(parts, range)
  const name = range === undefined ? 'recording.tgr' : 'recording.tgc'
  const key = openKeyOf(await keyOf(parts, range))
  const cut =
    range === undefined
      ? undefined
      : {
          from: range.first === 0 ? 0 : (segments[range.first]?.at ?? 0),
          to: segments[range.last + 1]?.at ?? final?.duration ?? structure.duration,
        }
  const facts: EvidenceFacts = {
    format: 'tagout-evidence',
    version: 1,
    recording: header.recording,
    session: header.session,
    madeAt: parts.madeAt.toISOString(),
    madeBy: parts.madeBy,
    cut: cut ?? null,
    key: parts.passphrase === undefined ? key : await sealKey(header.recording, key, parts.passphrase),
    consistency: gathered.consistency,
  }
  const { leaves, checkpoint, publicKey } = gathered
  const data: PackedFile[] = [
    jsonFile('audit.json', {
      format: 'tagout-audit-found',
      version: 1,
      asked: { session: header.session },
      publicKey,
      batches: [{ checkpoint, leaves }],
    }),
    jsonFile('auditors.json', gathered.auditorLists),
    textFile('certificate.pem', pemOf(fromBase64(gathered.certificate))),
    jsonFile('evidence.json', facts),
    { name, bytes: recording },
  ]
  if (parts.stampCertificates !== undefined) data.push(textFile('timestamp.pem', parts.stampCertificates))
  const files = [
    textFile('README.txt', howToCheck(parts.stampCertificates !== undefined)),
    textFile('index.html', page(parts.viewer, data)),
    ...data,
  ]
  let list = ''
  for (const file of files) list += `${toHex(await sha256(file.bytes))}  ${file.name}\n`
  const signature = fromBase64(
    await parts.sign(list, cut, parts.passphrase === undefined ? 'openly' : 'passphrase'),
  )
  files.push(textFile('SHA256SUMS', list), { name: 'SHA256SUMS.p7s', bytes: signature })
  const stamp = await parts.stamp?.(signature)
  if (stamp !== undefined) files.push({ name: stampFile, bytes: stamp })
  return [...writeZip(files)]
}

/** The same package with a time-stamp of its signature, which is beside what is signed: it may come later. */
export function withStamp(archive: Uint8Array, stamp: Uint8Array): readonly Uint8Array[] {
  return [...writeZip([...readZip(archive), { name: stampFile, bytes: stamp }])]
}

async function whole({ source, onProgress }: PackageParts): Promise<Uint8Array> {
  if (source.size > mostPackaged)
    throw new RangeError('this recording is too large for one package: make packages of parts of it')
  const bytes = new Uint8Array(source.size)
  const step = 1024 * 1024
  for (let at = 0; at < bytes.length; at += step) {
    const piece = await source.read(at, Math.min(step, bytes.length - at))
    if (piece.length === 0) throw new RangeError('the recording ends before its end: try again')
    bytes.set(piece, at)
    onProgress?.(at + piece.length, bytes.length)
  }
  return bytes
}

async function cutBytes(
  { source, structure, onProgress }: PackageParts,
  range: CutRange,
): Promise<Uint8Array> {
  if (structure.final === null)
    throw new RangeError(
      'a recording that was not closed in order has no end to prove a cut by: package all of it',
    )
  const pieces: Uint8Array[] = []
  let size = 0
  const expected = structure.segments[range.last]?.end ?? source.size
  for await (const piece of writeCut(source, structure, range)) {
    pieces.push(piece.slice())
    size += piece.length
    if (size > mostPackaged) throw new RangeError('this part is too large for one package: make it shorter')
    onProgress?.(Math.min(size, expected), expected)
  }
  return concat(...pieces)
}

async function keyOf({ key, structure }: PackageParts, range: CutRange | undefined): Promise<RecordingKey> {
  if (range === undefined) return key
  const keys = new Map<number, Uint8Array>()
  for (let segment = range.first; segment <= range.last; segment += 1)
    keys.set(segment, (await segmentKey(key, structure.headerHash, segment)) as Uint8Array)
  return keys
}

/** The page with all files that it needs within it, in base64: nothing of them is markup. */
function page(viewer: string, data: readonly PackedFile[]): string {
  if (!viewer.includes(dataMark)) throw new TypeError('the page of a package has no place for its data')
  const blocks = data
    .filter(({ bytes }) => bytes.length <= mostEmbedded)
    .map(
      ({ name, bytes }) =>
        `<script type="application/octet-stream" data-file="${name}">${toBase64(bytes)}</script>`,
    )
  return viewer.replace(dataMark, () => blocks.join('\n'))
}

function jsonFile(name: string, value: object): PackedFile {
  return textFile(name, `${canonicalJson(value as unknown as Canonical)}\n`)
}

function textFile(name: string, text: string): PackedFile {
  return { name, bytes: new TextEncoder().encode(text) }
}

function howToCheck(isStamped: boolean): string {
  return `An evidence package of Tagout.

To see it: unpack it, and open index.html in a browser. It needs no network.

A page cannot vouch for itself. To check the package with programs that you have from elsewhere:

  tagout verify PACKAGE.zip --key KEY        the KEY of the audit log, as the plant told you
  sha256sum -c SHA256SUMS
  openssl cms -verify -binary -inform DER -in SHA256SUMS.p7s -content SHA256SUMS -CAfile certificate.pem -out /dev/null
${isStamped ? '  openssl ts -verify -data SHA256SUMS.p7s -in SHA256SUMS.tsr -CAfile timestamp.pem -untrusted timestamp.pem\n' : ''}
audit.json holds the entries of the audit log about the session, each with the proof that the log has it;
one of them is the certificate. docs/evidence-format.md of Tagout says how to read everything without Tagout.
`
}
