import type { Sodium } from '../../vault/auditors/sodium.ts'
import type { MadeReport, ReportDocument } from '../../vault/contract.ts'
import { fingerprintText, sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import { type Canonical, canonicalJson, fromBase64, toHex } from '../../vault/kernel/encoding.ts'
import { openCms, pemOf } from '../../vault/proof/cms.ts'
import { type Batch, verifyFound } from '../../vault/proof/found.ts'
import { parseLeaf } from '../../vault/proof/leaf.ts'
import type { IsSigned } from '../../vault/proof/note.ts'
import { producer } from './report-pdf.ts'
import { type PackedFile, readZip, writeZip, ZipError } from './zip.ts'

/** Report files (docs/report-format.md): made of what the vault signed, and verified from their bytes. Runs in browsers too. */

export type ReportVerdict = {
  readonly state: 'complete' | 'incomplete' | 'tampered'
  /** One sentence for people. */
  readonly sentence: string
  /** The file in it that is wrong. */
  readonly file?: string
  readonly at?: number
  readonly checks: readonly string[]
  readonly notes: readonly string[]
}

/** Draws the report again, from what was signed. */
export type Draw = (document: ReportDocument) => Promise<Uint8Array>

const names = {
  readme: 'README.txt',
  report: 'report.json',
  pdf: 'report.pdf',
  audit: 'audit.json',
  certificate: 'certificate.pem',
  signature: 'report.json.p7s',
} as const

const readme = `A report of Tagout.

report.pdf is for people; report.json is what the vault signed, and says the same. To check it:

  tagout verify REPORT.zip --key KEY        the KEY of the audit log, as the plant told you
  openssl cms -verify -binary -inform DER -in report.json.p7s -content report.json -CAfile certificate.pem -out /dev/null

audit.json holds the entries of the audit log that speak of this report and of the certificate, with the proofs that the log has
them. docs/report-format.md of Tagout says how to read everything without Tagout.
`

/** Makes a report file; answers its pieces in order. */
export async function makeReportFile(made: MadeReport, draw: Draw): Promise<readonly Uint8Array[]> {
  const { publicKey, checkpoint, leaves } = made
  const document = JSON.parse(made.document) as ReportDocument
  const audit = {
    format: 'tagout-audit-found',
    version: 1,
    asked: { report: document.report },
    publicKey,
    batches: [{ checkpoint, leaves }],
  }
  return [
    ...writeZip([
      textFile(names.readme, readme),
      textFile(names.report, made.document),
      { name: names.pdf, bytes: await draw(document) },
      textFile(names.audit, `${canonicalJson(audit as unknown as Canonical)}\n`),
      textFile(names.certificate, pemOf(fromBase64(made.certificate))),
      { name: names.signature, bytes: fromBase64(made.signature) },
    ]),
  ]
}

function textFile(name: string, text: string): PackedFile {
  return { name, bytes: new TextEncoder().encode(text) }
}

/** Whether an archive is a report's: by the files that it holds. */
export function isReportFile(archive: Uint8Array): boolean {
  // The first file of each has the same name; the second is the report, or the page of a package.
  const start = new TextDecoder('latin1').decode(archive.subarray(0, 4_000))
  return start.includes(names.report) || /^PK\u0003\u0004[\s\S]{26}README\.txtA report of Tagout/.test(start)
}

class Wrong extends Error {
  readonly file: string

  constructor(file: string, message: string) {
    super(message)
    this.file = file
  }
}

/** Verifies a report file with nothing but its bytes, and the key of the log where that is known. */
export async function verifyReportFile(
  sodium: Sodium,
  archive: Uint8Array,
  draw: Draw,
  logKey?: Uint8Array,
): Promise<ReportVerdict> {
  const checks: string[] = []
  const notes: string[] = []
  try {
    const drawn = await verifyParts(sodium, readZip(archive), draw, logKey, checks, notes)
    return drawn
      ? { state: 'complete', sentence: 'The report is complete and as it was signed.', checks, notes }
      : {
          state: 'incomplete',
          sentence: `The report is as it was signed; its PDF was drawn by another version, and nothing vouches for it: read ${names.report}.`,
          file: names.pdf,
          checks,
          notes,
        }
  } catch (error) {
    if (error instanceof ZipError)
      return {
        state: 'tampered',
        sentence: `The report was tampered with at byte ${error.at}: ${error.message}.`,
        at: error.at,
        checks,
        notes,
      }
    if (!(error instanceof Wrong)) throw error
    return {
      state: 'tampered',
      sentence: `The report was tampered with in ${error.file}: ${error.message}.`,
      file: error.file,
      checks,
      notes,
    }
  }
}

/** Answers whether the PDF could be compared. Throws `Wrong`. */
async function verifyParts(
  sodium: Sodium,
  packed: readonly PackedFile[],
  draw: Draw,
  logKey: Uint8Array | undefined,
  checks: string[],
  notes: string[],
): Promise<boolean> {
  const files = new Map(packed.map(({ name, bytes }) => [name, bytes]))
  const known: readonly string[] = Object.values(names)
  for (const [place, { name }] of packed.entries())
    if (known[place] !== name)
      throw new Wrong(name.slice(0, 60), 'it is not among the files of a report, or stands elsewhere')
  const bytesOf = (name: string) => {
    const bytes = files.get(name)
    if (bytes === undefined) throw new Wrong(name, 'the file is missing')
    return bytes
  }
  const textOf = (name: string) => {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(name))
    } catch (error) {
      if (error instanceof Wrong) throw error
      throw new Wrong(name, 'it is no text')
    }
  }
  for (const name of known) bytesOf(name)
  if (textOf(names.readme) !== readme) throw new Wrong(names.readme, 'it is not what stands in a report')

  const signed = await openCms(bytesOf(names.signature), bytesOf(names.report))
  if (signed === undefined) throw new Wrong(names.signature, `it does not sign ${names.report}`)
  const pem = pemOf(signed.certificate)
  if (textOf(names.certificate) !== pem)
    throw new Wrong(names.certificate, 'it is not the certificate that signed the report')
  checks.push(
    `${names.report} was signed at ${signed.signedAt.toISOString()} by the vault’s certificate ${fingerprintText(await sha256(signed.certificate))}`,
  )

  const entries = await verifyEntries(sodium, textOf(names.audit), logKey, notes)
  const certified = entries.find(
    ({ kind, entry }) =>
      kind === 'evidence.certificate' && pemOf(decoded(entry['certificate']) ?? new Uint8Array()) === pem,
  )
  if (certified === undefined) throw new Wrong(names.certificate, 'the audit log has no such certificate')
  const digest = toHex(await sha256(bytesOf(names.report)))
  const made = entries.find(({ kind, entry }) => kind === 'report.made' && entry['sha256'] === digest)
  if (made === undefined) throw new Wrong(names.report, 'the audit log does not say that it was made')
  checks.push(`entry ${certified.seq} of the audit log is the certificate’s, entry ${made.seq} this report’s`)

  const document = JSON.parse(textOf(names.report)) as ReportDocument
  const pdf = bytesOf(names.pdf)
  if (sameBytes(await draw(document), pdf)) {
    checks.push(`${names.pdf} says what ${names.report} says`)
    return true
  }
  if (new TextDecoder('latin1').decode(pdf).includes(`(${producer})`))
    throw new Wrong(names.pdf, `it does not say what ${names.report} says`)
  return false
}

type Entry = {
  readonly seq: number
  readonly kind: string
  readonly entry: Readonly<Record<string, unknown>>
}

async function verifyEntries(
  sodium: Sodium,
  text: string,
  logKey: Uint8Array | undefined,
  notes: string[],
): Promise<readonly Entry[]> {
  const { publicKey, batches } = auditOf(text)
  const fingerprint = fingerprintText(await sha256(publicKey))
  if (logKey !== undefined && !sameBytes(logKey, publicKey))
    throw new Wrong(names.audit, `the log was signed by another key (${fingerprint}) than the one given`)
  const isSigned: IsSigned = (message, signature) =>
    sodium.crypto_sign_verify_detached(signature, message, publicKey)
  const verified = await verifyFound(batches, publicKey, isSigned)
  if (!verified.ok) throw new Wrong(names.audit, verified.sentence)
  if (logKey === undefined)
    notes.push(`the audit log was signed by the key ${fingerprint}: compare it with what the plant told you`)
  return (batches[0] as Batch).leaves.flatMap(({ seq, body }) => {
    const { entry: bytes, unproven } = parseLeaf(fromBase64(body))
    if (unproven) return []
    const entry = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    return [{ seq, kind: String(entry['kind']), entry }]
  })
}

/** Its one writing: what is written otherwise is not what was made. */
function auditOf(text: string): { readonly publicKey: Uint8Array; readonly batches: readonly Batch[] } {
  const wrong = () => new Wrong(names.audit, 'it has not the form that it should have')
  let audit: { readonly publicKey?: unknown; readonly batches?: unknown }
  try {
    audit = JSON.parse(text) as typeof audit
    if (`${canonicalJson(audit as unknown as Canonical)}\n` !== text) throw wrong()
  } catch {
    throw wrong()
  }
  const publicKey = decoded(audit.publicKey)
  const { batches } = audit
  if (publicKey?.length !== 32 || !Array.isArray(batches) || batches.length !== 1) throw wrong()
  return { publicKey, batches: batches as readonly Batch[] }
}

function decoded(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return fromBase64(value)
  } catch {
    return undefined
  }
}
