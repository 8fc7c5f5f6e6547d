import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// Whoever writes the database turns no plant switch on, and takes none away.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  await vault.ask('switch.add', {
    name: 'hall-3',
    safes: ['line-3'],
    act: 'freeze',
    input: 'modbus://10.0.3.9/1/coil/1',
    stopsAt: true,
  })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const opens = async () => open(recorder, { proof: await prove(recorder, key, 'bob') })

test.each([
  `update plant_switch set state = 'run'`,
  `update plant_switch set removed_at = now()`,
  `update plant_switch set safes = '{}'`,
  'delete from plant_switch',
])('%s: nobody connects', async (forge) => {
  const { rows } = await superuser.query('select * from plant_switch')
  await superuser.query(forge)
  expect(refusalOf(await opens())).toMatchObject({ code: 'held' })
  await superuser.query('delete from plant_switch')
  const columns = Object.keys(rows[0])
  await superuser.query(
    `insert into plant_switch (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(rows[0]),
  )
})

test('an input that the database moves elsewhere is a fault, and is not read', async () => {
  await superuser.query(`update plant_switch set input = 'modbus://192.0.2.66/1/coil/1'`)
  await expect(api.call('switch.inputs', {})).rejects.toThrow()
  await superuser.query(`update plant_switch set input = 'modbus://10.0.3.9/1/coil/1'`)
  expect(must(await api.call('switch.inputs', {}))).toHaveLength(1)
})

test('nobody but the api says what an input reads, and a console login turns nothing', async () => {
  const [input] = must(await api.call('switch.inputs', {}))
  if (input === undefined) throw new Error('an input')
  const sense = { switch: input.switch, state: 'run' } as const
  expect((await vault.admin.call('switch.sense', sense)).ok).toBe(false)
  expect((await recorder.call('switch.sense', sense)).ok).toBe(false)
  expect(refusalOf(await opens()).code).toBe('held')
})

test('who reads it at its place of before turns it on no more, nor does a turn under way undo a change', async () => {
  const [input] = must(await api.call('switch.inputs', {}))
  if (input === undefined) throw new Error('an input')
  const sense = (state: 'run' | 'stop', at: string) =>
    api.call('switch.sense', { switch: input.switch, state, input: at })
  must(await sense('run', input.input))
  expect((await vault.ask('switch.list', {}))[0]?.state).toBe('run')
  const next = 'modbus://10.0.3.9/1/coil/2'
  await vault.ask('switch.change', { switch: 'hall-3', input: next })
  // It holds until it was read there, whatever the reader of before says meanwhile.
  expect(refusalOf(await opens()).code).toBe('held')
  expect(refusalOf(await sense('run', input.input)).code).toBe('conflict')
  expect(refusalOf(await opens()).code).toBe('held')
  must(await sense('run', next))
  must(await opens())
  // Whoever takes the other value for a stop lets nothing go on.
  await vault.ask('switch.change', { switch: 'hall-3', stopsAt: false })
  must(await sense('stop', next))
  const turned = { switch: input.switch, state: 'run', input: next, stopsAt: true } as const
  expect(refusalOf(await api.call('switch.sense', turned)).code).toBe('conflict')
  expect(refusalOf(await opens()).code).toBe('held')
  must(await api.call('switch.sense', { ...turned, stopsAt: false }))
  must(await opens())
  // Stopped at the same moment as it is changed: it is stopped, and holds what it holds now.
  await Promise.all([sense('stop', next), vault.ask('switch.change', { switch: 'hall-3', act: 'terminate' })])
  expect(refusalOf(await opens()).code).toBe('held')
  expect((await vault.ask('switch.list', {}))[0]).toMatchObject({ state: 'stop', act: 'terminate' })
})

test('nobody but an administrator has an input read or a switch changed, and nobody answers for who reads', async () => {
  const eve = await vault.person('eve', ['operator'])
  const input = 'modbus://10.0.3.9/1/coil/2'
  expect(refusalOf(await api.call('switch.test', { input }, eve.token)).code).toBe('forbidden')
  const change = { switch: 'hall-3', act: 'freeze' as const, totpCode: eve.code() }
  expect(refusalOf(await api.call('switch.change', change, eve.token)).code).toBe('forbidden')
  const tested = { test: 'pst_06h2qw5sv7870em9g8mw48eyj0' as never, reads: true }
  for (const door of [vault.admin, recorder]) {
    expect((await door.call('switch.tested', tested)).ok).toBe(false)
    expect((await door.call('switch.tests', {})).ok).toBe(false)
  }
  expect(refusalOf(await api.call('switch.tested', tested)).code).toBe('not_found')
  // However many ask, few wait; and who was never read is told so.
  const ann = await vault.person('ann', ['admin'])
  const asked = await Promise.all(
    Array.from({ length: 8 }, () => api.call('switch.test', { input }, ann.token)),
  )
  expect(asked.filter((one) => !one.ok && one.refusal.code === 'rate_limited').length).toBeGreaterThan(0)
  expect(asked.filter((one) => !one.ok && one.refusal.code === 'unavailable').length).toBeLessThanOrEqual(5)
})
