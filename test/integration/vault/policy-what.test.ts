import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// Whom and what rules name beside users and targets: companies, tags, zones; and what they let people do beside shells.

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let ann: TestPerson
let vera: TestPerson
const key = makeSshKey()
const veraKey = makeSshKey()
const cuts: { readonly session: string; readonly message: string }[] = []
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
  await vault.account({ target: 'mill-1', login: 'op', address: 'ssh://127.0.0.1:2202' })
  bob = await vault.person('bob', ['operator'])
  ann = await vault.person('ann', ['admin'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('company.add', {
    name: 'acme',
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'ann',
    mailDomains: ['acme.com'],
  })
  vera = await invited('vera')
  await vault.ask('user.key.add', { user: 'vera', publicKey: veraKey.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  await apply()
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
})

async function invited(name: string): Promise<TestPerson> {
  const input = { company: 'acme', name, mail: `${name}@acme.com` }
  return vault.enrol((await vault.ask('company.invite', input)).enrolment.token)
}
const calendars = {
  never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] },
}
const allow = (more: object = {}): Rule =>
  ({
    name: 'may',
    effect: 'allow',
    actions: ['shell'],
    who: { users: ['bob'] },
    what: { targets: ['press-3'] },
    ...more,
  }) as Rule
const limit = (more: object = {}): Rule =>
  ({ name: 'only', effect: 'limit', who: { everyone: true }, what: { everything: true }, ...more }) as Rule
const documentOf = (rules: readonly Rule[], more: Partial<PolicyDocument> = {}): PolicyDocument => ({
  version: 1,
  calendars,
  ...more,
  rules: [...rules],
})
async function apply(...rules: readonly Rule[]) {
  const expected = (await vault.ask('policy.show', {})).digest
  return vault.ask('policy.apply', { document: documentOf(rules), expected })
}
type Opening = Partial<Parameters<typeof open>[1]>
const opens = async (more: Opening = {}) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const veraOpens = async (more: Opening = {}) =>
  open(recorder, { proof: await prove(recorder, veraKey, 'vera'), ...more })
const cutOf = (session: Permit['session']) => until(() => cuts.find((cut) => cut.session === session), 5_000)
const refusalOfApply = async (document: PolicyDocument) =>
  refusalOf(await vault.admin.call('policy.plan', { document }))

test('a rule names a company: its representatives come in by it, whoever is invited later too, and nobody else', async () => {
  const plan = await vault.ask('policy.plan', {
    document: documentOf([allow({ who: { companies: ['ACME'] } })]),
  })
  expect(plan.gains).toEqual({ total: 1, pairs: [{ user: 'vera', account: 'press-3/engineer' }] })
  await apply(allow({ who: { companies: ['ACME'] } }))
  must(await veraOpens())
  expect(refusalOf(await opens()).code).toBe('forbidden')
  const [mine] = must(await api.call('access.list', {}, vera.token))
  expect(mine).toMatchObject({ account: 'press-3/engineer', rules: [{ name: 'may' }] })
  const vic = await invited('vic')
  expect(must(await api.call('access.list', {}, vic.token)).map(({ account }) => account)).toEqual([
    'press-3/engineer',
  ])
  expect((await vault.ask('policy.reach', { target: 'press-3' })).map(({ user }) => user).sort()).toEqual([
    'vera',
    'vic',
  ])
  expect((await refusalOfApply(documentOf([allow({ who: { companies: ['globex'] } })]))).message).toBe(
    'document: rule may: there is no company "globex"',
  )
})

test('a limit of a company holds for its grants, and for nobody else’s', async () => {
  const given = await vault.grant('vera', 'press-3/engineer')
  const own = await vault.grant('bob', 'press-3/engineer')
  await apply(limit({ who: { companies: ['acme'] }, during: ['never'], contact: 'Ann, extension 7' }))
  expect(refusalOf(await veraOpens())).toMatchObject({
    message: 'the rule “only” is closed now (never), and does not open again',
    next: 'ask Ann, extension 7',
  })
  must(await opens())
  for (const { id } of [given, own]) await vault.ask('grant.revoke', { grant: id })
})

test('how much files of a session may carry is its target’s, from the next session on, and in the log', async () => {
  const bounds = (fileMegabytes: number | null) =>
    vault.admin.call('target.change', { target: 'press-3', fileMegabytes })
  expect((await vault.ask('target.show', { target: 'press-3' })).fileMegabytes).toBeNull()
  expect(must(await bounds(200))).toMatchObject({ fileMegabytes: 200, tags: [] })
  const [leaf] = (await vault.ask('audit.list', { kind: 'target.files-bound' })).slice(-1)
  expect(leaf?.text).toContain(
    'bound what files of a session carry on target press-3 to 200 MB, in place of what is usual',
  )
  const { id } = await vault.ask('grant.add', {
    ...{ user: 'bob', account: 'press-3/engineer', actions: ['sftp-read'], forSeconds: 3600 },
  })
  const permit = must(await opens({ wants: 'sftp-read' }))
  expect(permit.target.fileMegabytes).toBe(200)
  await vault.ask('grant.revoke', { grant: id })
  expect(refusalOf(await bounds(200)).message).toContain('is as you want it already')
  expect(refusalOf(await bounds(0)).code).toBe('invalid')
  expect(must(await bounds(null)).fileMegabytes).toBeNull()
  await vault.ask('target.add', { name: 'dc-9', safe: 'line-3', address: 'ldap://10.0.3.2' })
  expect(
    refusalOf(await vault.admin.call('target.change', { target: 'dc-9', fileMegabytes: 5 })).message,
  ).toContain('opens no session, which could carry files')
  // Nothing of the marks was touched.
  expect((await vault.ask('audit.list', { kind: 'target.marked' })).length).toBe(0)
})

test('a tag and a zone stand for what carries them, at once; a plan says where they stand for others than they did', async () => {
  await vault.ask('target.change', {
    target: 'press-3',
    tags: ['Press', 'critical', 'press'],
    zone: 'Level-2',
  })
  expect(await vault.ask('target.show', { target: 'press-3' })).toMatchObject({
    tags: ['critical', 'press'],
    zone: 'level-2',
  })
  const [leaf] = (await vault.ask('audit.list', { kind: 'target.marked' })).slice(-1)
  expect(leaf?.text).toContain(
    'gave target press-3 the tags critical, press and the zone level-2 in place of',
  )
  expect(
    refusalOf(await vault.admin.call('target.change', { target: 'press-3', zone: 'level-2' })).code,
  ).toBe('conflict')
  await apply(allow({ what: { tags: ['PRESS'] } }), limit({ what: { zones: ['level-2'] }, longest: '10m' }))
  const permit = must(await opens())
  expect(Date.parse(permit.endsAt) - Date.parse(permit.startedAt)).toBe(600_000)
  expect(refusalOf(await opens({ target: 'mill-1', account: 'op' })).code).toBe('forbidden')
  await vault.ask('target.change', { target: 'mill-1', tags: ['press'] })
  const mill = must(await opens({ target: 'mill-1', account: 'op' }))
  expect(Date.parse(mill.endsAt) - Date.parse(mill.startedAt)).toBeGreaterThan(600_000)
  const live = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    target: 'mill-1',
    account: 'op',
  })
  // Whoever takes the tag off ends what it let in.
  await vault.ask('target.change', { target: 'mill-1', tags: [] })
  expect(await cutOf(live.session)).toMatchObject({ message: expect.stringContaining('lets you in no more') })
  expect((await refusalOfApply(documentOf([limit({ what: { tags: ['pres'] } })]))).message).toBe(
    'document: rule only: no target has the tag "pres"',
  )
  expect((await refusalOfApply(documentOf([limit({ what: { zones: ['x'] } })]))).message).toBe(
    'document: rule only: no target lies in the zone "x"',
  )
  const same = documentOf([allow({ what: { tags: ['press'] } })])
  await vault.ask('policy.apply', {
    document: same,
    expected: (await vault.ask('policy.show', {})).digest,
  })
  // What was followed is no change: only what was tagged behind the policy would be one.
  await vault.ask('target.change', { target: 'mill-1', tags: ['press'] })
  expect((await vault.ask('policy.plan', { document: same })).changes).toEqual([])
  await vault.ask('target.change', { target: 'mill-1', tags: [] })
})

test('a target is added with tags by an administrator, by hand and from a file, and rules know it at once', async () => {
  await vault.ask('target.change', { target: 'press-3', tags: ['press'] })
  await apply(allow({ what: { tags: ['press'] } }))
  await vault.ask('import', {
    kind: 'targets',
    rows: [
      {
        line: 2,
        cells: {
          name: 'press-9',
          safe: 'line-3',
          address: 'ssh://127.0.0.9',
          tags: 'Press spare',
          zone: 'L2',
        },
      },
    ],
    apply: true,
  })
  expect(await vault.ask('target.show', { target: 'press-9' })).toMatchObject({
    tags: ['press', 'spare'],
    zone: 'l2',
  })
  await vault.account({ target: 'press-9', login: 'root' })
  expect(must(await api.call('access.list', {}, bob.token)).map(({ account }) => account)).toEqual([
    'press-3/engineer',
    'press-9/root',
  ])
  const again = await vault.ask('import', {
    kind: 'targets',
    rows: [
      { line: 2, cells: { name: 'press-9', safe: 'line-3', address: 'ssh://127.0.0.9', tags: 'press' } },
    ],
    apply: false,
  })
  expect(again.rows).toMatchObject([{ does: 'conflict' }])
  await vault.ask('account.remove', { account: 'press-9/root' })
  await vault.ask('target.remove', { target: 'press-9' })
})

test('a rule lets people forward, to where it says and nowhere else, and says so', async () => {
  const forwards = [{ host: 'PLC-7', port: 102, connections: 2, megabytes: 5 }]
  await apply(allow({ actions: ['forward'], forwards, contact: 'OT, extension 12' }))
  const permit = must(await opens({ wants: 'forward', forward: { host: 'plc-7', port: 102 } }))
  await endSession(recorder, permit.session)
  expect(permit.forward).toEqual({ host: 'plc-7', port: 102, record: 'counts', connections: 2, megabytes: 5 })
  expect(refusalOf(await opens({ wants: 'forward', forward: { host: 'plc-8', port: 102 } }))).toMatchObject({
    message: 'the rule “may” does not allow forwarding to plc-8:102',
    next: 'ask OT, extension 12',
  })
  expect(refusalOf(await opens()).code).toBe('forbidden')
  const live = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    wants: 'forward',
    forward: { host: 'plc-7', port: 102 },
  })
  const explained = await vault.ask('policy.explain', {
    user: 'bob',
    account: 'press-3/engineer',
    action: 'forward',
    forward: { host: 'plc-7', port: 102 },
  })
  expect(explained).toMatchObject({ allowed: true, sentence: 'bob may: by the rule “may”' })
  expect(await vault.ask('policy.reach', { user: 'bob' })).toMatchObject([
    { actions: ['forward'], by: ['rule may'] },
  ])
  // Who may forward elsewhere now may not go on forwarding there.
  await apply(allow({ actions: ['forward'], forwards: [{ host: 'plc-9', port: 102 }] }))
  expect(await cutOf(live.session)).toMatchObject({
    message: expect.stringContaining('lets you do less now'),
  })
  must(await opens({ wants: 'forward', forward: { host: 'plc-9', port: 102 } }))
  expect(refusalOf(await opens({ wants: 'forward', forward: { host: 'plc-7', port: 102 } })).code).toBe(
    'forbidden',
  )
})

test.each([
  [{ actions: ['forward'] }, 'forwards: it does not say where forwarding may go'],
  [
    { actions: ['shell'], forwards: [{ host: 'plc', port: 1 }] },
    'actions: destinations go with the action forward',
  ],
  [
    { actions: ['forward'], forwards: [{ host: '0x7f.1', port: 1 }] },
    'write an IPv4 address as four decimal numbers',
  ],
  [
    {
      actions: ['forward'],
      forwards: [
        { host: 'plc', port: 1 },
        { host: 'PLC', port: 1 },
      ],
    },
    'plc:1 is named twice',
  ],
])('forwarding that says nothing, or what nobody may give, is refused: %j', async (more, sentence) => {
  expect((await refusalOfApply(documentOf([allow(more)]))).message).toContain(sentence)
})

test('a session that a rule let in ends where the rule lets its user do less, and comes back with that', async () => {
  await apply(allow({ actions: ['shell', 'exec'] }))
  const live = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await apply(allow({ actions: ['shell'] }))
  expect(await cutOf(live.session)).toMatchObject({
    message: 'the rule “may” of the policy lets you do less now',
  })
  expect(must(await opens()).actions).toEqual(['shell'])
})

test('a rule lets people see a secret, under its conditions, and nobody connects or holds by it', async () => {
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  const reveals = () =>
    api.call(
      'account.reveal',
      { account: 'press-3/engineer', reason: 'the line is dead', boxKey, totpCode: bob.code() },
      bob.token,
    )
  expect(refusalOf(await reveals()).code).toBe('forbidden')
  await apply(allow({ actions: ['reveal'], during: ['never'], contact: 'Ann' }))
  expect(refusalOf(await reveals())).toMatchObject({
    message: 'the rule “may” is closed now (never), and does not open again',
    next: 'ask Ann',
  })
  await apply(allow({ actions: ['reveal'], factorWithin: '1m' }))
  must(await reveals())
  expect(await vault.ask('exposure.list', {})).toMatchObject([{ user: 'bob', account: 'press-3/engineer' }])
  expect(refusalOf(await opens()).code).toBe('forbidden')
  const checkOut = await api.call(
    'lease.checkOut',
    { account: 'press-3/engineer', exclusive: false },
    bob.token,
  )
  expect(checkOut.ok).toBe(false)
  expect(
    await vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer', action: 'reveal' }),
  ).toMatchObject({ allowed: true, sentence: 'bob may, with a fresh code: by the rule “may”' })
  expect(
    (await vault.ask('policy.explain', { user: 'vera', account: 'press-3/engineer', action: 'reveal' }))
      .allowed,
  ).toBe(false)
})

test('a rule lets people watch: they find the session and get in, for as long as the rule says', async () => {
  const owner = await vault.grant('ann', 'press-3/engineer')
  const annKey = makeSshKey()
  await vault.ask('user.key.add', { user: 'ann', publicKey: annKey.line })
  const { session } = await connectSession(recorder, { proof: await prove(recorder, annKey, 'ann') })
  const watches = () => api.call('session.watch', { session }, bob.token)
  const listed = async () =>
    must(await api.call('session.list', { live: true }, bob.token)).map(({ id }) => id)
  expect(refusalOf(await watches()).code).toBe('forbidden')
  expect(await listed()).toEqual([])
  await apply(allow({ actions: ['watch'], factorWithin: '1h' }))
  expect(await listed()).toEqual([session])
  const { ticket } = must(await watches())
  const { login } = must(await api.call('live.open', {}, bob.token))
  must(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
  expect(refusalOf(await opens()).code).toBe('forbidden')
  expect(
    await vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer', action: 'watch' }),
  ).toMatchObject({ allowed: true, sentence: 'bob may watch the sessions of others: by the rule “may”' })
  await apply(allow({ actions: ['watch'], during: ['never'] }))
  expect(refusalOf(await watches()).code).toBe('forbidden')
  await vault.ask('grant.revoke', { grant: owner.id })
})

test('other words for files are refused with those that hold, and words of desktops by what they go with', async () => {
  for (const effect of ['allow', 'limit'])
    for (const action of ['file-in', 'file-out']) {
      const document = { version: 1, rules: [{ ...allow({ actions: [action] }), effect }] }
      const refusal = refusalOf(await vault.admin.call('policy.plan', { document } as never))
      expect(refusal.message).toContain(
        `${action} is no action: files are sftp-write onto a machine and sftp-read off it`,
      )
    }
  expect(
    (await refusalOfApply(documentOf([allow({ actions: ['observe', 'clipboard-in'] })]))).message,
  ).toContain('clipboard-in and clipboard-out go with observe and interact')
  const watch = documentOf([limit({ actions: ['watch'] })])
  expect((await refusalOfApply(watch)).message).toContain('this is none of shell, exec')
})

test('explain says what is held: a frozen session, a plant switch, and where else an account is used', async () => {
  await apply(allow({ actions: ['shell', 'exec'] }))
  const explains = (more: object = {}) =>
    vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer', ...more })
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  must(await api.call('session.freeze', { session, reason: 'look' }, ann.token))
  expect(await explains()).toMatchObject({
    allowed: false,
    sentence: 'your session on press-3/engineer is frozen by ann',
    steps: expect.arrayContaining([expect.objectContaining({ what: 'hold', holds: false })]),
  })
  expect(refusalOf(await opens()).message).toBe((await explains()).sentence)
  must(await api.call('session.unfreeze', { session }, ann.token))
  await vault.ask('account.bind', { account: 'press-3/engineer', target: 'mill-1' })
  const other = await explains()
  expect(other.steps).toContainEqual({
    what: 'other targets',
    effect: 'nothing',
    holds: true,
    text: 'the account is used on mill-1 too, where it may be otherwise: ask for each',
  })
  expect(await explains({ target: 'mill-1' })).toMatchObject({ allowed: false })
})

test('a policy says whom to call where a rule names nobody', async () => {
  const expected = (await vault.ask('policy.show', {})).digest
  const document = documentOf([allow({ during: ['never'] })], { contact: 'the control room, 4711' })
  await vault.ask('policy.apply', { document, expected })
  expect(refusalOf(await opens()).next).toBe('ask the control room, 4711')
})
