import { type AuditorChain, verifyChain } from '../../vault/auditors/list.ts'
import type { Sodium } from '../../vault/auditors/sodium.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { fingerprintText, sameBytes, sha256 } from '../../vault/kernel/digest.ts'
import { type Canonical, canonicalJson, fromBase64, toBase64, toHex } from '../../vault/kernel/encoding.ts'
import { openCms, pemOf } from '../../vault/proof/cms.ts'
import { type Batch, verifyFound } from '../../vault/proof/found.ts'
import { parseLeaf } from '../../vault/proof/leaf.ts'
import { type Checkpoint, type IsSigned, openNote } from '../../vault/proof/note.ts'
import { openTimestamp } from '../../vault/proof/timestamp.ts'
import { isConsistent } from '../../vault/proof/tree.ts'
import { clockText } from '../replay/clock-text.ts'
import { ReplayError, Replay } from '../replay/replay.ts'
import { memorySource } from '../replay/source.ts'
import { readEnd, readHeader, readStructure } from '../replay/structure.ts'
import { type Known, type RecordingVerdict, verifyRecording } from '../replay/verify.ts'
import { type EvidenceFacts, type OpenKey, recordingKeyOf } from './facts.ts'
import { type PackedFile, readZip, ZipError } from './zip.ts'

/** Verifying an evidence package (docs/evidence-format.md), with nothing but its bytes. Runs in browsers too. */

export type ProvenEntry = {
  readonly seq: number
  readonly kind: string
  readonly at: string
  readonly entry: Readonly<Record<string, unknown>>
}

export type EvidenceVerdict = {
  readonly state: 'complete' | 'incomplete' | 'tampered'
  /** One sentence for people. */
  readonly sentence: string
  /** The file of the package that is wrong, and the byte in it, or in the package where that is not known. */
  readonly file?: string
  readonly at?: number
  readonly segment?: number
  readonly time?: number
  /** What was found in order, one sentence each. */
  readonly checks: readonly string[]
  /** What the package cannot prove by itself. */
  readonly notes: readonly string[]
  readonly facts?: EvidenceFacts
  readonly entries: readonly ProvenEntry[]
  readonly recording?: RecordingVerdict
  readonly signedAt?: string
  readonly certificate?: string
  readonly logKey?: string
}

export type VerifyPackageOptions = {
  /** The audit log's key, known from elsewhere. */
  readonly logKey?: Uint8Array | undefined
  /** Opens what is sealed with a passphrase. */
  readonly open?: ((facts: EvidenceFacts) => Promise<OpenKey | undefined>) | undefined
  readonly onProgress?: ((done: number, size: number) => void) | undefined
}

class Wrong extends Error {
  readonly file: string
  readonly at: number
  readonly verdict: RecordingVerdict | undefined

  constructor(file: string, at: number, message: string, verdict?: RecordingVerdict) {
    super(message)
    this.file = file
    this.at = at
    this.verdict = verdict
  }
}

type Found = {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly checks: string[]
  readonly notes: string[]
  entries: readonly ProvenEntry[]
  facts?: EvidenceFacts
  recording?: RecordingVerdict
  signedAt?: string
  certificate?: string
  logKey?: string
}

/** Verifies a package from its bytes. */
export async function verifyPackage(
  sodium: Sodium,
  archive: Uint8Array,
  options: VerifyPackageOptions = {},
): Promise<EvidenceVerdict> {
  let packed: readonly PackedFile[]
  try {
    packed = readZip(archive)
  } catch (error) {
    if (!(error instanceof ZipError)) throw error
    return {
      state: 'tampered',
      sentence: `The package was tampered with at byte ${error.at}: ${error.message}.`,
      at: error.at,
      checks: [],
      notes: [],
      entries: [],
    }
  }
  const found: Found = {
    files: new Map(packed.map(({ name, bytes }) => [name, bytes])),
    checks: [],
    notes: [],
    entries: [],
  }
  return judged(found, async () => {
    await checkList(found, packed)
    await checkSignature(found)
    await checkStamp(found)
    await verifyContents(sodium, found, options)
  })
}

/**
 * Verifies what a package proves, from its files without their signed list: what the page within it does, which has
 * the files and neither list nor signature.
 */
export async function verifyFiles(
  sodium: Sodium,
  files: ReadonlyMap<string, Uint8Array>,
  options: VerifyPackageOptions = {},
): Promise<EvidenceVerdict> {
  const found: Found = { files, checks: [], notes: [], entries: [] }
  return judged(found, () => verifyContents(sodium, found, options))
}

async function judged(found: Found, check: () => Promise<void>): Promise<EvidenceVerdict> {
  const rest = () => {
    const { checks, notes, entries, facts, recording, signedAt, certificate, logKey } = found
    return {
      checks,
      notes,
      entries,
      ...(facts === undefined ? {} : { facts }),
      ...(recording === undefined ? {} : { recording }),
      ...(signedAt === undefined ? {} : { signedAt }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(logKey === undefined ? {} : { logKey }),
    }
  }
  try {
    await check()
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    const { file, at, verdict } = error
    const { segment, time } = verdict ?? {}
    return {
      state: 'tampered',
      sentence: `The package was tampered with in ${file}: ${error.message}${verdict === undefined ? '.' : ''}`,
      file,
      at,
      ...(segment === undefined ? {} : { segment }),
      ...(time === undefined ? {} : { time }),
      ...rest(),
    }
  }
  const { recording } = found
  return recording?.state === 'incomplete'
    ? { state: 'incomplete', sentence: `The package is as it was signed. ${recording.sentence}`, ...rest() }
    : {
        state: 'complete',
        sentence: `The package is complete and as it was signed. ${recording?.sentence ?? ''}`,
        ...rest(),
      }
}

async function checkList({ files, checks }: Found, packed: readonly PackedFile[]): Promise<void> {
  const list = 'SHA256SUMS'
  const lines = textOf(files, list).split('\n')
  const listed = new Map<string, string>()
  for (const [at, line] of lines.slice(0, -1).entries()) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}([A-Za-z0-9.-]{1,60})$/.exec(line) ?? []
    if (sum === undefined || name === undefined || listed.has(name))
      throw new Wrong(list, lines.slice(0, at).join('\n').length, 'a line is none of sha256sum')
    listed.set(name, sum)
  }
  if (lines.at(-1) !== '') throw new Wrong(list, lines.join('\n').length, 'its last line is cut short')
  for (const [name, sum] of listed) {
    const bytes = files.get(name)
    if (bytes === undefined) throw new Wrong(name, 0, 'the file is missing')
    if (toHex(await sha256(bytes)) !== sum)
      throw new Wrong(name, 0, 'it is not the file that was listed and signed')
  }
  const beside = new Set([list, 'SHA256SUMS.p7s', 'SHA256SUMS.tsr'])
  for (const { name } of packed)
    if (!listed.has(name) && !beside.has(name))
      throw new Wrong(name, 0, 'the file was added: nobody signed it')
  checks.push(`all ${listed.size} files are those of the signed list`)
}

async function checkSignature(found: Found): Promise<void> {
  const { files, checks } = found
  const name = 'SHA256SUMS.p7s'
  const signed = await openCms(bytesOf(files, name), bytesOf(files, 'SHA256SUMS'))
  if (signed === undefined) throw new Wrong(name, 0, 'it does not sign the list of files')
  if (textOf(files, 'certificate.pem') !== pemOf(signed.certificate))
    throw new Wrong('certificate.pem', 0, 'it is not the certificate that signed the list of files')
  found.signedAt = signed.signedAt.toISOString()
  found.certificate = fingerprintText(await sha256(signed.certificate))
  checks.push(`the list was signed at ${found.signedAt} by the vault’s certificate ${found.certificate}`)
}

async function checkStamp({ files, checks, notes }: Found): Promise<void> {
  const name = 'SHA256SUMS.tsr'
  const [answer, certificates] = [files.get(name), files.has('timestamp.pem')]
  if (answer === undefined) {
    if (certificates)
      notes.push('the time-stamper was away when it was made: no time-stamp says when it was there')
    return
  }
  const stamped = certificates
    ? await openTimestamp(answer, bytesOf(files, 'SHA256SUMS.p7s'), textOf(files, 'timestamp.pem'))
    : undefined
  if (stamped === undefined) throw new Wrong(name, 0, 'it is no time-stamp of the signature')
  checks.push(`a time-stamper saw the signature at ${stamped.time.toISOString()}`)
}

async function verifyContents(sodium: Sodium, found: Found, options: VerifyPackageOptions): Promise<void> {
  const facts = factsOf(found)
  found.facts = facts
  const point = await checkEntries(sodium, found, options)
  await checkCertificate(found)
  const chain = await checkAuditors(sodium, found)
  await checkRecording(sodium, found, facts, point, chain, options)
}

function factsOf({ files }: Found): EvidenceFacts {
  const file = 'evidence.json'
  const facts = jsonOf(files, file) as unknown as EvidenceFacts
  const isFacts =
    facts.format === 'tagout-evidence' &&
    facts.version === 1 &&
    typeof facts.recording === 'string' &&
    typeof facts.session === 'string' &&
    Array.isArray(facts.consistency) &&
    typeof facts.key === 'object'
  if (!isFacts) throw new Wrong(file, 0, 'it has not the form that it should have')
  return facts
}

async function checkEntries(
  sodium: Sodium,
  found: Found,
  { logKey }: VerifyPackageOptions,
): Promise<Checkpoint> {
  const file = 'audit.json'
  const audit = jsonOf(found.files, file)
  const key = decoded(audit['publicKey'])
  const batches = audit['batches'] as readonly Batch[]
  if (key?.length !== 32 || !Array.isArray(batches) || batches.length !== 1)
    throw new Wrong(file, 0, 'it has not the form that it should have')
  found.logKey = fingerprintText(await sha256(key))
  if (logKey !== undefined && !sameBytes(logKey, key))
    throw new Wrong(file, 0, `the log was signed by another key (${found.logKey}) than the one given`)
  const isSigned: IsSigned = (message, signature) =>
    sodium.crypto_sign_verify_detached(signature, message, key)
  const verified = await verifyFound(batches, key, isSigned)
  if (!verified.ok) throw new Wrong(file, verified.at, verified.sentence)
  const [batch] = batches
  const point = await openNote(batch?.checkpoint ?? '', key, isSigned)
  if (batch === undefined || point === undefined) throw new Wrong(file, 0, 'its checkpoint does not open')
  found.entries = (batch as Batch).leaves.flatMap((leaf) => entryOf(leaf.seq, leaf.body))
  found.checks.push(
    `${verified.leaves} entries are in the audit log of ${point.origin} as it was signed at ${point.time}`,
  )
  if (logKey === undefined)
    found.notes.push(
      `the audit log was signed by the key ${found.logKey}: compare it with what the plant told you`,
    )
  return point
}

/** An entry that somebody vouches for. */
function entryOf(seq: number, body: string): readonly ProvenEntry[] {
  const { entry: bytes, unproven } = parseLeaf(fromBase64(body))
  if (unproven) return []
  const entry = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  return [{ seq, kind: String(entry['kind']), at: String(entry['at']), entry }]
}

async function checkCertificate({ files, entries, checks }: Found): Promise<void> {
  const pem = textOf(files, 'certificate.pem')
  const logged = entries.find(
    ({ kind, entry }) =>
      kind === 'evidence.certificate' && pemOf(decoded(entry['certificate']) ?? new Uint8Array()) === pem,
  )
  if (logged === undefined) throw new Wrong('certificate.pem', 0, 'the audit log has no such certificate')
  checks.push(`entry ${logged.seq} of the audit log is the certificate’s`)
}

async function checkAuditors(sodium: Sodium, { files, checks }: Found): Promise<AuditorChain> {
  const file = 'auditors.json'
  const links = jsonOf(files, file) as unknown as readonly AuditorListLink[]
  const chain = await verifyChain(sodium, links).catch(() => undefined)
  if (chain === undefined || !chain.ok)
    throw new Wrong(file, 0, chain === undefined ? 'it is no chain of lists' : chain.refusal.message)
  checks.push(`the auditors’ lists 1 to ${chain.value.current.version} follow one on the other`)
  return chain.value
}

async function checkRecording(
  sodium: Sodium,
  found: Found,
  facts: EvidenceFacts,
  point: Checkpoint,
  chain: AuditorChain,
  options: VerifyPackageOptions,
): Promise<void> {
  const { files, entries, checks } = found
  const file = facts.cut === null ? 'recording.tgr' : 'recording.tgc'
  const bytes = files.get(file)
  const started = entries.find(
    ({ kind, entry }) => kind === 'session.started' && entry['recording'] === facts.recording,
  )
  if (started === undefined) throw new Wrong('audit.json', 0, 'it has no start of this session')
  if (bytes === undefined) {
    found.notes.push(`${file} is beside this page: choose it, and it is verified as well`)
    return
  }
  const known: Known = {
    publicKey: decoded(started.entry['publicKey']) ?? new Uint8Array(),
    headerHash: decoded(started.entry['headerHash']) ?? new Uint8Array(),
    checkpoints: entries
      .filter(({ kind, entry }) => kind === 'session.checkpoint' && entry['recording'] === facts.recording)
      .map(({ entry }) => ({
        checkpoint: decoded(entry['checkpoint']) ?? new Uint8Array(),
        signature: decoded(entry['signature']) ?? new Uint8Array(),
      })),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  }
  const source = memorySource(bytes)
  const verdict = await verifyRecording(sodium, source, known)
  if (verdict.state === 'tampered' || verdict.header === undefined)
    throw new Wrong(file, verdict.at ?? 0, verdict.sentence, verdict)
  found.recording = verdict
  checks.push(`the recording is the one whose start is entry ${started.seq} of the audit log`)
  const { header } = verdict
  if ((verdict.cut === undefined) !== (facts.cut === null) || header.session !== facts.session)
    throw new Wrong('evidence.json', 0, 'it speaks of another recording')
  if (verdict.cut !== undefined && (verdict.cut.from !== facts.cut?.from || verdict.cut.to !== facts.cut.to))
    throw new Wrong('evidence.json', 0, 'it says of another part of the recording that it is in the package')
  const read = await readHeader(sodium, source)
  const ended = entries.find(
    ({ kind, entry }) => kind === 'session.ended' && entry['recording'] === facts.recording,
  )
  const root = (await readEnd(sodium, source, read))?.body.root
  if (ended !== undefined && root !== undefined && typeof ended.entry['root'] === 'string') {
    if (decoded(ended.entry['root']) === undefined || ended.entry['root'] !== root)
      throw new Wrong(
        file,
        bytes.length,
        `entry ${ended.seq} of the audit log has another end of this recording`,
      )
    checks.push(`its end is the one in entry ${ended.seq} of the audit log`)
  }
  if (header.auditors.version > chain.current.version)
    throw new Wrong('auditors.json', 0, 'it lacks the list that the recording is sealed to')
  await checkGrowth(sodium, found, header.auditCheckpoint, point, facts)
  await checkKey(sodium, found, facts, options, source)
}

/** That the log of today begins with the one that the recording's header names. */
async function checkGrowth(
  sodium: Sodium,
  found: Found,
  earlier: string,
  point: Checkpoint,
  facts: EvidenceFacts,
): Promise<void> {
  const key = decoded(jsonOf(found.files, 'audit.json')['publicKey']) as Uint8Array
  const before = await openNote(earlier, key, (message, signature) =>
    sodium.crypto_sign_verify_detached(signature, message, key),
  )
  if (before === undefined)
    throw new Wrong('audit.json', 0, 'it is not the log that the recording’s header names')
  const proof = facts.consistency.map((hash) => decoded(hash) ?? new Uint8Array())
  if (!(await isConsistent(before.size, before.root, point.size, point.root, proof)))
    throw new Wrong(
      'evidence.json',
      0,
      'the log does not begin with the one that the recording’s header names',
    )
  found.checks.push(
    `the log of ${point.size} entries begins with the ${before.size} that it had when the session began`,
  )
}

async function checkKey(
  sodium: Sodium,
  found: Found,
  facts: EvidenceFacts,
  { open }: VerifyPackageOptions,
  source: ReturnType<typeof memorySource>,
): Promise<void> {
  const key = facts.key.kind === 'passphrase' ? await open?.(facts) : facts.key
  if (key === undefined) {
    found.notes.push('what it shows is sealed with a passphrase, and was not opened')
    return
  }
  const structure = await readStructure(sodium, source)
  if (!structure.ok) throw new Wrong('evidence.json', 0, structure.refusal.message)
  let frames = 0
  let at = 0
  try {
    for await (const frame of new Replay(source, structure.value, recordingKeyOf(key)).frames()) {
      frames += 1
      at = frame.at
    }
  } catch (error) {
    if (!(error instanceof ReplayError) && !(error instanceof TypeError)) throw error
    throw new Wrong('evidence.json', 0, 'the key in it does not open the recording')
  }
  found.checks.push(`its key opens all of it: ${frames} frames up to ${clockText(at)}`)
}

function bytesOf(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(name)
  if (bytes === undefined) throw new Wrong(name, 0, 'the file is missing')
  return bytes
}

function textOf(files: ReadonlyMap<string, Uint8Array>, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(files, name))
  } catch (error) {
    if (error instanceof Wrong) throw error
    throw new Wrong(name, 0, 'it is no text')
  }
}

/** A file of canonical JSON and a line end. */
function jsonOf(files: ReadonlyMap<string, Uint8Array>, name: string): Record<string, unknown> {
  const text = textOf(files, name)
  try {
    const value = JSON.parse(text) as Record<string, unknown>
    if (typeof value === 'object' && value !== null && `${canonicalJson(value as Canonical)}\n` === text)
      return value
  } catch {
    // Told below.
  }
  throw new Wrong(name, 0, 'it is not canonical json')
}

function decoded(value: unknown): Uint8Array | undefined {
  try {
    const bytes = typeof value === 'string' ? fromBase64(value) : undefined
    return bytes !== undefined && toBase64(bytes) === value ? bytes : undefined
  } catch {
    return undefined
  }
}
