import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { GrantView, RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Nobody gives themselves more time: not as their own approver, not by the database, not by an answer given twice.

const hour = 3600_000
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
  bob = await vault.person('bob', ['operator', 'approver', 'admin'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  for (const user of ['bob', 'sue', 'tom'])
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: ['approve'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const grant = () => vault.grant('bob', 'press-3/engineer', { forSeconds: 3600 })
const asks = async (one: GrantView, ms = hour, who = bob) =>
  api.call(
    'request.extend',
    { grant: one.id, until: new Date(Date.parse(one.notAfter) + ms).toISOString(), reason: 'not done' },
    who.token,
  )
const decide = ({ id, digest }: Pick<RequestView, 'id' | 'digest'>, totpCode: string, token: string) =>
  api.call('request.decide', { request: id, digest, verdict: 'approve', totpCode }, token)
const approve = (request: Pick<RequestView, 'id' | 'digest'>, who: TestPerson) =>
  decide(request, who.code(), who.token)
const withdraw = ({ id }: RequestView) => api.call('request.withdraw', { request: id }, bob.token)
const endOf = async ({ id }: GrantView) =>
  (await vault.ask('grant.list', {})).find((one) => one.id === id)?.notAfter
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: who.name }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
const apply = async (document: object) => {
  const { digest: expected } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', { document, expected } as VerbInput<'policy.apply'>)
}
const revoke = ({ id }: GrantView) => vault.ask('grant.revoke', { grant: id })

test('nobody approves their own, also as administrator and approver; without a fresh code nobody approves', async () => {
  const one = await grant()
  const request = must(await asks(one))
  expect(refusalOf(await approve(request, bob)).code).toBe('forbidden')
  const bare = { request: request.id, digest: request.digest, verdict: 'approve' } as const
  expect(refusalOf(await api.call('request.decide', bare, sue.token)).message).toContain('needs a code')
  const digest = '0'.repeat(64)
  expect(refusalOf(await approve({ id: request.id, digest }, sue)).message).toContain('not what is asked')
  expect(await endOf(one)).toBe(one.notAfter)
  must(await withdraw(request))
  expect(refusalOf(await approve(request, sue)).message).toBe('this request is withdrawn already')
  expect(await endOf(one)).toBe(one.notAfter)
  await revoke(one)
})

test('nobody asks for more time of another’s grant, and an extension lets nobody in to what the grant does not', async () => {
  const one = await grant()
  expect(refusalOf(await asks(one, hour, sue)).code).toBe('forbidden')
  const request = must(await asks(one))
  expect(request.actions).toEqual(one.actions)
  const more = { grant: one.id, until: one.notAfter, reason: 'x', actions: ['exec'] }
  expect(refusalOf(await api.call('request.extend', more as never, bob.token)).code).toBe('invalid')
  must(await withdraw(request))
  await revoke(one)
})

test.each([
  ['given a longer time', `update access_request set for_seconds = 864000 where id = $1`, []],
  ['said to be approved', `update access_request set state = 'approved' where id = $1`, []],
  ['moved to another grant', `update access_request set extends_grant = $2 where id = $1`, ['other']],
  ['made a request of its own', `update access_request set extends_grant = null where id = $1`, []],
])('an extension that is %s in the table is a fault, and gives no time', async (_how, statement, more) => {
  const [one, other] = [await grant(), await grant()]
  const request = must(await asks(one))
  const { rows } = await superuser.query('select * from access_request where id = $1', [request.id])
  await superuser.query(statement, [request.id, ...more.map(() => other.id)])
  await expect(approve(request, sue)).rejects.toThrow()
  expect([await endOf(one), await endOf(other)]).toEqual([one.notAfter, other.notAfter])
  const columns = Object.keys(rows[0])
  const set = columns.map((column, at) => `"${column}" = $${at + 2}`).join(', ')
  await superuser.query(`update access_request set ${set} where id = $1`, [
    request.id,
    ...Object.values(rows[0]),
  ])
  must(await withdraw(request))
  await revoke(one)
  await revoke(other)
})

test('two approvers at once give the time once; an answer that is given again gives nothing', async () => {
  const one = await grant()
  const request = must(await asks(one))
  const codes = [sue, tom].map((who) => [who.code(), who.token] as const)
  const said = await Promise.all(codes.map(([code, token]) => decide(request, code, token)))
  expect(said.filter(({ ok }) => ok)).toHaveLength(1)
  const end = new Date(Date.parse(one.notAfter) + hour).toISOString()
  expect(await endOf(one)).toBe(end)
  for (const [code, token] of codes) expect((await decide(request, code, token)).ok).toBe(false)
  expect(refusalOf(await approve(request, tom)).message).toBe('this request is approved already')
  expect(await endOf(one)).toBe(end)
  await revoke(one)
})

test('an extension that is withdrawn while it is approved is one or the other', async () => {
  for (let round = 0; round < 5; round += 1) {
    const one = await grant()
    const request = must(await asks(one))
    const code = sue.code()
    const [approved, withdrawn] = await Promise.all([decide(request, code, sue.token), withdraw(request)])
    expect([approved.ok, withdrawn.ok].filter(Boolean)).toHaveLength(1)
    expect((await endOf(one)) === one.notAfter).toBe(!approved.ok)
    await revoke(one)
  }
})

test('an extension does not make what one person gave into something that was asked for and approved', async () => {
  const one = await grant()
  must(await approve(must(await asks(one)), sue))
  const document = {
    version: 1,
    groups: { ot: ['sue'] },
    rules: [
      {
        name: 'asked',
        effect: 'limit',
        who: { everyone: true },
        what: { everything: true },
        approvals: [{ group: 'ot', count: 1 }],
      },
    ],
  }
  await apply(document)
  const refused = await api.call(
    'lease.checkOut',
    { account: 'press-3/engineer', exclusive: false },
    bob.token,
  )
  expect(refusalOf(refused).code).toBe('forbidden')
  await apply({ ...document, rules: [] })
  await revoke(one)
})

test('nothing outlasts the contract of a company, when it is asked and when it is answered', async () => {
  const at = (hours: number) => new Date(vault.now().getTime() + hours * hour).toISOString()
  const acme = { company: 'acme' }
  await vault.ask('company.add', {
    ...{ name: 'acme', sponsor: 'sue', mailDomains: ['acme.com'] },
    contractEndsAt: at(3),
  })
  const { enrolment } = await vault.ask('company.invite', { ...acme, name: 'vera', mail: 'vera@acme.com' })
  const vera = await vault.enrol(enrolment.token)
  const one = await vault.grant('vera', 'press-3/engineer', { forSeconds: 3600 })
  expect(refusalOf(await asks(one, 3 * hour, vera)).message).toContain('the contract of the company ends at')
  const request = must(await asks(one, hour, vera))
  await vault.ask('company.change', { ...acme, contractEndsAt: at(1.5) })
  expect(refusalOf(await approve(request, sue)).message).toContain('the contract of the company ends at')
  expect(await endOf(one)).toBe(one.notAfter)
  await vault.ask('company.change', { ...acme, contractEndsAt: at(0.5) })
  expect(refusalOf(await approve(request, sue)).message).toContain('meanwhile')
  await vault.ask('company.off', { ...acme, reason: 'over' } as never)
  expect((await approve(request, sue)).ok).toBe(false)
})

test('when the grant has ended nobody extends it, and the request has expired', async () => {
  const one = await grant()
  const request = must(await asks(one))
  vault.advance(hour + 1_000)
  const [later, approver] = [await signIn(bob), await signIn(sue)]
  expect(refusalOf(await approve(request, approver)).message).toBe('this request is expired already')
  expect(refusalOf(await asks(one, 2 * hour, later)).code).toBe('expired')
  expect(await endOf(one)).toBe(one.notAfter)
})
