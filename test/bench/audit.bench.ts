import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { originOf, signCheckpoint } from '../../vault/audit/checkpoint.ts'
import { leafBytes } from '../../vault/audit/leaf.ts'
import { Frontier, leafHash } from '../../vault/audit/tree.ts'
import { verifyAudit } from '../../vault/audit/verify.ts'
import { signingKeyOf } from '../../vault/crypto/signing.ts'
import type { EntryInput } from '../../vault/audit/entry.ts'
import { openVault } from '../../vault/open.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { somebody } from '../support/vault-keys.ts'
import type { Row } from './row.ts'

const batch = 100
const transactions = 600
const writers = 8
const leaves = 1_000_000

/** Measures the audit log: durable entries a second until they are signed, and offline verification. */
export async function run(): Promise<Row[]> {
  return [...(await appending()), await verifying()]
}

async function appending(): Promise<Row[]> {
  await using postgres = await startTestPostgres({ durable: true })
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-bench-'))
  const vault = await openVault({ databaseUrl: postgres.urls.vault, dataDir, connections: 16 })
  try {
    const made = await vault.initialise({ kind: 'key-file', path: join(dataDir, 'seal.key') }, somebody)
    if (!made.ok) throw new Error(made.refusal.message)
    const entry: EntryInput = {
      kind: 'refused',
      actor: somebody,
      verb: 'session.open',
      code: 'forbidden',
      why: 'no grant allows it at this hour of the day',
      source: '10.20.30.40:51234',
    }
    const entries = Array.from({ length: batch }, () => entry)
    const rate = async (count: number, act: () => Promise<unknown>) => {
      let left = count
      const begun = performance.now()
      await Promise.all(
        Array.from({ length: writers }, async () => {
          while (left-- > 0) await act()
        }),
      )
      const committed = performance.now() - begun
      await vault.sequenceNow()
      return { committed: committed / 1000, signed: (performance.now() - begun) / 1000 }
    }
    const batched = await rate(transactions, () => vault.inTransaction((tx) => tx.audit(...entries)))
    const single = await rate(3_000, () => vault.inTransaction((tx) => tx.audit(entry)))
    const total = transactions * batch
    return [
      {
        what: `durable entries, ${batch} a transaction, ${writers} writers`,
        figure: total / batched.committed,
        unit: 'entries/s',
        reach: '10,000 entries/s in batches',
      },
      {
        what: 'the same, until all of them are in the tree, signed and witnessed',
        figure: total / batched.signed,
        unit: 'entries/s',
        reach: '10,000 entries/s in batches',
      },
      {
        what: `durable entries, one a transaction, ${writers} writers`,
        figure: 3_000 / single.committed,
        unit: 'entries/s',
        reach: 'as PostgreSQL commits',
      },
    ]
  } finally {
    await vault.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Verifies a log that lies in memory. */
async function verifying(): Promise<Row> {
  const key = signingKeyOf(new Uint8Array(32).fill(1))
  const entry = Buffer.from(
    '{"actor":{"kind":"local","uid":1000},"at":"2026-11-24T07:00:00.000Z","code":"forbidden","kind":"refused","source":"10.20.30.40:51234","verb":"session.open","why":"no grant allows it at this hour of the day"}',
  )
  const frontier = new Frontier()
  const all: Buffer[] = []
  const checkpoints: string[] = []
  let prev: Uint8Array | undefined
  for (let seq = 0; seq < leaves; seq += 1) {
    const leaf = leafBytes(seq, prev, entry, false)
    prev = leafHash(leaf)
    frontier.add(prev)
    all.push(leaf)
    if ((seq + 1) % 1_000 === 0)
      checkpoints.push(
        signCheckpoint(key, { origin: originOf('ins_1'), size: seq + 1, root: frontier.root(), time: 'now' }),
      )
  }
  const begun = performance.now()
  const verdict = await verifyAudit(all, checkpoints, key.publicKey)
  const seconds = (performance.now() - begun) / 1000
  if (!verdict.ok) throw new Error(verdict.sentence)
  return {
    what: `offline verification of ${leaves.toLocaleString('en')} entries, a signature every 1,000`,
    figure: seconds,
    unit: 's',
    reach: '30 s at most',
  }
}
