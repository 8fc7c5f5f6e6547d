import type { TokenView, VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask } from '../api.ts'
import { proven } from './passkeys.ts'
import { loadSodium } from './sodium.ts'

/** Makes a token of a service. It comes sealed to a key made here: the console's server does not learn it. */
export async function addServiceToken(
  wanted: Omit<VerbInput<'token.add'>, 'boxKey' | 'totpCode'>,
  code: string,
): Promise<{ readonly token: TokenView; readonly secret: string }> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const body = await proven(code, 'token.add', {}, { ...wanted, boxKey: toBase64(own.publicKey) })
    const answer = await ask<VerbAnswer<'token.add'>>('POST', '/api/tokens', body)
    const opened = sodium.crypto_box_seal_open(fromBase64(answer.sealedToken), own.publicKey, own.privateKey)
    const secret = new TextDecoder().decode(opened)
    sodium.memzero(opened)
    return { token: answer.token, secret }
  } finally {
    sodium.memzero(own.privateKey)
  }
}
