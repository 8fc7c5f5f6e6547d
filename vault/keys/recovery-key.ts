import { hash, randomBytes } from 'node:crypto'
import { purposes } from '../crypto/purpose.ts'
import { asTyped, base32Letters, fromBase32, toBase32, withoutNotes } from '../kernel/base32.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { Secret } from '../kernel/secret.ts'

/**
 * A recovery key as people print and type it: 160 random bits and 20 bits of checksum in Crockford's base32, nine
 * groups of four. Letters that look like digits are read as the digits; case, spaces and dashes do not matter. Lines
 * that begin with `#` are for people.
 */
const keyLength = 20
const keyChars = (keyLength * 8) / 5
const checkChars = 4
const groupChars = 4
const allGroups = (keyChars + checkChars) / groupChars

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
  const typed = asTyped(withoutNotes(text))
  if (typed.length !== keyChars + checkChars) return undefined
  const bytes = fromBase32(typed.slice(0, keyChars))
  if (bytes === undefined || checksum(bytes) !== typed.slice(keyChars)) return undefined
  return new Secret(bytes)
}

/**
 * In which group, from 1, a mistyped recovery key is wrong: one of another length, or with a letter that no key has, or
 * the one where another letter, or two neighbours the other way round, makes the key whole. Undefined where more than
 * that is wrong. It tells nobody more than the checksum does, and never what belongs there.
 */
export function mistypedGroup(text: string): number | undefined {
  const written = withoutNotes(text)
  const groups = written
    .trim()
    .split(/[\s-]+/)
    .map(asTyped)
  const wrong = groups.flatMap((group, at) => (isGroup(group) ? [] : [at + 1]))
  if (groups.length === allGroups && wrong.length > 0) return wrong.length === 1 ? wrong[0] : undefined
  const typed = asTyped(written)
  if (typed.length !== keyChars + checkChars) return undefined
  const mended = new Set<number>()
  for (let at = 0; at < typed.length; at += 1) {
    const [before, here, next, after] = [
      typed.slice(0, at),
      typed.slice(at, at + 1),
      typed.slice(at + 1, at + 2),
      typed.slice(at + 2),
    ]
    const others = [...base32Letters].map((letter) => `${before}${letter}${next}${after}`)
    if (at % groupChars < groupChars - 1) others.push(`${before}${next}${here}${after}`)
    for (const other of others) {
      using key = parseRecoveryKey(other)
      if (key !== undefined) mended.add(Math.floor(at / groupChars) + 1)
    }
  }
  return mended.size === 1 ? [...mended][0] : undefined
}

function isGroup(text: string): boolean {
  return text.length === groupChars && [...text].every((letter) => base32Letters.includes(letter))
}

function checksum(bytes: Uint8Array): string {
  const digest = hash('sha256', encodeParts(purposes['recovery-checksum'], bytes), 'buffer')
  return toBase32(digest.subarray(0, 5)).slice(0, checkChars)
}
