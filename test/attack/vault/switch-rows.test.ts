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
