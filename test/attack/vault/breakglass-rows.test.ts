import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { BreakGlassView } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever writes the database breaks no glass, for no longer and no other account, and hides none from its review.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let bob: TestPerson
let sue: TestPerson
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', () => async () => done(null))
  await vault.account()
  await vault.account({ login: 'root' })
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  await vault.person('ann', ['admin'])
  for (const name of ['sue', 'ann'])
    await vault.ask('user.mail', { user: name, address: `${name}@plant.example` })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['break-glass'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 30, alarms: ['sue', 'ann'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: '192.0.2.7' }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
beforeEach(async () => {
  vault.advance(3600_000)
  bob = await signIn(bob)
  sue = await signIn(sue)
})

const opens = async () =>
  must(
    await api.call(
      'breakglass.open',
      { account: 'press-3/engineer', reason: 'oil', totpCode: bob.code() },
      bob.token,
    ),
  )
const reviews = (who: TestPerson, { id }: BreakGlassView) =>
  api.call('breakglass.review', { breakGlass: id, note: 'fine', totpCode: who.code() }, who.token)
const connects = async (account = 'engineer') =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), account })
/** Runs a statement, then `then`, and puts the row back as it was. */
async function meanwhile(
  table: string,
  id: string,
  statement: string,
  then: () => Promise<void>,
): Promise<void> {
  const { rows } = await superuser.query(`select * from ${table} where id = $1`, [id])
  await superuser.query(statement, [id])
  try {
    await then()
  } finally {
    const [row] = rows
    const columns = Object.keys(row)
    await superuser.query(`delete from ${table} where id = $1`, [id]).catch(() => undefined)
    const { rowCount } = await superuser.query(`select 1 from ${table} where id = $1`, [id])
    if (rowCount === 0)
      await superuser.query(
        `insert into ${table} (${columns.map((column) => `"${column}"`).join(', ')})
         values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
        Object.values(row),
      )
    else
      await superuser.query(
        `update ${table} set ${columns.map((column, at) => `"${column}" = $${at + 2}`).join(', ')} where id = $1`,
        [id, ...Object.values(row)],
      )
  }
}

test.each([
  ['made longer', `update access_grant set not_after = not_after + interval '1 day' where id = $1`],
  ['given to do more', `update access_grant set actions = actions || '{forward}' where id = $1`],
  [
    'moved to another account',
    `update access_grant set account_id = (select id from account where login = 'root') where id = $1`,
  ],
  ['made an ordinary one', `update access_grant set granted_by = 'ann' where id = $1`],
])('a way in that is %s in the table is none', async (how, statement) => {
  const opened = await opens()
  await meanwhile('access_grant', opened.grant, statement, async () => {
    await expect(connects(how.startsWith('moved') ? 'root' : 'engineer')).rejects.toThrow()
  })
  await vault.ask('grant.revoke', { grant: opened.grant })
  must(await reviews(sue, opened))
})

test.each([
  ['said to be reviewed', `update break_glass set reviewed_at = now(), note = 'fine' where id = $1`],
  [
    'said to be of somebody else',
    `update break_glass set user_id = (select id from app_user where name = 'sue') where id = $1`,
  ],
  ['given another reason', `update break_glass set reason = 'drill' where id = $1`],
  ['said to have alarmed others', `update break_glass set alarmed = '{}' where id = $1`],
])('a break-glass that is %s in the table is a fault, and its alarm stays', async (_how, statement) => {
  const opened = await opens()
  await meanwhile('break_glass', opened.id, statement, async () => {
    await expect(reviews(sue, opened)).rejects.toThrow()
    await expect(vault.ask('breakglass.list', { state: 'all' })).rejects.toThrow()
    await expect(connects()).rejects.toThrow()
  })
  await vault.ask('grant.revoke', { grant: opened.grant })
  must(await reviews(sue, opened))
})

test('one that is taken away is missed, and takes its way in with it', async () => {
  const opened = await opens()
  await meanwhile('break_glass', opened.id, 'delete from break_glass where id = $1', async () => {
    await expect(connects()).rejects.toThrow()
    await expect(vault.ask('breakglass.list', {})).rejects.toThrow()
  })
  expect((await vault.ask('audit.list', { kind: 'vault.fault', limit: 1_000 })).length).toBeGreaterThan(0)
  await vault.ask('grant.revoke', { grant: opened.grant })
  must(await reviews(sue, opened))
})

test('a safe that the database allows it in, or whose alarms it takes away, is a fault', async () => {
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: null })
  const asked = () =>
    api.call(
      'breakglass.open',
      { account: 'press-3/engineer', reason: 'oil', totpCode: bob.code() },
      bob.token,
    )
  await superuser.query('update safe set break_glass_minutes = 1440')
  await expect(asked()).rejects.toThrow()
  await superuser.query('update safe set break_glass_minutes = null')
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 30, alarms: ['sue', 'ann'] })
  const { rows } = await superuser.query('select break_glass_alarms from safe')
  await superuser.query(`update safe set break_glass_alarms = '{}'`)
  await expect(asked()).rejects.toThrow()
  await superuser.query('update safe set break_glass_alarms = $1', [rows[0].break_glass_alarms])
})

test('a permission that the database invents opens nothing', async () => {
  await superuser.query(
    `update safe_member set permissions = '{break-glass,approve}' where user_id = (select id from app_user where name = 'bob')`,
  )
  await expect(
    api.call(
      'breakglass.open',
      { account: 'press-3/engineer', reason: 'oil', totpCode: bob.code() },
      bob.token,
    ),
  ).rejects.toThrow()
  await superuser.query(
    `update safe_member set permissions = '{break-glass}' where user_id = (select id from app_user where name = 'bob')`,
  )
})

test('nobody reviews their own, whatever they may do besides', async () => {
  const opened = await opens()
  await vault.ask('grant.revoke', { grant: opened.grant })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['break-glass', 'approve'] })
  expect(refusalOf(await reviews(bob, opened)).code).toBe('forbidden')
  await vault.ask('user.roles', { user: 'bob', roles: ['operator', 'admin'] })
  bob = await signIn(bob)
  expect(refusalOf(await reviews(bob, opened)).code).toBe('forbidden')
  await vault.ask('user.roles', { user: 'bob', roles: ['operator'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['break-glass'] })
  must(await reviews(sue, opened))
})

test('the same code opens once, at whatever moment it is shown twice', async () => {
  const totpCode = bob.code()
  const ask = () =>
    api.call('breakglass.open', { account: 'press-3/engineer', reason: 'oil', totpCode }, bob.token)
  const both = await Promise.all([ask(), ask(), ask()])
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  const [opened] = await vault.ask('breakglass.list', {})
  if (opened === undefined) throw new Error('none was opened')
  await vault.ask('grant.revoke', { grant: opened.grant })
  must(await reviews(sue, opened))
})

test('two reviews at once are one; who is no member and who carries a login alone review none', async () => {
  const opened = await opens()
  await vault.ask('grant.revoke', { grant: opened.grant })
  const codes = [sue.code(), sue.code()]
  const both = await Promise.all(
    codes.map((totpCode) =>
      api.call('breakglass.review', { breakGlass: opened.id, note: 'fine', totpCode }, sue.token),
    ),
  )
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  for (const client of [vault.admin, recorder])
    expect(
      refusalOf(await client.call('breakglass.review', { breakGlass: opened.id, note: 'fine' })).code,
    ).toBe('forbidden')
  expect(
    refusalOf(await vault.admin.call('breakglass.open', { account: 'press-3/engineer', reason: 'oil' })).code,
  ).toBe('forbidden')
})

test('who is held off the machine is not let in by break-glass', async () => {
  const opened = await opens()
  const permit = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    account: 'engineer',
  })
  await vault.ask('session.terminate', { session: permit.session, reason: 'wrong valve', holdSeconds: 600 })
  await endSession(recorder, permit.session)
  expect(refusalOf(await connects()).code).toBe('held')
  await vault.ask('grant.revoke', { grant: opened.grant })
  must(await reviews(sue, opened))
  const again = await opens()
  expect(refusalOf(await connects()).code).toBe('held')
  await vault.ask('grant.revoke', { grant: again.grant })
  must(await reviews(sue, again))
})
