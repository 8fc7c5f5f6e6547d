import { type Canonical, canonicalJson, fromBase64 } from '../kernel/encoding.ts'
import type { ListBody, ListedAuditor, ListSigner } from './list.ts'

/** Why a list is not one; the message continues a sentence. */
export class ListError extends Error {}

const maxBodyBytes = 1024 * 1024
const sealedKeyBytes = 32 + 48 // crypto_box_seal adds an ephemeral public key and a tag

/** Parses a list's body strictly: canonical JSON, exactly the known members. Throws `ListError`. */
export function parseBody(bytes: Uint8Array): ListBody {
  if (bytes.length > maxBodyBytes) throw new ListError('it is too large')
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
    // SECURITY: one value has one spelling, so what is hashed and signed is what is read.
    if (canonicalJson(value as Canonical) !== text) throw new TypeError('another spelling')
  } catch {
    throw new ListError('it is not canonical json')
  }
  const body = members(value, [
    'format',
    'version',
    'previous',
    'signer',
    'groupKey',
    'recovery',
    'auditors',
    'earlierGroupKeys',
    'at',
  ])
  if (body.format !== 'tagout-auditor-list') throw new ListError('it is of another format')
  const recovery = members(body.recovery, ['signKey', 'boxKey', 'wrappedGroupKey'])
  const auditors = many(body.auditors).map(readAuditor)
  if (auditors.length === 0) throw new ListError('it names no auditor')
  for (const field of ['name', 'signKey', 'boxKey'] as const)
    if (new Set(auditors.map((auditor) => String(auditor[field]))).size !== auditors.length)
      throw new ListError(`it names a ${field} twice`)
  return {
    version: whole(body.version),
    previous: body.previous === null ? null : key(body.previous),
    signer: readSigner(body.signer),
    groupKey: key(body.groupKey),
    recovery: {
      signKey: key(recovery.signKey),
      boxKey: key(recovery.boxKey),
      wrappedGroupKey: bytesOf(recovery.wrappedGroupKey, sealedKeyBytes),
    },
    auditors,
    earlierGroupKeys: many(body.earlierGroupKeys).map((value) => {
      const earlier = members(value, ['groupKey', 'wrapped'])
      return { groupKey: key(earlier.groupKey), wrapped: bytesOf(earlier.wrapped, sealedKeyBytes) }
    }),
    at: moment(body.at),
  }
}

function readAuditor(value: unknown): ListedAuditor {
  const auditor = members(value, ['name', 'signKey', 'boxKey', 'wrappedGroupKey'])
  if (typeof auditor.name !== 'string' || !/^[a-z0-9_][a-z0-9._-]{0,62}$/i.test(auditor.name))
    throw new ListError('it names an auditor by no name')
  return {
    name: auditor.name,
    signKey: key(auditor.signKey),
    boxKey: key(auditor.boxKey),
    wrappedGroupKey: bytesOf(auditor.wrappedGroupKey, sealedKeyBytes),
  }
}

function readSigner(value: unknown): ListSigner {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  if (kind === 'ceremony') return { kind, key: key(members(value, ['kind', 'key']).key) }
  if (kind === 'auditor') {
    const { name } = members(value, ['kind', 'name'])
    if (typeof name === 'string') return { kind, name }
  }
  if (kind === 'recovery') {
    members(value, ['kind'])
    return { kind }
  }
  throw new ListError('it names no signer')
}

function members(value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ListError('it is malformed')
  const found = Object.keys(value)
  if (found.length !== names.length || !names.every((name) => Object.hasOwn(value, name)))
    throw new ListError('it has other members than it should')
  return value as Record<string, unknown>
}

function many(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new ListError('it is malformed')
  return value
}

function whole(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw new ListError('it has no version')
  return value
}

function key(value: unknown): Uint8Array {
  return bytesOf(value, 32)
}

function bytesOf(value: unknown, length: number): Uint8Array {
  try {
    const bytes = typeof value === 'string' ? fromBase64(value) : new Uint8Array()
    if (bytes.length === length) return bytes
  } catch {
    // Told below, with the wrong length.
  }
  throw new ListError('it holds a key that is none')
}

function moment(value: unknown): string {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(value)) return value
  throw new ListError('it has no time')
}
