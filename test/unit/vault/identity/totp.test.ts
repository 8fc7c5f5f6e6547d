import { expect, test } from 'vitest'
import { matchTotp, toBase32, totpCode, totpStep } from '../../../../vault/identity/totp.ts'

const secret = Buffer.from('12345678901234567890')

test.each([
  [59, '94287082'],
  [1111111109, '07081804'],
  [1111111111, '14050471'],
  [1234567890, '89005924'],
  [2000000000, '69279037'],
  [20000000000, '65353130'],
])('RFC 6238 appendix B: at %i s the code is %s', (seconds, code) => {
  expect(totpCode(secret, totpStep(seconds * 1000), 8)).toBe(code)
})

test('a code is taken in its step and the neighbours, and in no other', () => {
  const step = 1000
  const now = step * 30_000 + 5_000
  for (const [offset, expected] of [
    [-2, null],
    [-1, step - 1],
    [0, step],
    [1, step + 1],
    [2, null],
  ] as const)
    expect(matchTotp(secret, totpCode(secret, step + offset), now, 0)).toBe(expected)
})

test('a code is not taken in or before a step that was used', () => {
  const step = 1000
  const now = step * 30_000
  expect(matchTotp(secret, totpCode(secret, step), now, step)).toBeNull()
  expect(matchTotp(secret, totpCode(secret, step - 1), now, step)).toBeNull()
  expect(matchTotp(secret, totpCode(secret, step + 1), now, step)).toBe(step + 1)
})

test('a code has one spelling', () => {
  const code = totpCode(secret, 1000)
  for (const text of [
    ` ${code}`,
    `${code} `,
    `${code.slice(0, 3)} ${code.slice(3)}`,
    `0${code}`,
    '',
    `${code}\n`,
  ])
    expect(matchTotp(secret, text, 1000 * 30_000, 0)).toBeNull()
})

test('base32 as authenticators write it', () => {
  expect(toBase32(Buffer.from('foobar'))).toBe('MZXW6YTBOI')
  expect(toBase32(Buffer.from('12345678901234567890'))).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
})
