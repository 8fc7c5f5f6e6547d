import { expect, test } from 'vitest'
import { Admission } from '../../../recorder/supervision/admission.ts'

test('the eleventh connection of a source that proved nothing is refused, another source is not', () => {
  const admission = new Admission({ perSource: 10, total: 100 })
  const released = Array.from({ length: 10 }, () => admission.admit('192.0.2.1'))
  expect(released.every(Boolean)).toBe(true)
  expect(admission.admit('192.0.2.1')).toBeUndefined()
  expect(admission.admit('192.0.2.2')).toBeDefined()
  released[0]?.()
  expect(admission.admit('192.0.2.1')).toBeDefined()
  expect(admission.admit('192.0.2.1')).toBeUndefined()
})

test('saying twice that a connection is proven frees one place', () => {
  const admission = new Admission({ perSource: 2, total: 100 })
  const first = admission.admit('192.0.2.1')
  expect(admission.admit('192.0.2.1')).toBeDefined()
  first?.()
  first?.()
  expect(admission.admit('192.0.2.1')).toBeDefined()
  expect(admission.admit('192.0.2.1')).toBeUndefined()
})

test('all sources together have a limit', () => {
  const admission = new Admission({ perSource: 10, total: 3 })
  for (const source of ['a', 'b', 'c']) expect(admission.admit(source)).toBeDefined()
  expect(admission.admit('d')).toBeUndefined()
})

test.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'],
  ['2001:db8::1', '2001:db8:0:0:5::'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
])('%s and %s are one source', (one, other) => {
  const admission = new Admission({ perSource: 1, total: 10 })
  expect(admission.admit(one)).toBeDefined()
  expect(admission.admit(other)).toBeUndefined()
})

test('two networks of IPv6 are two sources', () => {
  const admission = new Admission({ perSource: 1, total: 10 })
  expect(admission.admit('2001:db8:1:2::1')).toBeDefined()
  expect(admission.admit('2001:db8:1:3::1')).toBeDefined()
})
