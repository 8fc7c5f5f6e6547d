import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

// An Ed25519 PKCS#8 key and SubjectPublicKeyInfo are these prefixes and 32 raw bytes (RFC 8410 §4, §7).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** An Ed25519 key that signs; `publicKey` is its 32 raw bytes. */
export type SigningKey = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array }

/** Makes the Ed25519 key of a 32-byte seed. The caller still owns `seed`. */
export function signingKeyOf(seed: Uint8Array): SigningKey {
  const der = Buffer.concat([pkcs8Prefix, seed])
  try {
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
    return { privateKey, publicKey: new Uint8Array(spki.subarray(spkiPrefix.length)) }
  } finally {
    der.fill(0)
  }
}

export function signBytes(key: SigningKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, key.privateKey))
}

/** The key object of 32 raw public bytes. Throws `RangeError` for another length. */
export function verifyingKeyOf(publicKey: Uint8Array): KeyObject {
  if (publicKey.length !== 32) throw new RangeError('an Ed25519 public key has 32 bytes')
  return createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
}

export function isSignatureOf(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, message, key, signature)
}
