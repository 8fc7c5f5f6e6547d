import { z } from 'zod'
import { fingerprintText, sha256 } from '../../vault/kernel/digest.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { openCms } from '../../vault/proof/cms.ts'
import { Complaint } from './complaint.ts'
import { leavesOf } from './recording-verify.ts'
import type { Tools, Vault } from './tools.ts'

/** A tombstone's file: what it says, and the vault's signature. */
export const tombstoneFile = z.strictObject({ content: z.string(), signature: z.string() })
export const tombstoneEntry = z.looseObject({
  recording: z.string(),
  content: z.string(),
  signature: z.string(),
})
const tombstoneContent = z.looseObject({
  form: z.literal('tagout-tombstone'),
  recording: z.string(),
  user: z.string(),
  account: z.string(),
  retentionClass: z.string(),
  reason: z.string(),
  askedBy: z.string(),
  approvedBy: z.string(),
  approvedAt: z.string(),
  file: z.looseObject({ sizeBytes: z.number(), whole: z.string(), state: z.string() }).nullable(),
})

export type ReadTombstone = {
  readonly recording: string
  /** What it says, in a sentence. */
  readonly sentence: string
  /** The certificate that signed it, and its fingerprint. */
  readonly certificate: string
  readonly fingerprint: string
}

/** Reads a tombstone and verifies its signature; undefined: it is not one that a vault has signed. */
export async function readTombstone(content: string, signature: string): Promise<ReadTombstone | undefined> {
  const signed = await openCms(bytesOf(signature), new TextEncoder().encode(content))
  if (signed === undefined) return undefined
  const parsed = tombstoneContent.safeParse(JSON.parse(content))
  if (!parsed.success) return undefined
  const { recording, user, account, retentionClass, reason, askedBy, approvedBy, approvedAt, file } =
    parsed.data
  const was =
    file === null
      ? 'its file was gone before'
      : `it had ${file.sizeBytes} bytes, was ${file.state}, SHA-256 ${file.whole}`
  return {
    recording,
    sentence: `${recording} (${user} on ${account}) was destroyed by ${askedBy} and ${approvedBy} on ${approvedAt.slice(0, 10)}, class ${retentionClass}: ${reason}; ${was}`,
    certificate: toBase64(signed.certificate),
    fingerprint: fingerprintText(await sha256(signed.certificate)),
  }
}

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64(text)
  } catch {
    return new Uint8Array()
  }
}

const certificateEntry = z.looseObject({ certificate: z.string() })

/**
 * What is left of a recording that two people had destroyed: its tombstone, as the log has it, signed by the certificate that is in
 * the log. Undefined: it is there.
 */
export async function destroyedOf(
  tools: Tools,
  recording: Id<'rec'>,
): Promise<{ readonly sentence: string; readonly certificate: string } | undefined> {
  return tools.withVault(async (vault) => {
    const { destroyed } = await vault.ask('recording.show', { recording })
    if (destroyed === null) return undefined
    const entry = await entryOf(vault, recording)
    if (entry === undefined) {
      if (destroyed.at === null)
        return {
          sentence: `${recording} is about to be destroyed by ${destroyed.askedBy} and ${destroyed.approvedBy}`,
          certificate: '',
        }
      throw new Complaint(
        `${recording} is said to be destroyed, and the audit log has no tombstone of it`,
        'somebody changed the log or the database: tagout audit verify',
      )
    }
    const read = await readTombstone(entry.content, entry.signature)
    if (read?.recording !== recording || !(await certificates(vault)).includes(read.certificate))
      throw new Complaint(
        `the tombstone of ${recording} is not signed by this installation`,
        'keep the log as it is: it is evidence of the change',
      )
    return { sentence: read.sentence, certificate: read.fingerprint }
  })
}

async function entryOf(vault: Vault, recording: Id<'rec'>) {
  for await (const leaf of leavesOf(vault, 'recording.tombstone', 0)) {
    const parsed = tombstoneEntry.safeParse(leaf.entry)
    if (parsed.success && parsed.data.recording === recording) return parsed.data
  }
  return undefined
}

async function certificates(vault: Vault): Promise<readonly string[]> {
  const found: string[] = []
  for await (const leaf of leavesOf(vault, 'evidence.certificate', 0)) {
    const parsed = certificateEntry.safeParse(leaf.entry)
    if (parsed.success) found.push(parsed.data.certificate)
  }
  return found
}
