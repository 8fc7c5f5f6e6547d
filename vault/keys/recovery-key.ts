import { hash, randomBytes } from 'node:crypto'
import { purposes } from '../crypto/purpose.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { Secret } from '../kernel/secret.ts'

/**
 * A recovery key as people print and type it: 160 random bits and 20 bits of checksum in Crockford's base32, nine
 * groups of four. Letters that look like digits are read as the digits; case, spaces and dashes do not matter.
 */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
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
  const typed = text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  if (typed.length !== keyChars + checkChars) return undefined
  const bytes = fromBase32(typed.slice(0, keyChars))
  if (bytes === undefined || checksum(bytes) !== typed.slice(keyChars)) return undefined
  return new Secret(bytes)
}

function checksum(bytes: Uint8Array): string {
  const digest = hash('sha256', encodeParts(purposes['recovery-checksum'], bytes), 'buffer')
  return toBase32(digest.subarray(0, 5)).slice(0, checkChars)
}

function toBase32(bytes: Uint8Array): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = ((value & 0x1f) << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >>> bits) & 31]
    }
  }
  return text
}

function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array((text.length * 5) / 8)
  let at = 0
  let value = 0
  let bits = 0
  for (const char of text) {
    const digit = alphabet.indexOf(char)
    if (digit < 0) return undefined
    value = ((value & 0xff) << 5) | digit
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (value >>> bits) & 0xff
    }
  }
  return bytes
}
