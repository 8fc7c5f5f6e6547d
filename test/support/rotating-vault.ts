import { readFileSync } from 'node:fs'
import { openVault } from '../../vault/open.ts'

/** A vault in a process of its own that exchanges a key and says how far it is, until somebody kills it. */
const { databaseUrl, dataDir, what, safe } = JSON.parse(readFileSync(0, 'utf8')) as {
  readonly databaseUrl: string
  readonly dataDir: string
  readonly what: 'root' | 'safe'
  readonly safe: string
}
const somebody = { kind: 'local', uid: 1000 } as const
const vault = await openVault({ databaseUrl, dataDir, guarded: {} })
const opened = await vault.unseal({ kind: 'stored-key-file' }, somebody)
if (!opened.ok) throw new Error(opened.refusal.message)
const started = await vault.rotations.start(what === 'root' ? { what } : { what, safe, name: safe }, somebody)
if (!started.ok) throw new Error(started.refusal.message)
for (;;) {
  const [latest] = await vault.rotations.list()
  process.stdout.write(`${latest?.done ?? 0} ${latest?.finishedAt === null ? 'going' : 'finished'}\n`)
  if (latest?.finishedAt !== null) break
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await vault.close()
