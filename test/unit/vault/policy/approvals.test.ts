import { expect, test } from 'vitest'
import { decideRequest } from '../../../../vault/policy/approvals.ts'

const yes = { verdict: 'approve', counts: true } as const
const no = { verdict: 'deny', counts: true } as const
const void_ = { verdict: 'approve', counts: false } as const

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
