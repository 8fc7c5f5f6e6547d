import { expect, test } from 'vitest'
import { Secret } from '../../../../vault/kernel/secret.ts'
import {
  mistypedGroup,
  newRecoveryKey,
  parseRecoveryKey,
  recoveryKeyText,
} from '../../../../vault/keys/recovery-key.ts'

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

test('lines that begin with # are for people, in a whole key and in a mistyped one', () => {
  using key = new Secret(Uint8Array.from({ length: 20 }, (_, at) => at * 11))
  const text = recoveryKeyText(key)
  const noted = (written: string) => `# the vault of hall 2\r\n${written}\r\n  # in the safe of the office\n`
  expect(hexOf(noted(text))).toBe(hexOf(text))
  expect(mistypedGroup(noted(text.replace(/.$/, 'U')))).toBe(9)
  expect(mistypedGroup(noted(text.replace(/^./, text.startsWith('7') ? '8' : '7')))).toBe(1)
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

test('the group that was mistyped is named wherever one letter of it is wrong, left out, or swapped', () => {
  using key = new Secret(Uint8Array.from({ length: 20 }, (_, at) => at * 11))
  const groups = recoveryKeyText(key).split('-')
  const typed = (at: number, group: string, between = '-') => groups.with(at, group).join(between)
  const other = (letter: string | undefined) => (letter === '7' ? '8' : '7')
  for (const [at, group] of groups.entries()) {
    for (let letter = 0; letter < 4; letter += 1) {
      const wrong = `${group.slice(0, letter)}${other(group[letter])}${group.slice(letter + 1)}`
      expect(mistypedGroup(typed(at, wrong))).toBe(at + 1)
      expect(mistypedGroup(typed(at, wrong, ''))).toBe(at + 1)
    }
    expect(mistypedGroup(typed(at, group.slice(1)))).toBe(at + 1)
    expect(mistypedGroup(typed(at, `${group}0`, ' '))).toBe(at + 1)
    expect(mistypedGroup(typed(at, group.replace(/.$/, 'U')))).toBe(at + 1)
    const swapped = `${group.slice(1, 2)}${group.slice(0, 1)}${group.slice(2)}`
    if (swapped !== group) expect(mistypedGroup(typed(at, swapped))).toBe(at + 1)
  }
  const two = groups.map((group, at) => (at < 2 ? `${group.slice(0, 3)}${other(group[3])}` : group))
  expect(mistypedGroup(two.join('-'))).toBeUndefined()
  expect(mistypedGroup(groups.slice(1).join('-'))).toBeUndefined()
  expect(mistypedGroup('')).toBeUndefined()
})
