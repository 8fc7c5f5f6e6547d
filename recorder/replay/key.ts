import type { GroupKeys } from '../../vault/auditors/ceremony.ts'
import type { Sodium } from '../../vault/auditors/sodium.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { RecordingHeader } from './header.ts'

/** Opens a recording's key with an auditor's group keys, or with those of the recordings recovery key. */
export function openRecordingKey(
  sodium: Sodium,
  header: RecordingHeader,
  keys: GroupKeys,
): Outcome<Uint8Array> {
  for (const { key, sealed } of header.recipients) {
    const pair = keys.get(key)
    if (pair === undefined) continue
    try {
      const opened = sodium.crypto_box_seal_open(fromBase64(sealed), pair.publicKey, pair.privateKey)
      if (opened.length === 32) return done(opened)
    } catch {
      // libsodium throws where the seal does not open.
    }
    return refuse('invalid', 'the key in this recording does not open: the recording was changed')
  }
  return refuse(
    'forbidden',
    'this recording is not sealed to a key that you have',
    'ask an auditor who was on the list when it was made, or use the recordings recovery key',
  )
}
