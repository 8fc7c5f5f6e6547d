import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCheckpoint } from '../../../vault/audit/checkpoint.ts'
import { isConsistent, isIncluded } from '../../../vault/proof/tree.ts'
import { proveConsistency, proveInclusion, readRoot } from '../../../vault/audit/stored-tree.ts'
import { leafHash } from '../../../vault/audit/tree.ts'
import { verifyAudit } from '../../../vault/audit/verify.ts'
import { verifyingKeyOf } from '../../../vault/crypto/signing.ts'
import type { Vault } from '../../../vault/open.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { newInstallation, somebody, type TestInstallation } from '../../support/vault-keys.ts'

const count = 700

let postgres: TestPostgres
let installation: TestInstallation
let vault: Vault
beforeAll(async () => {
  postgres = await startTestPostgres()
  installation = await newInstallation(postgres)
  const first = await installation.unsealed()
  for (let batch = 0; batch < 7; batch += 1) {
    await first.inTransaction((tx) =>
      tx.audit(
        ...Array.from({ length: count / 7 }, (_, at) => ({
          kind: 'refused' as const,
          actor: somebody,
          verb: 'a.verb',
          code: 'forbidden' as const,
          why: `${batch}/${at}`,
        })),
      ),
    )
    await first.sequenceNow()
  }
  await first.close()
  vault = await installation.unsealed()
  await vault.sequenceNow()
})
afterAll(async () => {
  await vault.close()
  await installation[Symbol.asyncDispose]()
  await postgres.stop()
})

/** The whole export, page by page. */
async function exported() {
  const leaves: Uint8Array[] = []
  const checkpoints: string[] = []
  let publicKey = new Uint8Array(0)
  for (let from: number | null = 0; from !== null; ) {
    const page: Awaited<ReturnType<Vault['exportAudit']>> = await vault.exportAudit(from, 100)
    leaves.push(...page.leaves.map((leaf) => Buffer.from(leaf.body, 'base64')))
    checkpoints.push(...page.checkpoints)
    publicKey = new Uint8Array(Buffer.from(page.publicKey, 'base64'))
    from = page.next
  }
  return { leaves, checkpoints, publicKey }
}

test('an export verifies offline, and without its last leaf it does not', async () => {
  const { leaves, checkpoints, publicKey } = await exported()
  expect(leaves.length).toBeGreaterThanOrEqual(count + 3)
  const whole = await verifyAudit(leaves, checkpoints, publicKey)
  expect(whole.sentence).toBe(
    `all ${leaves.length} entries are whole, in order and signed (checkpoints: ${checkpoints.length})`,
  )
  expect((await verifyAudit(leaves.slice(0, -1), checkpoints, publicKey)).ok).toBe(false)
  expect((await vault.verifyAudit()).leaves).toBe(leaves.length)
})

test('any leaf is proven to be in the log, and the log to begin with any earlier one', async () => {
  const { leaves } = await exported()
  const size = leaves.length
  const root = await readRoot(vault.database, size)
  for (const index of [0, 1, 255, 256, 511, 512, 600, size - 1]) {
    const proof = await proveInclusion(vault.database, index, size)
    expect(await isIncluded(leafHash(leaves[index] ?? new Uint8Array(0)), index, size, proof, root)).toBe(
      true,
    )
  }
  for (const earlier of [1, 2, 255, 256, 257, 512, 700, size]) {
    const proof = await proveConsistency(vault.database, earlier, size)
    const before = await readRoot(vault.database, earlier)
    expect(await isConsistent(earlier, before, size, root, proof)).toBe(true)
  }
})

test('the latest checkpoint is signed, and over the whole log', async () => {
  const { leaves, publicKey } = await exported()
  const opened = openCheckpoint(vault.auditCheckpoint, verifyingKeyOf(publicKey), publicKey)
  expect(opened?.size).toBe(leaves.length)
})

test('a list is by number, by kind, or the latest', async () => {
  const kinds = (views: readonly { readonly kind: string }[]) => views.map((view) => view.kind)
  expect(kinds(await vault.listAudit({ limit: 1 }))).toEqual(['vault.unsealed'])
  expect(kinds(await vault.listAudit({ from: 0, limit: 2 }))).toEqual(['vault.initialised', 'vault.unsealed'])
  const refused = await vault.listAudit({ from: 100, limit: 3, kind: 'refused' })
  expect(refused.map((view) => view.seq)).toEqual([100, 101, 102])
  const unsealed = await vault.listAudit({ limit: 10, kind: 'vault.unsealed' })
  expect(unsealed.map((view) => view.seq).length).toBe(2)
  expect(unsealed[0]?.actor).toBe('local:1000')
  expect(await vault.listAudit({ limit: 10, kind: `x' or true --` })).toEqual([])
})
