import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { PolicyRequestView } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

// A policy that two people change, and what a plan says of what runs and waits.

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let ann: TestPerson
let bea: TestPerson
let bob: TestPerson
const key = makeSshKey()
// Noon of a Monday, UTC.
const monday = Date.parse('2026-11-30T12:00:00Z')

beforeAll(async () => {
  const began = Date.now()
  vault = await startTestVault({ clock: () => new Date(monday + Date.now() - began) })
  api = await vault.connect('api')
  recorder = await vault.worker('w1', (method) =>
    method === 'session.cut' || method === 'session.hold' ? async () => done(null) : undefined,
  )
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.person('sue', ['approver'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
})

const calendars = {
  shifts: { zone: 'UTC', weekly: [{ from: '06:00', to: '22:00' }] },
  never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] },
}
const rule = (name: string, more: object = {}): Rule =>
  ({ name, effect: 'limit', who: { everyone: true }, what: { everything: true }, ...more }) as Rule
const documentOf = (rules: readonly Rule[], more: Partial<PolicyDocument> = {}): PolicyDocument => ({
  version: 1,
  groups: { ot: ['sue'], it: ['bob'] },
  calendars,
  ...more,
  rules: [...rules],
})
const two = (...rules: readonly Rule[]) => documentOf(rules, { applyBy: 'two' })
const digest = async () => (await vault.ask('policy.show', {})).digest
const apply = async (document: PolicyDocument) =>
  vault.ask('policy.apply', { document, expected: await digest() })
const applies = async (who: TestPerson, document: PolicyDocument) =>
  api.call('policy.apply', { document, expected: await digest(), totpCode: who.code() }, who.token)
const asks = async (who: TestPerson, document: PolicyDocument) =>
  api.call('policy.ask', { document, expected: (await digest()) ?? '', totpCode: who.code() }, who.token)
const approves = async (who: TestPerson, { id, means }: Pick<PolicyRequestView, 'id' | 'means'>) =>
  api.call('policy.approve', { request: id, means, totpCode: who.code() }, who.token)
const textOf = async (kind: string) =>
  (await vault.ask('audit.list', { kind, limit: 1_000 })).map(({ text }) => text)

test('a plan says which sessions end, end sooner or wait, and of which requests more would be wanted', async () => {
  await apply(documentOf([]))
  await vault.grant('bob', 'press-3/engineer')
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  const request = must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'r', workOrder: 'WO-1' },
      bob.token,
    ),
  )
  const plans = async (...rules: readonly Rule[]) => vault.ask('policy.plan', { document: documentOf(rules) })
  const of = { session, user: 'bob', account: 'press-3/engineer' }
  const quiet = await plans(rule('quiet', { during: ['shifts'], longest: '24h' }))
  // The grant of the session ends before the shift does.
  expect(quiet.requests).toEqual([])
  expect((await plans(rule('closed', { during: ['never'] }))).sessions).toEqual([
    {
      ...of,
      change: 'ends',
      why: 'the rule “closed” is closed now (never), and does not open again',
      endsAt: null,
    },
  ])
  const [sooner] = (await plans(rule('short', { longest: '10m' }))).sessions
  expect(sooner).toMatchObject({ ...of, change: 'ends sooner' })
  const began = Date.parse((await vault.ask('session.show', { session })).startedAt)
  expect(Math.abs(Date.parse(sooner?.endsAt ?? '') - began - 600_000)).toBeLessThan(1_000)
  expect((await plans(rule('watched', { supervisors: 'ot' }))).sessions).toMatchObject([
    { ...of, change: 'waits', why: 'its input waits until somebody of ot watches' },
  ])
  expect((await plans(rule('two', { approvals: [{ group: 'ot', count: 1 }] }))).sessions).toMatchObject([
    { ...of, change: 'ends', why: 'the rule “two” lets in only who asked and was approved' },
  ])
  expect((await plans(rule('two', { approvals: [{ group: 'ot', count: 1 }] }))).requests).toEqual([
    { request: request.id, user: 'bob', account: 'press-3/engineer', why: 'it wants an approval of ot too' },
  ])
  expect((await plans(rule('order', { workOrder: 'WO-####' }))).requests).toMatchObject([
    { why: 'its work order is not of the form WO-####' },
  ])
  // Nothing was changed by looking.
  expect((await vault.ask('session.show', { session })).state).not.toBe('ended')
  expect(await textOf('policy.applied')).toHaveLength(1)
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
})

test('two are asked of nobody where there are no two, and one of one is not locked out', async () => {
  const refusal = refusalOf(await vault.admin.call('policy.plan', { document: two() }))
  expect(refusal).toMatchObject({ code: 'invalid', next: 'add a second administrator first' })
  expect(refusal.message).toContain('there are no administrators')
  ann = await vault.person('ann', ['admin'])
  expect(refusalOf(await vault.admin.call('policy.plan', { document: two() })).message).toContain(
    'there is 1 administrator, so nobody could approve',
  )
  bea = await vault.person('bea', ['admin'])
  must(await applies(ann, two()))
  await vault.ask('user.disable', { user: 'bea' })
  expect(refusalOf(await applies(ann, documentOf([])))).toMatchObject({
    message: 'this policy is changed by two people',
    next: expect.stringContaining('add a second administrator'),
  })
  await vault.person('otto', ['security-officer'])
  for (const user of ['ann', 'otto']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  await vault.ask('policy.apply', {
    document: two(rule('alone', { longest: '8h' })),
    expected: await digest(),
  })
  expect((await textOf('policy.applied')).at(-1)).toContain(', alone, as there is no second administrator: ')
  // Whoever looks after the rules is told: a second administrator may have been turned off for it.
  const { latest } = await vault.ask('notification.status', {})
  const told = latest.filter(({ kind }) => kind === 'policy.alone').map(({ user }) => user)
  expect(new Set(told)).toEqual(new Set(['ann', 'otto']))
  await vault.ask('user.enable', { user: 'bea' })
  bea = await vault.enrol((await vault.ask('user.enrol', { user: 'bea' })).token)
})

test('one asks and another approves exactly that, with a fresh code; off as on', async () => {
  const wanted = two(rule('short', { longest: '1h' }))
  expect(refusalOf(await applies(ann, wanted)).message).toBe('this policy is changed by two people')
  expect(
    refusalOf(await vault.admin.call('policy.apply', { document: wanted, expected: await digest() })),
  ).toMatchObject({
    message: 'this policy is changed by two people',
    next: expect.stringContaining('ask for it'),
  })
  const asked = must(await asks(ann, wanted))
  expect(asked).toMatchObject({ state: 'open', askedBy: 'ann', mayApprove: false })
  expect(asked.plan.changes).toEqual([
    { what: 'rule', name: 'alone', change: 'removed' },
    { what: 'rule', name: 'short', change: 'added' },
  ])
  expect((await textOf('policy.asked')).at(-1)).toContain('"rule short added"')
  const [seen] = must(await api.call('policy.requests', {}, bea.token))
  expect(seen).toMatchObject({ id: asked.id, mayApprove: true })
  const whole = must(await api.call('policy.request', { request: asked.id }, bea.token))
  expect(whole.document).toEqual(wanted)
  expect(whole.plan?.changes).toEqual(asked.plan.changes)
  expect(refusalOf(await approves(ann, asked)).message).toBe('you cannot approve your own')
  expect(refusalOf(await approves(bea, { ...asked, means: 'ab'.repeat(32) })).message).toContain(
    'not what is asked',
  )
  const without = await api.call('policy.approve', { request: asked.id, means: asked.means }, bea.token)
  expect(refusalOf(without).message).toContain('totpCode')
  const applied = must(await approves(bea, asked))
  const view = await vault.ask('policy.show', {})
  expect(view).toMatchObject({ version: applied.version, appliedBy: 'ann, bea', document: wanted })
  expect((await textOf('policy.applied')).at(-1)).toMatch(/, which ann asked for: /)
  expect(refusalOf(await approves(bea, asked)).message).toBe('this is applied already')
  // Off takes two as well.
  expect(refusalOf(await applies(bea, documentOf([]))).code).toBe('conflict')
  const off = must(await asks(bea, documentOf([])))
  expect(off.plan.changes).toContainEqual({ what: 'policy', name: 'applyBy', change: 'removed' })
  must(await approves(ann, off))
  must(await applies(ann, two()))
})

test('what is asked for is withdrawn, expires, and is stale once another was applied', async () => {
  const first = must(await asks(ann, two(rule('a', { longest: '1h' }))))
  const second = must(await asks(ann, two(rule('b', { longest: '1h' }))))
  const local = await vault.ask('policy.ask', {
    document: two(rule('c', { longest: '1h' })),
    expected: (await digest()) ?? '',
  })
  expect(local.askedBy).toMatch(/^local:/)
  expect(refusalOf(await asks(ann, two())).message).toBe('this policy is in force already')
  expect(must(await api.call('policy.withdraw', { request: first.id }, bea.token))).toMatchObject({
    state: 'withdrawn',
    closedBy: 'bea',
  })
  expect((await textOf('policy.withdrawn')).at(-1)).toContain('that ann asked for')
  expect(refusalOf(await approves(bea, first)).message).toBe('this is withdrawn already')
  must(await approves(bea, second))
  expect(refusalOf(await approves(bea, local)).message).toBe('another policy was applied meanwhile')
  const states = (await vault.ask('policy.requests', { state: 'all' })).map(({ id, state }) => [id, state])
  expect(states).toEqual(
    expect.arrayContaining([
      [first.id, 'withdrawn'],
      [second.id, 'applied'],
      [local.id, 'stale'],
    ]),
  )
  await vault.ask('policy.withdraw', { request: local.id })
  const last = must(await asks(ann, two(rule('d', { longest: '1h' }))))
  vault.advance(3 * 24 * 3600_000 + 1_000)
  expect(await vault.ask('policy.requests', {})).toEqual([])
  const late = await vault.ask('policy.request', { request: last.id })
  expect(late).toMatchObject({ state: 'expired', plan: null })
})
