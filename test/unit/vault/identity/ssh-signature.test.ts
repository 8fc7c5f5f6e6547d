import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { parsePublicKeyBlob, parsePublicKeyLine } from '../../../../vault/identity/ssh-key.ts'
import { verifySshSignature } from '../../../../vault/identity/ssh-signature.ts'
import { wireString } from '../../../../vault/identity/ssh-wire.ts'

const data = Buffer.from('what is signed')
const part = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')
const mpint = (bytes: Buffer) => {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1
  const bare = bytes.subarray(from)
  return wireString(((bare[0] ?? 0) & 0x80) === 0 ? bare : Buffer.concat([Buffer.from([0]), bare]))
}

function keyOf(blob: Buffer) {
  const parsed = parsePublicKeyBlob(blob)
  if (!parsed.ok) throw new Error(parsed.refusal.message)
  return parsed.value
}

function ecdsaBlob(
  key: KeyObject,
  name: string,
  type = `ecdsa-sha2-${name}`,
  tail: Buffer = Buffer.alloc(0),
): Buffer {
  const jwk = key.export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.from([4]), part(jwk.x), part(jwk.y)])
  return Buffer.concat([wireString(type), wireString(name), wireString(point), tail])
}

const ed = generateKeyPairSync('ed25519')
const edPoint = ed.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
const edBlob = Buffer.concat([wireString('ssh-ed25519'), wireString(edPoint)])

test('an Ed25519 signature holds on the wire and without its framing, over this data only', () => {
  const key = keyOf(edBlob)
  const bare = sign(null, data, ed.privateKey)
  const framed = Buffer.concat([wireString('ssh-ed25519'), wireString(bare)])
  for (const signature of [bare, framed]) {
    expect(verifySshSignature(key, 'ssh-ed25519', data, signature)).toBe(true)
    expect(verifySshSignature(key, 'ssh-ed25519', Buffer.from('another'), signature)).toBe(false)
    expect(verifySshSignature(key, 'ssh-rsa', data, signature)).toBe(false)
    expect(verifySshSignature(key, 'ssh-ed25519', data, signature.subarray(1))).toBe(false)
  }
})

test.each([
  ['nistp256', 'P-256', 'sha256'],
  ['nistp384', 'P-384', 'sha384'],
  ['nistp521', 'P-521', 'sha512'],
])('an ECDSA signature on %s holds as mpints and as DER', (name, namedCurve, hash) => {
  const pair = generateKeyPairSync('ec', { namedCurve })
  const key = keyOf(ecdsaBlob(pair.publicKey, name))
  const algorithm = `ecdsa-sha2-${name}`
  const flat = sign(hash, data, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' })
  const inner = Buffer.concat([
    mpint(flat.subarray(0, flat.length / 2)),
    mpint(flat.subarray(flat.length / 2)),
  ])
  const framed = Buffer.concat([wireString(algorithm), wireString(inner)])
  const der = sign(hash, data, pair.privateKey)
  for (const signature of [inner, framed, der]) {
    expect(verifySshSignature(key, algorithm, data, signature)).toBe(true)
    expect(verifySshSignature(key, algorithm, Buffer.from('another'), signature)).toBe(false)
  }
})

test('an RSA key signs with SHA-2 and not with SHA-1', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = pair.publicKey.export({ format: 'jwk' })
  const key = keyOf(Buffer.concat([wireString('ssh-rsa'), mpint(part(jwk.e)), mpint(part(jwk.n))]))
  expect(verifySshSignature(key, 'rsa-sha2-256', data, sign('sha256', data, pair.privateKey))).toBe(true)
  expect(verifySshSignature(key, 'rsa-sha2-512', data, sign('sha512', data, pair.privateKey))).toBe(true)
  expect(verifySshSignature(key, 'ssh-rsa', data, sign('sha1', data, pair.privateKey))).toBe(false)
  expect(verifySshSignature(key, 'rsa-sha2-256', data, sign('sha1', data, pair.privateKey))).toBe(false)
})

function presence(flags: number, counter = 7): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt8(flags)
  bytes.writeUInt32BE(counter, 1)
  return bytes
}

function signedBySecurityKey(application: string, flags: Buffer): Buffer {
  const hash = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest()
  return Buffer.concat([hash(application), flags, hash(data)])
}

test('a security key holds when it was touched, for its own application only', () => {
  const type = 'sk-ssh-ed25519@openssh.com'
  const key = keyOf(Buffer.concat([wireString(type), wireString(edPoint), wireString('ssh:')]))
  const signed = (application: string, flags: number) =>
    Buffer.concat([
      wireString(type),
      wireString(sign(null, signedBySecurityKey(application, presence(flags)), ed.privateKey)),
      presence(flags),
    ])
  expect(verifySshSignature(key, type, data, signed('ssh:', 1))).toBe(true)
  expect(verifySshSignature(key, type, data, signed('ssh:', 0))).toBe(false)
  expect(verifySshSignature(key, type, data, signed('ssh:other', 1))).toBe(false)
  const changed = signed('ssh:', 1)
  changed.writeUInt8(5, changed.length - 5)
  expect(verifySshSignature(key, type, data, changed)).toBe(false)
})

test('a security key on the NIST curve holds too', () => {
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com'
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = keyOf(ecdsaBlob(pair.publicKey, 'nistp256', type, wireString('ssh:')))
  const flat = sign('sha256', signedBySecurityKey('ssh:', presence(1)), {
    key: pair.privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  const inner = Buffer.concat([mpint(flat.subarray(0, 32)), mpint(flat.subarray(32))])
  const framed = Buffer.concat([wireString(type), wireString(inner), presence(1)])
  expect(verifySshSignature(key, type, data, framed)).toBe(true)
  expect(verifySshSignature(key, type, Buffer.from('x'), framed)).toBe(false)
})

test('DSA, short RSA, certificates, private keys and damaged lines are refused', () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const line = (type: string, blob: Buffer) => `${type} ${blob.toString('base64')} comment`
  const refused = [
    line('ssh-dss', Buffer.concat([wireString('ssh-dss'), mpint(Buffer.from([1]))])),
    line('ssh-rsa', Buffer.concat([wireString('ssh-rsa'), mpint(part(short.e)), mpint(part(short.n))])),
    line('ssh-ed25519-cert-v01@openssh.com', Buffer.concat([wireString('ssh-ed25519-cert-v01@openssh.com')])),
    line('ssh-ed25519', edBlob.subarray(0, -1)),
    line('ssh-ed25519', Buffer.concat([edBlob, Buffer.from([0])])),
    line('ssh-rsa', edBlob),
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    `command="sh" ${line('ssh-ed25519', edBlob)}`,
    `${line('ssh-ed25519', edBlob)}\n${line('ssh-ed25519', edBlob)}`,
    '',
  ]
  for (const text of refused) expect(parsePublicKeyLine(text).ok, text.slice(0, 40)).toBe(false)
  expect(parsePublicKeyLine(line('ssh-ed25519', edBlob)).ok).toBe(true)
})
