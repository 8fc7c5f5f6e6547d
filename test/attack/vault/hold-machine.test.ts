import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// A machine that somebody is held off has its address written in another form, or the database tells another one.

let vault: TestVault
let recorder: VaultClient
let superuser: pg.Client
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  await vault.account({ address: 'ssh://127.0.0.1:2201' })
  await vault.account({ target: 'mapped', address: 'ssh://[::ffff:127.0.0.1]:2201' })
  await vault.account({ target: 'mapped-hex', address: 'SSH://[0:0::FFFF:7F00:1]:2201/' })
  await vault.account({ target: 'named', address: 'ssh://Press-Seven.Example.:22' })
  await vault.account({ target: 'named-again', address: 'ssh://press-seven.example' })
  await vault.account({ target: 'again', address: 'ssh://127.0.0.1:2201' })
  await vault.account({ target: 'other', address: 'ssh://127.0.0.1:2209' })
  await vault.ask('user.add', { name: 'bob', roles: ['vendor'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  for (const target of ['press-3', 'mapped', 'mapped-hex', 'named', 'named-again', 'again', 'other'])
    await vault.grant('bob', `${target}/engineer`)
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser?.end()
  await vault?.[Symbol.asyncDispose]()
})
afterEach(async () => {
  for (const { id } of await vault.ask('hold.list', {})) await vault.ask('hold.release', { hold: id })
})

const openAt = async (target: string) => open(recorder, { proof: await prove(recorder, key, 'bob'), target })
const holdOff = async (target: string) => {
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob'), target })
  await vault.ask('session.terminate', { session, holdSeconds: 600 })
  await endSession(recorder, session, 'terminated')
}

test('a machine’s address is one, in capitals, with a dot at its end, its port left out, or as IPv6', async () => {
  await holdOff('press-3')
  for (const target of ['press-3', 'again', 'mapped', 'mapped-hex'])
    expect([target, refusalOf(await openAt(target)).code]).toEqual([target, 'held'])
  await holdOff('named')
  expect(refusalOf(await openAt('named-again')).code).toBe('held')
  const other = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    target: 'other',
  })
  await endSession(recorder, other.session)
})

test('a frozen session bars the other form of its machine’s address too', async () => {
  const { session } = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    target: 'mapped',
  })
  await vault.ask('session.freeze', { session, reason: 'look' })
  for (const target of ['press-3', 'again', 'mapped-hex'])
    expect([target, refusalOf(await openAt(target)).code]).toEqual([target, 'held'])
  await vault.ask('session.unfreeze', { session })
  await endSession(recorder, session)
})

test.each([
  ['another port', `update target set port = 2299 where name = 'press-3'`, 2201],
  ['another host', `update target set host = '192.0.2.9' where name = 'press-3'`, '127.0.0.1'],
])(
  'a held machine’s record that the database gives %s opens no other record of it',
  async (_how, change, was) => {
    await holdOff('press-3')
    await superuser.query(change)
    const tried = await openAt('again').then(
      (outcome) => (outcome.ok ? 'let in' : outcome.refusal.code),
      () => 'fault',
    )
    await superuser.query(
      `update target set ${typeof was === 'number' ? 'port' : 'host'} = $1 where name = 'press-3'`,
      [was],
    )
    expect(tried).toBe('fault')
    expect(refusalOf(await openAt('again')).code).toBe('held')
  },
)
