import { createHash } from 'node:crypto'
import { z } from 'zod'
import { verifyAudit, verifyFound } from '../../vault/audit/verify.ts'
import type { AuditVerdict } from '../../vault/contract.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { misuse } from './complaint.ts'
import { jsonText } from './io.ts'
import type { Vault } from './tools.ts'

const exportForm = z.object({
  format: z.literal('tagout-audit-export'),
  version: z.literal(1),
  publicKey: z.string(),
  checkpoints: z.array(z.string()),
  leaves: z.array(z.object({ seq: z.int(), body: z.string() })),
})

const foundForm = z.object({
  format: z.literal('tagout-audit-found'),
  version: z.literal(1),
  publicKey: z.string(),
  batches: z.array(
    z.object({
      checkpoint: z.string(),
      leaves: z.array(z.object({ seq: z.int(), body: z.string(), proof: z.array(z.string()) })),
    }),
  ),
})

type Page = Awaited<ReturnType<typeof pageOf>>

/** The whole log as an export file's text: raw leaves, signed checkpoints, and the key that signed them. */
export async function collectExport(vault: Vault): Promise<string> {
  const leaves: Page['leaves'][number][] = []
  const checkpoints = new Set<string>()
  let publicKey = ''
  for (let from: number | null = 0; from !== null; ) {
    const page: Page = await pageOf(vault, from)
    for (const leaf of page.leaves) leaves.push(leaf)
    for (const checkpoint of page.checkpoints) checkpoints.add(checkpoint)
    publicKey = page.publicKey
    from = page.next
  }
  const whole: z.infer<typeof exportForm> = {
    format: 'tagout-audit-export',
    version: 1,
    publicKey,
    checkpoints: [...checkpoints],
    leaves,
  }
  return `${jsonText(whole)}\n`
}

function pageOf(vault: Vault, from: number) {
  return vault.ask('audit.export', { from, limit: 5_000 }, undefined, 120_000)
}

/**
 * Verifies an export, or entries that were found, without vault or database. `expectedKey` is the log's public key known from elsewhere; without it
 * the sentence names the key in the file, which proves only that nothing was changed since whoever holds that key signed.
 */
export async function verifyExport(text: string, expectedKey: string | undefined): Promise<AuditVerdict> {
  const value = parseJson(text)
  const found = foundForm.safeParse(value)
  const parsed = exportForm.safeParse(value)
  if (!parsed.success && !found.success)
    throw misuse(
      'the file is neither an export of the audit log nor entries with their proofs',
      'make one with: tagout audit export --out FILE, or tagout audit find --proofs FILE',
    )
  const key = keyBytes(parsed.data?.publicKey ?? found.data?.publicKey ?? '')
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
  if (expectedKey !== undefined && Buffer.compare(keyBytes(expectedKey), key) !== 0)
    return {
      ok: false,
      leaves: 0,
      checkpoints: 0,
      sentence: `the log was signed by another key (${fingerprint}) than the one given`,
    }
  const verified =
    found.data === undefined
      ? await verifyAudit(bodies(parsed.data?.leaves ?? []), parsed.data?.checkpoints ?? [], key)
      : verifyFound(found.data.batches, key)
  return {
    ok: verified.ok,
    leaves: verified.leaves,
    checkpoints: verified.checkpoints,
    sentence:
      expectedKey === undefined && verified.ok
        ? `${verified.sentence}; the signing key is ${fingerprint}: compare it`
        : verified.sentence,
  }
}

function* bodies(leaves: readonly { readonly body: string }[]): Generator<Uint8Array> {
  for (const leaf of leaves) {
    try {
      yield fromBase64(leaf.body)
    } catch {
      // Not even base64: the verifier names the entry.
      yield new Uint8Array()
    }
  }
}

function keyBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== 32) throw misuse('a public key has 32 bytes, in base64')
  return bytes
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
