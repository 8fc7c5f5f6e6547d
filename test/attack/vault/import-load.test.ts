import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { Guard } from '../../../vault/keys/guard.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// What an import keeps others from doing while it goes on.

type Rows = VerbInput<'import'>['rows']
let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let root: TestPerson
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account()
  root = await vault.person('root-1', ['admin'])
  await vault.ask('user.add', { name: 'bob', roles: ['vendor'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
}, 60_000)
afterAll(() => vault?.[Symbol.asyncDispose]())
afterEach(() => vi.restoreAllMocks())

const targets = (count: number, name: string): Rows =>
  Array.from({ length: count }, (_, at) => ({
    line: at + 2,
    cells: { name: `${name}-${at}`, safe: 'line-3', address: 'ssh://10.1.0.7' },
  }))
const grants = (count: number): Rows =>
  Array.from({ length: count }, (_, at) => ({
    line: at + 2,
    cells: {
      user: 'bob',
      account: 'press-3/engineer',
      actions: 'shell',
      not_before: new Date(Date.now() + (at + 1) * 60_000).toISOString(),
      not_after: '',
    },
  }))
const accounts = (count: number): Rows =>
  Array.from({ length: count }, (_, at) => ({
    line: at + 2,
    cells: { target: 'press-3', login: `fitter-${at}` },
  }))
const look = (kind: 'targets' | 'accounts' | 'grants', rows: Rows) =>
  api.call('import', { kind, rows, apply: false }, root.token, 120_000)

test.each([
  ['grants', grants(400)],
  ['accounts', accounts(400)],
] as const)(
  'who connects does not wait for the end of an import of their %s',
  async (kind, rows) => {
    let isOver = false
    const looked = look(kind, rows).finally(() => {
      isOver = true
    })
    for (let tries = 0; tries < 3; tries += 1) {
      const { session } = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
      if (tries === 2) expect(isOver).toBe(false)
      await endSession(recorder, session)
    }
    expect(must(await looked).rows).toHaveLength(400)
  },
  120_000,
)

test('a second import waits for the end of the first, whoever asks', async () => {
  const checks = vi.spyOn(Guard.prototype, 'check')
  const first = look('targets', targets(200, 'one'))
  // It is in the middle of its rows: who asks at the same moment may come before it.
  await vi.waitUntil(() => checks.mock.calls.length > 30, { interval: 1, timeout: 30_000 })
  vi.restoreAllMocks()
  for (const client of [() => look('targets', targets(1, 'two')), lookAsLocal])
    expect(refusalOf(await client())).toMatchObject({
      code: 'rate_limited',
      message: 'another import is going on',
    })
  expect(must(await first).rows).toHaveLength(200)
  expect(must(await look('targets', targets(1, 'two'))).rows).toEqual([{ line: 2, does: 'create' }])
}, 120_000)
const lookAsLocal = () =>
  vault.admin.call('import', { kind: 'targets', rows: targets(1, 'three'), apply: true })

test('an import that fails leaves the way free for the next', async () => {
  vi.spyOn(Guard.prototype, 'check').mockImplementation(() => {
    throw new Error('the import fails')
  })
  await expect(lookAsLocal()).rejects.toThrow()
  vi.restoreAllMocks()
  expect(must(await lookAsLocal()).applied).toBe(true)
})

test('each line of grants reads a few rows, however many grants its user has', async () => {
  const checks = vi.spyOn(Guard.prototype, 'check')
  must(await look('grants', grants(100)))
  expect(checks.mock.calls.length).toBeLessThan(100 * 12)
}, 60_000)
