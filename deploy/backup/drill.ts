import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { migrate } from '../../migrations/migrate.ts'
import { verifyRecording } from '../../recorder/replay/index.ts'
import type { VerbInput } from '../../vault/contract.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import { fileSource } from '../cli/recording-source.ts'
import { loadSodium } from '../cli/sodium.ts'
import { openEmbeddedDatabase } from './database.ts'
import { restoreBackup } from './restore.ts'

/** What a backup was proven to be. */
export type DrillReport = {
  /** Everything below is in order. */
  readonly ok: boolean
  /** When the backup was made. */
  readonly createdAt: string
  /** Secrets that opened. */
  readonly secrets: number
  /** Places of the secrets that do not open. */
  readonly broken: readonly string[]
  /** Entries of the audit log. */
  readonly entries: number
  readonly log: { readonly ok: boolean; readonly sentence: string }
  /** Recordings in the backup that verified against the audit log. */
  readonly recordings: number
  /** What is wrong with the others, a sentence each. */
  readonly damaged: readonly string[]
  /** Recordings that the backup lists and does not hold. */
  readonly listed: number
  /** From the file to all of that. */
  readonly seconds: number
}

const drillLine = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('recording'),
    recording: z.string(),
    publicKey: z.string(),
    headerHash: z.string(),
  }),
  z.object({
    kind: z.literal('proven'),
    secrets: z.int(),
    broken: z.array(z.string()),
    entries: z.int(),
    log: z.object({ ok: z.boolean(), sentence: z.string() }),
  }),
  z.object({
    kind: z.literal('refused'),
    message: z.string(),
    next: z.string().optional(),
  }),
])
type Started = Extract<z.infer<typeof drillLine>, { kind: 'recording' }>
type Proven = Extract<z.infer<typeof drillLine>, { kind: 'proven' }>

/**
 * Restores a backup into a folder that is deleted again, with a database of its own, and proves that it would do: the schema of
 * this version comes on, every secret opens by `how`, every guarded row, the audit log and every recording verify. Nothing of
 * the restored installation runs: it rotates nothing, connects to nothing and writes to nobody. `step` is told what is done.
 */
export async function drillBackup(
  path: string,
  how: VerbInput<'vault.unseal'>,
  step: (what: string) => void,
): Promise<Outcome<DrillReport>> {
  const begun = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'tagout-backup-drill-'))
  // The database's own user goes through it.
  await chmod(folder, 0o711)
  let place: Awaited<ReturnType<typeof openEmbeddedDatabase>> | undefined
  try {
    step('restoring it')
    const restored = await restoreBackup(
      {
        open: async (dataDir) => {
          place = await openEmbeddedDatabase(dataDir)
          return { ...place, close: async () => {} }
        },
      },
      path,
      join(folder, 'data'),
    )
    if (!restored.ok) return restored
    if (place === undefined) throw new TypeError('what is restored has a place')
    await migrate(place.ownerUrl)
    step('opening every secret, and verifying the audit log')
    const vault = await proveVault(place.ownerUrl, place.dataDir, how)
    if (!vault.ok) return vault
    const { started, proven } = vault.value
    const { header, recordings } = restored.value
    if (header.recordings === 'included') step('verifying the recordings')
    const looked = await proveRecordings(join(place.dataDir, 'recorder', 'recordings'), started)
    const report = {
      createdAt: header.createdAt,
      ...{ secrets: proven.secrets, broken: proven.broken, entries: proven.entries, log: proven.log },
      ...looked,
      listed: header.recordings === 'listed' ? recordings : 0,
      seconds: Math.round((performance.now() - begun) / 1000),
    }
    const ok = report.log.ok && report.broken.length === 0 && report.damaged.length === 0
    return done({ ok, ...report })
  } finally {
    await place?.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs the vault's own program over the restored folder: the keys are in its process, and in no other. */
async function proveVault(
  databaseUrl: string,
  dataDir: string,
  how: VerbInput<'vault.unseal'>,
): Promise<Outcome<{ readonly started: ReadonlyMap<string, Started>; readonly proven: Proven }>> {
  const program = join(import.meta.dirname, '..', '..', 'vault', 'drill.ts')
  const args = ['--disable-sigusr1', '--disable-warning=ExperimentalWarning', program]
  const child = spawn(process.execPath, args, { env: {}, stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  child.stdin.end(JSON.stringify({ databaseUrl, dataDir, how }))
  const started = new Map<string, Started>()
  let last: Outcome<Proven> = refuse('conflict', 'the vault’s program ended before it had proven anything')
  for await (const text of createInterface({ input: child.stdout })) {
    const line = drillLine.parse(JSON.parse(text))
    if (line.kind === 'recording') started.set(line.recording, line)
    else last = line.kind === 'proven' ? done(line) : refuse('conflict', line.message, line.next)
  }
  await exited
  return last.ok ? done({ started, proven: last.value }) : last
}

/** Verifies every recording below a folder by what the audit log says of it. */
async function proveRecordings(
  folder: string,
  started: ReadonlyMap<string, Started>,
): Promise<{ readonly recordings: number; readonly damaged: readonly string[] }> {
  const sodium = await loadSodium()
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const damaged: string[] = []
  let recordings = 0
  for (const name of names.filter((one) => one.endsWith('.tgr')).sort()) {
    await using source = await fileSource(join(folder, name))
    const { header } = await verifyRecording(sodium, source)
    const known = header === undefined ? undefined : started.get(header.recording)
    if (known === undefined) {
      damaged.push(`${name}: the audit log has no start of its session`)
      continue
    }
    const verdict = await verifyRecording(sodium, source, {
      publicKey: fromBase64(known.publicKey),
      headerHash: fromBase64(known.headerHash),
      checkpoints: [],
    })
    if (verdict.state === 'tampered') damaged.push(`${name}: ${verdict.sentence}`)
    else recordings += 1
  }
  return { recordings, damaged }
}
