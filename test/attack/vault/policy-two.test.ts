import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { PolicyRequestView } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// Where it takes two people to change the policy, one alone changes nothing: not by the database, by a race, by a name
// that means another meanwhile, nor by the tags of a target.

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let ann: TestPerson
let bea: TestPerson
let bob: TestPerson
let start: PolicyDocument
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', () => undefined)
  await vault.account()
  await vault.account({ target: 'mill-1', login: 'op', address: 'ssh://127.0.0.1:2202' })
  ann = await vault.person('ann', ['admin'])
  bea = await vault.person('bea', ['admin'])
  bob = await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('target.change', { target: 'press-3', tags: ['critical'] })
  await vault.ask('target.change', { target: 'mill-1', tags: ['spare'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  start = documentOf(
    { name: 'may', effect: 'allow', actions: ['shell'], who: { users: ['bob'] }, what: { tags: ['spare'] } },
    {
      name: 'closed',
      effect: 'limit',
      who: { everyone: true },
      what: { tags: ['critical'] },
      during: ['never'],
    },
  )
  await vault.ask('policy.apply', { document: start, expected: null })
  await vault.grant('bob', 'press-3/engineer')
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const { id, state } of await vault.ask('policy.requests', { state: 'all' }))
    if (state === 'open' || state === 'stale') await vault.ask('policy.withdraw', { request: id })
})

const documentOf = (...rules: readonly Rule[]): PolicyDocument => ({
  version: 1,
  applyBy: 'two',
  calendars: { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } },
  rules: [...rules],
})
const digest = async () => (await vault.ask('policy.show', {})).digest ?? ''
const asks = async (who: TestPerson, document: PolicyDocument) =>
  must(await api.call('policy.ask', { document, expected: await digest(), totpCode: who.code() }, who.token))
const approves = async (who: TestPerson, { id, means }: Pick<PolicyRequestView, 'id' | 'means'>) =>
  api.call('policy.approve', { request: id, means, totpCode: who.code() }, who.token)
const opens = async (more: object = {}) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const mill = { target: 'mill-1', account: 'op' }

test.each([
  ['loosened', `document = replace(document, '"during":["never"],', '')`],
  ['said to be somebody else’s', `asked_by = 'local'`],
  ['kept for a year', `expires_at = now() + interval '1 year'`],
  ['planned against another policy', `expected = repeat('ab', 32)`],
  ['said to mean something else', `means = repeat('ab', 32)`],
])('what was asked for and %s in the table is a fault: nobody approves it', async (_how, forge) => {
  const asked = await asks(ann, documentOf(...start.rules, tighter))
  const { rows } = await superuser.query('select * from policy_request where id = $1', [asked.id])
  await superuser.query(`update policy_request set ${forge} where id = '${asked.id}'`)
  const { rows: forged } = await superuser.query('select means from policy_request where id = $1', [asked.id])
  await expect(approves(bea, { ...asked, means: forged[0].means })).rejects.toThrow()
  const [row] = rows
  await superuser.query(
    `update policy_request set document = $2, asked_by = $3, expires_at = $4, expected = $5, means = $6 where id = $1`,
    [asked.id, row.document, row.asked_by, row.expires_at, row.expected, row.means],
  )
  expect((await vault.ask('policy.show', {})).document).toEqual(start)
})
const tighter: Rule = {
  name: 'short',
  effect: 'limit',
  who: { everyone: true },
  what: { everything: true },
  longest: '1h',
}

test('one that was withdrawn is not put back by the database, nor is one made there', async () => {
  const asked = await asks(ann, documentOf())
  const { rows } = await superuser.query('select * from policy_request where id = $1', [asked.id])
  must(await api.call('policy.withdraw', { request: asked.id }, bea.token))
  const { rows: present } = await superuser.query('select * from policy_request where id = $1', [asked.id])
  const put = async (row: Record<string, unknown>) =>
    superuser.query(
      `update policy_request set ${Object.keys(row)
        .map((column, at) => `${column} = $${at + 1}`)
        .join(', ')} where id = '${asked.id}'`,
      Object.values(row),
    )
  await put(rows[0])
  await expect(approves(bea, asked)).rejects.toThrow()
  await put(present[0])
  const made = 'plr_01jdzz0000000000000000000a'
  await superuser.query(
    `insert into policy_request select '${made}', document, digest, expected, means, 'local', asked_by_name, asked_at, expires_at, 'open', null, null, epoch, mac from policy_request where id = $1`,
    [asked.id],
  )
  await expect(approves(bea, { id: made as never, means: asked.means })).rejects.toThrow()
  await superuser.query('delete from policy_request where id = $1', [made])
})

test('nobody who is no administrator asks, looks or approves, and the machine’s administrator approves none', async () => {
  const asked = await asks(ann, documentOf())
  const input = { request: asked.id, means: asked.means, totpCode: bob.code() }
  for (const call of [
    api.call('policy.approve', input, bob.token),
    api.call('policy.withdraw', { request: asked.id }, bob.token),
    api.call('policy.request', { request: asked.id }, bob.token),
    api.call('policy.requests', {}, bob.token),
    api.call(
      'policy.ask',
      { document: documentOf(), expected: await digest(), totpCode: bob.code() },
      bob.token,
    ),
    vault.admin.call('policy.approve', { request: asked.id, means: asked.means }),
  ])
    expect(refusalOf(await call).code).toBe('forbidden')
  // Whoever is no administrator any more approves nothing by a login of before.
  await vault.ask('user.roles', { user: 'bea', roles: ['operator'] })
  expect((await approves(bea, asked)).ok).toBe(false)
  await vault.ask('user.roles', { user: 'bea', roles: ['admin'] })
  bea = await vault.enrol((await vault.ask('user.enrol', { user: 'bea' })).token)
})

test('two who approve at once put it in force once, and one of two asked for at the same time', async () => {
  const cal = await vault.person('cal', ['admin'])
  const asked = await asks(ann, documentOf(...start.rules, tighter))
  const other = await asks(bea, documentOf(...start.rules, { ...tighter, name: 'other' }))
  const before = (await vault.ask('policy.show', {})).version
  const outcomes = await Promise.all([approves(bea, asked), approves(cal, asked), approves(ann, other)])
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
  expect((await vault.ask('policy.show', {})).version).toBe(before + 1)
  const back = await asks(ann, start)
  must(await approves(cal, back))
  await vault.ask('user.disable', { user: 'cal' })
})

test('a name that means another machine since it was asked for is not approved as what it meant', async () => {
  await vault.ask('target.add', { name: 'new-1', safe: 'line-3', address: 'ssh://127.0.0.5' })
  const asked = await asks(
    ann,
    documentOf(...start.rules, {
      name: 'new',
      effect: 'allow',
      actions: ['shell'],
      who: { users: ['bob'] },
      what: { targets: ['new-1'] },
    }),
  )
  await vault.ask('target.remove', { target: 'new-1' })
  await vault.ask('target.add', { name: 'new-1', safe: 'line-3', address: 'ssh://127.0.0.6' })
  expect(refusalOf(await approves(bea, asked))).toMatchObject({
    code: 'conflict',
    message: 'what its names stand for has changed since it was asked for',
  })
  await vault.ask('target.remove', { target: 'new-1' })
})

test('nobody loosens it alone by tags: what limits counts at once, what lets in when it is applied the next time', async () => {
  expect(refusalOf(await opens({ account: 'engineer' })).message).toContain('is closed now')
  await vault.ask('target.change', { target: 'press-3', tags: [] })
  expect(refusalOf(await opens({ account: 'engineer' })).message).toContain('is closed now')
  await vault.ask('target.change', { target: 'press-3', tags: ['spare'] })
  const [mine] = must(await api.call('access.list', {}, bob.token)).filter(
    ({ account }) => account === 'press-3/engineer',
  )
  expect(mine?.rules).toEqual([])
  // A tag more limits at once, and one less lets nobody in any more.
  must(await opens(mill))
  await vault.ask('target.change', { target: 'mill-1', tags: ['spare', 'critical'] })
  expect(refusalOf(await opens(mill)).message).toContain('is closed now')
  await vault.ask('target.change', { target: 'mill-1', tags: [] })
  expect((await opens(mill)).ok).toBe(false)
  // Two people apply what the tags say now: it is said as a change, and holds afterwards.
  await vault.ask('target.change', { target: 'mill-1', tags: ['critical'] })
  const plan = await vault.ask('policy.plan', { document: start })
  expect(plan.changes).toEqual(
    expect.arrayContaining([
      { what: 'tag', name: 'critical', change: 'changed' },
      { what: 'tag', name: 'spare', change: 'changed' },
    ]),
  )
  must(await approves(bea, await asks(ann, start)))
  must(await opens({ account: 'engineer' }))
  expect((await opens(mill)).ok).toBe(false)
})

test('one that is forged in the table is sent to nobody, and nobody is told in its name', async () => {
  const mail = { server: 'mail.plant.example:587', from: 'tagout@plant.example' }
  const take = async () => must(await api.call('notification.take', { mail, limit: 50 }))
  await vault.ask('user.mail', { user: 'bea', address: 'bea@plant.example' })
  const asked = await asks(ann, documentOf(...start.rules, tighter))
  await superuser.query(`update policy_request set asked_by_name = 'the director' where id = $1`, [asked.id])
  expect(await take()).toEqual([])
  await expect(approves(bea, asked)).rejects.toThrow()
  await superuser.query(`update policy_request set asked_by_name = 'ann' where id = $1`, [asked.id])
  vault.advance(60_000)
  expect(await take()).toMatchObject([{ channel: 'mail', to: 'bea@plant.example' }])
  // Said to be asked by somebody else, nobody is told that what they asked for is over.
  await superuser.query(`update policy_request set asked_by = 'local' where id = $1`, [asked.id])
  await expect(api.call('policy.withdraw', { request: asked.id }, bea.token)).rejects.toThrow()
  await superuser.query(
    `update policy_request set asked_by = (select id from app_user where name = 'ann') where id = $1`,
    [asked.id],
  )
})
