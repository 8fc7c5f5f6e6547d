import { expect, test } from 'vitest'
import { whatIsHeld } from '../../../deploy/demo/emptiness.ts'

const empty = { users: [], auditors: null, safes: 0, targets: 0, recordings: 0 } as const

test('an installation as its first start leaves it is empty', () => {
  expect(whatIsHeld(empty)).toBeUndefined()
  expect(whatIsHeld({ ...empty, users: [{ name: 'admin', state: 'enrolling' }] })).toBeUndefined()
})

test.each([
  ['an administrator who has enrolled', { users: [{ name: 'admin', state: 'active' }] }, 'user admin'],
  ['an administrator who was disabled', { users: [{ name: 'admin', state: 'disabled' }] }, 'user admin'],
  ['somebody who has not enrolled', { users: [{ name: 'bob', state: 'enrolling' }] }, 'user bob'],
  ['a safe', { safes: 1 }, '1 safe'],
  ['targets', { targets: 2 }, '2 targets'],
  ['a recording', { recordings: 1 }, '1 recording'],
] as const)('%s is somebody’s, and named', (_what, held, said) => {
  expect(whatIsHeld({ ...empty, ...held })).toBe(said)
})
