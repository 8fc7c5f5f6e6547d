import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { createRequire } from 'node:module'
import { parsePublicKeyBlob, type SshPublicKey } from '../identity/ssh-key.ts'
import { wireString } from '../identity/ssh-wire.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

// ssh2 reads OpenSSH's own private key format, which node:crypto does not know; only its parser is used here.
const { utils } = createRequire(import.meta.url)('ssh2') as typeof import('ssh2')

/** A private key of an account, checked: it parses, it signs, and its public half is of a kind that is taken. */
export type SshPrivateKey = { readonly key: KeyObject; readonly publicKey: SshPublicKey }

/**
 * Parses a private key file (OpenSSH, PKCS#8, PEM) and proves that it can sign. Refuses what is encrypted without
 * its passphrase, DSA, and keys whose public half does not belong to them.
 */
export function parsePrivateKey(
  text: Uint8Array,
  passphrase: Uint8Array | undefined,
): Outcome<SshPrivateKey> {
  const parsed = parseFile(Buffer.from(text), passphrase === undefined ? undefined : Buffer.from(passphrase))
  if (!parsed.ok) return parsed
  const { pem, blob } = parsed.value
  const publicKey = parsePublicKeyBlob(blob)
  if (!publicKey.ok)
    return refuse(
      'invalid',
      publicKey.refusal.message.replace(/^publicKey/, 'credential'),
      publicKey.refusal.next,
    )
  try {
    const key = createPrivateKey(pem)
    const belongs = createPublicKey(key).equals(publicKey.value.key)
    if (!belongs) return refuse('invalid', 'credential: the public half in the file belongs to another key')
    return done({ key, publicKey: publicKey.value })
  } catch {
    return refuse('invalid', 'credential: the private key does not load', 'make a new one with ssh-keygen')
  }
}

function parseFile(
  text: Buffer,
  passphrase: Buffer | undefined,
): Outcome<{ readonly pem: string | Buffer; readonly blob: Buffer }> {
  const hasPassphrase = passphrase !== undefined && passphrase.length > 0
  if (/BEGIN (ENCRYPTED )?PRIVATE KEY/.test(text.toString('latin1')))
    return parsePkcs8(text, hasPassphrase ? passphrase : undefined)
  let parsed: ReturnType<typeof utils.parseKey>
  try {
    parsed = utils.parseKey(text, hasPassphrase ? passphrase : undefined)
  } catch (error) {
    parsed = error instanceof Error ? error : new Error('unreadable')
  }
  if (parsed instanceof Error) return refuseFile(parsed.message, hasPassphrase)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key === undefined || !key.isPrivateKey())
    return refuse('invalid', 'credential: this is a public key', 'give the private key file')
  return done({ pem: key.getPrivatePEM(), blob: Buffer.from(key.getPublicSSH()) })
}

function parsePkcs8(
  text: Buffer,
  passphrase: Buffer | undefined,
): Outcome<{ readonly pem: string; readonly blob: Buffer }> {
  try {
    const key = createPrivateKey({ key: text, format: 'pem', ...(passphrase ? { passphrase } : {}) })
    return done({
      pem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      blob: publicBlob(createPublicKey(key)),
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : ''
    return refuseFile(
      /passphrase|decrypt|interrupted/i.test(reason) ? 'encrypted' : reason,
      passphrase !== undefined,
    )
  }
}

function refuseFile(reason: string, hasPassphrase: boolean): Outcome<never> {
  if (/encrypt|passphrase|bad decrypt|integrity/i.test(reason))
    return hasPassphrase
      ? refuse('invalid', 'credential: the passphrase does not open this private key', 'check the passphrase')
      : refuse('invalid', 'credential: this private key is encrypted', 'give its passphrase too')
  return refuse(
    'invalid',
    'credential: not a private key that can be used for SSH',
    'give an ed25519, ecdsa or rsa key file in OpenSSH or PEM form',
  )
}

function publicBlob(key: KeyObject): Buffer {
  const jwk = key.export({ format: 'jwk' })
  const part = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')
  if (key.asymmetricKeyType === 'ed25519')
    return Buffer.concat([wireString('ssh-ed25519'), wireString(part(jwk.x))])
  if (key.asymmetricKeyType === 'rsa')
    return Buffer.concat([wireString('ssh-rsa'), wireMpint(part(jwk.e)), wireMpint(part(jwk.n))])
  const name = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' }[jwk.crv ?? '']
  if (name === undefined) throw new TypeError('not a key for SSH')
  return Buffer.concat([
    wireString(`ecdsa-sha2-${name}`),
    wireString(name),
    wireString(Buffer.concat([Buffer.from([4]), part(jwk.x), part(jwk.y)])),
  ])
}

function wireMpint(bytes: Buffer): Buffer {
  return wireString(((bytes[0] ?? 0) & 0x80) === 0 ? bytes : Buffer.concat([Buffer.from([0]), bytes]))
}

/** Signs `data` as an SSH signature (`string algorithm, string signature`). Undefined: the key cannot sign so. */
export function signSsh(key: SshPrivateKey, algorithm: string, data: Uint8Array): Buffer | undefined {
  const frame = (bytes: Uint8Array) => Buffer.concat([wireString(algorithm), wireString(bytes)])
  switch (key.publicKey.type) {
    case 'ssh-rsa': {
      const hash = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }[algorithm]
      return hash === undefined ? undefined : frame(sign(hash, data, key.key))
    }
    case 'ssh-ed25519':
      return algorithm === 'ssh-ed25519' ? frame(sign(null, data, key.key)) : undefined
    default: {
      if (algorithm !== key.publicKey.type) return undefined
      const hash = { nistp256: 'sha256', nistp384: 'sha384', nistp521: 'sha512' }[algorithm.slice(11)]
      if (hash === undefined) return undefined
      const flat = sign(hash, data, { key: key.key, dsaEncoding: 'ieee-p1363' })
      const half = flat.length / 2
      return frame(
        Buffer.concat([wireMpint(trimmed(flat.subarray(0, half))), wireMpint(trimmed(flat.subarray(half)))]),
      )
    }
  }
}

function trimmed(bytes: Buffer): Buffer {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1
  return bytes.subarray(from)
}
