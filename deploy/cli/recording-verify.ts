import { z } from 'zod'
import { type KnownCheckpoint, type RecordingVerdict, verifyRecording } from '../../recorder/replay/index.ts'
import type { AuditLeafView } from '../../vault/contract.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { withRecording } from './recording-source.ts'
import { loadSodium } from './sodium.ts'
import type { Tools, Vault } from './tools.ts'

export const startedEntry = z.looseObject({
  recording: z.string(),
  session: z.string(),
  headerHash: z.string(),
  publicKey: z.string(),
})
export const checkpointEntry = z.looseObject({
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
    if (known === undefined) return notInLog
    return withRecording(tools, token, recording, 'verify', (source) =>
      verifyRecording(sodium, source, known),
    )
  })
}

/** SECURITY: without the audit log anybody's key would do, and a recording made up whole would verify. */
export const notInLog: RecordingVerdict = {
  state: 'tampered',
  sentence: 'the audit log has no start of this session, so nothing vouches for the recording',
  chunks: 0,
  duration: 0,
}

/** The session's key, header hash and checkpoints, from the audit log; undefined where it knows no such recording. */
export async function knownOf(vault: Vault, recording: Id<'rec'>): Promise<Known | undefined> {
  let from = 0
  let started: z.infer<typeof startedEntry> | undefined
  for await (const leaf of leavesOf(vault, 'session.started', 0)) {
    const parsed = startedEntry.safeParse(leaf.entry)
    if (!parsed.success || parsed.data.recording !== recording) continue
    started = parsed.data
    from = leaf.seq
    break
  }
  if (started === undefined) return undefined
  const checkpoints: KnownCheckpoint[] = []
  for await (const leaf of leavesOf(vault, 'session.checkpoint', from)) {
    const parsed = checkpointEntry.safeParse(leaf.entry)
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

export async function* leavesOf(vault: Vault, kind: string, begin: number): AsyncGenerator<AuditLeafView> {
  for (let from = begin; ; ) {
    const page = await vault.ask('audit.list', { from, limit: pageSize, kind }, undefined, 120_000)
    yield* page
    // A page may be shorter than asked for: its entries can be large.
    if (page.length === 0) return
    from = Math.max(...page.map((leaf) => leaf.seq)) + 1
  }
}
