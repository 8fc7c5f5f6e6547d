import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Context, open, seal } from '../../vault/crypto/envelope.ts'
import { Key } from '../../vault/crypto/key.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { Secret } from '../../vault/kernel/secret.ts'

const bytes = fc.uint8Array({ maxLength: 300 })
const context = fc.array(fc.string(), { minLength: 1, maxLength: 4 }) as unknown as fc.Arbitrary<Context>
const padding = fc.constantFrom('password' as const, 'ssh-key' as const)

test('whatever is sealed opens again, in its context', () =>
  fc.assert(
    fc.property(bytes, context, padding, (plaintext, where, step) => {
      using key = Key.random()
      using secret = new Secret(plaintext.slice())
      using opened = open(key, seal(key, secret, where, step), where)
      opened.expose((found) => expect(Buffer.compare(found, plaintext)).toBe(0))
    }),
  ))

test('no envelope opens in another context', () =>
  fc.assert(
    fc.property(bytes, context, context, (plaintext, where, elsewhere) => {
      fc.pre(JSON.stringify(where) !== JSON.stringify(elsewhere))
      using key = Key.random()
      using secret = new Secret(plaintext.slice())
      const envelope = seal(key, secret, where)
      expect(() => open(key, envelope, elsewhere)).toThrow(Fault)
    }),
  ))

test('an envelope with any one bit changed does not open', () => {
  using key = Key.random()
  using secret = Secret.fromText('a secret of some length')
  const envelope = seal(key, secret, ['here'])
  for (let bit = 0; bit < envelope.length * 8; bit += 1) {
    const changed = envelope.slice()
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(() => open(key, changed, ['here']), `bit ${bit}`).toThrow(Fault)
  }
})

test('an envelope cut anywhere does not open', () => {
  using key = Key.random()
  using secret = Secret.fromText('a secret')
  const envelope = seal(key, secret, ['here'])
  for (let length = 0; length < envelope.length; length += 1)
    expect(() => open(key, envelope.subarray(0, length), ['here'])).toThrow(Fault)
})
