import { z } from 'zod'
import { type KnownCheckpoint, type RecordingVerdict, verifyRecording } from '../../recorder/replay/index.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { withRecording } from './recording-source.ts'
import { loadSodium } from './sodium.ts'
import type { Tools, Vault } from './tools.ts'

const startedEntry = z.looseObject({
  recording: z.string(),
  headerHash: z.string(),
  publicKey: z.string(),
})
const checkpointEntry = z.looseObject({
  recording: z.string(),
  checkpoint: z.string(),
  signature: z.string(),
})

type Known = {
  readonly publicKey: Uint8Array
  readonly headerHash: Uint8Array
  readonly checkpoints: readonly KnownCheckpoint[]
}

/** Verifies a recording at the recorder against what the audit log says of it. No private key is needed. */
export async function verifyStored(tools: Tools, recording: Id<'rec'>): Promise<RecordingVerdict> {
  const sodium = await loadSodium()
  return tools.withVault(async (vault) => {
    const { token } = await vault.ask('login.local', {})
    const known = await knownOf(vault, recording)
    const verdict = await withRecording(tools, token, recording, 'verify', (source) =>
      verifyRecording(sodium, source, known),
    )
    if (known === undefined && verdict.state !== 'tampered')
      return {
        ...verdict,
        state: 'tampered',
        sentence: 'the audit log has no start of this session, so the recording’s key cannot be trusted',
      }
    return verdict
  })
}

/** The session's key, header hash and checkpoints, from the audit log. */
async function knownOf(vault: Vault, recording: Id<'rec'>): Promise<Known | undefined> {
  let started: z.infer<typeof startedEntry> | undefined
  for await (const entry of entriesOf(vault, 'session.started')) {
    const parsed = startedEntry.safeParse(entry)
    if (parsed.success && parsed.data.recording === recording) started = parsed.data
  }
  if (started === undefined) return undefined
  const checkpoints: KnownCheckpoint[] = []
  for await (const entry of entriesOf(vault, 'session.checkpoint')) {
    const parsed = checkpointEntry.safeParse(entry)
    if (parsed.success && parsed.data.recording === recording)
      checkpoints.push({
        checkpoint: fromBase64(parsed.data.checkpoint),
        signature: fromBase64(parsed.data.signature),
      })
  }
  return {
    publicKey: fromBase64(started.publicKey),
    headerHash: fromBase64(started.headerHash),
    checkpoints,
  }
}

const pageSize = 5_000

async function* entriesOf(vault: Vault, kind: string): AsyncGenerator<unknown> {
  for (let from = 0; ; ) {
    const page = await vault.ask('audit.list', { from, limit: pageSize, kind })
    yield* page.map((leaf) => leaf.entry)
    if (page.length < pageSize) return
    from = Math.max(...page.map((leaf) => leaf.seq)) + 1
  }
}
