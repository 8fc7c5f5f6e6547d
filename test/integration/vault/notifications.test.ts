import { createPublicKey, verify } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Envelope, RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { remindOfRequests } from '../../../vault/notifications/unanswered.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let bob: TestPerson
let sue: TestPerson
let tom: TestPerson
let ann: TestPerson

const mail = { server: 'smtp://mail.plant.example', from: 'tagout@plant.example' }

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  ann = await vault.person('ann', ['admin'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  for (const name of ['bob', 'sue', 'tom', 'ann'])
    await vault.ask('user.mail', { user: name, address: `${name}@plant.example` })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
// Each test begins with nothing that waits.
afterEach(async () => {
  vault.advance(5 * 60_000)
  await sendAll()
})

const take = async (limit = 50) => must(await api.call('notification.take', { mail, limit }))
const sent = (envelope: Envelope) => api.call('notification.done', { notification: envelope.id })
/** Sends what is due, and says what that was: to whom, and the sentence. */
async function sendAll(): Promise<string[]> {
  const said: string[] = []
  for (;;) {
    const due = await take()
    if (due.length === 0) return said
    for (const one of due) {
      said.push(
        one.channel === 'mail' ? `${one.to}: ${one.subject}` : `webhook: ${JSON.parse(one.body).text}`,
      )
      must(await sent(one))
    }
  }
}
const asks = async (more: Partial<VerbInput<'request.add'>> = {}) =>
  must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 7200, reason: 'S3cret reason', ...more },
      bob.token,
    ),
  )
const decides = async (who: TestPerson, { id, digest }: RequestView, verdict: 'approve' | 'deny') =>
  must(
    await api.call(
      'request.decide',
      { request: id, digest, verdict, ...(verdict === 'approve' ? { totpCode: who.code() } : {}) },
      who.token,
    ),
  )
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: '192.0.2.7' }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
const status = () => vault.ask('notification.status', {})

test('who may approve is written to when somebody asks, and who asked when it is decided', async () => {
  const request = await asks()
  expect(await sendAll()).toEqual(['sue@plant.example: bob asks for press-3/engineer for 2 h'])
  await decides(sue, request, 'deny')
  expect(await sendAll()).toEqual([
    'bob@plant.example: the request of bob for press-3/engineer was denied by sue',
  ])
  const log = await vault.ask('audit.list', { kind: 'notification.sent', limit: 100 })
  expect(log.slice(-2).map(({ text }) => text)).toEqual([
    'api told sue (request.asked)',
    'api told bob (request.decided)',
  ])
})

test('a mail holds names and no reason, a link that is its own, and is the same at each attempt', async () => {
  await asks()
  const [first] = await take()
  if (first?.channel !== 'mail') throw new Error('no mail')
  expect(JSON.stringify(first)).not.toContain('S3cret')
  expect(first.path).toMatch(/^\/requests\/open#ntf_[0-9a-z]{26}\.[\w-]{43}$/)
  expect(first.lines).toEqual([
    expect.stringMatching(/^It can be answered until \d{4}-\d\d-\d\d \d\d:\d\d UTC, under Requests/),
  ])
  // Taken by a sender that died: nobody else gets it for two minutes, then it is sent again as it was.
  expect(await take()).toEqual([])
  vault.advance(121_000)
  expect(await take()).toEqual([first])
  must(await sent(first))
  vault.advance(121_000)
  expect(await take()).toEqual([])
  expect((await status()).latest[0]).toMatchObject({ id: first.id, state: 'sent', attempts: 2, user: 'sue' })
  await decides(sue, must(await api.call('request.list', {}, sue.token))[0] as RequestView, 'deny')
})

test('where fewer members can approve than must, the administrators are written to as well', async () => {
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 2 })
  const request = await asks()
  expect(new Set((await sendAll()).map((line) => line.split('@')[0]))).toEqual(new Set(['ann', 'sue']))
  await vault.ask('safe.approvals', { safe: 'line-3', approvals: 1 })
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
  expect(await sendAll()).toEqual(['bob@plant.example: bob withdrew the request for press-3/engineer'])
})

test('a question that was answered before it was sent is not asked any more', async () => {
  const request = await asks()
  await decides(sue, request, 'deny')
  expect(await sendAll()).toEqual([
    'bob@plant.example: the request of bob for press-3/engineer was denied by sue',
  ])
  const asked = (await status()).latest.find(({ kind }) => kind === 'request.asked')
  expect(asked).toMatchObject({ state: 'dropped', error: 'its request was answered, or is over' })
})

test('a request that nobody answers is spoken of once more, to whom the safe names, and expires with a word', async () => {
  await vault.ask('safe.notifications', { safe: 'line-3', unansweredMinutes: 30, escalateTo: 'tom' })
  await asks()
  await sendAll()
  vault.advance(29 * 60_000)
  await tick()
  expect(await sendAll()).toEqual([])
  vault.advance(61_000)
  await until(async () => (await status()).waiting.mail.count === 2)
  expect((await sendAll()).sort()).toEqual([
    'sue@plant.example: bob has waited 30 min for an answer about press-3/engineer',
    'tom@plant.example: bob has waited 30 min for an answer about press-3/engineer',
  ])
  await tick()
  vault.advance(24 * 3600_000)
  await until(async () => (await status()).waiting.mail.count === 1)
  expect(await sendAll()).toEqual([
    'bob@plant.example: nobody answered the request of bob for press-3/engineer in time',
  ])
  await vault.ask('safe.notifications', { safe: 'line-3', unansweredMinutes: null, escalateTo: null })
})

test('without a named person the administrators hear of it', async () => {
  bob = await signIn(bob)
  sue = await signIn(sue)
  await vault.ask('safe.notifications', { safe: 'line-3', unansweredMinutes: 1 })
  const request = await asks()
  await sendAll()
  vault.advance(61_000)
  await until(async () => (await status()).waiting.mail.count === 2)
  expect(new Set((await sendAll()).map((line) => line.split('@')[0]))).toEqual(new Set(['ann', 'sue']))
  await vault.ask('safe.notifications', { safe: 'line-3', unansweredMinutes: null })
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
})

test('whose access is taken is written to, and nobody mutes that', async () => {
  bob = await signIn(bob)
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example', notices: 'security' })
  await vault.grant('bob', 'press-3/engineer')
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, bob.token),
  )
  await vault.ask('lease.checkIn', { lease: lease.id, reason: 'night shift' })
  expect(await sendAll()).toEqual([
    `bob@plant.example: press-3/engineer was taken back from bob by the gateway’s administrator (local:${process.getuid?.()})`,
  ])
  // Their own check-in is no news, and of requests they do not want to hear.
  const own = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, bob.token),
  )
  must(await api.call('lease.checkIn', { lease: own.id }, bob.token))
  const request = await asks()
  await sendAll()
  await decides(await signIn(sue), request, 'deny')
  expect(await sendAll()).toEqual([])
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example', notices: 'all' })
})

test('who loses an address, or is given a link or a key, is told where they were', async () => {
  await vault.ask('user.mail', { user: 'tom', address: 'eve@evil.example' })
  expect(await sendAll()).toEqual([
    expect.stringMatching(/^tom@plant\.example: the mail address of tom was changed by the gateway’s/),
  ])
  await vault.ask('user.mail', { user: 'tom', address: 'tom@plant.example' })
  await sendAll()
  await vault.ask('user.enrol', { user: 'tom' })
  expect(await sendAll()).toEqual([
    expect.stringMatching(/^tom@plant\.example: .* made a link that replaces the password and second/),
  ])
})

test('failures are tried again, ever later, until somebody says that they are for good', async () => {
  const { notification } = await vault.ask('notification.test', { user: 'sue' })
  for (const [attempt, seconds] of [15, 30, 60, 120].entries()) {
    const [taken] = await take()
    expect(taken?.id).toBe(notification)
    must(await api.call('notification.done', { notification, error: 'the server is away' }))
    expect((await status()).latest[0]).toMatchObject({
      state: 'waiting',
      attempts: attempt + 1,
      error: 'the server is away',
    })
    vault.advance((seconds - 1) * 1000)
    expect(await take()).toEqual([])
    vault.advance(1_100)
  }
  await take()
  must(await api.call('notification.done', { notification, error: '550 no such user here', forGood: true }))
  vault.advance(24 * 3600_000)
  expect(await take()).toEqual([])
  expect((await status()).latest[0]).toMatchObject({ state: 'failed', error: '550 no such user here' })
  expect((await vault.ask('audit.list', { kind: 'notification.not-sent', limit: 100 })).at(-1)?.text).toBe(
    'api did not tell sue (test): "550 no such user here"',
  )
})

test('what nobody could send for three days is given up; a disabled user is not written to', async () => {
  const { notification } = await vault.ask('notification.test', { user: 'sue' })
  vault.advance(3 * 24 * 3600_000 + 1000)
  expect(await take()).toEqual([])
  expect((await status()).latest[0]).toMatchObject({
    id: notification,
    state: 'dropped',
    error: 'it could not be sent for three days',
  })
  await vault.ask('notification.test', { user: 'tom' })
  await vault.ask('user.disable', { user: 'tom' })
  expect(await take()).toEqual([])
  expect((await status()).latest[0]).toMatchObject({ state: 'dropped', error: 'its user is disabled' })
  expect(refusalOf(await vault.admin.call('notification.test', { user: 'tom' })).code).toBe('conflict')
  await vault.ask('user.enable', { user: 'tom' })
})

test('the webhook is told of everything, signed by the vault, and set with a fresh code alone', async () => {
  ann = await signIn(ann)
  bob = await signIn(bob)
  const url = 'https://soc.plant.example/tagout'
  expect(refusalOf(await api.call('webhook.set', { url }, ann.token)).code).toBe('invalid')
  const { key } = must(await api.call('webhook.set', { url, totpCode: ann.code() }, ann.token))
  const request = await asks()
  const due = await take()
  expect(due.map(({ channel }) => channel).sort()).toEqual(['mail', 'webhook'])
  const told = due.find((one) => one.channel === 'webhook')
  if (told?.channel !== 'webhook') throw new Error('the webhook is not told')
  expect(told.url).toBe(url)
  expect(JSON.parse(told.body)).toEqual({
    id: told.id,
    at: expect.any(String),
    kind: 'request.asked',
    request: request.id,
    user: 'bob',
    account: 'press-3/engineer',
    safe: 'line-3',
    forSeconds: 7200,
    expiresAt: request.expiresAt,
    text: 'bob asks for press-3/engineer for 2 h',
  })
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(key.replace('whpk_', ''), 'base64'),
  ])
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const holds = (text: string) =>
    verify(null, Buffer.from(text), publicKey, Buffer.from(told.signature.replace('v1a,', ''), 'base64'))
  expect(holds(`${told.id}.${told.timestamp}.${told.body}`)).toBe(true)
  expect(holds(`${told.id}.${Number(told.timestamp) + 1}.${told.body}`)).toBe(false)
  for (const one of due) must(await sent(one))
  // Without mail the webhook is told all the same; the mail waits.
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
  const alone = must(await api.call('notification.take', { mail: null, limit: 50 }))
  expect(alone.map(({ channel }) => channel)).toEqual(['webhook'])
  expect(await status()).toMatchObject({ mail: null, waiting: { mail: { count: 1 } } })
  must(await api.call('webhook.set', { url: null, totpCode: ann.code() }, ann.token))
  expect((await vault.ask('audit.list', { kind: 'webhook.set', limit: 10 })).map(({ text }) => text)).toEqual(
    [`ann set the webhook "${url}" from 192.0.2.7`, 'ann took the webhook away from 192.0.2.7'],
  )
})

test.each([
  'http://soc.plant.example/',
  'ftp://soc.plant.example/',
  'soc.plant.example',
  'https://bob:secret@soc.plant.example/',
  'https://soc.plant.example/#x',
  'https://169.254.169.254/latest/meta-data/',
  'https://0251.0376.0251.0376/',
  'https://2852039166/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[fe80::1]/',
  'https://0.0.0.0/',
  'https://[fd00:ec2::254]/',
])('%s is no webhook', async (url) => {
  expect(refusalOf(await vault.admin.call('webhook.set', { url })).code).toBe('invalid')
})

test('the link in a mail opens its request once, for who it was sent to, and not for long', async () => {
  bob = await signIn(bob)
  sue = await signIn(sue)
  tom = await signIn(tom)
  const request = await asks()
  const [first] = await take()
  if (first?.channel !== 'mail' || first.path === null) throw new Error('no link')
  must(await sent(first))
  const token = first.path.slice(first.path.indexOf('#') + 1)
  const open = (who: TestPerson, text = token) => api.call('notification.open', { token: text }, who.token)
  expect(refusalOf(await open(tom)).message).toBe('this link was sent to somebody else')
  expect(refusalOf(await open(sue, `${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`)).code).toBe(
    'not_found',
  )
  expect(refusalOf(await open(sue, token.split('.')[0])).code).toBe('not_found')
  const both = await Promise.all([open(sue), open(sue)])
  expect(both.filter(({ ok }) => ok)).toEqual([{ ok: true, value: { request: request.id } }])
  expect(refusalOf(await open(sue)).message).toBe('this link was used')
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
  await sendAll()
  // A link of an earlier day.
  await asks()
  const [second] = await take()
  if (second?.channel !== 'mail' || second.path === null) throw new Error('no link')
  must(await sent(second))
  vault.advance(4 * 3600_000)
  sue = await signIn(sue)
  expect(refusalOf(await open(sue, second.path.slice(second.path.indexOf('#') + 1))).code).toBe('expired')
})

test('approvers hear of sessions where the safe wants it; who is cut off hears who did it', async () => {
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  expect(await sendAll()).toEqual([expect.stringContaining('registered an SSH key for bob')])
  await vault.grant('bob', 'press-3/engineer')
  const recorder = await vault.worker('w1', () => async () => done(null))
  const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  const quiet = await connect()
  await endSession(recorder, quiet.session)
  expect(await sendAll()).toEqual([])
  await vault.ask('safe.notifications', { safe: 'line-3', sessions: true })
  const { session } = await connect()
  expect(await sendAll()).toEqual(['sue@plant.example: a session of bob on press-3/engineer has begun'])
  await vault.ask('session.terminate', { session, reason: 'S3cret reason', holdSeconds: 600 })
  await endSession(recorder, session)
  const told = await sendAll()
  expect(new Set(told)).toEqual(
    new Set([
      `bob@plant.example: the session of bob on press-3/engineer was terminated by the gateway’s administrator (local:${process.getuid?.()})`,
      'sue@plant.example: a session of bob on press-3/engineer has ended: closed by the user',
    ]),
  )
  // A session that ends frozen keeps its user off: they read until when.
  for (const { id } of await vault.ask('hold.list', {})) await vault.ask('hold.release', { hold: id })
  const second = await connect()
  await vault.ask('session.freeze', { session: second.session, reason: 'wrong valve' })
  await endSession(recorder, second.session)
  expect(await sendAll()).toContain(
    'bob@plant.example: bob is held off press-3/engineer: a frozen session ended',
  )
  // A sealed vault tells nobody, and keeps nothing from ending.
  for (const { id } of await vault.ask('hold.list', {})) await vault.ask('hold.release', { hold: id })
  const third = await connect()
  await sendAll()
  await vault.ask('vault.seal', { sessions: 'keep' })
  await endSession(recorder, third.session)
  await vault.ask('vault.unseal', { kind: 'stored-key-file' })
  expect(await sendAll()).toEqual([])
  await vault.ask('safe.notifications', { safe: 'line-3', sessions: false })
})

test('what was sent is forgotten after a month', async () => {
  vault.advance(31 * 24 * 3600_000)
  // What is left tells of the request that has expired meanwhile.
  await until(async () =>
    (await status()).latest.every(({ kind, state }) => kind === 'request.expired' && state === 'waiting'),
  )
})

/** What the vault does each second. */
async function tick(): Promise<void> {
  await remindOfRequests(vault.plane.world)
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 20_000 }).toBe(true)
}
