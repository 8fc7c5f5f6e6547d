import type { PlantSwitchView, VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask } from '../api.ts'
import { proven } from './passkeys.ts'
import { loadSodium } from './sodium.ts'

/** Adds a switch that calls. Its key comes sealed to a key made here: the console's server does not learn it. */
export async function addCallingSwitch(
  wanted: Omit<VerbInput<'switch.add'>, 'boxKey' | 'totpCode'>,
  code: string,
): Promise<{ readonly added: PlantSwitchView; readonly key: string }> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const body = await proven(code, 'switch.add', {}, { ...wanted, boxKey: toBase64(own.publicKey) })
    const { sealedKey = '', ...added } = await ask<VerbAnswer<'switch.add'>>('POST', '/api/switches', body)
    const opened = sodium.crypto_box_seal_open(fromBase64(sealedKey), own.publicKey, own.privateKey)
    const key = new TextDecoder().decode(opened)
    sodium.memzero(opened)
    return { added, key }
  } finally {
    sodium.memzero(own.privateKey)
  }
}
