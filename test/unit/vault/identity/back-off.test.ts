import { expect, test } from 'vitest'
import { makeBackOff } from '../../../../vault/identity/back-off.ts'

function world() {
  let now = 1_000_000
  return { backOff: makeBackOff(() => now), pass: (ms: number) => (now += ms) }
}

test('a source that guesses waits longer each time, up to five minutes', () => {
  const { backOff, pass } = world()
  const waits: number[] = []
  for (let tries = 0; tries < 15; tries += 1) {
    backOff.failed('192.0.2.1', `user${tries}`)
    const wait = backOff.wait('192.0.2.1', 'bob')
    waits.push(wait)
    pass(wait * 1000)
  }
  expect(waits.slice(0, 6)).toEqual([0, 0, 1, 2, 4, 8])
  expect(Math.max(...waits)).toBe(300)
})

test('an attacker cannot lock somebody out of where they usually log in', () => {
  const { backOff } = world()
  backOff.succeeded('192.0.2.7', 'Bob')
  for (let source = 0; source < 200; source += 1) backOff.failed(`198.51.100.${source}`, 'bob')
  expect(backOff.wait('192.0.2.7', 'bob')).toBe(0)
  expect(backOff.wait('203.0.113.1', 'BOB')).toBeGreaterThan(0)
  expect(backOff.wait('203.0.113.1', 'alice')).toBe(0)
})

test('a success forgives a source', () => {
  const { backOff } = world()
  for (let tries = 0; tries < 5; tries += 1) backOff.failed('192.0.2.1', 'bob')
  expect(backOff.wait('192.0.2.1', 'bob')).toBeGreaterThan(0)
  backOff.succeeded('192.0.2.1', 'bob')
  expect(backOff.wait('192.0.2.1', 'bob')).toBe(0)
})
