import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../support/vault.ts'

// Whoever writes the database does not have warnings sent elsewhere.

let vault: TestVault
let superuser: pg.Client

beforeAll(async () => {
  vault = await startTestVault()
  await vault.person('bob', ['operator'])
  await vault.person('eve', ['operator'])
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example' })
  await vault.ask('user.mail', { user: 'eve', address: 'eve@plant.example' })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const bob = `user_id = (select id from app_user where name = 'bob')`
const eve = `user_id = (select id from app_user where name = 'eve')`

test.each([
  ['moved', `update user_mail set address = 'eve@evil.example' where ${bob}`],
  ['muted', `update user_mail set notices = 'security' where ${bob}`],
  [
    'exchanged for somebody else’s',
    `update user_mail b set address = e.address, epoch = e.epoch, mac = e.mac from user_mail e where b.${bob} and e.${eve}`,
  ],
])('an address that is %s in the table is a fault', async (_how, statement) => {
  const { rows } = await superuser.query(`select * from user_mail where ${bob}`)
  await superuser.query(statement)
  await expect(vault.ask('user.show', { user: 'bob' })).rejects.toThrow()
  const [row] = rows
  await superuser.query(
    `update user_mail set address = $1, notices = $2, epoch = $3, mac = $4 where user_id = $5`,
    [row.address, row.notices, row.epoch, row.mac, row.user_id],
  )
  expect((await vault.ask('user.show', { user: 'bob' })).mail?.address).toBe('bob@plant.example')
})

test('an address that was changed is not put back', async () => {
  const { rows } = await superuser.query(`select * from user_mail where ${bob}`)
  await vault.ask('user.mail', { user: 'bob', address: 'bob@office.example' })
  const [row] = rows
  await superuser.query(`update user_mail set address = $1, set_at = $2, epoch = $3, mac = $4 where ${bob}`, [
    row.address,
    row.set_at,
    row.epoch,
    row.mac,
  ])
  // Beyond the time in which a reader may still see what was before.
  await vault.restart().catch(() => undefined)
  await expect(vault.ask('user.show', { user: 'bob' })).rejects.toThrow()
})
