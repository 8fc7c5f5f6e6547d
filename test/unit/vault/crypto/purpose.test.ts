import { expect, test } from 'vitest'
import { derive, type Purpose, purposes } from '../../../../vault/crypto/purpose.ts'

test('no two purposes share their text', () => {
  const texts = Object.values(purposes)
  expect(new Set(texts).size).toBe(texts.length)
  for (const text of texts) expect(text).toMatch(/^tagout\/v1\/[a-z-]+$/)
})

test('no two purposes derive the same key', () => {
  const root = new Uint8Array(32).fill(9)
  const derived = Object.keys(purposes).map((purpose) =>
    Buffer.from(derive(root, purpose as Purpose)).toString('hex'),
  )
  expect(new Set(derived).size).toBe(derived.length)
})

test('a derivation never changes', () => {
  // HKDF-SHA256, no salt, info "tagout/v1/safe-keys", computed with another implementation (RFC 5869).
  const derived = derive(
    Uint8Array.from({ length: 32 }, (_, at) => at),
    'safe-keys',
  )
  expect(Buffer.from(derived).toString('hex')).toBe(
    '16ea58e66eac45412f582c365c81756a0f60413e98458fdd86d21d80c2168f55',
  )
})
