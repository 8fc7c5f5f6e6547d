import { resolve } from 'node:path'
import { z } from 'zod'
import { mostPackaged, verifyPackage } from '../../recorder/evidence/index.ts'
import { isReportFile, verifyReportFile } from '../../recorder/evidence/report.ts'
import { type ByteSource, type Known, verifyRecording } from '../../recorder/replay/index.ts'
import { cutPreamble, preamble } from '../../recorder/replay/record.ts'
import { sameBytes } from '../../vault/kernel/digest.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { parseLeaf } from '../../vault/proof/leaf.ts'
import { keyBytes, verifyExport } from './audit-export.ts'
import { Complaint, misuse } from './complaint.ts'
import { fileSource } from './recording-source.ts'
import { checkpointEntry, startedEntry } from './recording-verify.ts'
import { loadSodium } from './sodium.ts'
import { readTombstone, tombstoneEntry, tombstoneFile } from './tombstone.ts'
import type { Tools } from './tools.ts'

/** What `tagout verify` says of a file. */
export type FileVerdict = {
  readonly kind: 'recording' | 'cut' | 'package' | 'report' | 'tombstone' | 'audit log' | 'audit entries'
  readonly state: 'complete' | 'incomplete' | 'tampered'
  readonly sentence: string
  /** What is wrong first: a byte of the file, or an entry of the log. */
  readonly at?: number
  readonly segment?: number
  /** Nanoseconds of the session up to which all is in order. */
  readonly time?: number
  /** Of a package: the file in it that is wrong. */
  readonly file?: string
  /** Of a package: what is in order, a sentence each. */
  readonly checks?: readonly string[]
  /** What the file alone cannot prove. */
  readonly notes: readonly string[]
}

export type VerifyOptions = { readonly key?: string; readonly audit?: string }

/** The longest text that is read at once. */
const mostText = 512 * 1024 * 1024

/** Verifies a file by what it is. Needs nothing but the file, and what is given beside it. */
export async function verifyFile(tools: Tools, file: string, options: VerifyOptions): Promise<FileVerdict> {
  await using source = await fileSource(resolve(tools.io.cwd, file))
  const start = await source.read(0, 12)
  if ([preamble, cutPreamble].some((known) => sameBytes(start.subarray(0, 4), known.subarray(0, 4))))
    return await verifyRecordingFile(tools, source, options)
  const text = sameBytes(start.subarray(0, 2), zipMark) ? undefined : await textOf(source)
  if (text !== undefined && /^\s*\{\s*"content"\s*:/.test(text.slice(0, 200)))
    return await verifyTombstone(tools, text, options)
  if (options.audit !== undefined) throw misuse('--audit goes with a recording or a tombstone')
  return text === undefined ? await verifyPackageFile(source, options) : await verifyText(text, options)
}

async function verifyRecordingFile(
  tools: Tools,
  source: ByteSource,
  { audit, key }: VerifyOptions,
): Promise<FileVerdict> {
  if (key !== undefined && audit === undefined)
    throw misuse('--key is the audit log’s, and goes with --audit for a recording')
  const sodium = await loadSodium()
  const alone = await verifyRecording(sodium, source)
  const { header, chunks: _chunks, duration: _duration, ...verdict } = alone
  const kind = (await source.read(2, 1))[0] === cutPreamble[2] ? 'cut' : 'recording'
  if (alone.state === 'tampered' || header === undefined || audit === undefined)
    return {
      kind,
      ...verdict,
      notes:
        alone.state === 'tampered'
          ? []
          : [
              'whether it was made up whole, or cut off, the audit log alone tells: give an export of it with --audit',
            ],
    }
  const log = await verifyText(await tools.readText(audit), key === undefined ? {} : { key })
  if (log.state === 'tampered')
    throw new Complaint(`${audit}: ${log.sentence}`, 'compare it with an earlier export before you trust it')
  const known = knownIn(await tools.readText(audit), header.recording)
  if (known === undefined)
    return {
      kind,
      state: 'tampered',
      sentence: 'the audit log has no start of this session, so nothing vouches for the recording',
      notes: [],
    }
  const {
    header: _header,
    chunks: _all,
    duration: _long,
    ...anchored
  } = await verifyRecording(sodium, source, known)
  return { kind, ...anchored, notes: log.notes }
}

/** `PK`: what begins so and is no package was one, or is another zip, and is told so either way. */
const zipMark = Uint8Array.of(0x50, 0x4b)

async function verifyPackageFile(source: ByteSource, { key }: VerifyOptions): Promise<FileVerdict> {
  if (source.size > mostPackaged * 2) throw misuse('the file is too large for an evidence package')
  const logKey = key === undefined ? undefined : keyBytes(key)
  const archive = await source.read(0, source.size)
  if (isReportFile(archive)) {
    const { drawReport } = await import('./report-draw.ts')
    return { kind: 'report', ...(await verifyReportFile(await loadSodium(), archive, drawReport, logKey)) }
  }
  const verdict = await verifyPackage(await loadSodium(), archive, { logKey })
  const { state, sentence, checks, notes, file, at, segment, time } = verdict
  return {
    kind: 'package',
    state,
    sentence,
    ...(file === undefined ? {} : { file }),
    ...(at === undefined ? {} : { at }),
    ...(segment === undefined ? {} : { segment }),
    ...(time === undefined ? {} : { time }),
    checks,
    notes,
  }
}

/** What is left of a recording. That its certificate is the right one, and that two people were asked, the log alone tells. */
async function verifyTombstone(
  tools: Tools,
  text: string,
  { audit, key }: VerifyOptions,
): Promise<FileVerdict> {
  if (key !== undefined && audit === undefined)
    throw misuse('--key is the audit log’s, and goes with --audit for a tombstone')
  const tampered = (sentence: string): FileVerdict => ({
    kind: 'tombstone',
    state: 'tampered',
    sentence,
    notes: [],
  })
  const parsed = tombstoneFile.safeParse(jsonOf(text))
  const read = parsed.success ? await readTombstone(parsed.data.content, parsed.data.signature) : undefined
  if (!parsed.success || read === undefined)
    return tampered('this is no tombstone that a vault has signed: it was changed, or made up')
  const found = { kind: 'tombstone', state: 'complete', sentence: read.sentence } as const
  if (audit === undefined)
    return {
      ...found,
      notes: [
        `it is signed by the certificate ${read.fingerprint}; whether that is the installation’s its audit log tells: give an export of it with --audit`,
      ],
    }
  const exported = await tools.readText(audit)
  const log = await verifyText(exported, key === undefined ? {} : { key })
  if (log.state === 'tampered')
    throw new Complaint(`${audit}: ${log.sentence}`, 'compare it with an earlier export before you trust it')
  const isKnown = entriesIn(exported).some((entry) => {
    const known = tombstoneEntry.safeParse(entry)
    return known.success && known.data.content === parsed.data.content
  })
  return isKnown
    ? { ...found, notes: log.notes }
    : tampered('the audit log has no such tombstone, so nothing vouches for it')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function verifyText(text: string, { key }: VerifyOptions): Promise<FileVerdict> {
  const form = formOf(text)
  if (form === undefined)
    throw misuse(
      'this is no recording, no cut of one, and no export of the audit log',
      'see what can be verified with: tagout verify --help',
    )
  if (form === 'export') {
    throw misuse(
      'this is an export of a recording for other players, which nothing signs',
      'verify the recording that it was made from, or an evidence package',
    )
  }
  const { ok, sentence, at } = await verifyExport(text, key)
  return {
    kind: form,
    state: ok ? 'complete' : 'tampered',
    sentence,
    ...(at === undefined ? {} : { at }),
    notes: [],
  }
}

/** Whatever says that it is of the audit log is verified as such: a form that was changed is tampering, not another file. */
function formOf(text: string): 'audit log' | 'audit entries' | 'export' | undefined {
  const head = text.slice(0, 4_000)
  if (/^\s*\{\s*"version"\s*:\s*[23]\s*,/.test(head)) return 'export'
  if (/^\d{1,4}\.[a-z]{2,12}[,;]/.test(head)) return 'export'
  if (head.includes('tagout-audit-export')) return 'audit log'
  return head.includes('tagout-audit-found') ? 'audit entries' : undefined
}

async function textOf(source: ByteSource): Promise<string> {
  if (source.size > mostText) throw misuse('the file is too large for an export of the audit log')
  const bytes = await source.read(0, source.size)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return ''
  }
}

const leavesForm = z.looseObject({
  leaves: z.array(z.looseObject({ body: z.string() })).optional(),
  batches: z.array(z.looseObject({ leaves: z.array(z.looseObject({ body: z.string() })) })).optional(),
})

/** The entries of an export that was verified. SECURITY: what nobody vouches for is none. */
function entriesIn(text: string): readonly unknown[] {
  const { leaves, batches } = leavesForm.parse(JSON.parse(text))
  return (leaves ?? batches?.flatMap((batch) => batch.leaves) ?? []).flatMap(({ body }): unknown[] => {
    const leaf = parseLeaf(fromBase64(body))
    return leaf.unproven ? [] : [JSON.parse(new TextDecoder().decode(leaf.entry))]
  })
}

/** The session's key, header hash and checkpoints, from an export that was verified. */
function knownIn(text: string, recording: string): Known | undefined {
  let started: z.infer<typeof startedEntry> | undefined
  const checkpoints: NonNullable<Known['checkpoints']>[number][] = []
  for (const entry of entriesIn(text)) {
    const kind = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'kind') : undefined
    if (kind === 'session.started') {
      const parsed = startedEntry.safeParse(entry)
      if (parsed.success && parsed.data.recording === recording) started ??= parsed.data
    } else if (kind === 'session.checkpoint') {
      const parsed = checkpointEntry.safeParse(entry)
      if (parsed.success && parsed.data.recording === recording)
        checkpoints.push({
          checkpoint: fromBase64(parsed.data.checkpoint),
          signature: fromBase64(parsed.data.signature),
        })
    }
  }
  if (started === undefined) return undefined
  return { publicKey: fromBase64(started.publicKey), headerHash: fromBase64(started.headerHash), checkpoints }
}
