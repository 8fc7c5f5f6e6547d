import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let bob: TestPerson
let now = Date.now()
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault({ clock: () => new Date(now) })
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.person('eve', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'required' })
})

const tries = async () => open(recorder, { proof: await prove(recorder, key, 'bob') })

test.each([
  [
    'said to be filled',
    `update close_out set filled_at = now(), result = 'done', done = 'x' where session_id = $1`,
  ],
  [
    'given to somebody else',
    `update close_out set user_id = (select id from app_user where name = 'eve') where session_id = $1`,
  ],
  ['deleted', `delete from close_out where session_id = $1`],
])('a form that is %s in the table is a fault, and lets nobody in', async (_how, statement) => {
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, session)
  now += 120_000
  const { rows } = await superuser.query('select * from close_out where session_id = $1', [session])
  await superuser.query(statement, [session])
  const faults = vault.faults.length
  await expect(tries()).rejects.toThrow()
  expect(vault.faults.length).toBeGreaterThan(faults)
  expect(await vault.ask('session.list', { live: true })).toEqual([])
  await superuser.query('delete from close_out where session_id = $1', [session])
  await superuser.query(
    `insert into close_out values (${Object.keys(rows[0]).map((_, at) => `$${at + 1}`)})`,
    Object.values(rows[0]),
  )
  const said = { session, result: 'done', done: 'greased the bearing' } as const
  must(await api.call('closeout.fill', said, bob.token))
})

test('a safe that the database asks for nothing is a fault', async () => {
  await superuser.query(`update safe set close_out = null where name = 'line-3'`)
  await expect(tries()).rejects.toThrow()
  await superuser.query(`update safe set close_out = 'required' where name = 'line-3'`)
  const { session } = must(await tries())
  await endSession(recorder, session)
})
