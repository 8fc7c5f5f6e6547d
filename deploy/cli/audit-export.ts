import { createHash } from 'node:crypto'
import { z } from 'zod'
import { verifyAudit } from '../../vault/audit/verify.ts'
import type { IsSigned } from '../../vault/proof/note.ts'
import { verifyFound } from '../../vault/proof/found.ts'
import { isSignatureOf, verifyingKeyOf } from '../../vault/crypto/signing.ts'
import type { AuditVerdict } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { misuse } from './complaint.ts'
import { jsonText } from './io.ts'
import type { Vault } from './tools.ts'

const exportForm = z.strictObject({
  format: z.literal('tagout-audit-export'),
  version: z.literal(1),
  publicKey: z.string(),
  checkpoints: z.array(z.string()),
  leaves: z.array(z.strictObject({ seq: z.int(), body: z.string() })),
})

const foundForm = z.strictObject({
  format: z.literal('tagout-audit-found'),
  version: z.literal(1),
  asked: z.unknown(),
  publicKey: z.string(),
  batches: z.array(
    z.strictObject({
      checkpoint: z.string(),
      leaves: z.array(z.strictObject({ seq: z.int(), body: z.string(), proof: z.array(z.string()) })),
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
export async function verifyExport(
  text: string,
  expectedKey: string | undefined,
  witnessed: readonly string[] = [],
): Promise<AuditVerdict & { readonly at?: number }> {
  const value = parseJson(text)
  const changed = changedAt(text, value)
  if (changed !== undefined && saysWhatItIs(text)) return broken(changed)
  const found = foundForm.safeParse(value)
  const parsed = exportForm.safeParse(value)
  if (!parsed.success && !found.success && saysWhatItIs(text))
    return {
      ...broken(0),
      sentence: 'the file has not the form of an export: it was changed since it was written',
    }
  if (!parsed.success && !found.success)
    throw misuse(
      'the file is neither an export of the audit log nor entries with their proofs',
      'make one with: tagout audit export --out FILE, or tagout audit find --proofs FILE',
    )
  const key = decodeStrict(parsed.data?.publicKey ?? found.data?.publicKey ?? '')
  if (key?.length !== 32)
    return { ...broken(0), sentence: 'the key in the file is none: it was changed since it was written' }
  const astray = parsed.data?.leaves.findIndex(({ seq }, place) => seq !== place) ?? -1
  if (astray >= 0)
    return { ...broken(0), at: astray, sentence: `in place of entry ${astray} there is another, or none` }
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
      ? await verifyAudit(
          bodies(parsed.data?.leaves ?? []),
          [...(parsed.data?.checkpoints ?? []), ...witnessed],
          key,
        )
      : await verifyFound(found.data.batches, key, signedBy(key))
  return {
    ok: verified.ok,
    leaves: verified.leaves,
    checkpoints: verified.checkpoints,
    ...(verified.ok ? {} : { at: verified.at }),
    sentence:
      expectedKey === undefined && verified.ok
        ? `${verified.sentence}; the signing key is ${fingerprint}: compare it`
        : verified.sentence,
  }
}

/** It is one of the files that are verified here, however damaged. */
function saysWhatItIs(text: string): boolean {
  return /tagout-audit-(?:export|found)/.test(text.slice(0, 4_000))
}

function broken(byte: number): AuditVerdict & { readonly at: number } {
  const sentence = `the file was changed at byte ${byte}: it is not written as an export is`
  return { ok: false, leaves: 0, checkpoints: 0, at: byte, sentence }
}

/** Where the text is first another than what the program writes of the same value; undefined where it is not. */
function changedAt(text: string, value: unknown): number | undefined {
  if (value === undefined) {
    try {
      JSON.parse(text)
    } catch (error) {
      const place = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
      return Buffer.byteLength(text.slice(0, Number(place ?? text.length)))
    }
  }
  const written = `${JSON.stringify(value)}\n`
  if (written === text) return undefined
  let at = 0
  while (written[at] === text[at]) at += 1
  return Buffer.byteLength(text.slice(0, at))
}

/** Bytes of the one base64 text that they have; undefined for any other. */
function decodeStrict(text: string): Uint8Array | undefined {
  try {
    const bytes = fromBase64(text)
    return toBase64(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Whether something is signed by the log's key. */
export function signedBy(publicKey: Uint8Array): IsSigned {
  const key = verifyingKeyOf(publicKey)
  return (message, signature) => isSignatureOf(key, message, signature)
}

function* bodies(leaves: readonly { readonly body: string }[]): Generator<Uint8Array> {
  for (const leaf of leaves) {
    // Not even base64: the verifier names the entry.
    yield decodeStrict(leaf.body) ?? new Uint8Array()
  }
}

export function keyBytes(text: string): Uint8Array {
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
