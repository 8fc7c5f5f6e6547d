import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { WireReader } from './ssh-wire.ts'

/** A public key with which a person proves to be a user over SSH. */
export type SshPublicKey = {
  /** `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`, `sk-ssh-ed25519@openssh.com`, … */
  readonly type: string
  /** The key blob of RFC 4253 §6.6. */
  readonly blob: Buffer
  readonly key: KeyObject
  /** The application that a security key was made for (`ssh:`), else null. */
  readonly application: string | null
  readonly bits: number
}

const curves: Readonly<Record<string, { readonly crv: string; readonly bits: number }>> = {
  nistp256: { crv: 'P-256', bits: 256 },
  nistp384: { crv: 'P-384', bits: 384 },
  nistp521: { crv: 'P-521', bits: 521 },
}
const smallestRsa = 2048

/** `SHA256:…` as OpenSSH prints it. */
export function sshFingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** Parses a line of OpenSSH's public key format: `type base64 comment`. */
export function parsePublicKeyLine(
  text: string,
): Outcome<{ readonly key: SshPublicKey; readonly comment: string }> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const [line] = lines
  if (line === undefined || lines.length > 1)
    return refuse('invalid', 'publicKey: give one line of an OpenSSH public key', 'paste the .pub file')
  if (line.includes('PRIVATE KEY'))
    return refuse('invalid', 'publicKey: this is a private key', 'give the .pub file, and keep this one')
  const [type = '', base64 = '', ...rest] = line.trim().split(/\s+/)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    return refuse(
      'invalid',
      'publicKey: not a line of the form `type base64 comment`',
      'paste the .pub file; options before the type are not taken',
    )
  const parsed = parsePublicKeyBlob(Buffer.from(base64, 'base64'))
  if (!parsed.ok) return parsed
  if (parsed.value.type !== type)
    return refuse('invalid', 'publicKey: the type named and the type of the key differ')
  const comment = rest
    .join(' ')
    .replace(/[\p{C}]/gu, '')
    .slice(0, 200)
  return done({ key: parsed.value, comment })
}

/** Parses a key blob. Refuses DSA, RSA under 2048 bits, certificates and what does not parse to its end. */
export function parsePublicKeyBlob(blob: Uint8Array): Outcome<SshPublicKey> {
  try {
    const reader = new WireReader(blob)
    const type = reader.text()
    const parsed = parseBody(type, reader)
    if (parsed === undefined)
      return refuse(
        'invalid',
        'publicKey: keys of this type are not taken',
        'use ssh-ed25519, ecdsa-sha2-*, rsa of 2048 bits or more, or a security key (sk-*)',
      )
    if (!reader.isDone) return refuse('invalid', 'publicKey: bytes follow the key')
    const { jwk, application, bits } = parsed
    if (jwk.kty === 'RSA' && bits < smallestRsa)
      return refuse('invalid', `publicKey: an RSA key of ${bits} bits is too short`, 'use ed25519')
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    return done({ type, blob: Buffer.from(blob), key, application, bits })
  } catch {
    return refuse('invalid', 'publicKey: the key does not parse', 'paste the .pub file as it is')
  }
}

type Body = { readonly jwk: JsonWebKey; readonly application: string | null; readonly bits: number }

function parseBody(type: string, reader: WireReader): Body | undefined {
  switch (type) {
    case 'ssh-ed25519':
      return { jwk: edwards(reader.string()), application: null, bits: 256 }
    case 'sk-ssh-ed25519@openssh.com':
      return { jwk: edwards(reader.string()), application: reader.text(), bits: 256 }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return { ...curve(type.slice('ecdsa-sha2-'.length), reader), application: null }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return { ...curve('nistp256', reader), application: reader.text() }
    case 'ssh-rsa': {
      const e = reader.mpint()
      const n = reader.mpint()
      const bits = n.length * 8 - Math.clz32((n[0] ?? 0) << 24)
      if (bits > 16_384 || e.length > 8) throw new RangeError('an RSA key beyond reason')
      return {
        jwk: { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') },
        application: null,
        bits,
      }
    }
    default:
      return undefined
  }
}

function edwards(point: Buffer): JsonWebKey {
  if (point.length !== 32) throw new RangeError('an Ed25519 key has 32 bytes')
  return { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
}

function curve(name: string, reader: WireReader): { readonly jwk: JsonWebKey; readonly bits: number } {
  const known = curves[name]
  if (known === undefined || reader.text() !== name) throw new RangeError('the curve is not the one named')
  const point = reader.string()
  const size = Math.ceil(known.bits / 8)
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw new RangeError('not an uncompressed point')
  return {
    jwk: {
      kty: 'EC',
      crv: known.crv,
      x: point.subarray(1, 1 + size).toString('base64url'),
      y: point.subarray(1 + size).toString('base64url'),
    },
    bits: known.bits,
  }
}
