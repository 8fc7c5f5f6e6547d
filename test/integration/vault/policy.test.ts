import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Permit, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let ann: TestPerson
let sue: TestPerson
let tom: TestPerson
const key = makeSshKey()
const cuts: { readonly session: string; readonly reason: string; readonly message: string }[] = []
const takesCuts: Dispatch = (method) =>
  method === 'session.cut'
    ? async (params) => {
        cuts.push(params as (typeof cuts)[number])
        return done(null)
      }
    : undefined

// Noon of a Monday, UTC.
const monday = Date.parse('2026-11-30T12:00:00Z')

beforeAll(async () => {
  const began = Date.now()
  vault = await startTestVault({ clock: () => new Date(monday + Date.now() - began) })
  api = await vault.connect('api')
  recorder = await vault.worker('w1', takesCuts)
  await vault.account()
  await vault.account({ target: 'switch-1', login: 'admin' })
  bob = await vault.person('bob', ['operator'])
  ann = await vault.person('ann', ['admin'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  for (const user of ['sue', 'tom'])
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: ['approve'] })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  await apply()
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
})

const groups = { ot: ['bob', 'sue'], it: ['tom'] }
const calendars = {
  shifts: { zone: 'UTC', weekly: [{ from: '06:00', to: '22:00' }] },
  never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] },
}
const allow = (more: Partial<Rule> = {}): Rule =>
  ({
    name: 'ot-may',
    effect: 'allow',
    actions: ['shell', 'exec'],
    who: { groups: ['ot'] },
    what: { targets: ['press-3'] },
    ...more,
  }) as Rule
const limit = (more: Partial<Rule> & { approvals?: unknown; workOrder?: string } = {}): Rule =>
  ({
    name: 'all-limit',
    effect: 'limit',
    who: { everyone: true },
    what: { safes: ['line-3'] },
    ...more,
  }) as Rule
const documentOf = (rules: readonly Rule[]): PolicyDocument => ({
  version: 1,
  groups,
  calendars,
  rules: [...rules],
})
async function apply(...rules: readonly Rule[]) {
  const expected = (await vault.ask('policy.show', {})).digest
  return vault.ask('policy.apply', { document: documentOf(rules), expected })
}
const opens = async (more: Partial<Parameters<typeof open>[1]> = {}) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const connects = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
const cutOf = (session: Permit['session']) => until(() => cuts.find((cut) => cut.session === session))

test('a rule lets in without a grant: once it is applied, for what it names, and shown to its user beforehand', async () => {
  const unknown = refusalOf(await opens())
  expect(unknown.message).toBe('there is no such target, or no grant lets you connect to it')
  await apply(allow())
  const [mine, ...more] = must(await api.call('access.list', {}, bob.token))
  expect(more).toEqual([])
  expect(mine).toMatchObject({
    account: 'press-3/engineer',
    grants: [],
    rules: [{ name: 'ot-may', actions: ['shell', 'exec'], unmet: null }],
  })
  expect(must(await api.call('target.list', {}, bob.token)).map(({ name }) => name)).toEqual(['press-3'])
  const permit = must(await opens())
  expect(permit).toMatchObject({ actions: ['shell', 'exec'], account: { name: 'press-3/engineer' } })
  // A second session is under the same grant.
  expect(must(await opens()).grant).toBe(permit.grant)
  expect(refusalOf(await opens({ wants: 'sftp-read' })).code).toBe('forbidden')
  expect(refusalOf(await opens({ target: 'switch-1' }))).toEqual(unknown)
  const [grant] = await vault.ask('grant.list', { user: 'bob' })
  expect(grant).toMatchObject({ id: permit.grant, grantedBy: 'policy, rule ot-may', reason: 'rule ot-may' })
  expect(refusalOf(await vault.admin.call('grant.revoke', { grant: permit.grant })).message).toContain(
    'is of the rule “ot-may” of the policy',
  )
  expect(
    must(await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, bob.token)),
  ).toMatchObject({
    user: 'bob',
  })
})

test('the end of a window ends what it let in, and before its beginning it says when that is', async () => {
  await apply(allow({ during: ['shifts'] }))
  const permit = must(await opens())
  expect(permit.endsAt).toBe('2026-11-30T22:00:00.000Z')
  await apply(allow({ during: ['never'], contact: 'the shift leader' }))
  expect(refusalOf(await opens())).toMatchObject({
    message: 'the rule “ot-may” is closed now (never), and does not open again',
    next: 'ask the shift leader',
  })
  expect(
    refusalOf(await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, bob.token)),
  ).toMatchObject({
    next: 'ask the shift leader',
  })
})

test('a limit holds for grants too: from where, with what factor, exclusively and how long', async () => {
  const grant = await vault.grant('bob', 'press-3/engineer')
  await apply(limit({ networks: ['10.0.0.0/8'] }))
  expect(refusalOf(await opens()).message).toBe('the rule “all-limit” lets nobody in from 192.0.2.20')
  await apply(limit({ factorWithin: '5m' }))
  expect(refusalOf(await opens()).message).toContain('a key alone does not show it')
  const ticket = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, bob.token))
  const byTicket = must(
    await recorder.call('ssh.ticket', {
      name: 'bob',
      ticket: ticket.ticket,
      connection: someConnection(),
      source: '192.0.2.20',
    }),
  )
  const permit = must(await open(recorder, { proof: byTicket.proof }))
  await endSession(recorder, permit.session)
  vault.advance(301_000)
  expect(refusalOf(await open(recorder, { proof: byTicket.proof })).message).toContain('within 5m')
  await apply(limit({ longest: '10m', exclusive: true }))
  const short = must(await opens())
  expect(Date.parse(short.endsAt) - Date.parse(short.startedAt)).toBe(600_000)
  expect((await vault.ask('lease.list', {})).find(({ user }) => user === 'bob')).toMatchObject({
    exclusive: true,
  })
  await vault.ask('grant.revoke', { grant: grant.id })
})

test('another policy ends within three seconds what it does not let go on, and nothing else', async () => {
  await apply(allow({ name: 'a' }))
  const permit = await connects()
  await apply(allow({ name: 'a' }), limit({ during: ['never'] }))
  expect(await cutOf(permit.session)).toMatchObject({
    reason: 'grant revoked',
    message: 'the rule “all-limit” is closed now (never), and does not open again',
  })
  await endSession(recorder, permit.session)
  await apply(allow({ name: 'a' }), allow({ name: 'b', who: { users: ['bob'] } }))
  const other = await connects()
  const by = (await vault.ask('grant.list', { user: 'bob' })).find(({ id }) => id === other.grant)?.grantedBy
  await apply(allow({ name: by?.endsWith('a') === true ? 'b' : 'a' }))
  expect(await cutOf(other.session)).toMatchObject({
    message: expect.stringContaining('lets you in no more'),
  })
  const [ended] = (await vault.ask('grant.list', { user: 'bob' })).filter(({ id }) => id === other.grant)
  expect(ended?.state).toBe('revoked')
  // Who leaves the group leaves what it let them into.
  await endSession(recorder, other.session)
  await apply(allow())
  const third = await connects()
  const expected = (await vault.ask('policy.show', {})).digest
  await vault.ask('policy.apply', {
    document: { ...documentOf([allow()]), groups: { ot: ['sue'] } },
    expected,
  })
  expect(await cutOf(third.session)).toMatchObject({
    message: expect.stringContaining('lets you in no more'),
  })
})

test('where one of OT and one of IT must approve, no one person lets anybody in', async () => {
  const approvals = [
    { group: 'ot', count: 1 },
    { group: 'it', count: 1 },
  ]
  await apply(allow(), limit({ approvals, workOrder: 'WO-####', contact: 'OT, extension 12' }))
  expect(refusalOf(await opens())).toMatchObject({
    message: 'the rule “all-limit” lets in only who asked and was approved',
    next: 'request access in the console, or ask OT, extension 12',
  })
  const given = await vault.admin.call('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions: ['shell'],
  })
  expect(refusalOf(given)).toMatchObject({
    message: 'the policy wants approvals for press-3/engineer: 1 of ot, 1 of it',
    next: 'have bob request access',
  })
  const asks = (workOrder: string | undefined) =>
    api.call(
      'request.add',
      {
        account: 'press-3/engineer',
        actions: ['shell'],
        forSeconds: 3600,
        reason: 'it stops',
        ...(workOrder === undefined ? {} : { workOrder }),
      },
      bob.token,
    )
  expect(refusalOf(await asks(undefined)).message).toBe(
    'workOrder: the rule “all-limit” wants one of the form WO-####',
  )
  expect(refusalOf(await asks('WO-12')).code).toBe('invalid')
  const request = must(await asks('WO-4711'))
  expect(request).toMatchObject({
    approvalsNeeded: 2,
    approvalsFrom: [
      { group: 'ot', count: 1, missing: 1 },
      { group: 'it', count: 1, missing: 1 },
    ],
  })
  const approves = (who: TestPerson) =>
    api.call(
      'request.decide',
      { request: request.id, digest: request.digest, verdict: 'approve', totpCode: who.code() },
      who.token,
    )
  const half = must(await approves(sue))
  expect(half).toMatchObject({
    state: 'open',
    approvalsFrom: [
      { group: 'ot', missing: 0 },
      { group: 'it', missing: 1 },
    ],
  })
  // An administrator who is in neither group is one person more, not the one of IT.
  expect(must(await approves(ann))).toMatchObject({ state: 'open' })
  expect(must(await approves(tom))).toMatchObject({ state: 'approved' })
  expect(must(await opens())).toMatchObject({ actions: ['shell'] })
})

test('a plan says what changes and for whom, and an apply is of what was planned', async () => {
  const document = documentOf([allow(), limit()])
  const plan = await vault.ask('policy.plan', { document })
  expect(plan.changes).toEqual([
    { what: 'rule', name: 'ot-may', change: 'added' },
    { what: 'rule', name: 'all-limit', change: 'added' },
  ])
  expect(plan.gains).toEqual({
    total: 2,
    pairs: [
      { user: 'bob', account: 'press-3/engineer' },
      { user: 'sue', account: 'press-3/engineer' },
    ],
  })
  expect(plan.loses).toEqual({ total: 0, pairs: [] })
  await apply(allow({ what: { everything: true } }))
  expect(refusalOf(await vault.admin.call('policy.apply', { document, expected: plan.from }))).toMatchObject({
    code: 'conflict',
    message: 'another policy was applied meanwhile',
  })
  const [leaf] = (await vault.ask('audit.list', { kind: 'policy.applied' })).slice(-1)
  expect(leaf?.text).toMatch(/applied version \d+ of the policy \([0-9a-f]{12}\): "rule ot-may added"/)
  const again = await vault.ask('policy.plan', { document: documentOf([allow()]) })
  expect(again.loses.total).toBe(2)
})

test.each<[string, Partial<PolicyDocument>]>([
  ['rule r: there is no user "nobody"', { rules: [limit({ name: 'r', who: { users: ['nobody'] } })] }],
  ['rule r: there is no safe "line-9"', { rules: [limit({ name: 'r', what: { safes: ['line-9'] } })] }],
  [
    'rule r: there is no account "press-3"',
    { rules: [limit({ name: 'r', what: { accounts: ['press-3'] } })] },
  ],
  ['rule r: there is no group x', { rules: [limit({ name: 'r', who: { groups: ['x'] } })] }],
  ['rule r: there is no group x', { rules: [limit({ name: 'r', approvals: [{ group: 'x', count: 1 }] })] }],
  ['rule r: there is no calendar nights', { rules: [limit({ name: 'r', during: ['nights'] })] }],
  ['rule r: who: it says whom it concerns', { rules: [limit({ name: 'r', who: {} })] }],
  ['rule r: what: it says what it concerns', { rules: [limit({ name: 'r', what: { protocols: ['ssh'] } })] }],
  [
    'rule r: it wants 2 of IT, which has 1 member, so nobody could ever be approved',
    { rules: [limit({ name: 'r', approvals: [{ group: 'IT', count: 2 }] })] },
  ],
  ['two rules are called R', { rules: [limit({ name: 'r' }), limit({ name: 'R' })] }],
  ['group g: there is no user "nobody"', { groups: { ...groups, g: ['nobody'] } }],
])('a policy that names what is not there is refused whole: %s', async (sentence, more) => {
  const before = await vault.ask('policy.show', {})
  const document = { ...documentOf([]), ...more }
  for (const verb of ['policy.plan', 'policy.apply'] as const) {
    const input = verb === 'policy.plan' ? { document } : { document, expected: before.digest }
    const refusal = refusalOf(await vault.admin.call(verb, input as VerbInput<'policy.apply'>))
    expect(refusal).toMatchObject({ code: 'invalid', message: expect.stringContaining(sentence) })
    expect(refusal.next).toBeDefined()
  }
  expect(await vault.ask('policy.show', {})).toEqual(before)
})

test('a person applies it with a fresh code, and nobody but an administrator does', async () => {
  const { digest } = await vault.ask('policy.show', {})
  const document = documentOf([limit({ longest: '1h' })])
  const as = (who: TestPerson, more: object = {}) =>
    api.call('policy.apply', { document, expected: digest, ...more }, who.token)
  expect(refusalOf(await as(ann)).message).toContain('totpCode: this needs a code')
  expect(refusalOf(await as(sue, { totpCode: sue.code() })).code).toBe('forbidden')
  expect(refusalOf(await api.call('policy.show', {}, bob.token)).code).toBe('forbidden')
  expect(must(await as(ann, { totpCode: ann.code() })).version).toBeGreaterThan(0)
  expect((await vault.ask('policy.show', {})).appliedBy).toBe('ann')
})

test('explain says what decides and how, at another time too, and reach who could', async () => {
  await apply(
    allow({ during: ['shifts'] }),
    limit({ name: 'short', longest: '1h', networks: ['192.0.2.0/24'] }),
  )
  const explain = (more: Partial<VerbInput<'policy.explain'>> = {}) =>
    vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer', ...more })
  expect(await explain()).toMatchObject({
    allowed: true,
    sentence: 'bob may: by the rule “ot-may”',
    steps: expect.arrayContaining([
      {
        what: 'rule ot-may',
        effect: 'allows',
        holds: true,
        text: 'until 2026-11-30 22:00 UTC, 720 min at the longest',
      },
      { what: 'rule short', effect: 'limits', holds: true, text: '60 min at the longest' },
    ]),
  })
  expect(await explain({ at: '2026-11-30T23:00:00Z' })).toMatchObject({
    allowed: false,
    sentence: 'the rule “ot-may” is closed now (shifts), until Tue 2026-12-01 06:00 (UTC)',
  })
  expect(await explain({ source: '10.0.0.1' })).toMatchObject({
    allowed: false,
    sentence: 'the rule “short” lets nobody in from 10.0.0.1',
  })
  expect(await explain({ action: 'sftp-read' })).toMatchObject({ allowed: false })
  expect(await explain({ user: 'tom' })).toMatchObject({ allowed: false })
  // What it says is what happens.
  expect((await explain({ source: '192.0.2.20' })).allowed).toBe((await opens()).ok)
  const reach = (input: VerbInput<'policy.reach'>) => vault.ask('policy.reach', input)
  expect((await reach({ target: 'press-3' })).map(({ user, by }) => [user, by])).toEqual([
    ['bob', ['rule ot-may']],
    ['sue', ['rule ot-may']],
  ])
  expect(await reach({ target: 'press-3', at: '2026-11-29T23:00:00Z' })).toEqual([])
  expect((await reach({ user: 'bob' })).map(({ account }) => account)).toEqual(['press-3/engineer'])
  expect(await reach({ account: 'switch-1/admin' })).toEqual([])
})

test('reach finds who only forwards, and who comes by an account that was bound there', async () => {
  await vault.ask('account.bind', { account: 'switch-1/admin', target: 'press-3' })
  const forwards = [{ host: 'plc-7', port: 102 }]
  const grant = await vault.ask('grant.add', {
    user: 'bob',
    account: 'switch-1/admin',
    actions: ['forward'],
    forwards,
  })
  const rows = await vault.ask('policy.reach', { target: 'press-3' })
  expect(rows.filter(({ account }) => account === 'switch-1/admin')).toMatchObject([
    {
      user: 'bob',
      account: 'switch-1/admin',
      target: 'press-3',
      actions: ['forward'],
      by: [`grant ${grant.id}`],
    },
  ])
  const own = (await vault.ask('policy.reach', { account: 'switch-1/admin' })).map(({ target }) => target)
  expect(own.sort()).toEqual(['press-3', 'switch-1'])
  await vault.ask('grant.revoke', { grant: grant.id })
})

test('reach says what is asked beside: of a rule that lets in, of limits, and of a grant who gave it', async () => {
  for (const { id, user, state } of await vault.ask('grant.list', {}))
    if (user === 'bob' && state === 'active') await vault.ask('grant.revoke', { grant: id })
  await apply(
    allow({ during: ['shifts'], factorWithin: '8h' }),
    limit({ name: 'watched', what: { targets: ['press-3'] }, actions: ['exec'], supervisors: 'ot' }),
  )
  const reach = async () =>
    (await vault.ask('policy.reach', { user: 'bob', account: 'press-3/engineer' })).map(
      ({ actions, conditions }) => [actions, conditions],
    )
  const ofRule = ['during shifts (rule ot-may)', 'second factor within 8h (rule ot-may)']
  expect(await reach()).toEqual([
    [['shell'], ofRule],
    [['exec'], [...ofRule, 'watched by a supervisor of ot (rule watched)']],
  ])
  const { steps } = await vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer' })
  expect(steps.find(({ what }) => what === 'rule ot-may')?.text).toContain('second factor within 8h')
  await apply()
  const given = await vault.ask('grant.add', { user: 'bob', account: 'press-3/engineer', actions: ['shell'] })
  await apply(limit({ name: 'two', approvals: [{ group: 'ot', count: 1 }] }))
  // One person's grant is not what was asked for and approved.
  expect(await reach()).toEqual([])
  await apply()
  expect((await reach()).map(([, conditions]) => conditions)).toEqual([
    [expect.stringMatching(/^let in by /)],
  ])
  await vault.ask('grant.revoke', { grant: given.id })
})

test('reach shows apart what ends at another time, and who may let themselves in', async () => {
  await apply(allow({ during: ['shifts'] }))
  const grant = await vault.ask('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions: ['sftp-read'],
    forSeconds: 1800,
  })
  const reach = async () =>
    (await vault.ask('policy.reach', { user: 'bob', account: 'press-3/engineer' })).map((row) => ({
      actions: row.actions,
      by: row.by,
    }))
  expect(await reach()).toEqual([
    { actions: expect.arrayContaining(['shell']), by: ['rule ot-may'] },
    { actions: ['sftp-read'], by: [`grant ${grant.id}`] },
  ])
  await vault.ask('grant.revoke', { grant: grant.id })
  const safe = 'line-3'
  for (const user of ['sue', 'tom']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  await vault.ask('safe.breakGlass', { safe, minutes: 30, alarms: ['sue', 'tom'] })
  expect(await reach()).toHaveLength(1)
  await vault.ask('safe.member.set', { safe, user: 'bob', permissions: ['break-glass'] })
  expect(await reach()).toContainEqual({
    actions: ['shell', 'exec', 'sftp-read', 'sftp-write'],
    by: ['break-glass'],
  })
  await vault.ask('safe.breakGlass', { safe, minutes: null })
  expect(await reach()).toHaveLength(1)
  await vault.ask('safe.member.set', { safe, user: 'bob', permissions: [] })
})

test('a plan says where a name means another machine now, and an apply means that one', async () => {
  await vault.account({ target: 'saw-1', login: 'op' })
  const rule = allow({ what: { targets: ['saw-1'] } })
  await apply(rule)
  await vault.ask('account.remove', { account: 'saw-1/op' })
  await vault.ask('target.remove', { target: 'saw-1' })
  await vault.account({ target: 'saw-1', login: 'op' })
  const plan = await vault.ask('policy.plan', { document: documentOf([rule]) })
  expect(plan.changes).toEqual([{ what: 'target', name: 'saw-1', change: 'changed' }])
  expect(plan.gains.total).toBe(2)
  await apply(rule)
  expect((await vault.ask('policy.plan', { document: documentOf([rule]) })).changes).toEqual([])
  expect((await vault.ask('policy.reach', { target: 'saw-1' })).map(({ user }) => user)).toEqual([
    'bob',
    'sue',
  ])
})

test('limits hold for a reveal', async () => {
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve', 'reveal'] })
  await apply(limit({ actions: ['reveal'], during: ['never'], contact: 'the safety officer' }))
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  const reveals = () =>
    api.call(
      'account.reveal',
      { account: 'press-3/engineer', reason: 'look', boxKey, totpCode: sue.code() },
      sue.token,
    )
  expect(refusalOf(await reveals())).toMatchObject({ next: 'ask the safety officer' })
  expect(await vault.ask('exposure.list', {})).toEqual([])
  await apply()
  must(await reveals())
})

test('an explanation tells administrators what nobody else is told: that it is there, and no grant is', async () => {
  await vault.ask('user.add', { name: 'nils', roles: ['operator'] })
  await vault.ask('user.add', { name: 'olga', roles: ['observer'] })
  const said = (user: string, account = 'press-3/engineer') =>
    vault.admin.call('policy.explain', { user, account })
  await apply()
  expect(must(await said('nils'))).toMatchObject({
    allowed: false,
    sentence: 'no grant is nils’s for press-3/engineer, and no rule lets them in',
    next: 'have them request access, or: tagout grant add nils press-3/engineer --for 2h',
  })
  expect(must(await said('olga')).sentence).toBe('olga is an observer, who connects to nothing')
  expect(refusalOf(await said('nils', 'press-9/engineer')).message).toBe(
    'there is no account press-9/engineer',
  )
  await vault.ask('user.disable', { user: 'nils' })
  expect(must(await said('nils')).sentence).toBe('nils was turned off')
})
