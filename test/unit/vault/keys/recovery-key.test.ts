import { expect, test } from 'vitest'
import { Secret } from '../../../../vault/kernel/secret.ts'
import { newRecoveryKey, parseRecoveryKey, recoveryKeyText } from '../../../../vault/keys/recovery-key.ts'

function hexOf(text: string): string | undefined {
  using key = parseRecoveryKey(text)
  return key?.expose((bytes) => Buffer.from(bytes).toString('hex'))
}

test('a recovery key is nine groups of four, and reads back', () => {
  using key = newRecoveryKey()
  const text = recoveryKeyText(key)
  expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){8}[0-9A-HJKMNP-TV-Z]{4}$/)
  const bytes = key.expose((plain) => Buffer.from(plain).toString('hex'))
  expect(hexOf(text)).toBe(bytes)
  expect(hexOf(text.toLowerCase().replaceAll('-', ' '))).toBe(bytes)
  expect(hexOf(`  ${text.replaceAll('-', '')}\n`)).toBe(bytes)
})

test('letters that look like digits are read as the digits', () => {
  using key = newRecoveryKey()
  const text = recoveryKeyText(key)
  expect(hexOf(text.replaceAll('0', 'O').replaceAll('1', 'l'))).toBe(hexOf(text))
})

test('a mistyped recovery key is noticed', () => {
  using key = new Secret(Uint8Array.from({ length: 20 }, (_, at) => at * 11))
  const text = recoveryKeyText(key)
  let unnoticed = 0
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '-') continue
    const wrong = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
    if (hexOf(wrong) !== undefined) unnoticed += 1
  }
  expect(unnoticed).toBe(0)
  expect(hexOf(text.slice(1))).toBeUndefined()
  expect(hexOf(`${text}0`)).toBeUndefined()
  expect(hexOf(text.replace(/.$/, 'U'))).toBeUndefined()
  expect(hexOf('')).toBeUndefined()
})
