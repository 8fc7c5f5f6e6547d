import { open, readFile, rename } from 'node:fs/promises'
import sodium from 'libsodium-wrappers'
import { type AuditorChain, type ChainPin, pinOf, verifyChain } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { toHex } from '../../vault/kernel/encoding.ts'
import { done, type Outcome } from '../../vault/kernel/outcome.ts'

/**
 * Verifies a chain against the pin in the file at `path`, and moves the pin on to its last list.
 *
 * SECURITY: the vault and its database hand the lists over; this file is what keeps them from handing over a list of
 * their own. A pin that does not parse is a fault, never a reason to begin anew.
 */
export async function acceptLists(
  path: string,
  links: readonly AuditorListLink[],
): Promise<Outcome<AuditorChain>> {
  await sodium.ready
  const pin = await readPin(path)
  const verified = await verifyChain(sodium, links, pin)
  if (!verified.ok) return verified
  const next = pinOf(verified.value)
  if (pin === undefined || next.version > pin.version) await writePin(path, next)
  return done(verified.value)
}

async function readPin(path: string): Promise<ChainPin | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Fault('recording', 'the pin of the auditor lists cannot be read', { cause: error })
  }
  const found = /^tagout-auditors-pin 1\nversion: ([1-9][0-9]{0,8})\nhash: ([0-9a-f]{64})\n$/.exec(text)
  if (found === null) throw new Fault('recording', 'the pin of the auditor lists is damaged')
  return { version: Number(found[1]), hash: Uint8Array.from(Buffer.from(found[2] as string, 'hex')) }
}

async function writePin(path: string, pin: ChainPin): Promise<void> {
  const draft = `${path}.${process.pid}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(`tagout-auditors-pin 1\nversion: ${pin.version}\nhash: ${toHex(pin.hash)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
