import { createHash, verify } from 'node:crypto'
import type { SshPublicKey } from './ssh-key.ts'
import { WireReader, wireString } from './ssh-wire.ts'

const rsaHashes: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }
const ecdsaHashes: Readonly<Record<string, string>> = {
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
}

/**
 * Is `algorithm` one with which this key may sign? SHA-1 (`ssh-rsa` as a signature) is not.
 */
export function isAlgorithmOf(key: SshPublicKey, algorithm: string): boolean {
  return key.type === 'ssh-rsa' ? algorithm in rsaHashes : algorithm === key.type
}

/**
 * Verifies `signature` over `data` (RFC 4253 §6.6, RFC 5656 §3.1.2, RFC 8332 §3, OpenSSH PROTOCOL.u2f).
 * Takes the signature as on the wire (`string algorithm, string signature`), or without its outer framing and
 * ECDSA as DER, which is how the ssh2 library hands it on. A security key must have been touched.
 */
export function verifySshSignature(
  key: SshPublicKey,
  algorithm: string,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!isAlgorithmOf(key, algorithm)) return false
  try {
    const bare = withoutFraming(algorithm, Buffer.from(signature))
    if (key.application !== null) return verifySecurityKey(key, key.application, data, bare)
    return verifyPlain(key, algorithm, data, bare)
  } catch {
    return false
  }
}

function withoutFraming(algorithm: string, signature: Buffer): Buffer {
  const head = wireString(algorithm)
  if (!signature.subarray(0, head.length).equals(head)) return signature
  const reader = new WireReader(signature.subarray(head.length))
  // The flags and counter of a security key follow the inner string.
  return Buffer.concat([reader.string(), reader.rest()])
}

function verifyPlain(key: SshPublicKey, algorithm: string, data: Uint8Array, signature: Buffer): boolean {
  if (key.key.asymmetricKeyType === 'ed25519') return verify(null, data, key.key, signature)
  const ecdsa = ecdsaHashes[algorithm]
  if (ecdsa !== undefined) return verifyEcdsa(ecdsa, key, data, signature)
  const rsa = rsaHashes[algorithm]
  return rsa !== undefined && verify(rsa, data, key.key, signature)
}

function verifyEcdsa(hash: string, key: SshPublicKey, data: Uint8Array, signature: Buffer): boolean {
  if (signature[0] === 0x30) return verify(hash, data, { key: key.key, dsaEncoding: 'der' }, signature)
  const width = Math.ceil(key.bits / 8)
  const reader = new WireReader(signature)
  const [r, s] = [reader.mpint(), reader.mpint()]
  if (!reader.isDone || r.length > width || s.length > width) return false
  const flat = Buffer.alloc(2 * width)
  r.copy(flat, width - r.length)
  s.copy(flat, 2 * width - s.length)
  return verify(hash, data, { key: key.key, dsaEncoding: 'ieee-p1363' }, flat)
}

/**
 * SECURITY: a security key signs the hash of the application, its flags and its counter with the hash of the data.
 * Without user presence (flag 1) the signature is refused. The counter is not compared: many keys keep it at zero.
 */
function verifySecurityKey(
  key: SshPublicKey,
  application: string,
  data: Uint8Array,
  signature: Buffer,
): boolean {
  if (signature.length < 6) return false
  const inner = signature.subarray(0, -5)
  const presence = signature.subarray(-5)
  if (((presence[0] ?? 0) & 1) === 0) return false
  const signed = Buffer.concat([
    createHash('sha256').update(application).digest(),
    presence,
    createHash('sha256').update(data).digest(),
  ])
  return key.key.asymmetricKeyType === 'ed25519'
    ? verify(null, signed, key.key, inner)
    : verifyEcdsa('sha256', key, signed, inner)
}
