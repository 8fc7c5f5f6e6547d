import { hash, randomBytes } from 'node:crypto'
import { purposes } from '../crypto/purpose.ts'
import { asTyped, fromBase32, toBase32 } from '../kernel/base32.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { Secret } from '../kernel/secret.ts'

/**
 * A recovery key as people print and type it: 160 random bits and 20 bits of checksum in Crockford's base32, nine
 * groups of four. Letters that look like digits are read as the digits; case, spaces and dashes do not matter.
 */
const keyLength = 20
const keyChars = (keyLength * 8) / 5
const checkChars = 4

export function newRecoveryKey(): Secret {
  return new Secret(new Uint8Array(randomBytes(keyLength)))
}

/** Writes a recovery key for people. The text is the secret: print it, never log it. */
export function recoveryKeyText(key: Secret): string {
  const text = key.expose((bytes) => toBase32(bytes) + checksum(bytes))
  return text.replace(/(.{4})(?=.)/g, '$1-')
}

/** Reads a typed recovery key; undefined when it was mistyped. */
export function parseRecoveryKey(text: string): Secret | undefined {
  const typed = asTyped(text)
  if (typed.length !== keyChars + checkChars) return undefined
  const bytes = fromBase32(typed.slice(0, keyChars))
  if (bytes === undefined || checksum(bytes) !== typed.slice(keyChars)) return undefined
  return new Secret(bytes)
}

function checksum(bytes: Uint8Array): string {
  const digest = hash('sha256', encodeParts(purposes['recovery-checksum'], bytes), 'buffer')
  return toBase32(digest.subarray(0, 5)).slice(0, checkChars)
}
