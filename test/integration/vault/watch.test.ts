import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permit, WatchTicket } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let sue: TestPerson
let bob: TestPerson
let session: Permit['session']
const cuts: string[] = []
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker('w1', (method) => async (params) => {
    if (method === 'watch.cut') cuts.push((params as { watch: string }).watch)
    return done(null)
  })
  api = await vault.connect('api')
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  // Enrolling ends what somebody has: before there is a session.
  bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token)
  sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.grant('bob', 'press-3/engineer')
  session = (await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })).session
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const loginOf = async (token: string) => must(await api.call('live.open', {}, token)).login
const take = async (person: TestPerson) =>
  must(await api.call('session.watch', { session }, person.token)).ticket
const redeem = async (ticket: string, person: TestPerson) =>
  recorder.call('ticket.redeem', { ticket, login: await loginOf(person.token), source: '192.0.2.9' })
const watch = async (person: TestPerson): Promise<WatchTicket> => {
  const ticket = must(await redeem(await take(person), person))
  if (ticket.kind !== 'watch') throw new Error('a ticket to watch was meant')
  return ticket
}
const end = (one: WatchTicket) =>
  recorder.call('watch.end', { watch: one.watch, session: one.session, by: one.by })
const entries = async (kind: string) => vault.ask('audit.list', { kind, limit: 50 })
const approver = async (name: string) => {
  const person = await vault.person(name, ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: name, permissions: ['approve'] })
  return person
}

test('who watches is in the log before anything is shown, in the list while they do, and in the log when they leave', async () => {
  const one = await watch(sue)
  expect(one).toMatchObject({ session, by: 'sue', notice: true, user: 'bob', account: 'press-3/engineer' })
  expect((await entries('session.watched')).at(-1)).toMatchObject({
    actor: 'user:sue',
    text: expect.stringContaining(`sue began to watch session ${session} of bob on press-3/engineer`),
  })
  expect((await vault.ask('session.show', { session })).watchers).toEqual(['sue'])
  must(await end(one))
  expect((await vault.ask('session.show', { session })).watchers).toEqual([])
  expect((await entries('session.watch-ended')).at(-1)?.text).toContain('sue no longer watches')
})

test('an administrator leaves the same trace as anyone', async () => {
  const ann = await vault.person('ann', ['admin'])
  const one = await watch(ann)
  expect((await entries('session.watched')).at(-1)).toMatchObject({ actor: 'user:ann' })
  expect((await vault.ask('session.show', { session })).watchers).toEqual(['ann'])
  must(await end(one))
})

test('neither the machine administrator, the user themself, an auditor nor somebody without a part in the safe watches', async () => {
  const eve = await vault.person('eve', ['approver'])
  const vera = await vault.person('vera', ['auditor'])
  for (const { token } of [eve, vera, bob])
    expect(refusalOf(await api.call('session.watch', { session }, token)).code).toBe('forbidden')
  expect((await vault.admin.call('session.watch', { session })).ok).toBe(false)
})

test('a ticket is good once, for the login that took it, and while its right is', async () => {
  const tom = await approver('tom')
  const ticket = await take(tom)
  expect(refusalOf(await redeem(ticket, sue)).code).toBe('unauthenticated')
  expect(refusalOf(await redeem(ticket, tom)).code).toBe('unauthenticated')
  const late = await take(tom)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'tom', permissions: [] })
  expect(refusalOf(await redeem(late, tom)).code).toBe('forbidden')
})

test.each([
  ['signs out', async (person: TestPerson) => void (await api.call('login.end', {}, person.token))],
  [
    'is disabled',
    async (person: TestPerson) => void (await vault.ask('user.disable', { user: person.name })),
  ],
  [
    'is taken out of the safe',
    async (person: TestPerson) =>
      void (await vault.ask('safe.member.set', { safe: 'line-3', user: person.name, permissions: [] })),
  ],
])('a watch ends within two seconds when its watcher %s', async (how, act) => {
  const person = await approver(`w-${how.replaceAll(' ', '-')}`)
  const one = await watch(person)
  await act(person)
  await until(() => (cuts.includes(one.watch) ? true : undefined), 5_000)
  must(await end(one))
})

test('where a safe says so the user is not told; that it says so is in the log', async () => {
  expect((await vault.ask('safe.watchNotice', { safe: 'line-3', shown: false })).watchNotice).toBe(false)
  const one = await watch(sue)
  expect(one.notice).toBe(false)
  // Nor are they told by the list of their own sessions; who else may see the session is.
  const watchersFor = async (token: string) =>
    must(await api.call('session.list', { live: true }, token)).map(({ watchers }) => watchers)
  expect(await watchersFor(bob.token)).toEqual([[]])
  expect(await watchersFor(sue.token)).toEqual([['sue']])
  must(await end(one))
  expect((await entries('safe.watch-notice')).at(-1)?.text).toContain(
    'not told who watches them in safe line-3',
  )
  await vault.ask('safe.watchNotice', { safe: 'line-3', shown: true })
  const shown = await watch(sue)
  expect(await watchersFor(bob.token)).toEqual([['sue']])
  must(await end(shown))
})

test('nobody watches without bound, and others are not kept from it', async () => {
  const tim = await approver('tim')
  const mine: WatchTicket[] = []
  while (mine.length < 24) mine.push(await watch(tim))
  expect(refusalOf(await redeem(await take(tim), tim)).code).toBe('rate_limited')
  must(await end(await watch(sue)))
  for (const one of mine) must(await end(one))
  must(await end(await watch(tim)))
})

test('a watch whose worker dies has ended, and is written down as ended', async () => {
  const before = (await entries('session.watch-ended')).length
  await watch(sue)
  recorder.close()
  await until(async () => ((await entries('session.watch-ended')).length > before ? true : undefined))
  await until(() => (vault.plane.world.watches.size === 0 ? true : undefined))
  recorder = await vault.worker('w1')
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [session] }))
  await endSession(recorder, session)
  expect(refusalOf(await api.call('session.watch', { session }, sue.token)).code).toBe('conflict')
})

test('a session that is not connected yet is said to be that, and is no session to watch', async () => {
  const ann = await approver('ann-early')
  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  const refused = refusalOf(await api.call('session.watch', { session: permit.session }, ann.token))
  expect(refused).toMatchObject({
    code: 'unavailable',
    message: 'this session is not connected to its machine yet',
  })
})
