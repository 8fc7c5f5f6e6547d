import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Context, envelopeFaults, headerBytes, open, seal } from '../../../../vault/crypto/envelope.ts'
import { Key } from '../../../../vault/crypto/key.ts'
import { Fault } from '../../../../vault/kernel/fault.ts'
import { Secret } from '../../../../vault/kernel/secret.ts'

const folder = join(import.meta.dirname, '../../../golden/vectors')

const vector = z.strictObject({
  what: z.string(),
  key: z.string(),
  context: z.array(z.string()).min(1),
  /** In hex; absent in vectors that must not open. */
  plaintext: z.string().optional(),
  nonce: z.string().optional(),
  padding: z.enum(['password', 'ssh-key']).optional(),
  envelope: z.string(),
})
type Vector = z.infer<typeof vector>

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const keyOf = (text: string) => new Key(bytesOf(text))
const counting = (length: number, from = 0) => Uint8Array.from({ length }, (_, at) => (at + from) & 255)

const firstKey = hex(counting(32))
const secondKey = hex(counting(32, 100))
const context: Context = ['secret', 'ins_1', 'saf_1', 'acc_1', '1', 'password', 'password', '']

if (process.env['UPDATE_GOLDEN'] === '1') writeVectors()

const files = readdirSync(folder).filter((name) => name.startsWith('envelope-') && name.endsWith('.json'))

function read(name: string): Vector {
  return vector.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')))
}

test.each(files.filter((name) => name.includes('-opens-')))('%s', (name) => {
  const { key, context, plaintext, nonce, padding, envelope } = read(name)
  using opened = open(keyOf(key), bytesOf(envelope), context as unknown as Context)
  opened.expose((bytes) => expect(hex(bytes)).toBe(plaintext))
  using secret = new Secret(bytesOf(plaintext ?? ''))
  expect(hex(seal(keyOf(key), secret, context as unknown as Context, padding, bytesOf(nonce ?? '')))).toBe(
    envelope,
  )
})

const failing = files.filter((name) => name.includes('-fails-'))

test.each(failing)('%s', (name) => {
  const { key, context, envelope } = read(name)
  const fault = /-fails-([a-z]+)-/.exec(name)?.[1] as keyof typeof envelopeFaults
  expect(() => open(keyOf(key), bytesOf(envelope), context as unknown as Context)).toThrow(
    new Fault('envelope', envelopeFaults[fault]),
  )
})

test('there is a vector for each way in which an envelope fails', () => {
  for (const fault of Object.keys(envelopeFaults))
    expect(failing.some((name) => name.includes(`-fails-${fault}-`))).toBe(true)
})

test('an envelope does not show how long a password is', () => {
  using short = Secret.fromText('a')
  using long = Secret.fromText('a'.repeat(63))
  const key = keyOf(firstKey)
  expect(seal(key, short, context).length).toBe(seal(key, long, context).length)
})

test('a key of another length is not taken', () => {
  expect(() => new Key(counting(31))).toThrow(RangeError)
})

/** Rewrites the vectors. Review shows what changed; a released one must never change. */
function writeVectors(): void {
  mkdirSync(folder, { recursive: true })
  const nonce = counting(24, 50)
  const write = (name: string, content: Vector) =>
    writeFileSync(join(folder, `envelope-${name}.json`), `${JSON.stringify(content, null, 2)}\n`)
  const sealed = (key: string, text: string, padding: 'password' | 'ssh-key' = 'password', of = context) => {
    using secret = Secret.fromText(text)
    return seal(keyOf(key), secret, of, padding, nonce)
  }
  for (const [name, what, text, padding] of [
    ['opens-empty', 'nothing at all', '', 'password'],
    ['opens-password', 'a password', 'Ünïcode ünd spaces 🔑', 'password'],
    ['opens-one-step', 'exactly one step of padding', 'x'.repeat(64), 'password'],
    ['opens-ssh-key', 'padded as a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', 'ssh-key'],
  ] as const)
    write(name, {
      what,
      key: firstKey,
      context: [...context],
      nonce: hex(nonce),
      padding,
      plaintext: hex(Buffer.from(text)),
      envelope: hex(sealed(firstKey, text, padding)),
    })

  const good = sealed(firstKey, 'hunter2')
  const changed = (at: number, to: (byte: number) => number) =>
    good.map((byte, index) => (index === at ? to(byte) : byte))
  const flip = (byte: number) => byte ^ 1
  const fails = (name: string, what: string, envelope: Uint8Array, key = firstKey, of: Context = context) =>
    write(`fails-${name}`, { what, key, context: [...of], envelope: hex(envelope) })
  fails('form-empty', 'no bytes', new Uint8Array(0))
  fails('form-truncated', 'cut short within the header', good.subarray(0, headerBytes + 15))
  fails('form-magic', 'another magic', changed(0, flip))
  fails(
    'form-padding',
    'an unknown step of padding',
    changed(5, () => 7),
  )
  fails(
    'algorithm-0',
    'algorithm 0',
    changed(4, () => 0),
  )
  fails(
    'algorithm-2',
    'algorithm 2, which is not given out yet',
    changed(4, () => 2),
  )
  fails('key-other', 'opened with another key', good, secondKey)
  fails('key-id', 'a changed key id', changed(6, flip))
  fails('commitment-nonce', 'a changed nonce changes what is committed to', changed(22, flip))
  fails('commitment-flipped', 'a changed commitment', changed(46, flip))
  fails(
    'context-padding',
    'a step of padding that exists, but another',
    changed(5, () => 12),
  )
  fails('context-body', 'a changed byte of ciphertext', changed(headerBytes, flip))
  fails('context-tag', 'a changed byte of the tag', changed(good.length - 1, flip))
  fails('context-truncated', 'cut by one byte', good.subarray(0, good.length - 1))
  fails('context-longer', 'a byte too many', Uint8Array.from([...good, 0]))
  const other = (at: number, text: string) =>
    context.map((part, index) => (index === at ? text : part)) as unknown as Context
  fails('context-account', 'another account', good, firstKey, other(3, 'acc_2'))
  fails('context-version', 'another version', good, firstKey, other(4, '2'))
  fails('context-field', 'another field', good, firstKey, other(5, 'passphrase'))
  fails('context-safe', 'another safe', good, firstKey, other(2, 'saf_2'))
  fails('context-installation', 'another installation', good, firstKey, other(1, 'ins_2'))
  fails('context-joined', 'the same text in fewer parts', good, firstKey, [
    'secretins_1',
    ...context.slice(2),
  ] as unknown as Context)
}
