import type { VerbAnswer } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask } from '../api.ts'
import { proven } from './passkeys.ts'
import { loadSodium } from './sodium.ts'

/**
 * Asks for something in whose answer recovery codes come, sealed to a key made here for this one answer: the console's
 * server does not learn them.
 */
export async function withRecoveryCodes<Answer extends { readonly sealedRecoveryCodes?: string }>(
  act: (boxKey: string) => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly codes: readonly string[] }> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const answer = await act(toBase64(own.publicKey))
    if (answer.sealedRecoveryCodes === undefined) return { answer, codes: [] }
    const sealed = fromBase64(answer.sealedRecoveryCodes)
    const opened = sodium.crypto_box_seal_open(sealed, own.publicKey, own.privateKey)
    const codes = JSON.parse(new TextDecoder().decode(opened)) as readonly string[]
    sodium.memzero(opened)
    return { answer, codes }
  } finally {
    sodium.memzero(own.privateKey)
  }
}

/** Makes one's recovery codes anew. */
export async function renewCodes(code: string): Promise<readonly string[]> {
  const { codes } = await withRecoveryCodes(async (boxKey) => {
    const body = await proven(code, 'user.renewCodes', {}, { boxKey })
    return ask<VerbAnswer<'user.renewCodes'>>('POST', '/api/recovery-codes', body)
  })
  return codes
}
