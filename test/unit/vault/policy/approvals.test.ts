import { expect, test } from 'vitest'
import { decideRequest, missingOf, neededOf } from '../../../../vault/policy/approvals.ts'

const yes = { verdict: 'approve', counts: true, groups: [] } as const
const no = { verdict: 'deny', counts: true, groups: [] } as const
const void_ = { verdict: 'approve', counts: false, groups: [] } as const

test.each([
  [[], 1, 'open'],
  [[yes], 1, 'approved'],
  [[yes], 2, 'open'],
  [[yes, yes], 2, 'approved'],
  [[yes, void_], 2, 'open'],
  [[void_], 1, 'open'],
  [[yes, no], 1, 'denied'],
  [[{ ...no, counts: false }], 1, 'denied'],
  // A number that no verb lets in approves nothing.
  [[yes], 0, 'open'],
  [[], 0, 'open'],
  [[], -1, 'open'],
] as const)('what was said, %j, of %d that are needed: %s', (said, needed, state) => {
  expect(decideRequest(said, needed)).toBe(state)
})

const of = (...groups: string[]) => ({ ...yes, groups })
const both = [
  { group: 'ot', count: 1 },
  { group: 'it', count: 1 },
]

test.each([
  [[of('ot')], 'open'],
  [[of('ot'), of('ot')], 'open'],
  [[of('ot'), of('it')], 'approved'],
  // Who is in both groups speaks for one of them, whichever leaves room for the other.
  [[of('ot', 'it')], 'open'],
  [[of('ot', 'it'), of('ot')], 'approved'],
  [[of('it'), of('ot', 'it')], 'approved'],
  [[of('ot', 'it'), of('ot', 'it')], 'approved'],
  [[of('ot'), of()], 'open'],
  [[of('ot'), { ...of('it'), counts: false }], 'open'],
  [[of('ot'), of('it'), { ...no, groups: [] }], 'denied'],
] as const)('one of OT and one of IT: %j: %s', (said, state) => {
  expect(decideRequest(said, 2, both)).toBe(state)
})

test('what is missing still is said by group', () => {
  expect(missingOf([], both)).toEqual(['ot', 'it'])
  expect(missingOf([of('it')], both)).toEqual(['ot'])
  expect(missingOf([of('ot'), of('it')], [{ group: 'ot', count: 2 }])).toEqual(['ot'])
  expect(neededOf({ approvals: null }, both)).toBe(2)
  expect(neededOf({ approvals: 3 }, both)).toBe(3)
})
