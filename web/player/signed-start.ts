import type { AuditLeafView } from '../../vault/contract.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { get } from '../api.ts'

/** What the audit log signed when a session started: the session's key and the hash of the recording's header. */
export type SignedStart = { readonly publicKey: Uint8Array; readonly headerHash: Uint8Array }

/** Finds the audit entry that started a session. `null` where it is not among the newest. */
export async function signedStart(session: string): Promise<SignedStart | null> {
  const leaves = await get<readonly AuditLeafView[]>('/api/audit?kind=session.started&limit=10000').catch(
    () => [],
  )
  for (const { entry } of leaves) {
    if (typeof entry !== 'object' || entry === null || Reflect.get(entry, 'session') !== session) continue
    const publicKey: unknown = Reflect.get(entry, 'publicKey')
    const headerHash: unknown = Reflect.get(entry, 'headerHash')
    if (typeof publicKey !== 'string' || typeof headerHash !== 'string') continue
    try {
      return { publicKey: fromBase64(publicKey), headerHash: fromBase64(headerHash) }
    } catch {
      return null
    }
  }
  return null
}
