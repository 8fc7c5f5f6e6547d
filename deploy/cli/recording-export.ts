import { randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type ByteSource,
  type Known,
  openRecordingKey,
  Replay,
  readStructure,
  toAsciicast,
  toGuac,
  toPcap,
  toText,
  verifyRecording,
} from '../../recorder/replay/index.ts'
import { type GroupKeys, openGroupKeys } from '../../vault/auditors/index.ts'
import { toBase64 } from '../../vault/kernel/encoding.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { asListed, logInAsAuditor, openRecovery, verifiedChain, withIdentity } from './auditor-identity.ts'
import { Complaint, refused } from './complaint.ts'
import type { ExportForm } from './export-form.ts'
import { writeFilm } from './recording-film.ts'
import { fileSource, withRecording } from './recording-source.ts'
import { knownOf, notInLog } from './recording-verify.ts'
import { readSecretFile } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

export type ExportOptions = {
  readonly form: ExportForm
  readonly out: string
  readonly channel: number | undefined
}
export type Exported = 'complete' | 'incomplete'

/**
 * Opens a recording with an auditor's key, on this machine, and writes it in another form. The server hands out
 * ciphertext alone, and audits the export. Answers whether the recording is complete.
 */
export async function exportAsAuditor(
  tools: Tools,
  recording: Id<'rec'>,
  identityFile: string,
  passphraseStdin: boolean,
  options: ExportOptions,
): Promise<Exported> {
  const sodium = await loadSodium()
  return tools.withVault(async (vault) => {
    const chain = await verifiedChain(tools, vault, sodium)
    return withIdentity(tools, sodium, identityFile, passphraseStdin, async (opened) => {
      const identity = asListed(opened, chain)
      const keys = openGroupKeys(sodium, identity, chain)
      if (!keys.ok) throw refused(keys.refusal)
      const known = await knownOf(vault, recording)
      if (known === undefined) throw new Complaint(notInLog.sentence)
      const token = await logInAsAuditor(vault, sodium, identity)
      return withRecording(tools, token, recording, 'export', (source) =>
        exportSource(tools, source, keys.value, known, options),
      )
    })
  })
}

/**
 * Opens a recording's file with the recordings recovery key, offline: it needs neither vault nor recorder, and nobody
 * writes it down. Without the audit log it cannot tell a recording that was made up whole.
 */
export async function exportByRecovery(
  tools: Tools,
  file: string,
  recoveryFile: string,
  options: ExportOptions,
): Promise<Exported> {
  const sodium = await loadSodium()
  using text = await readSecretFile(tools.io, recoveryFile)
  const recovery = openRecovery(sodium, recoveryFile, text)
  try {
    const pair = { publicKey: recovery.boxKey, privateKey: recovery.boxPrivate }
    await using source = await fileSource(file)
    return await exportSource(tools, source, new Map([[toBase64(pair.publicKey), pair]]), {}, options)
  } finally {
    sodium.memzero(recovery.signPrivate)
    sodium.memzero(recovery.boxPrivate)
  }
}

async function exportSource(
  tools: Tools,
  source: ByteSource,
  keys: GroupKeys,
  known: Known,
  options: ExportOptions,
): Promise<Exported> {
  const sodium = await loadSodium()
  const verdict = await verifyRecording(sodium, source, known)
  if (verdict.state === 'tampered')
    throw new Complaint(
      verdict.sentence,
      'nothing is written; keep the file as it is, it is evidence of the change',
    )
  const structure = await readStructure(sodium, source)
  if (!structure.ok) throw refused(structure.refusal)
  const key = openRecordingKey(sodium, structure.value.header, keys)
  if (!key.ok) throw refused(key.refusal)
  const replay = new Replay(source, structure.value, key.value)
  const { form, out } = options
  if (form === 'webm' || form === 'mp4') await writeFilm(tools, replay, form, out)
  else await writeWhole(out, formOf(replay, form, options.channel))
  return verdict.state
}

function formOf(
  replay: Replay,
  form: Exclude<ExportForm, 'webm' | 'mp4'>,
  channel: number | undefined,
): AsyncIterable<string | Uint8Array> {
  switch (form) {
    case 'asciicast':
    case 'asciicast-v2':
      requireTerminal(replay)
      return toAsciicast(replay, 2, channel)
    case 'asciicast-v3':
      requireTerminal(replay)
      return toAsciicast(replay, 3, channel)
    case 'text':
      return toText(replay)
    case 'pcap':
      return capture(replay)
    case 'guac':
      if (replay.header.target.protocol === 'ssh')
        throw new Complaint('this session has no desktop', 'export it as asciicast or text')
      return toGuac(replay)
  }
}

function requireTerminal({ header }: Replay): void {
  if (header.target.protocol !== 'ssh')
    throw new Complaint('this session is a desktop, which no terminal shows', 'export it as guac or webm')
}

async function* capture(replay: Replay): AsyncGenerator<Uint8Array> {
  const { forward } = replay.header
  if (forward?.record !== 'stream')
    throw new Complaint(
      forward === undefined
        ? 'this session is not a forwarding, so there are no packets to write'
        : 'of this forwarding only counts were recorded, as its grant says',
      'export it as text',
    )
  yield* toPcap(replay)
}

/** Writes a file whole or not at all, text line by line; it replaces nothing. SECURITY: mode 0600, it is a session in clear. */
async function writeWhole(path: string, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const draft = join(dirname(path), `.tagout-${randomBytes(8).toString('hex')}`)
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      for await (const piece of pieces)
        if (typeof piece !== 'string') await file.write(piece)
        else await file.write(piece.endsWith('\n') ? piece : `${piece}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(draft, path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new Complaint(`${path} exists already`, 'choose another name, or move it away first')
    throw error
  } finally {
    await unlink(draft)
  }
}
