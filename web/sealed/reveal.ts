import type { VerbAnswer } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask, at } from '../api.ts'
import { proven } from './passkeys.ts'
import { loadSodium } from './sodium.ts'

/** Asks for the new secret of a task to be shown, as `revealSecret` does. */
export function revealTask(task: string, code: string) {
  return opened(async (boxKey) => {
    const body = await proven(code, 'task.reveal', { task } as never, { boxKey } as never)
    return ask<VerbAnswer<'task.reveal'>>('POST', at`/api/rotation-tasks/${task}/reveal`, body)
  })
}

/**
 * Asks for a secret to be shown. It comes sealed to a key made here for this one answer, which nobody else holds. The caller
 * wipes the bytes.
 */
export function revealSecret(account: string, code: string, reason: string) {
  return opened(async (boxKey) => {
    const body = await proven(code, 'account.reveal', { account }, { boxKey, reason })
    return ask<VerbAnswer<'account.reveal'>>('POST', at`/api/accounts/${account}/reveal`, body)
  })
}

async function opened(
  reveal: (boxKey: string) => Promise<{ readonly sealed: string; readonly version: number }>,
): Promise<{ readonly secret: Uint8Array; readonly version: number }> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const { sealed, version } = await reveal(toBase64(own.publicKey))
    return { secret: sodium.crypto_box_seal_open(fromBase64(sealed), own.publicKey, own.privateKey), version }
  } finally {
    sodium.memzero(own.privateKey)
  }
}
