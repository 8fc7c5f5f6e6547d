import { sameBytes } from '../kernel/digest.ts'
import { toBase64 } from '../kernel/encoding.ts'
import { bytesField, KeyFileError, readKeyFile, writeKeyFile } from './key-file.ts'
import type { Sodium } from './sodium.ts'

/** The recordings recovery key, as its holder has it. It is not sealed: paper in an envelope, a stick in a safe. */
export type RecoveryKey = {
  readonly kind: 'recovery'
  readonly signKey: Uint8Array
  readonly boxKey: Uint8Array
  readonly signPrivate: Uint8Array
  readonly boxPrivate: Uint8Array
}

const title = 'tagout-recordings-recovery-key 1'

export function makeRecoveryKey(sodium: Sodium): RecoveryKey {
  const sign = sodium.crypto_sign_keypair()
  const box = sodium.crypto_box_keypair()
  return {
    kind: 'recovery',
    signKey: sign.publicKey,
    boxKey: box.publicKey,
    signPrivate: sign.privateKey,
    boxPrivate: box.privateKey,
  }
}

export function writeRecoveryFile(key: RecoveryKey): string {
  return writeKeyFile(
    title,
    [
      'Whoever holds this file can open every recording. Print it, lock it away, delete it here.',
      'It is needed when auditors have lost their keys or passphrases.',
    ],
    {
      'sign-key': toBase64(key.signKey),
      'box-key': toBase64(key.boxKey),
      'sign-private': toBase64(key.signPrivate.subarray(0, 32)),
      'box-private': toBase64(key.boxPrivate),
    },
  )
}

/** Reads a recordings recovery key file. Throws `KeyFileError` for a malformed one. */
export function readRecoveryFile(sodium: Sodium, text: string): RecoveryKey {
  const fields = readKeyFile(title, text, ['sign-key', 'box-key', 'sign-private', 'box-private'])
  const signKey = bytesField(fields, 'sign-key', 32)
  const boxKey = bytesField(fields, 'box-key', 32)
  const boxPrivate = bytesField(fields, 'box-private', 32)
  const pair = sodium.crypto_sign_seed_keypair(bytesField(fields, 'sign-private', 32))
  if (!sameBytes(pair.publicKey, signKey)) throw unpaired('sign-key', 'sign-private')
  if (!sameBytes(sodium.crypto_scalarmult_base(boxPrivate), boxKey)) throw unpaired('box-key', 'box-private')
  return { kind: 'recovery', signKey, boxKey, signPrivate: pair.privateKey, boxPrivate }
}

function unpaired(one: string, other: string): KeyFileError {
  return new KeyFileError(`the rows ${one} and ${other} do not belong together`)
}
