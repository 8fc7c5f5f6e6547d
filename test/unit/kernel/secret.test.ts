import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from '../../../vault/kernel/secret.ts'

test('a secret prints as [secret] however it is printed', () => {
  const secret = Secret.fromText('hunter2')
  expect(String(secret)).toBe('[secret]')
  expect(`${secret}`).toBe('[secret]')
  expect(inspect({ deep: [secret] }, { showHidden: true, depth: 9 })).not.toContain('hunter2')
  expect(inspect({ deep: [secret] })).toContain('[secret]')
})

test('serialising a secret fails loudly', () => {
  expect(() => JSON.stringify({ password: Secret.fromText('hunter2') })).toThrow('refusing to serialise')
})

test('copying a secret by spread or structured clone copies nothing', () => {
  const secret = Secret.fromText('hunter2')
  expect(JSON.stringify({ ...secret })).toBe('{}')
  expect(inspect(structuredClone({ ...secret }))).not.toContain('hunter2')
})

test('disposing wipes the bytes and ends the use', () => {
  const bytes = new TextEncoder().encode('hunter2')
  const secret = new Secret(bytes)
  secret[Symbol.dispose]()
  expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0])
  expect(() => secret.expose((open) => open.length)).toThrow('after disposal')
})
