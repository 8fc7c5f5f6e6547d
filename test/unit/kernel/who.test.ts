import { expect, test } from 'vitest'
import { count } from '../../../vault/kernel/count.ts'
import { whoText } from '../../../vault/kernel/who.ts'
import { sentence } from '../../../web/parts/wording.ts'

test('who administers the gateway from its machine is named in words, everybody else by their name', () => {
  expect(whoText('local:0')).toBe('the gateway’s administrator (local:0)')
  for (const name of ['bob', 'localhost', 'local', 'local:x', 'a local:0']) expect(whoText(name)).toBe(name)
})

test('one is one, and all others are many', () => {
  expect([0, 1, 2].map((number) => count(number, 'key'))).toEqual(['0 keys', '1 key', '2 keys'])
})

test('a sentence that begins with a name keeps its letters', () => {
  expect(sentence('press-3 does not answer')).toBe('press-3 does not answer.')
  expect(sentence('tagout is away')).toBe('tagout is away.')
  expect(sentence('line-3/plc: nobody')).toBe('line-3/plc: nobody.')
  expect(sentence('reason: too short')).toBe('Reason: too short.')
})
