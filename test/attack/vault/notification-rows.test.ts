import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Envelope } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever writes the database has nothing sent in our name, and keeps nothing from being done by spoiling who is told.

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let bob: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  for (const name of ['bob', 'sue'])
    await vault.ask('user.mail', { user: name, address: `${name}@plant.example` })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
afterEach(async () => {
  vault.advance(2 * 3600_000)
  for (const { id } of await take()) must(await api.call('notification.done', { notification: id }))
})

/** Time goes on between the tests, and ends logins. */
const signIn = async (): Promise<string> => {
  const sealedPassword = await vault.sealLogin('bob', bob.password)
  const input = { name: 'bob', sealedPassword, totpCode: bob.code(), source: '192.0.2.7' }
  return must(await api.call('login.start', input)).token
}
const mail = { server: 'mail.plant.example:587', from: 'tagout@plant.example' }
const take = async (): Promise<readonly Envelope[]> =>
  must(await api.call('notification.take', { mail, limit: 50 }))
const test1 = async () => (await vault.ask('notification.test', { user: 'sue' })).notification
const faults = async () =>
  (await vault.ask('audit.list', { kind: 'vault.fault', limit: 10_000 })).map(({ entry }) => entry)
const stateOf = async (id: string) =>
  (await superuser.query('select state, error from notification where id = $1', [id])).rows[0]

test.each([
  ['says something else', `update notification set about = replace(about, 'local', 'alice') where id = $1`],
  ['goes to another address', `update notification set address = 'eve@evil.example' where id = $1`],
  [
    'goes to another user',
    `update notification set user_id = (select id from app_user where name = 'bob') where id = $1`,
  ],
  ['is another’s than it was', `update notification set kind = 'request.asked' where id = $1`],
])('a notification that %s in the table is not sent, and the others are', async (_how, statement) => {
  const before = (await faults()).length
  const forged = await test1()
  const { rows } = await superuser.query('select * from notification where id = $1', [forged])
  await superuser.query(statement, [forged])
  const right = await test1()
  const taken = await take()
  expect(taken.map(({ id }) => id)).toEqual([right])
  expect(await stateOf(forged)).toEqual({ state: 'dropped', error: 'it was not written by the vault' })
  expect((await faults()).length).toBe(before + 1)
  // Put back, so that the table is the vault's again.
  const [row] = rows
  await superuser.query(
    'update notification set about = $2, address = $3, user_id = $4, kind = $5 where id = $1',
    [forged, row.about, row.address, row.user_id, row.kind],
  )
})

test('a notification that the database invents is not sent', async () => {
  const model = await test1()
  await superuser.query(
    `insert into notification select 'ntf_00000000000000000000000000', kind, channel, user_id, address, about, created_at,
       epoch, mac, 'waiting', 0, created_at, null, null, null from notification where id = $1`,
    [model],
  )
  expect((await take()).map(({ id }) => id)).toEqual([model])
  expect((await stateOf('ntf_00000000000000000000000000'))?.state).toBe('dropped')
  await superuser.query(`delete from notification where id = 'ntf_00000000000000000000000000'`)
})

test('a webhook that is moved in the table is told nothing; mail goes out meanwhile', async () => {
  await vault.ask('webhook.set', { url: 'https://soc.plant.example/' })
  await superuser.query(`update webhook set url = 'https://evil.example/'`)
  const { notification } = await vault.admin.call('notification.testWebhook', {}).then(
    (outcome) => must(outcome),
    () => ({ notification: '' }),
  )
  expect(notification).toBe('')
  await superuser.query(`update webhook set url = 'https://soc.plant.example/'`)
  const told = (await vault.ask('notification.testWebhook', {})).notification
  await superuser.query(`update webhook set url = 'https://evil.example/'`)
  const right = await test1()
  expect((await take()).map(({ id }) => id)).toEqual([right])
  must(await api.call('notification.done', { notification: right }))
  expect((await stateOf(told))?.error).toBe('a row that it rests on was not written by the vault')
  await superuser.query(`update webhook set url = 'https://soc.plant.example/'`)
  vault.advance(3600_000)
  expect(await take()).toMatchObject([{ id: told, url: 'https://soc.plant.example/' }])
  must(await api.call('notification.done', { notification: told }))
  await vault.ask('webhook.set', { url: null })
})

test('a spoiled address keeps nobody from taking access away, from asking or from answering', async () => {
  const token = await signIn()
  const grant = await vault.grant('bob', 'press-3/engineer')
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: true }, token),
  )
  const before = (await faults()).length
  await superuser.query(`update user_mail set address = 'eve@evil.example'`)
  await vault.ask('lease.checkIn', { lease: lease.id, reason: 'now' })
  expect(await vault.ask('lease.list', {})).toEqual([])
  const request = must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'look' },
      token,
    ),
  )
  expect(request.state).toBe('open')
  expect((await faults()).length).toBeGreaterThan(before)
  expect(await take()).toEqual([])
  await superuser.query(
    `update user_mail set address = (select name from app_user where id = user_id) || '@plant.example'`,
  )
  must(await api.call('request.withdraw', { request: request.id }, token))
  await vault.ask('grant.revoke', { grant: grant.id })
})

test('nobody but the api takes what is to be sent, or says what became of it', async () => {
  const id = await test1()
  const recorder = await vault.connect('recorder')
  for (const client of [recorder, vault.admin]) {
    expect(refusalOf(await client.call('notification.take', { mail, limit: 1 })).code).toBe('forbidden')
    expect(refusalOf(await client.call('notification.done', { notification: id })).code).toBe('forbidden')
  }
  // What was not taken has not been sent, whoever says so.
  expect(refusalOf(await api.call('notification.done', { notification: id })).code).toBe('not_found')
  expect((await stateOf(id))?.state).toBe('waiting')
})

test('two senders at once never have the same in hand', async () => {
  const ids = await Promise.all(Array.from({ length: 12 }, test1))
  const both = await Promise.all(Array.from({ length: 4 }, take))
  const taken = both.flat().map(({ id }) => id)
  expect(new Set(taken).size).toBe(taken.length)
  // Nobody waits for the other's lock: what one passed over is there at the next look.
  for (const { id } of await take()) taken.push(id)
  expect(new Set(taken)).toEqual(new Set(ids))
  for (const id of ids) must(await api.call('notification.done', { notification: id }))
})

test('one who asks and withdraws without end fills nobody’s mailbox', async () => {
  const token = await signIn()
  let asked = 0
  for (;;) {
    const made = await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'again' },
      token,
    )
    if (!made.ok) {
      expect(made.refusal).toMatchObject({
        code: 'rate_limited',
        message: `you have asked ${made.refusal.message.match(/\d+/)?.[0]} times in an hour`,
      })
      break
    }
    asked += 1
    must(await api.call('request.withdraw', { request: made.value.id }, token))
    if (asked > 60) throw new Error('nobody stops it')
  }
  expect(asked).toBe(60)
})
