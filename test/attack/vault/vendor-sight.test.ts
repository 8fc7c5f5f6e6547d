import { afterAll, beforeAll, expect, test } from 'vitest'
import { type VerbName, verbs } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// A vendor is answered the same, byte for byte, whether or not there are others.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let vera: TestPerson
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  recorder = await vault.worker('w1')
  await vault.person('sue', ['admin'])
  await vault.account()
  await vault.account({ target: 'saw-1', safe: 'veras' })
  await vendor('acme', 'vera')
  await vault.ask('user.key.add', { user: 'vera', publicKey: key.line })
  await vault.grant('vera', 'press-3/engineer')
  await vault.ask('safe.member.set', { safe: 'veras', user: 'vera', permissions: ['use'] })
  must(
    await api.call(
      'request.add',
      { account: 'saw-1/engineer', actions: ['shell'], forSeconds: 3600, reason: 'look' },
      vera.token,
    ),
  )
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'vera') })
  await endSession(recorder, session)
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

async function vendor(company: string, name: string): Promise<TestPerson> {
  await vault.ask('company.add', {
    name: company,
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'sue',
    mailDomains: [`${company}.com`],
  })
  const { enrolment } = await vault.ask('company.invite', { company, name, mail: `${name}@${company}.com` })
  const person = await vault.enrol(enrolment.token)
  if (name === 'vera') vera = person
  return person
}

/** Things of others by which a vendor may ask; as long as there are no others, things that nobody has. */
type Others = {
  readonly user: string
  readonly account: string
  readonly target: string
  readonly safe: string
  readonly company: string
  readonly grant: ReturnType<typeof newId<'grt'>>
  readonly request: ReturnType<typeof newId<'req'>>
  readonly lease: ReturnType<typeof newId<'lse'>>
  readonly session: ReturnType<typeof newId<'ses'>>
  readonly recording: ReturnType<typeof newId<'rec'>>
  readonly login: ReturnType<typeof newId<'lgn'>>
  readonly hold: ReturnType<typeof newId<'hld'>>
  readonly key: ReturnType<typeof newId<'key'>>
  readonly offboarding: ReturnType<typeof newId<'off'>>
}
const nobodys: Others = {
  user: 'mallory',
  account: 'mill-9/engineer',
  target: 'mill-9',
  safe: 'line-9',
  company: 'globex',
  grant: newId('grt'),
  request: newId('req'),
  lease: newId('lse'),
  session: newId('ses'),
  recording: newId('rec'),
  login: newId('lgn'),
  hold: newId('hld'),
  key: newId('key'),
  offboarding: newId('off'),
}
const sealed = Buffer.alloc(48).toString('base64')
const credential = { kind: 'password', sealed } as const
const soon = '2099-01-01T00:00:00Z'
const document = { version: 1, rules: [] }

/** What a vendor asks of each verb. `null`: it makes something of its own, and knows nothing of others. */
const asked: Readonly<Record<string, ((of: Others) => readonly object[]) | null>> = {
  status: () => [{}],
  'vault.seal': () => [{ sessions: 'end' }],
  'seal.list': () => [{}],
  'keys.status': () => [{}],
  'user.add': (of) => [{ name: of.user, roles: ['operator'] }],
  import: (of) => [{ kind: 'users', rows: [{ line: 2, cells: { name: of.user } }], apply: false }],
  'user.list': () => [{}],
  'user.show': (of) => [{ user: 'vera' }, { user: of.user }],
  'user.roles': (of) => [{ user: of.user, roles: ['vendor'] }],
  'user.disable': (of) => [{ user: of.user }],
  'user.enable': (of) => [{ user: of.user }],
  'user.enrol': (of) => [{ user: of.user }],
  'user.key.add': (of) => [{ user: of.user, publicKey: key.line }],
  'user.key.list': (of) => [{ user: 'vera' }, { user: of.user }],
  'user.key.remove': (of) => [
    { user: of.user, key: of.key },
    { user: 'vera', key: of.key },
  ],
  'user.mail': (of) => [{ user: of.user, address: 'a@b.com' }],
  'user.off': (of) => [{ user: of.user, reason: 'x' }],
  'company.add': (of) => [{ name: of.company, contractEndsAt: soon, sponsor: 'sue', mailDomains: ['x.com'] }],
  'company.list': () => [{}],
  'company.show': (of) => [{ company: 'acme' }, { company: of.company }],
  'company.change': (of) => [{ company: of.company, sponsor: 'sue' }],
  'company.invite': (of) => [{ company: of.company, name: 'new', mail: 'a@globex.com' }],
  'company.off': (of) => [{ company: of.company, reason: 'x' }],
  'company.on': (of) => [{ company: of.company }],
  'offboarding.list': () => [{}],
  'offboarding.show': (of) => [{ offboarding: of.offboarding }],
  'terms.show': () => [{}],
  'terms.accept': () => [{ digest: '0'.repeat(64) }],
  'login.who': () => [{}],
  'login.end': null,
  'login.list': () => [{}],
  'login.revoke': (of) => [{ login: of.login }],
  'safe.add': (of) => [{ name: of.safe }],
  'safe.watchNotice': (of) => [{ safe: of.safe, shown: true }],
  'safe.approvals': (of) => [{ safe: of.safe, approvals: 1 }],
  'safe.list': () => [{}],
  'safe.member.set': (of) => [{ safe: of.safe, user: of.user, permissions: ['use'] }],
  'target.add': (of) => [{ name: of.target, safe: of.safe, address: 'ssh://192.0.2.1' }],
  'target.list': () => [{}],
  'target.show': (of) => [{ target: 'press-3' }, { target: of.target }],
  'target.address': (of) => [{ target: of.target, address: 'ssh://192.0.2.1' }],
  'target.scan': (of) => [{ target: of.target }],
  'target.pin': (of) => [{ target: of.target, fingerprint: 'SHA256:x' }],
  'target.legacy': (of) => [{ target: of.target, algorithms: [] }],
  'target.remove': (of) => [{ target: of.target }],
  'account.add': (of) => [{ target: of.target, login: 'new', credential }],
  'account.list': () => [{}],
  'account.show': (of) => [{ account: 'press-3/engineer' }, { account: of.account }],
  'account.secret': (of) => [{ account: of.account, credential }],
  'account.bind': (of) => [{ account: of.account }, { account: 'press-3/engineer', target: of.target }],
  'account.elevation': (of) => [{ account: of.account, elevation: null }],
  'account.remove': (of) => [{ account: of.account }],
  'account.reveal': (of) => [{ account: of.account, boxKey: sealed, totpCode: '000000', reason: 'x' }],
  'exposure.list': (of) => [{}, { account: of.account }, { account: 'press-3/engineer' }],
  'grant.add': (of) => [{ user: of.user, account: of.account, actions: ['shell'] }],
  'grant.list': (of) => [{}, { user: of.user }, { account: of.account }, { account: 'press-3/engineer' }],
  'grant.revoke': (of) => [{ grant: of.grant }],
  'safe.notifications': (of) => [{ safe: of.safe, sessions: true }],
  'notification.status': () => [{}],
  'notification.test': (of) => [{ user: of.user }],
  'notification.testWebhook': () => [{}],
  'notification.open': () => [{ token: 'a'.repeat(43) }],
  'webhook.set': () => [{ url: null }],
  'policy.show': () => [{}],
  'policy.plan': () => [{ document }],
  'policy.apply': () => [{ document, expected: null }],
  'policy.explain': (of) => [{ user: of.user, account: of.account }],
  'policy.reach': (of) => [{ user: of.user }],
  'request.add': (of) => [{ account: of.account, actions: ['shell'], forSeconds: 3600, reason: 'x' }],
  'request.list': () => [{}, { state: 'all' }],
  'request.show': (of) => [{ request: of.request }],
  'request.withdraw': (of) => [{ request: of.request }],
  'request.decide': (of) => [{ request: of.request, verdict: 'deny', digest: '0'.repeat(64) }],
  'lease.checkOut': (of) => [{ account: of.account, exclusive: false }],
  'lease.checkIn': (of) => [{ lease: of.lease, reason: 'x' }],
  'lease.list': () => [{}],
  'access.list': () => [{}],
  'favourite.set': (of) => [{ account: of.account, favourite: true }],
  'ticket.issue': (of) => [{ account: of.account }],
  'live.open': () => [{}],
  'session.list': () => [{}, { live: true }],
  'session.show': (of) => [{ session: of.session }],
  'session.terminate': (of) => [{ session: of.session }],
  'session.freeze': (of) => [{ session: of.session }],
  'session.unfreeze': (of) => [{ session: of.session }],
  'session.message': (of) => [{ session: of.session, text: 'x' }],
  'session.watch': (of) => [{ session: of.session }],
  'hold.list': () => [{}],
  'hold.release': (of) => [{ hold: of.hold }],
  'recording.list': () => [{}],
  'recording.show': (of) => [{ recording: of.recording }],
  'recording.readable': (of) => [{ recording: of.recording }],
  'auditor.lists': () => [{}],
  'auditor.append': () => [{ body: sealed, signature: sealed }],
  'audit.list': () => [{}],
  'audit.verify': () => [{}],
  'audit.export': () => [{ from: 0, limit: 10 }],
}

async function answers(of: Others): Promise<readonly string[]> {
  const lines: string[] = []
  for (const [verb, inputs] of Object.entries(asked))
    for (const input of inputs?.(of) ?? []) {
      const outcome = await api.call(verb as VerbName, input as never, vera.token)
      // What was asked by name differs between the two; what is answered must not.
      lines.push(`${verb} ${Object.keys(input).join(',')}: ${JSON.stringify(outcome)}`)
    }
  for (const [target, account] of [
    [of.target, undefined],
    [of.target, 'engineer'],
    ['press-3', 'other'],
  ] as const)
    lines.push(
      `session.open: ${JSON.stringify(
        await open(recorder, {
          proof: await prove(recorder, key, 'vera'),
          target,
          ...(account === undefined ? {} : { account }),
        }),
      )}`,
    )
  return lines
}

/** Another company with people, machines, grants, requests, leases, sessions and a hold of its own, beside vera's. */
async function addOthers(): Promise<Others> {
  const mallory = await vendor('globex', 'mallory')
  const moe = await vault.person('moe', ['operator'])
  const own = makeSshKey()
  const added = await vault.ask('user.key.add', { user: 'mallory', publicKey: own.line })
  await vault.account({ target: 'mill-9', safe: 'line-9', address: 'ssh://127.0.0.1:2209' })
  await vault.account({ login: 'other' })
  for (const account of ['press-3/engineer', 'press-3/other', 'mill-9/engineer', 'saw-1/engineer'])
    await vault.grant('mallory', account)
  const grant = await vault.grant('moe', 'press-3/engineer')
  for (const safe of ['veras', 'line-9'])
    await vault.ask('safe.member.set', { safe, user: 'mallory', permissions: ['use'] })
  const request = must(
    await api.call(
      'request.add',
      { account: 'saw-1/engineer', actions: ['exec'], forSeconds: 60, reason: 'mine' },
      mallory.token,
    ),
  )
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, mallory.token),
  )
  must(await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, moe.token))
  const proof = await prove(recorder, own, 'mallory')
  const held = await connectSession(recorder, { proof, target: 'mill-9', account: 'engineer' })
  await vault.ask('session.terminate', { session: held.session, reason: 'x', holdSeconds: 3600 })
  await endSession(recorder, held.session, 'terminated')
  const permit = await connectSession(recorder, { proof, account: 'engineer' })
  const [hold] = await vault.ask('hold.list', {})
  const logins = await vault.ask('login.list', {})
  const login = logins.find(({ user }) => user === 'mallory')
  await vendor('initech', 'milton')
  const off = await vault.ask('company.off', { company: 'initech', reason: 'x' })
  if (hold === undefined || login === undefined) throw new Error('there is a hold and a login')
  return {
    ...nobodys,
    grant: grant.id,
    request: request.id,
    lease: lease.id,
    session: permit.session,
    recording: permit.recording,
    login: login.id,
    hold: hold.id,
    key: added.id,
    offboarding: off.id,
  }
}

test('every verb that a person can ask is asked', () => {
  const ofPeople = (Object.keys(verbs) as VerbName[]).filter((verb) =>
    (verbs[verb].door as readonly string[]).includes('user'),
  )
  expect(Object.keys(asked).sort()).toEqual(ofPeople.sort())
})

test('a vendor is answered the same, whether or not there are others', { timeout: 120_000 }, async () => {
  const alone = await answers(nobodys)
  // What is asked is understood: what is refused as malformed would prove nothing.
  const malformed = alone.filter((line) => line.includes('"code":"invalid"'))
  expect(malformed).toEqual([])
  const others = await addOthers()
  const among = await answers(others)
  expect(among).toEqual(alone)
  for (const name of ['mallory', 'moe', 'mill-9', 'globex', 'milton', 'initech'])
    expect(among.join('\n')).not.toContain(name)

  // What is another vendor's takes as long as what is nobody's: medians of calls that take turns.
  const unknown = { account: 'no-such/engineer' }
  const foreign = { account: others.account }
  const times = { unknown: [] as number[], foreign: [] as number[] }
  for (let round = 0; round < 60; round += 1)
    for (const [which, input] of Object.entries({ unknown, foreign })) {
      const begun = performance.now()
      await api.call('account.show', input, vera.token)
      times[which as keyof typeof times].push(performance.now() - begun)
    }
  const median = (of: readonly number[]) => [...of].sort((a, b) => a - b)[of.length / 2] ?? 0
  expect(Math.abs(median(times.unknown) - median(times.foreign))).toBeLessThan(5)
})
