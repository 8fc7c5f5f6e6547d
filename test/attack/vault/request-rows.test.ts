import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever writes the database approves nothing, and a race of approvers makes one grant.

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let bob: TestPerson
let sue: TestPerson
let tom: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  for (const user of ['sue', 'tom'])
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: ['approve'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const asks = async (more: Partial<VerbInput<'request.add'>> = {}) =>
  must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'look', ...more },
      bob.token,
    ),
  )
const approves = (who: TestPerson, { id, digest }: RequestView) =>
  api.call('request.decide', { request: id, digest, verdict: 'approve', totpCode: who.code() }, who.token)
const withdraw = async ({ id }: RequestView) =>
  must(await api.call('request.withdraw', { request: id }, bob.token))
const grants = async () => (await vault.ask('grant.list', { user: 'bob' })).length

test.each([
  ['given more to do', `update access_request set actions = '{shell,exec}' where id = $1`],
  ['given a longer time', `update access_request set for_seconds = 864000 where id = $1`],
  [
    'made somebody else’s',
    `update access_request set user_id = (select id from app_user where name = 'tom') where id = $1`,
  ],
  ['said to be approved', `update access_request set state = 'approved' where id = $1`],
])('a request that is %s in the table is a fault, and lets nobody in', async (_how, statement) => {
  const request = await asks()
  const before = await grants()
  const { rows } = await superuser.query('select * from access_request where id = $1', [request.id])
  await superuser.query(statement, [request.id])
  await expect(approves(sue, request)).rejects.toThrow()
  expect(await grants()).toBe(before)
  const [row] = rows
  const columns = Object.keys(row)
  const set = columns.map((column, at) => `"${column}" = $${at + 2}`).join(', ')
  await superuser.query(`update access_request set ${set} where id = $1`, [request.id, ...Object.values(row)])
  await withdraw(request)
})

test('an approval that the database invents, or moves to another request, counts for nothing', async () => {
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 2 })
  const first = await asks()
  must(await approves(sue, first))
  const { rows } = await superuser.query('select * from approval where request_id = $1', [first.id])
  await withdraw(first)
  const second = await asks({ actions: ['shell', 'exec'] })
  await superuser.query('update approval set request_id = $1 where id = $2', [second.id, rows[0].id])
  await expect(approves(tom, second)).rejects.toThrow()
  expect(
    (await vault.ask('grant.list', { user: 'bob' })).filter(({ actions }) => actions.includes('exec')),
  ).toEqual([])
  await superuser.query('update approval set request_id = $1 where id = $2', [first.id, rows[0].id])
  // A row of its own, with the stamp of the other.
  await superuser.query(
    `insert into approval select 'apr_00000000000000000000000000', $1, user_id, verdict, note, digest, created_at, epoch, mac
     from approval where id = $2`,
    [second.id, rows[0].id],
  )
  await expect(approves(tom, second)).rejects.toThrow()
  await superuser.query(`delete from approval where id = 'apr_00000000000000000000000000'`)
  await withdraw(second)
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 1 })
})

test('a safe’s number of approvals that the database lowers is a fault', async () => {
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 2 })
  const request = await asks()
  await superuser.query('update safe set approvals = 1')
  await expect(approves(sue, request)).rejects.toThrow()
  await superuser.query('update safe set approvals = 2')
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 1 })
  await withdraw(request)
})

test('two approvers at the same moment make one grant; the one who comes late is told', async () => {
  const before = await grants()
  const request = await asks()
  const codes = [sue, tom].map((who) => ({ who, totpCode: who.code() }))
  const said = await Promise.all(
    codes.map(({ who, totpCode }) =>
      api.call(
        'request.decide',
        { request: request.id, digest: request.digest, verdict: 'approve', totpCode },
        who.token,
      ),
    ),
  )
  expect(said.filter(({ ok }) => ok)).toHaveLength(1)
  expect(refusalOf(said.find(({ ok }) => !ok) ?? { ok: true, value: null }).message).toBe(
    'this request is approved already',
  )
  expect(await grants()).toBe(before + 1)
})

test('a request that is withdrawn while it is approved is one or the other', async () => {
  for (let round = 0; round < 5; round += 1) {
    const before = await grants()
    const request = await asks()
    const totpCode = sue.code()
    const [approved, withdrawn] = await Promise.all([
      api.call(
        'request.decide',
        { request: request.id, digest: request.digest, verdict: 'approve', totpCode },
        sue.token,
      ),
      api.call('request.withdraw', { request: request.id }, bob.token),
    ])
    expect([approved.ok, withdrawn.ok].filter(Boolean)).toHaveLength(1)
    expect(await grants()).toBe(before + (approved.ok ? 1 : 0))
  }
})

test('one who asks without end is stopped at twenty open requests, and nobody else is', async () => {
  const made: RequestView[] = []
  for (let at = 0; at < 21; at += 1) await vault.account({ login: `login-${at}` })
  for (let at = 0; at < 20; at += 1) made.push(await asks({ account: `press-3/login-${at}` }))
  const refused = refusalOf(
    await api.call(
      'request.add',
      { account: 'press-3/login-20', actions: ['shell'], forSeconds: 3600, reason: 'more' },
      bob.token,
    ),
  )
  expect(refused).toMatchObject({ code: 'rate_limited', next: 'withdraw one of them first' })
  for (const request of made) await withdraw(request)
})

test('fields that nobody may set are refused: who asks is who is signed in', async () => {
  for (const more of [{ user: 'sue' }, { state: 'approved' }, { approvals: 0 }, { grant: 'grt_x' }])
    expect(
      refusalOf(
        await api.call(
          'request.add',
          {
            account: 'press-3/engineer',
            actions: ['shell'],
            forSeconds: 3600,
            reason: 'look',
            ...more,
          } as never,
          bob.token,
        ),
      ).code,
    ).toBe('invalid')
})
