import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { SessionId } from '../../../vault/kernel/id.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let sue: TestPerson
let eve: TestPerson
const key = makeSshKey()
let now = Date.now()

beforeAll(async () => {
  vault = await startTestVault({ clock: () => new Date(now), loginIdleSeconds: 12 * 3600 })
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  sue = await vault.person('sue', ['supervisor'])
  eve = await vault.person('eve', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['supervise'] })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const { id } of await vault.ask('session.list', { live: true })) await endSession(recorder, id)
  for (const session of await owed()) must(await fill(session))
  // What is held is over.
  now += 120_000
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'required' })
})

const tries = async () => open(recorder, { proof: await prove(recorder, key, 'bob') })
/** Ends what runs, and lets the lease end too. */
const works = async () => {
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, session)
  now += 120_000
  return session
}
const said = { result: 'done', done: 'greased the bearing' } as const
const fill = (session: SessionId, who = bob, more: object = {}) =>
  api.call('closeout.fill', { session, ...said, ...more }, who.token)
const owed = async () => (await vault.ask('closeout.list', { open: true })).map(({ session }) => session)

test('where a safe requires it, nothing more is checked out before it is said what was done', async () => {
  const session = await works()
  expect(await owed()).toEqual([session])
  const refusal = refusalOf(await tries())
  expect(refusal.message).toContain('you have not said what you did on press-3/engineer')
  expect(refusal.next).toContain(`tagout session close-out ${session}`)
  const checkOut = { account: 'press-3/engineer', exclusive: false }
  expect(refusalOf(await api.call('lease.checkOut', checkOut, bob.token)).message).toContain('what you did')
  must(await fill(session, bob, { left: 'guard is off', workOrder: 'WO-4711' }))
  expect(await owed()).toEqual([])
  must(await tries())
  expect(must(await api.call('closeout.show', { session }, sue.token))).toMatchObject({
    user: 'bob',
    isRequired: false,
    filled: { ...said, left: 'guard is off', workOrder: 'WO-4711' },
  })
  const kinds = (await vault.ask('audit.list', { kind: 'close-out.filled', limit: 10 })).map(
    ({ text }) => text,
  )
  expect(kinds[0]).toContain(
    'as done: "greased the bearing", left in place: "guard is off", work order "WO-4711"',
  )
})

test('who holds the account goes on; one form is asked for all sessions of a check-out', async () => {
  const first = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  const second = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, first.session)
  const third = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, second.session)
  await endSession(recorder, third.session)
  expect(await owed()).toEqual([first.session])
  now += 120_000
  must(await fill(first.session))
})

test('asked and not required keeps nobody out, and none asks nobody', async () => {
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'asked' })
  const session = await works()
  expect((await vault.ask('closeout.list', { open: true }))[0]).toMatchObject({ session, isRequired: false })
  must(await fill(session))
  await works()
  for (const one of await owed()) must(await fill(one))
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'none' })
  await works()
  expect(await owed()).toEqual([])
})

test('who takes an account over owes nothing there either', async () => {
  const kim = await vault.person('kim', ['operator'])
  const kimsKey = makeSshKey()
  await vault.ask('user.key.add', { user: 'kim', publicKey: kimsKey.line })
  await vault.grant('kim', 'press-3/engineer')
  const { session } = await connectSession(recorder, { proof: await prove(recorder, kimsKey, 'kim') })
  await endSession(recorder, session)
  now += 120_000
  const checkOut = { account: 'press-3/engineer', exclusive: false }
  const { id: lease } = must(await api.call('lease.checkOut', checkOut, bob.token))
  const { id: handOver } = must(await api.call('handover.offer', { lease, user: 'kim' }, bob.token))
  const accept = async () => api.call('handover.accept', { handOver, totpCode: kim.code() }, kim.token)
  expect(refusalOf(await accept()).message).toContain('you have not said what you did')
  must(await fill(session, kim))
  const taken = must(await accept())
  must(await api.call('lease.checkIn', { lease: taken.id }, kim.token))
})

test('a close-out is its user’s alone, said once, and read by who supervises', async () => {
  const session = await works()
  expect(refusalOf(await fill(session, sue)).code).toBe('forbidden')
  expect(refusalOf(await fill(session, eve)).code).toBe('forbidden')
  expect(refusalOf(await api.call('closeout.show', { session }, eve.token)).code).toBe('forbidden')
  expect(must(await api.call('closeout.list', {}, eve.token))).toEqual([])
  expect(must(await api.call('closeout.list', { open: true }, sue.token))).toHaveLength(1)
  for (const bad of [{ done: '' }, { done: 'x'.repeat(2_001) }, { result: 'well' }, { left: '   ' }])
    expect(refusalOf(await fill(session, bob, bad)).code).toBe('invalid')
  must(await fill(session, bob, { done: 'a\x1b[2Jb' }))
  expect(refusalOf(await fill(session)).message).toContain('closed out already')
})

test('nobody who breaks the glass is kept waiting by a form, whatever else lets them in', async () => {
  await works()
  for (const user of ['sue', 'eve'])
    await vault.ask('user.mail', { user, address: `${user}@plant.example`, notices: 'all' })
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 30, alarms: ['sue', 'eve'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['break-glass'] })
  expect(refusalOf(await tries()).message).toContain('what you did')
  const asked = { account: 'press-3/engineer', reason: 'press is stuck', totpCode: bob.code() }
  must(await api.call('breakglass.open', asked, bob.token))
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, session)
  now += 120_000
  must(await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, bob.token))
})

test('a session that was terminated says by whom and why', async () => {
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  must(await api.call('session.terminate', { session, reason: 'wrong machine' }, sue.token))
  await endSession(recorder, session, 'terminated')
  expect(await vault.ask('session.show', { session })).toMatchObject({
    endReason: 'terminated',
    endedBy: { by: 'sue', reason: 'wrong machine' },
  })
})

test('who was taken off is asked no more: neither for what they left, nor for what ended with that', async () => {
  const left = await works()
  expect(await owed()).toEqual([left])
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'asked' })
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await vault.ask('user.off', { user: 'bob', reason: 'has left' })
  await endSession(recorder, session)
  expect(await owed()).toEqual([])
  expect((await vault.ask('closeout.list', {})).map((one) => one.session)).not.toContain(session)
  const [form] = (await vault.ask('closeout.list', {})).filter((one) => one.session === left)
  expect(form).toMatchObject({ filled: null, isRequired: false })
})
