import { randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  openRecordingKey,
  readStructure,
  Replay,
  toAsciicast,
  toText,
  verifyRecording,
} from '../../recorder/replay/index.ts'
import { openGroupKeys } from '../../vault/auditors/index.ts'
import type { Id } from '../../vault/kernel/id.ts'
import {
  asListed,
  type AuthorityOptions,
  logInAsAuditor,
  verifiedChain,
  withAuthority,
} from './auditor-identity.ts'
import { Complaint, refused } from './complaint.ts'
import { withRecording } from './recording-source.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

export const exportForms = ['asciicast', 'asciicast-v2', 'text'] as const
export type ExportForm = (typeof exportForms)[number]

type ExportOptions = AuthorityOptions & {
  readonly form: ExportForm
  readonly out: string
  readonly channel: number | undefined
}

/**
 * Opens a recording with an auditor's key, on this machine, and writes it in another form. The server hands out
 * ciphertext alone and audits a replay. Answers whether the recording is complete.
 */
export async function exportRecording(
  tools: Tools,
  recording: Id<'rec'>,
  options: ExportOptions,
): Promise<'complete' | 'incomplete'> {
  const sodium = await loadSodium()
  return tools.withVault(async (vault) => {
    const chain = await verifiedChain(tools, vault, sodium)
    return withAuthority(tools, sodium, options, async (authority) => {
      const keys = openGroupKeys(sodium, authority, chain)
      if (!keys.ok) throw refused(keys.refusal)
      const token =
        'kind' in authority
          ? (await vault.ask('login.local', {})).token
          : await logInAsAuditor(vault, sodium, asListed(authority, chain))
      return withRecording(tools, token, recording, 'export', async (source) => {
        const verdict = await verifyRecording(sodium, source)
        if (verdict.state === 'tampered')
          throw new Complaint(verdict.sentence, `see where with: tagout recording verify ${recording}`)
        const structure = await readStructure(sodium, source)
        if (!structure.ok) throw refused(structure.refusal)
        const key = openRecordingKey(sodium, structure.value.header, keys.value)
        if (!key.ok) throw refused(key.refusal)
        const replay = new Replay(sodium, source, structure.value, key.value)
        await writeText(options.out, formOf(replay, options))
        return verdict.state
      })
    })
  })
}

function formOf(replay: Replay, options: ExportOptions): AsyncIterable<string> {
  switch (options.form) {
    case 'asciicast':
      return toAsciicast(replay, 3, options.channel)
    case 'asciicast-v2':
      return toAsciicast(replay, 2, options.channel)
    case 'text':
      return toText(replay)
  }
}

/** Writes a stream of text whole or not at all; it replaces nothing. SECURITY: mode 0600, it is a session in clear. */
async function writeText(path: string, parts: AsyncIterable<string>): Promise<void> {
  const draft = join(dirname(path), `.tagout-${randomBytes(8).toString('hex')}`)
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      for await (const part of parts) await file.write(part)
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
