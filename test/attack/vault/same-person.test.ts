import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestView, Role } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

// Somebody with two accounts is one person, wherever it takes two: by the address that they are written to, however it is
// spelled, or by what an administrator has said.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let bob: TestPerson
let alt: TestPerson
let sue: TestPerson
let tom: TestPerson
let ann: TestPerson
let bea: TestPerson
const account = 'press-3/engineer'
const key = makeSshKey()

const mail = (user: string, address: string | null) => vault.ask('user.mail', { user, address })
const same = (user: string, as: string | null) => vault.ask('user.samePerson', { user, as })

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start, loginIdleSeconds: 12 * 3600 })
  api = await vault.connect('api')
  recorder = await vault.worker('w1', () => async () => done(null))
  await vault.account()
  const person = (name: string, ...roles: Role[]) => vault.person(name, roles)
  bob = await person('bob', 'operator')
  alt = await person('bob-alt', 'approver', 'supervisor', 'operator')
  sue = await person('sue', 'approver', 'supervisor', 'operator')
  tom = await person('tom', 'approver')
  ann = await person('ann', 'admin')
  bea = await person('bea', 'admin')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  for (const user of ['bob-alt', 'sue', 'tom'])
    await vault.ask('safe.member.set', {
      safe: 'line-3',
      user,
      permissions: user === 'tom' ? ['approve'] : ['approve', 'supervise'],
    })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await mail('bob', 'bob@plant.example')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 90_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

/** Asks for bob, who asks for one thing at a time. */
const asks = async () => {
  for (const open of await vault.ask('request.list', { state: 'open' })) await withdraws(open)
  return must(
    await api.call(
      'request.add',
      { account, actions: ['exec'], forSeconds: 3600, reason: 'look' },
      bob.token,
    ),
  )
}
const decides = (who: TestPerson, { id, digest }: RequestView, verdict: 'approve' | 'deny' = 'approve') =>
  api.call('request.decide', { request: id, digest, verdict, totpCode: who.code() }, who.token)
const withdraws = async ({ id }: RequestView) =>
  must(await api.call('request.withdraw', { request: id }, bob.token))

test.each([
  ['the same address', () => mail('bob-alt', 'bob@plant.example')],
  ['in other letters', () => mail('bob-alt', 'BOB@Plant.Example')],
  ['with a word behind a plus', () => mail('bob-alt', 'bob+approver@plant.example')],
  ['with several', () => mail('bob-alt', 'Bob+a+b@PLANT.example')],
  ['an address of their own, and an administrator’s word', () => same('bob-alt', 'bob')],
  ['that word the other way round', () => same('bob', 'bob-alt')],
])('nobody answers their own request by a second account: %s', async (_how, link) => {
  await mail('bob-alt', 'robert@plant.example')
  const refuses = async (request: RequestView) => {
    for (const verdict of ['approve', 'deny'] as const) {
      const refused = refusalOf(await decides(alt, request, verdict))
      expect(refused.code).toBe('forbidden')
      expect(refused.message).toMatch(
        /by another user who is you: (the same mail address|an administrator has said so)$/,
      )
    }
    expect((await vault.ask('request.show', { request: request.id })).state).toBe('open')
  }
  const before = await asks()
  await link()
  await refuses(before)
  await refuses(await asks())
  const { steps } = await vault.ask('policy.explain', { user: 'bob', account, action: 'shell' })
  expect(steps.find(({ what }) => what === 'user bob-alt')?.text).toContain('bob-alt is the same person')
  expect((await vault.ask('user.show', { user: 'bob' })).alsoIs?.map(({ user }) => user)).toEqual(['bob-alt'])
  await mail('bob-alt', 'robert@plant.example')
  for (const user of ['bob', 'bob-alt']) await same(user, null).catch(() => undefined)
  const free = await asks()
  must(await decides(alt, free, 'deny'))
})

test('letters that look like others, and addresses that are none, are taken for nobody', async () => {
  for (const address of [
    'bob\u200b@plant.example',
    'ｂob@plant.example',
    'bob@plant.example\u212a',
    ' bob@plant.example',
  ])
    expect((await vault.admin.call('user.mail', { user: 'bob-alt', address })).ok).toBe(false)
})

test('where two must approve, two accounts of one person are one: before, at once, and when it turns out between', async () => {
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 2 })
  await mail('bob-alt', 'robert@plant.example')
  await mail('sue', 'robert+sue@plant.example')
  const request = await asks()
  must(await decides(sue, request))
  expect(refusalOf(await decides(alt, request)).message).toBe(
    'you have decided this request already, as sue, who is you: the same mail address',
  )
  const both = await asks()
  const codes = [sue.code(), alt.code()]
  const at = await Promise.all(
    [sue, alt].map((who, index) =>
      api.call(
        'request.decide',
        { request: both.id, digest: both.digest, verdict: 'approve', totpCode: codes[index] ?? '' },
        who.token,
      ),
    ),
  )
  expect(at.filter(({ ok }) => ok)).toHaveLength(1)
  expect((await vault.ask('request.show', { request: both.id })).state).toBe('open')
  // They had two addresses when they said it.
  await mail('sue', 'sue@plant.example')
  const late = await asks()
  must(await decides(sue, late))
  await mail('sue', 'Robert@plant.example')
  expect((await decides(alt, late)).ok).toBe(false)
  must(await decides(tom, late))
  expect((await vault.ask('request.show', { request: late.id })).state).toBe('approved')
  // Three, of whom two are one: the third does not make it two while the requester is one of them.
  await mail('sue', 'bob+x@plant.example')
  const own = await asks()
  expect((await decides(sue, own)).ok).toBe(false)
  must(await decides(tom, own))
  expect((await vault.ask('request.show', { request: own.id })).state).toBe('open')
  must(await decides(alt, own))
  expect((await vault.ask('request.show', { request: own.id })).state).toBe('approved')
  await mail('sue', 'sue@plant.example')
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 1 })
})

test('nobody watches, freezes, writes to or takes over their own session by a second account', async () => {
  await vault.grant('bob', account)
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await mail('bob-alt', 'robert@plant.example')
  const ticket = must(await api.call('session.watch', { session }, alt.token)).ticket
  await mail('bob-alt', 'bob+alt@plant.example')
  for (const asked of [
    api.call('session.watch', { session }, alt.token),
    api.call('session.freeze', { session }, alt.token),
    api.call('session.message', { session, text: 'hello' }, alt.token),
  ])
    expect(refusalOf(await asked).message).toContain('by another user who is you: the same mail address')
  // Nor by a ticket of before.
  const { login } = must(await api.call('live.open', {}, alt.token))
  expect(refusalOf(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' })).code).toBe(
    'forbidden',
  )
  // A freeze that somebody else ordered is not lifted by it either.
  must(await api.call('session.freeze', { session, reason: 'wrong valve' }, sue.token))
  expect(refusalOf(await api.call('session.unfreeze', { session }, alt.token)).code).toBe('forbidden')
  must(await api.call('session.unfreeze', { session }, sue.token))
  await endSession(recorder, session)
})

test('a second account of who takes over is not the other who supervises', async () => {
  await mail('bob-alt', 'sue+second@plant.example')
  await mail('sue', 'sue@plant.example')
  const document = {
    version: 1,
    groups: { shift: ['sue', 'bob-alt'] },
    rules: [
      {
        name: 'four-eyes',
        effect: 'limit',
        who: { everyone: true },
        what: { safes: ['line-3'] },
        supervisors: 'shift',
      },
    ],
  }
  const apply = async (given: object) =>
    vault.ask('policy.apply', {
      document: given as PolicyDocument,
      expected: (await vault.ask('policy.show', {})).digest,
    })
  await apply(document)
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  const watches = async (who: TestPerson) => {
    const { ticket } = must(await api.call('session.watch', { session }, who.token))
    const { login } = must(await api.call('live.open', {}, who.token))
    const taken = must(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
    if (taken.kind !== 'watch') throw new Error('not a watch')
    return taken.watch
  }
  await watches(alt)
  const watch = await watches(sue)
  const takes = () => api.call('session.take', { session, watch, totpCode: sue.code() }, sue.token)
  expect(refusalOf(await takes()).message).toContain('somebody of shift to watch whoever types here')
  await mail('bob-alt', 'robert@plant.example')
  must(await takes())
  must(await api.call('session.giveBack', { session }, sue.token))
  await apply({ version: 1, groups: {}, rules: [] })
  await endSession(recorder, session)
})

test('what one holds is handed over to no second account of one’s own', async () => {
  await vault.grant('sue', account)
  await vault.grant('bob-alt', account)
  await mail('bob-alt', 'sue+second@plant.example')
  for (const { id } of await vault.ask('lease.list', {}))
    await vault.ask('lease.checkIn', { lease: id, reason: 'tidying' })
  const lease = must(
    await api.call('lease.checkOut', { account, exclusive: true, forSeconds: 3600 }, sue.token),
  )
  const offers = () => api.call('handover.offer', { lease: lease.id, user: 'bob-alt' }, sue.token)
  expect(refusalOf(await offers()).message).toBe('user: bob-alt is you: the same mail address')
  await mail('bob-alt', 'robert@plant.example')
  const offer = must(await offers())
  await same('bob-alt', 'sue')
  const accepts = () => api.call('handover.accept', { handOver: offer.id, totpCode: alt.code() }, alt.token)
  expect(refusalOf(await accepts()).message).toBe('sue is you: an administrator has said so')
  await same('bob-alt', null)
  must(await accepts())
  await vault.ask('lease.checkIn', {
    lease: (await vault.ask('lease.list', {}))[0]?.id as never,
    reason: 'x',
  })
})

test('a policy that takes two takes two persons', async () => {
  const twice = () => mail('bea', 'ann+bea@plant.example')
  const apart = () => mail('bea', 'bea@plant.example')
  await mail('ann', 'ann@plant.example')
  await twice()
  const base: PolicyDocument = { version: 1, applyBy: 'two', rules: [] }
  const apply = async () =>
    vault.admin.call('policy.apply', {
      document: base,
      expected: (await vault.ask('policy.show', {})).digest,
    })
  // One person with two users is led to no policy that nobody could change any more.
  expect(refusalOf(await apply()).message).toContain('there is 1 administrator')
  await apart()
  must(await apply())
  const expected = (await vault.ask('policy.show', {})).digest ?? ''
  const document: PolicyDocument = { ...base, groups: { ot: ['bob'] } }
  const asks = () => api.call('policy.ask', { document, expected, totpCode: ann.code() }, ann.token)
  await twice()
  expect(refusalOf(await asks()).message).toBe('there is no other administrator who could approve it')
  await apart()
  const asked = must(await asks())
  await twice()
  const approves = () =>
    api.call('policy.approve', { request: asked.id, means: asked.means, totpCode: bea.code() }, bea.token)
  expect(refusalOf(await approves()).message).toBe(
    'you cannot approve your own, which you asked for as ann, who is you: the same mail address',
  )
  await apart()
  must(await approves())
})

test('nobody says of a user of their own that they are somebody else', async () => {
  await same('bea', 'ann')
  const says = (who: TestPerson, user: string, as: string | null) =>
    api.call('user.samePerson', { user, as, totpCode: who.code() }, who.token)
  for (const user of ['ann', 'bea']) expect(refusalOf(await says(ann, user, null)).code).toBe('forbidden')
  expect(refusalOf(await api.call('user.samePerson', { user: 'tom', as: 'sue' }, ann.token)).message).toMatch(
    /^totpCode/,
  )
  expect(refusalOf(await says(sue, 'tom', 'sue')).code).toBe('forbidden')
  // A third stays one person with who is left.
  await same('tom', 'ann')
  await same('ann', null)
  expect((await vault.ask('user.show', { user: 'bea' })).alsoIs?.map(({ user }) => user)).toEqual(['tom'])
  await same('tom', null)
  await same('bea', null).catch(() => undefined)
  const said = await vault.ask('audit.list', { kind: 'user.same-person', limit: 50 })
  expect(said.some(({ text }) => text.includes('said that bea is the same person as ann'))).toBe(true)
})

test.each([
  ['a link that is taken away', `update app_user set same_as = null where name = 'bob-alt'`, 'app_user'],
  [
    'an address that is changed',
    `update user_mail set address = 'other@plant.example' where user_id = (select id from app_user where name = 'bob-alt')`,
    'user_mail',
  ],
])('%s in the database is found out, and approves nothing', async (_what, statement, table) => {
  await same('bob-alt', 'bob')
  const request = await asks()
  const { rows } = await superuser.query(
    `select * from ${table} where ${table === 'app_user' ? 'id' : 'user_id'} = (select id from app_user where name = 'bob-alt')`,
  )
  await superuser.query(statement)
  await expect(decides(alt, request).then(must)).rejects.toThrow()
  expect((await vault.ask('request.list', { state: 'open' })).some(({ id }) => id === request.id)).toBe(true)
  const column = table === 'app_user' ? 'same_as' : 'address'
  await superuser.query(
    `update ${table} set ${column} = $1 where ${table === 'app_user' ? 'id' : 'user_id'} = (select id from app_user where name = 'bob-alt')`,
    [rows[0][column]],
  )
  await withdraws(request)
  await same('bob-alt', null)
})

test('a break-glass alarms two people, and its review is not offered to who opened it as somebody else', async () => {
  await mail('bob', 'bob@plant.example')
  await mail('bob-alt', 'Bob+alt@plant.example')
  await mail('sue', 'sue@plant.example')
  const alarms = (...names: string[]) => ({ safe: 'line-3', minutes: 60, alarms: names })
  const refused = refusalOf(await vault.admin.call('safe.breakGlass', alarms('bob', 'bob-alt')))
  expect(refused.message).toBe('alarms: bob, bob-alt are one person')
  await vault.ask('safe.breakGlass', alarms('bob-alt', 'sue'))
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use', 'break-glass'] })
  const asked = { account, reason: 'oil on the floor', totpCode: bob.code() }
  const opened = must(await api.call('breakglass.open', asked, bob.token))
  await vault.ask('grant.revoke', { grant: opened.grant })
  const seenBy = async ({ token }: TestPerson) =>
    must(await api.call('breakglass.list', {}, token)).map(({ id, mayReview }) => [id, mayReview])
  expect(await seenBy(sue)).toEqual([[opened.id, true]])
  expect(await seenBy(alt)).toEqual([[opened.id, false]])
})
