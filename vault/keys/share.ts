import { hash } from 'node:crypto'
import { purposes } from '../crypto/purpose.ts'
import { asTyped, fromBase32, toBase32, withoutNotes } from '../kernel/base32.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'

/**
 * A custodian's share as people print and type it: six rows of twelve letters of Crockford's base32, each with two
 * letters that check the row, so that a mistyped one is named by its row (docs/envelope-format.md). Lines that begin
 * with `#` are for people.
 */
export const shareRows = 6
const rowChars = 12
const rowCheckChars = 2

const format = 1
const setBytes = 5
const headBytes = 1 + setBytes + 2
/** The value of a share of 32 bytes, and its place on the curve. */
export const valueBytes = 33
const checkBytes = 4
const allBytes = headBytes + valueBytes + checkBytes

/** Which share: of which set, its number, and how many of the set open. */
export type Share = {
  /** Eight letters that name the set. */
  readonly set: string
  readonly index: number
  readonly threshold: number
  readonly value: Secret
}

/** Writes a share for people. The text is the secret: to be printed once, never logged. */
export function shareText(share: Share): string {
  const head = new Uint8Array(headBytes)
  head[0] = format
  head.set(fromBase32(share.set) ?? new Uint8Array(setBytes), 1)
  head[1 + setBytes] = share.index
  head[2 + setBytes] = share.threshold
  return share.value.expose((value) => {
    const all = new Uint8Array(allBytes)
    all.set(head)
    all.set(value, headBytes)
    all.set(checkOf(all.subarray(0, headBytes + valueBytes)), headBytes + valueBytes)
    const letters = toBase32(all)
    all.fill(0)
    const rows = Array.from({ length: shareRows }, (_, at) =>
      letters.slice(at * rowChars, (at + 1) * rowChars),
    )
    return rows.map((row, at) => `${row.replace(/(.{4})/g, '$1-')}${rowCheck(at, row)}\n`).join('')
  })
}

/** Reads one typed row; undefined where it was mistyped. `at` counts from 0. */
export function parseShareRow(at: number, text: string): string | undefined {
  const typed = asTyped(text)
  const row = typed.slice(0, rowChars)
  return typed.length === rowChars + rowCheckChars && rowCheck(at, row) === typed.slice(rowChars)
    ? row
    : undefined
}

/** Reads a typed share, or says which row was mistyped. The caller owns its value. */
export function parseShare(text: string): Outcome<Share> {
  const typed = asTyped(withoutNotes(text))
  const whole = shareRows * (rowChars + rowCheckChars)
  if (typed.length !== whole)
    return refuse(
      'invalid',
      `this is no whole share: it has ${typed.length} letters of ${whole}`,
      `type all ${shareRows} rows of it`,
    )
  let letters = ''
  for (let at = 0; at < shareRows; at += 1) {
    const width = rowChars + rowCheckChars
    const row = parseShareRow(at, typed.slice(at * width, (at + 1) * width))
    if (row === undefined)
      return refuse('invalid', `row ${at + 1} of the share was mistyped`, 'compare it with the paper')
    letters += row
  }
  const bytes = fromBase32(letters)
  if (bytes === undefined || bytes.length !== allBytes) return mistyped()
  try {
    const body = bytes.subarray(0, headBytes + valueBytes)
    if (Buffer.compare(checkOf(body), bytes.subarray(headBytes + valueBytes)) !== 0) return mistyped()
    if (bytes[0] !== format)
      return refuse('invalid', 'this share is of a newer version of Tagout', 'install that version to use it')
    return done({
      set: toBase32(bytes.subarray(1, 1 + setBytes)),
      index: bytes[1 + setBytes] ?? 0,
      threshold: bytes[2 + setBytes] ?? 0,
      value: new Secret(bytes.slice(headBytes, headBytes + valueBytes)),
    })
  } finally {
    bytes.fill(0)
  }
}

function mistyped(): Outcome<never> {
  return refuse(
    'invalid',
    'the share was mistyped: its rows do not belong together',
    'compare it with the paper',
  )
}

function checkOf(body: Uint8Array): Uint8Array {
  const digest = hash('sha256', encodeParts(purposes['share-checksum'], body), 'buffer')
  return new Uint8Array(digest.subarray(0, checkBytes))
}

function rowCheck(at: number, row: string): string {
  const digest = hash('sha256', encodeParts(purposes['share-checksum'], String(at), row), 'buffer')
  return toBase32(digest.subarray(0, 2)).slice(0, rowCheckChars)
}
