import { z } from 'zod'
import { keysVerbs } from './contract/keys.ts'
import { Fault } from './kernel/fault.ts'
import { unsealingOf } from './custody/seals.ts'
import { openVault } from './open.ts'

/**
 * A program of its own, for `tagout backup drill`: unseals the vault of a restored backup, opens every secret and verifies every
 * guarded row and the audit log. Nothing of the vault's doors, workers or notifications runs, so that nobody outside notices.
 *
 * Reads one JSON object from standard input (`drillOrder`), writes JSON lines (`DrillLine`) to standard output. Secrets come by
 * standard input alone, and none leaves.
 */

const drillOrder = z.strictObject({
  databaseUrl: z.string(),
  dataDir: z.string(),
  how: keysVerbs['vault.unseal'].input,
})

const startedEntry = z.object({ recording: z.string(), publicKey: z.string(), headerHash: z.string() })

const pageSize = 5_000
const actor = { kind: 'local', uid: process.getuid?.() ?? 0 } as const

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

try {
  let text = ''
  for await (const piece of process.stdin) text += piece
  const { databaseUrl, dataDir, how } = drillOrder.parse(JSON.parse(text))
  await using vault = await openVault({ databaseUrl, dataDir })
  using given = unsealingOf(how)
  // Forged rows end in a fault here.
  const unsealed = await vault.unseal(given.how, actor)
  if (unsealed.ok) {
    const { opened, broken } = await vault.secrets.openAll()
    const { ok, leaves, sentence } = await vault.verifyAudit()
    for (let from = 0; ; ) {
      const page = await vault.listAudit({ from, limit: pageSize, kind: 'session.started' })
      if (page.length === 0) break
      for (const { entry } of page) say({ kind: 'recording', ...startedEntry.parse(entry) })
      from = Math.max(...page.map(({ seq }) => seq)) + 1
    }
    say({ kind: 'proven', secrets: opened, broken, entries: leaves, log: { ok, sentence } })
  } else say({ kind: 'refused', ...unsealed.refusal })
} catch (error) {
  const message = error instanceof Fault ? error.message : 'it cannot be read as a vault'
  say({ kind: 'refused', code: 'conflict', message })
}
