import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Canonical,
  canonicalJson,
  encodeParts,
  fromBase64,
  toBase64,
  toHex,
} from '../../vault/kernel/encoding.ts'
import { isId, newId, parseId } from '../../vault/kernel/id.ts'

const part = fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 40 }))

test('two different lists of parts never encode to the same bytes', () => {
  const bytes = (list: readonly (string | Uint8Array)[]) => list.map((one) => toHex(Buffer.from(one)))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.array(part, { maxLength: 6 }), (a, b) => {
      const same = toHex(encodeParts(...a)) === toHex(encodeParts(...b))
      expect(same).toBe(JSON.stringify(bytes(a)) === JSON.stringify(bytes(b)))
    }),
    { numRuns: 2000 },
  )
})

test('moving bytes between neighbouring parts changes the encoding', () => {
  expect(toHex(encodeParts('ab', 'c'))).not.toBe(toHex(encodeParts('a', 'bc')))
  expect(toHex(encodeParts('abc'))).not.toBe(toHex(encodeParts('abc', '')))
})

test('canonical json does not depend on the order of keys and reads back the same', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.maxSafeInteger(), fc.boolean())),
      (value) => {
        fc.pre(!Object.hasOwn(value, '__proto__'))
        const turned = Object.fromEntries(Object.entries(value).reverse())
        const text = canonicalJson(value as Canonical)
        expect(canonicalJson(turned as Canonical)).toBe(text)
        expect(JSON.parse(text)).toEqual({ ...value })
      },
    ),
  )
})

test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
  'canonical json refuses the number %s',
  (value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError)
  },
)

test('canonical json refuses half a character', () => {
  expect(() => canonicalJson({ value: '\ud83d' })).toThrow('surrogate')
})

test('base64 reads back the same and refuses anything that is not base64', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
      expect([...fromBase64(toBase64(bytes))]).toEqual([...bytes])
    }),
    { numRuns: 50 },
  )
  for (const bad of ['a', 'ab=c', 'ab c', 'abc-', '====']) expect(() => fromBase64(bad)).toThrow()
})

test('an id sorts by its time and is told from an id of another kind', () => {
  const older = newId('ses', 1_700_000_000_000)
  const newer = newId('ses', 1_700_000_000_001)
  expect(older < newer).toBe(true)
  expect(isId('ses', older)).toBe(true)
  expect(isId('rec', older)).toBe(false)
  expect(() => parseId('ses', 'ses_../../etc/passwd')).toThrow(TypeError)
})
