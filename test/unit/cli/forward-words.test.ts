import { expect, test } from 'vitest'
import { accountCell, forwardFacts } from '../../../deploy/cli/forward-words.ts'

const account = 'jump-1/service'
const to = 'plc-7:102'

test('a session that is no forwarding is its account, and nothing more', () => {
  expect(accountCell({ account, forward: null })).toBe(account)
  expect(forwardFacts({ account, forward: null })).toEqual([])
})

test('a forwarding says where to, and what it carried once that is known', () => {
  const running = { to, connections: null, bytesUp: null, bytesDown: null }
  expect(accountCell({ account, forward: running })).toBe('jump-1/service to plc-7:102')
  expect(forwardFacts({ account, forward: running })).toEqual([['forwarding to', to]])
  expect(forwardFacts({ account, forward: { to, connections: 1, bytesUp: 1, bytesDown: 4096 } })).toEqual([
    ['forwarding to', 'plc-7:102: 1 connection, 1 byte there, 4096 back'],
  ])
})
