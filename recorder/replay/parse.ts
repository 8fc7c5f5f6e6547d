import { type Canonical, canonicalJson, fromBase64 } from '../../vault/kernel/encoding.ts'
import type { RecordingHeader } from './header.ts'
import { type FinalBody, isExtra, type SegmentEnd, type SegmentHead } from './record.ts'

/** Why bytes are not what the format says; the message continues a sentence. */
export class FormatError extends Error {}

/** Parses the header's body strictly where a reader depends on it. Throws `FormatError`. */
export function parseHeader(body: Uint8Array): RecordingHeader {
  const header = parse(body, 'the header')
  if (header.format !== 'tagout-recording' || header.version !== 1)
    throw new FormatError('the header is of another format')
  if (header.cipher !== 'aes-256-gcm') throw new FormatError('the header names a cipher that is not known')
  for (const name of ['recording', 'session', 'createdAt', 'startedAt', 'source', 'inputPolicy'])
    if (typeof header[name] !== 'string') throw new FormatError(`the header has no ${name}`)
  for (const name of ['user', 'account', 'target', 'safe'])
    if (typeof (header[name] as { readonly name?: unknown } | null | undefined)?.name !== 'string')
      throw new FormatError(`the header has no ${name}`)
  bytes(header.publicKey, 32, 'public key')
  if (!Array.isArray(header.recipients) || header.recipients.length === 0 || header.recipients.length > 64)
    throw new FormatError('the header names no recipients')
  for (const recipient of header.recipients as unknown[]) {
    const { kind, key, sealed } = (recipient ?? {}) as Record<string, unknown>
    if (kind !== 'auditors' && kind !== 'recovery')
      throw new FormatError('the header names an unknown recipient')
    bytes(key, 32, 'recipient')
    bytes(sealed, 80, 'sealed key')
  }
  return header as unknown as RecordingHeader
}

export function parseSegmentHead(body: Uint8Array): SegmentHead {
  const head = parse(body, 'a segment')
  if (!isWhole(head.segment) || !isWhole(head.at) || typeof head.wall !== 'string')
    throw new FormatError('a segment is malformed')
  if (head.previous !== null) bytes(head.previous, 32, 'root of the segment before')
  bytes(head.commitment, 32, 'commitment of a segment')
  return head as unknown as SegmentHead
}

export function parseSegmentEnd(body: Uint8Array): SegmentEnd {
  const end = parse(body, "a segment's end")
  if (!isWhole(end.segment) || !isWhole(end.leaves) || !isWhole(end.at))
    throw new FormatError("a segment's end is malformed")
  bytes(end.root, 32, 'root of a segment')
  return end as unknown as SegmentEnd
}

export function parseFinal(body: Uint8Array): FinalBody {
  const final = parse(body, 'the end')
  for (const name of ['duration', 'chunks', 'plainBytes', 'size'])
    if (!isWhole(final[name])) throw new FormatError('the end is malformed')
  for (const name of ['recording', 'reason', 'endedAt'])
    if (typeof final[name] !== 'string') throw new FormatError('the end is malformed')
  bytes(final.root, 32, 'root of the recording')
  if (!Array.isArray(final.segments) || !Array.isArray(final.extras))
    throw new FormatError('the end is malformed')
  for (const segment of final.segments as unknown[])
    if (!Array.isArray(segment) || segment.length !== 2 || !segment.every(isWhole))
      throw new FormatError('the end names a segment that is none')
  for (const extra of final.extras as unknown[]) {
    const { type, sha256 } = (extra ?? {}) as Record<string, unknown>
    if (!isWhole(type) || !isExtra(type)) throw new FormatError('the end names a record that is none')
    bytes(sha256, 32, 'digest')
  }
  return final as unknown as FinalBody
}

/** Decodes base64 of a known length. Throws `FormatError`. */
export function bytes(value: unknown, length: number, what: string): Uint8Array {
  try {
    const decoded = typeof value === 'string' ? fromBase64(value) : new Uint8Array()
    if (decoded.length === length) return decoded
  } catch {
    // Told below, with the wrong length.
  }
  throw new FormatError(`the ${what} is malformed`)
}

function parse(body: Uint8Array, what: string): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    const value: unknown = JSON.parse(text)
    if (
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      canonicalJson(value as Canonical) === text
    )
      return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw new FormatError(`${what} is not canonical json`)
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
