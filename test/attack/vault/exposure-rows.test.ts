import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../support/vault-ssh.ts'
import { must, startTestVault, type TestVault } from '../../support/vault.ts'

// A date that somebody set for a seen secret, taken away in the database: nobody goes by another one unknowingly.

let vault: TestVault
let superuser: pg.Client
const account = 'press-3/engineer'
const day = 24 * 3600_000

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  await vault.account()
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

test('a date that was set and is gone is a fault, wherever dates are read, and nothing stands in for it', async () => {
  const ann = await vault.person('ann', ['operator'])
  const mo = await vault.person('mo', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['reveal'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mo', permissions: ['manage'] })
  const api = await vault.connect('api')
  must(
    await api.call(
      'account.reveal',
      { account, boxKey: Buffer.alloc(32, 9).toString('base64'), totpCode: ann.code(), reason: 'no network' },
      ann.token,
    ),
  )
  const [seen] = await vault.ask('exposure.list', {})
  if (seen === undefined) throw new Error('somebody has seen a secret')
  const dueAt = new Date(vault.now().getTime() + 2 * day).toISOString()
  must(await api.call('exposure.due', { exposure: seen.id, dueAt }, mo.token))
  const { rows } = await superuser.query('select * from exposure_due')
  expect(rows).toHaveLength(1)
  await superuser.query('delete from exposure_due')
  // What was written within the last seconds may be missing to a statement that began before.
  await until(async () =>
    vault.ask('exposure.list', {}).then(
      () => undefined,
      () => true,
    ),
  )
  // Nor is a later one set over it.
  const later = new Date(vault.now().getTime() + 20 * day).toISOString()
  await expect(
    api.call('exposure.due', { exposure: seen.id, dueAt: later, reason: 'the line stops' }, mo.token),
  ).rejects.toThrow()
  const columns = Object.keys(rows[0] as object)
  await superuser.query(
    `insert into exposure_due (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(rows[0] as object),
  )
  expect((await vault.ask('exposure.list', {}))[0]?.rotationDueAt).toBe(dueAt)
})

test('nor is it forgotten that somebody who has seen a secret was taken off', async () => {
  const vic = await vault.person('vic', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'vic', permissions: ['reveal'] })
  const api = await vault.connect('api')
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  const asked = { account, boxKey, totpCode: vic.code(), reason: 'no network' }
  must(await api.call('account.reveal', asked, vic.token))
  await vault.ask('user.off', { user: 'vic', reason: 'left' })
  const ofVic = async () => (await vault.ask('exposure.list', {})).find(({ user }) => user === 'vic')
  expect((await ofVic())?.cause).toBe('off-boarding')
  const { rows } = await superuser.query('select * from rotation_due')
  expect(rows).toHaveLength(1)
  await superuser.query('delete from rotation_due')
  await until(async () =>
    ofVic().then(
      () => undefined,
      () => true,
    ),
  )
})
