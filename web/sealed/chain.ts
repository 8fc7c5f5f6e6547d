import { type AuditorChain, chainFingerprint, verifyChain } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { toHex } from '../../vault/kernel/encoding.ts'
import { get, Refused } from '../api.ts'
import { keep, readKept } from './kept-file.ts'
import { loadSodium } from './sodium.ts'

type Pin = { readonly version: number; readonly hash: Uint8Array }

/**
 * Fetches the chain of auditor lists and verifies it here, from the first list on. `null`: nobody is enrolled yet.
 *
 * SECURITY: this browser remembers the last list that it saw, and takes only chains that continue from it: a server that
 * swaps the auditors for others of its own is found out.
 */
export async function fetchChain(): Promise<AuditorChain | null> {
  const [sodium, links, pin] = await Promise.all([
    loadSodium(),
    get<readonly AuditorListLink[]>('/api/auditors'),
    readKept<Pin>('chain-pins', 'auditors'),
  ])
  if (links.length === 0 && pin === undefined) return null
  const outcome = await verifyChain(sodium, links, pin)
  if (!outcome.ok)
    throw new Refused({
      status: 409,
      code: outcome.refusal.code,
      title: `the list of auditors cannot be trusted: ${outcome.refusal.message}`,
      detail:
        outcome.refusal.next ?? 'open nothing, and tell the machine administrator and the other auditors',
    })
  const { version, hash } = outcome.value.current
  if (pin === undefined || pin.version !== version || toHex(pin.hash) !== toHex(hash))
    await keep('chain-pins', 'auditors', { version, hash }).catch(() => undefined)
  return outcome.value
}

export { chainFingerprint }
