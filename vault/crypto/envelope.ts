import { hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { encodeParts } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { Secret } from '../kernel/secret.ts'
import { type Key, keyBytes, keyIdBytes } from './key.ts'
import { purposes } from './purpose.ts'
import { sodium } from './sodium.ts'

/**
 * Sealed bytes that name their algorithm and key, and open in one context only (docs/envelope-format.md).
 *
 * Algorithm 1: XChaCha20-Poly1305-IETF with a key and a key commitment derived from the sealing key and the nonce;
 * the header and the context are the additional data.
 */
const magic = new TextEncoder().encode('TGE1')
const algorithm = 1
const nonceBytes = 24
const commitmentBytes = 32
const tagBytes = 16

const at = {
  algorithm: magic.length,
  padding: magic.length + 1,
  keyId: magic.length + 2,
  nonce: magic.length + 2 + keyIdBytes,
  commitment: magic.length + 2 + keyIdBytes + nonceBytes,
  body: magic.length + 2 + keyIdBytes + nonceBytes + commitmentBytes,
}

export const headerBytes = at.body

/** Steps to which plaintext is padded: passwords do not show their length, nor SSH keys their kind. */
const paddings = { password: 6, 'ssh-key': 12 } as const

export type Padding = keyof typeof paddings

/** Names the row that an envelope belongs to, part by part; it opens nowhere else. */
export type Context = readonly [string, ...(readonly string[])]

/** Why an envelope does not open. Each is a `Fault('envelope')`. */
export const envelopeFaults = {
  form: 'the envelope is malformed',
  algorithm: 'the envelope is of an unknown algorithm',
  key: 'the envelope was sealed under another key',
  commitment: 'the envelope does not keep its commitment to the key',
  context: 'the envelope was changed or belongs elsewhere',
} as const

/** Seals a secret under `key` so that it opens in `context` only. The caller still owns `plaintext`. */
export function seal(
  key: Key,
  plaintext: Secret,
  context: Context,
  padding: Padding = 'password',
  nonce: Uint8Array = randomBytes(nonceBytes),
): Uint8Array {
  const exponent = paddings[padding]
  const header = new Uint8Array(headerBytes)
  header.set(magic)
  header[at.algorithm] = algorithm
  header[at.padding] = exponent
  header.set(key.id, at.keyId)
  header.set(nonce, at.nonce)
  const [encryption, commitment] = deriveKeys(key, nonce)
  header.set(commitment, at.commitment)
  const padded = plaintext.expose((bytes) => sodium.pad(bytes, 2 ** exponent))
  try {
    const body = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
      padded,
      encodeParts(header, ...context),
      null,
      nonce,
      encryption,
    )
    const envelope = new Uint8Array(header.length + body.length)
    envelope.set(header)
    envelope.set(body, header.length)
    return envelope
  } finally {
    padded.fill(0)
    encryption.fill(0)
  }
}

/**
 * Opens an envelope. The caller owns the Secret.
 *
 * Throws `Fault('envelope')` with one of `envelopeFaults`. Keys are never tried: an envelope that names another key
 * is refused before anything is decrypted.
 */
export function open(key: Key, envelope: Uint8Array, context: Context): Secret {
  if (envelope.length < headerBytes + tagBytes || !magic.every((byte, index) => envelope[index] === byte))
    throw new Fault('envelope', envelopeFaults.form)
  if (envelope[at.algorithm] !== algorithm) throw new Fault('envelope', envelopeFaults.algorithm)
  const exponent = envelope[at.padding] ?? 0
  if (!Object.values<number>(paddings).includes(exponent)) throw new Fault('envelope', envelopeFaults.form)
  if (!timingSafeEqual(envelope.subarray(at.keyId, at.nonce), key.id))
    throw new Fault('envelope', envelopeFaults.key)
  const header = envelope.subarray(0, headerBytes)
  const nonce = envelope.subarray(at.nonce, at.commitment)
  const [encryption, commitment] = deriveKeys(key, nonce)
  try {
    // SECURITY: Poly1305 alone does not commit to the key: one ciphertext can be made that opens under two.
    if (!timingSafeEqual(envelope.subarray(at.commitment, at.body), commitment))
      throw new Fault('envelope', envelopeFaults.commitment)
    return decrypt(encryption, nonce, envelope.subarray(headerBytes), header, context, 2 ** exponent)
  } finally {
    encryption.fill(0)
  }
}

/** Does the envelope name this key? False for what is no envelope. */
export function namesKey(key: Key, envelope: Uint8Array): boolean {
  const named = envelope.subarray(at.keyId, at.nonce)
  return named.length === key.id.length && timingSafeEqual(named, key.id)
}

function decrypt(
  encryption: Uint8Array,
  nonce: Uint8Array,
  body: Uint8Array,
  header: Uint8Array,
  context: Context,
  step: number,
): Secret {
  let padded: Uint8Array | undefined
  try {
    padded = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
      null,
      body,
      encodeParts(header, ...context),
      nonce,
      encryption,
    )
    return new Secret(sodium.unpad(padded, step).slice())
  } catch {
    // SECURITY: the cause is left out: nothing of what libsodium was given may travel in an error.
    throw new Fault('envelope', envelopeFaults.context)
  } finally {
    padded?.fill(0)
  }
}

/** The encryption key, and the commitment that goes into the header. */
function deriveKeys(key: Key, nonce: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const both = key.secret.expose(
    (bytes) =>
      new Uint8Array(hkdfSync('sha256', bytes, nonce, purposes.envelope, keyBytes + commitmentBytes)),
  )
  return [both.subarray(0, keyBytes), both.subarray(keyBytes)]
}
