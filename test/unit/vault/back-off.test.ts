import { expect, test } from 'vitest'
import { makeBackOff } from '../../../vault/identity/back-off.ts'

function world() {
  const clock = { now: 1_000_000 }
  return { clock, backOff: makeBackOff(() => clock.now) }
}
const times = (count: number, act: () => void) => {
  for (let at = 0; at < count; at += 1) act()
}

test('a source that guesses waits, and longer each time up to five minutes', () => {
  const { clock, backOff } = world()
  times(2, () => backOff.failed('10.0.0.9', 'bob'))
  expect(backOff.wait('10.0.0.9', 'bob')).toBe(0)
  backOff.failed('10.0.0.9', 'bob')
  expect(backOff.wait('10.0.0.9', 'bob')).toBe(1)
  expect(backOff.wait('10.0.0.9', 'carol')).toBe(1)
  times(20, () => backOff.failed('10.0.0.9', 'bob'))
  expect(backOff.wait('10.0.0.9', 'bob')).toBe(300)
  clock.now += 300_000
  expect(backOff.wait('10.0.0.9', 'bob')).toBe(0)
})

test('a neighbour who guesses does not keep out somebody who signs in from the same source', () => {
  const { backOff } = world()
  backOff.succeeded('10.0.0.1', 'bob')
  times(30, () => backOff.failed('10.0.0.1', 'eve'))
  expect(backOff.wait('10.0.0.1', 'eve')).toBe(300)
  expect(backOff.wait('10.0.0.1', 'bob')).toBe(0)
})

test('an attack on a name from many sources does not keep its owner out', () => {
  const { backOff } = world()
  backOff.succeeded('10.0.0.1', 'bob')
  for (let host = 0; host < 200; host += 1) backOff.failed(`192.0.2.${host}`, 'bob')
  expect(backOff.wait('10.0.0.1', 'bob')).toBe(0)
  expect(backOff.wait('198.51.100.7', 'bob')).toBe(300)
})

test('guessing from where the owner signs in is slowed as well, and a success forgives it', () => {
  const { backOff } = world()
  backOff.succeeded('10.0.0.1', 'bob')
  times(10, () => backOff.failed('10.0.0.1', 'Bob'))
  expect(backOff.wait('10.0.0.1', 'bob')).toBeGreaterThan(60)
  backOff.succeeded('10.0.0.1', 'bob')
  expect(backOff.wait('10.0.0.1', 'bob')).toBe(0)
})

test('an attacker with many addresses fills no memory', () => {
  const { backOff } = world()
  for (let at = 0; at < 120_000; at += 1) backOff.failed(`source ${at}`, 'bob')
  expect(backOff.wait('source 0', 'carol')).toBe(0)
})
