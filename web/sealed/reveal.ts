import type { VerbAnswer } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask, at } from '../api.ts'
import { proven } from './passkeys.ts'
import { loadSodium } from './sodium.ts'

/**
 * Asks for a secret to be shown. It comes sealed to a key made here for this one answer, which nobody else holds. The caller
 * wipes the bytes.
 */
export async function revealSecret(
  account: string,
  code: string,
  reason: string,
): Promise<{ readonly secret: Uint8Array; readonly version: number }> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const wanted = { boxKey: toBase64(own.publicKey), reason }
    const body = await proven(code, 'account.reveal', { account }, wanted)
    const answer = await ask<VerbAnswer<'account.reveal'>>('POST', at`/api/accounts/${account}/reveal`, body)
    return {
      secret: sodium.crypto_box_seal_open(fromBase64(answer.sealed), own.publicKey, own.privateKey),
      version: answer.version,
    }
  } finally {
    sodium.memzero(own.privateKey)
  }
}
