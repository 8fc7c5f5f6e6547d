import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Action, Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// Ways around a limit of the policy: another act, another record of the machine, another account, a grant of before, a
// restart. Bob may log in; sue and tom approve, sue is OT and tom IT; mia manages and reveals in both safes.

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let bob: TestPerson
let sue: TestPerson
let tom: TestPerson
let mia: TestPerson
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
  await vault.account({ login: 'root' })
  await vault.account({ target: 'dc-1', login: 'domain', safe: 'office', address: 'ssh://127.0.0.9:2209' })
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  mia = await vault.person('mia', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  for (const safe of ['line-3', 'office']) {
    for (const user of ['sue', 'tom'])
      await vault.ask('safe.member.set', { safe, user, permissions: ['approve'] })
    await vault.ask('safe.member.set', { safe, user: 'mia', permissions: ['manage', 'reveal'] })
    await vault.ask('safe.member.set', { safe, user: 'bob', permissions: ['use'] })
  }
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await apply()
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
  for (const grant of await vault.ask('grant.list', {}))
    if (grant.state === 'active' && !grant.grantedBy.startsWith('policy'))
      await vault.ask('grant.revoke', { grant: grant.id })
})

const groups = { ot: ['sue'], it: ['tom'] }
const both = [
  { group: 'ot', count: 1 },
  { group: 'it', count: 1 },
]
const calendars = {
  shifts: { zone: 'UTC', weekly: [{ from: '06:00', to: '22:00' }] },
  never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] },
}
const limit = (more: object = {}): Rule =>
  ({
    name: 'press-limit',
    effect: 'limit',
    who: { everyone: true },
    what: { targets: ['press-3'] },
    ...more,
  }) as Rule
async function apply(...rules: readonly Rule[]) {
  const expected = (await vault.ask('policy.show', {})).digest
  const document: PolicyDocument = { version: 1, groups, calendars, rules: [...rules] }
  return vault.ask('policy.apply', { document, expected })
}
type Opening = Partial<Parameters<typeof open>[1]>
const engineer = { account: 'engineer' } as const
const opens = async (more: Opening = engineer) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const connects = async (more: Opening = engineer) =>
  connectSession(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const cutOf = (session: Permit['session']) => until(() => cuts.find((cut) => cut.session === session), 5_000)
const all: readonly Action[] = ['shell', 'exec', 'sftp-read', 'sftp-write']
async function approved(account: string, who: readonly TestPerson[], actions: readonly Action[] = ['shell']) {
  const request = must(
    await api.call(
      'request.add',
      { account, actions: [...actions], forSeconds: 3600, reason: 'it stops' },
      bob.token,
    ),
  )
  let state: string = request.state
  for (const one of who)
    state = must(
      await api.call(
        'request.decide',
        { request: request.id, digest: request.digest, verdict: 'approve', totpCode: one.code() },
        one.token,
      ),
    ).state
  return { request, state }
}
const askedFirst = 'the rule “press-limit” lets in only who asked and was approved'

test.each<[string, object]>([
  ['be approved', { approvals: both }],
  ['end sooner', { longest: '10m' }],
  ['end with the shift', { during: ['shifts'] }],
  ['be alone', { exclusive: true }],
])(
  'a connection that was opened for a command is given no shell that would have to %s',
  async (_what, how) => {
    await vault.grant('bob', 'press-3/engineer', { actions: [...all], forSeconds: 24 * 3600 })
    await apply(limit({ actions: ['shell'], ...how }))
    const permit = must(await opens({ ...engineer, wants: 'exec' }))
    expect(permit.actions).toEqual(['exec', 'sftp-read', 'sftp-write'])
  },
)

test('files are read and written in one go: where writing ends at ten, so does the session', async () => {
  await vault.grant('bob', 'press-3/engineer', { actions: [...all], forSeconds: 24 * 3600 })
  await apply(limit({ actions: ['sftp-write'], during: ['shifts'] }))
  expect(must(await opens({ ...engineer, wants: 'sftp-read' }))).toMatchObject({
    actions: all,
    endsAt: '2026-11-30T22:00:00.000Z',
  })
  await apply(limit({ actions: ['sftp-write'], during: ['never'] }))
  expect(must(await opens({ ...engineer, wants: 'sftp-read' })).actions).toEqual([
    'shell',
    'exec',
    'sftp-read',
  ])
})

test('an act named twice does not make a limit of some acts one of all', async () => {
  await vault.grant('bob', 'press-3/engineer', { actions: [...all] })
  const actions = ['exec', 'exec', 'exec', 'exec', 'exec', 'exec', 'exec']
  await expect(apply(limit({ actions }))).rejects.toThrow('name each once')
})

test('who was not approved is not elevated, sees no secret, and has none sent elsewhere', async () => {
  await vault.ask('account.elevation', {
    account: 'press-3/engineer',
    elevation: { kind: 'su', account: 'press-3/root' },
  })
  await vault.grant('bob', 'press-3/engineer', { actions: ['shell', 'elevate'] })
  const elevate = async (rule: Rule) => {
    await apply()
    const permit = await connects()
    await apply(rule)
    const outcome = await recorder.call('session.elevate', { session: permit.session })
    await endSession(recorder, permit.session)
    return refusalOf(outcome).message
  }
  expect(await elevate(limit({ actions: ['elevate'], approvals: both }))).toBe(askedFirst)
  // The secret is another account's, and what limits that is no less in the way.
  const root = { what: { accounts: ['press-3/root'] } }
  expect(await elevate(limit({ ...root, approvals: both }))).toBe(askedFirst)
  expect(await elevate(limit({ ...root, actions: ['shell'], during: ['never'] }))).toContain('is closed now')
  // From where one came in, and with what, holds here too: a key alone shows no second factor.
  expect(await elevate(limit({ actions: ['elevate'], factorWithin: '8h' }))).toContain('a key alone')
  expect(await elevate(limit({ actions: ['elevate'], networks: ['10.0.0.0/8'] }))).toContain('192.0.2.20')

  await apply(limit({ approvals: both }))
  const reveal = () =>
    api.call(
      'account.reveal',
      {
        account: 'press-3/engineer',
        reason: 'look',
        boxKey: Buffer.alloc(32, 9).toString('base64'),
        totpCode: mia.code(),
      },
      mia.token,
    )
  expect(refusalOf(await reveal()).message).toBe(askedFirst)
  const explained = await vault.ask('policy.explain', {
    user: 'mia',
    account: 'press-3/engineer',
    action: 'reveal',
  })
  expect(explained).toMatchObject({ allowed: false, sentence: askedFirst })
  // A machine that takes a password learns it.
  const bind = await api.call('account.bind', { account: 'press-3/engineer', target: 'dc-1' }, mia.token)
  expect(refusalOf(bind).message).toBe(askedFirst)
  await vault.ask('account.elevation', { account: 'press-3/engineer', elevation: null })
})

test('a limit of a machine holds by whatever record of it, account or name', async () => {
  await vault.ask('target.add', {
    name: 'press-3b',
    safe: 'office',
    address: 'ssh://[::ffff:127.0.0.1]:2201',
    pin: (await vault.ask('target.show', { target: 'press-3' })).pins[0]?.fingerprint ?? '',
  })
  await vault.account({ target: 'press-3b', login: 'alias', safe: 'office' })
  await vault.ask('account.bind', { account: 'press-3/engineer', target: 'press-3b' })
  await vault.ask('account.bind', { account: 'dc-1/domain', target: 'press-3' })
  for (const account of ['press-3/engineer', 'press-3b/alias', 'dc-1/domain'])
    await vault.grant('bob', account)
  const ways: Opening[] = [
    engineer,
    { target: 'press-3b', account: 'engineer' },
    { target: 'press-3b', account: 'alias' },
    { account: 'domain' },
  ]
  for (const way of ways) must(await opens(way))
  await apply(limit({ during: ['never'] }))
  for (const way of ways) expect(refusalOf(await opens(way)).message).toContain('is closed now')
  // A safe's limit is of its machines, whoever's account goes there.
  await apply(limit({ what: { safes: ['line-3'] }, during: ['never'] }))
  expect(refusalOf(await opens({ account: 'domain' })).message).toContain('is closed now')
  must(await opens({ target: 'dc-1', account: 'domain' }))

  // Who manages takes the record away and makes another of its name: the limit is of that too, what lets in is not.
  await vault.account({ target: 'saw-1', login: 'op', safe: 'office', address: 'ssh://127.0.0.7:2207' })
  const rule: Rule = {
    name: 'bob-may',
    effect: 'allow',
    actions: ['shell'],
    who: { users: ['bob'] },
    what: { targets: ['saw-1'] },
  }
  await apply(rule, limit({ what: { targets: ['saw-1'] }, longest: '5m' }))
  must(await opens({ target: 'saw-1' }))
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
  await vault.ask('account.remove', { account: 'saw-1/op' })
  await vault.ask('target.remove', { target: 'saw-1' })
  await vault.account({ target: 'SAW-1', login: 'op', safe: 'office', address: 'ssh://127.0.0.8:2208' })
  expect(refusalOf(await opens({ target: 'saw-1' })).code).toBe('forbidden')
  await vault.grant('bob', 'saw-1/op')
  const permit = must(await opens({ target: 'saw-1' }))
  expect(Date.parse(permit.endsAt) - Date.parse(permit.startedAt)).toBe(300_000)
  await endSession(recorder, permit.session)
})

test('who is approved for an account is approved for wherever it goes, by those whom each place wants', async () => {
  await vault.account({ target: 'dc-1', login: 'wide', safe: 'office' })
  await apply(limit({ approvals: both }))
  // Approved for the office alone, then bound to the press.
  expect((await approved('dc-1/wide', [sue])).state).toBe('approved')
  await vault.ask('account.bind', { account: 'dc-1/wide', target: 'press-3' })
  expect(refusalOf(await opens({ account: 'wide' })).message).toBe(askedFirst)
  must(await opens({ target: 'dc-1', account: 'wide' }))
  // Asked for now, it takes both.
  const asked = await approved('dc-1/wide', [sue])
  expect(asked.state).toBe('open')
  expect(asked.request.approvalsFrom.map(({ group }) => group)).toEqual(['ot', 'it'])
  must(
    await api.call(
      'request.decide',
      {
        request: asked.request.id,
        digest: asked.request.digest,
        verdict: 'approve',
        totpCode: tom.code(),
      },
      tom.token,
    ),
  )
  must(await opens({ account: 'wide' }))
})

test('logins that differ in the case of letters are two accounts, and a rule is of the one that it names', async () => {
  await vault.account({ login: 'Admin' })
  await vault.account({ login: 'admin' })
  await vault.grant('bob', 'press-3/Admin')
  await vault.grant('bob', 'press-3/admin')
  for (const [named, other] of [
    ['Admin', 'admin'],
    ['admin', 'Admin'],
  ] as const) {
    await apply(limit({ what: { accounts: [`PRESS-3/${named}`] }, during: ['never'] }))
    expect(refusalOf(await opens({ account: named })).message).toContain('is closed now')
    must(await opens({ account: other }))
  }
})

test('a request that was made before a work order was wanted is not approved without one', async () => {
  const { request } = await approved('press-3/engineer', [])
  await apply(limit({ workOrder: 'WO-####' }))
  const outcome = await api.call(
    'request.decide',
    { request: request.id, digest: request.digest, verdict: 'approve', totpCode: sue.code() },
    sue.token,
  )
  expect(refusalOf(outcome).message).toBe(
    'the policy no longer allows this: the rule “press-limit” wants a work order of the form WO-####',
  )
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
})

test('a later policy ends what it would not let in for want of approvals, and what has lasted too long', async () => {
  await vault.grant('bob', 'press-3/engineer', { actions: ['shell', 'exec'] })
  const first = await connects()
  await apply(limit({ approvals: both }))
  expect(await cutOf(first.session)).toMatchObject({ message: askedFirst })
  await endSession(recorder, first.session)
  await apply()
  const second = await connects()
  vault.advance(11 * 60_000)
  await apply(limit({ longest: '10m' }))
  expect(await cutOf(second.session)).toMatchObject({ reason: 'time is up' })
  await endSession(recorder, second.session)
  // Of all that the session can do, though not of all that there is.
  await apply()
  const third = await connects()
  await apply(limit({ actions: ['shell', 'exec'], during: ['never'] }))
  expect(await cutOf(third.session)).toMatchObject({ message: expect.stringContaining('is closed now') })
})

test('who writes the database keeps no session from a stricter policy, by a forged row or a restart', async () => {
  const rule: Rule = {
    name: 'operators-may',
    effect: 'allow',
    actions: ['shell'],
    who: { roles: ['operator'] },
    what: { accounts: ['press-3/engineer'] },
  }
  await apply(rule)
  const other = await connects()
  await vault.ask('user.add', { name: 'eve', roles: ['operator'] })
  const eveKey = makeSshKey()
  await vault.ask('user.key.add', { user: 'eve', publicKey: eveKey.line })
  await vault.grant('eve', 'press-3/root', { actions: ['shell'] })
  const eve = await connectSession(recorder, {
    proof: await prove(recorder, eveKey, 'eve'),
    account: 'root',
  })
  await superuser.query(`update app_user set roles = array['vendor'] where name = 'eve'`)
  await vault.ask('user.roles', { user: 'bob', roles: ['vendor'] })
  vault.advance(10_000)
  expect(await cutOf(other.session)).toMatchObject({
    message: expect.stringContaining('lets you in no more'),
  })
  expect(await cutOf(eve.session)).toMatchObject({ reason: 'terminated' })
  await superuser.query(`update app_user set roles = array['operator'] where name = 'eve'`)
  for (const { session } of [other, eve]) await endSession(recorder, session)
  await vault.ask('user.roles', { user: 'bob', roles: ['operator'] })
  await vault.grant('bob', 'press-3/engineer', { actions: ['shell'] })
  await apply(limit({ longest: '10m' }))
  const long = await connects()
  await superuser.query(`update session set ends_at = ends_at + interval '3 hours' where id = $1`, [
    long.session,
  ])
  vault.advance(11 * 60_000)
  await vault.restart()
  api = await vault.connect('api')
  recorder = await vault.connect('recorder', takesCuts)
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [long.session] }))
  expect(await cutOf(long.session)).toMatchObject({ reason: 'time is up' })
})

test('what explain says is what happens, whatever the policy', async () => {
  await vault.ask('account.bind', { account: 'press-3/engineer' })
  const pick = fc.record(
    {
      actions: fc.uniqueArray(fc.constantFrom<Action>('shell', 'exec', 'sftp-read', 'sftp-write'), {
        minLength: 1,
      }),
      during: fc.constantFrom(['shifts'], ['never'], ['never', 'shifts']),
      networks: fc.constantFrom(['192.0.2.0/24'], ['10.0.0.0/8'], ['10.0.0.0/8', '192.0.2.20']),
      longest: fc.constantFrom('5m', '3h', '2d'),
      exclusive: fc.constant(true as const),
    },
    { requiredKeys: ['actions'] },
  )
  await vault.ask('target.change', { target: 'press-3', tags: ['press'], zone: 'cell' })
  await vault.ask('company.add', {
    name: 'acme',
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'sue',
    mailDomains: ['acme.com'],
  })
  const who = fc.constantFrom(
    { everyone: true },
    { users: ['BOB'] },
    { groups: ['ot'] },
    { roles: ['operator'] },
    { companies: ['acme'] },
  )
  const what = fc.constantFrom(
    { everything: true },
    { targets: ['press-3'] },
    { safes: ['office'] },
    { accounts: ['press-3/engineer'] },
    { tags: ['PRESS'] },
    { zones: ['cell'] },
  )
  const forwards = [{ host: 'plc-7', port: 102 }]
  const rules = fc.array(
    fc.record({
      rule: pick,
      who,
      what,
      effect: fc.constantFrom('allow', 'limit'),
      approvals: fc.constantFrom(undefined, undefined, undefined, both),
      forwards: fc.constantFrom(undefined, forwards, [{ host: 'plc-8', port: 102 }]),
      watches: fc.boolean(),
    }),
    { maxLength: 4 },
  )
  const property = fc.asyncProperty(
    rules,
    fc.boolean(),
    fc.constantFrom<Action>('shell', 'exec', 'sftp-read', 'sftp-write', 'forward'),
    async (given, isGranted, wants) => {
      await apply()
      const grant = isGranted
        ? await vault.grant('bob', 'press-3/engineer', { actions: ['shell', 'exec'] })
        : undefined
      await apply(
        ...given.map(
          ({ rule, effect, approvals, forwards: to, watches, ...whoWhat }, at) =>
            ({
              name: `r${at}`,
              effect,
              ...rule,
              ...whoWhat,
              ...(effect === 'allow'
                ? {
                    actions: [
                      ...rule.actions,
                      ...(to === undefined ? [] : ['forward']),
                      ...(watches ? ['watch', 'reveal'] : []),
                    ],
                    ...(to === undefined ? {} : { forwards: to }),
                  }
                : {}),
              ...(effect === 'limit' && approvals !== undefined ? { approvals } : {}),
            }) as unknown as Rule,
        ),
      )
      const said = await vault.ask('policy.explain', {
        user: 'bob',
        account: 'press-3/engineer',
        action: wants as 'shell',
        source: '192.0.2.20',
        ...(wants === 'forward' ? { forward: { host: 'plc-7', port: 102 } } : {}),
      })
      const happened = await opens({
        ...engineer,
        wants,
        ...(wants === 'forward' ? { forward: { host: 'plc-7', port: 102 } } : {}),
      })
      // Who has nothing there is not told that there is something; who looks after the rules is.
      const vague = 'there is no such target, or no grant lets you connect to it'
      const isNothing = said.sentence.startsWith('no grant is bob’s for press-3/engineer')
      expect(happened.ok ? 'yes' : happened.refusal.message).toBe(
        said.allowed ? 'yes' : isNothing ? vague : said.sentence,
      )
      if (happened.ok) {
        const apart = Math.abs(Date.parse(happened.value.endsAt) - Date.parse(said.endsAt ?? ''))
        expect(apart).toBeLessThan(5_000)
        expect(happened.value.actions).toContain(wants)
        await endSession(recorder, happened.value.session)
      }
      if (grant !== undefined) await vault.ask('grant.revoke', { grant: grant.id })
    },
  )
  await fc.assert(property, { numRuns: 60 })
}, 60_000)
