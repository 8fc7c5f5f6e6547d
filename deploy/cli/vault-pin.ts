import { createHash } from 'node:crypto'
import { mkdir, readFile, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { ChainPin } from '../../vault/auditors/index.ts'
import type { VaultStatus } from '../../vault/contract.ts'
import { Complaint, exit } from './complaint.ts'
import type { Io } from './io.ts'
import { writeNewFile } from './new-file.ts'
import type { Tools, Vault } from './tools.ts'

const pin = z.object({
  intakeKey: z.string().optional(),
  fingerprint: z.string().optional(),
  /** The list of auditors seen last. */
  auditors: z.object({ version: z.int(), hash: z.string() }).optional(),
})
const pinFile = z.record(z.string(), pin)
type Pin = z.infer<typeof pin>

function pinPath(io: Io): string {
  const config = io.env['XDG_CONFIG_HOME'] || join(io.env['HOME'] || homedir(), '.config')
  return join(config, 'tagout', 'pins.json')
}

async function readPins(path: string): Promise<z.infer<typeof pinFile>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return {}
  }
  try {
    return pinFile.parse(JSON.parse(text))
  } catch {
    // SECURITY: a damaged pin is not the same as none, which would trust whatever answers.
    throw new Complaint(`${path} is malformed`, 'mend it, or remove it to pin the vault afresh')
  }
}

/** `SHA256:…` of an intake key, computed here and not taken from who sent the key. */
export function intakeFingerprint(intakeKey: string): string {
  const digest = createHash('sha256').update(Buffer.from(intakeKey, 'base64')).digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

function knownKey(status: VaultStatus): string {
  if (status.intakeKey === null)
    throw new Complaint('the vault is not initialised', 'set it up with: tagout init', exit.away)
  return status.intakeKey
}

/**
 * The vault's intake key, to which secrets are sealed; pinned for this user at first use.
 *
 * SECURITY: another key than the pinned one is refused, since whoever holds it would read what is sealed to it.
 */
export async function pinnedIntakeKey(tools: Tools, vault: Vault): Promise<string> {
  const intakeKey = knownKey(await vault.ask('status', {}))
  const path = pinPath(tools.io)
  const pinned = await readPin(tools)
  const fingerprint = intakeFingerprint(intakeKey)
  if (pinned.intakeKey === undefined) {
    await changePin(tools, { intakeKey, fingerprint })
    tools.note(`pinned this vault's intake key ${fingerprint} in ${path}`)
  } else if (pinned.intakeKey !== intakeKey)
    throw new Complaint(
      `the vault's intake key is ${fingerprint}, and the one pinned in ${path} is ${pinned.fingerprint}`,
      `ask whoever set up the vault; if it was set up anew: tagout pin-vault ${fingerprint}`,
    )
  return intakeKey
}

/** Pins the vault's present key, which must have the fingerprint that the person was told. */
export async function pinVault(tools: Tools, vault: Vault, expected: string): Promise<string> {
  const intakeKey = knownKey(await vault.ask('status', {}))
  const fingerprint = intakeFingerprint(intakeKey)
  if (fingerprint !== expected)
    throw new Complaint(
      `the vault's intake key is ${fingerprint}, not ${expected}`,
      'ask whoever set up the vault for its fingerprint (tagout status shows it there)',
    )
  await changePin(tools, { intakeKey, fingerprint })
  return fingerprint
}

/** The list of auditors that this user saw last, as `verifyChain` takes it. */
export async function readChainPin(tools: Tools): Promise<ChainPin | undefined> {
  const { auditors } = await readPin(tools)
  return auditors === undefined
    ? undefined
    : { version: auditors.version, hash: Uint8Array.from(Buffer.from(auditors.hash, 'base64')) }
}

/** Moves the pin of the auditors' lists on. */
export async function keepChainPin(tools: Tools, seen: ChainPin): Promise<void> {
  await changePin(tools, {
    auditors: { version: seen.version, hash: Buffer.from(seen.hash).toString('base64') },
  })
}

async function readPin(tools: Tools): Promise<Pin> {
  const pins = await readPins(pinPath(tools.io))
  return pins[await realpath(tools.dataDir())] ?? {}
}

async function changePin(tools: Tools, change: Pin): Promise<void> {
  const path = pinPath(tools.io)
  const pins = await readPins(path)
  const installation = await realpath(tools.dataDir())
  const changed = { ...pins, [installation]: { ...pins[installation], ...change } }
  const text = `${JSON.stringify(changed, null, 2)}\n`
  if (text === `${JSON.stringify(pins, null, 2)}\n`) return
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeNewFile(path, text, { replace: true })
}

/** Forgets what this user has pinned of an installation that goes away: the next one there has other keys. */
export async function forgetPin(tools: Tools): Promise<void> {
  const path = pinPath(tools.io)
  const pins = await readPins(path)
  const installation = await realpath(tools.dataDir())
  if (pins[installation] === undefined) return
  const left = Object.fromEntries(Object.entries(pins).filter(([name]) => name !== installation))
  await writeNewFile(path, `${JSON.stringify(left, null, 2)}\n`, { replace: true })
}
