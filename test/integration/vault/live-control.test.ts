import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import {
  connectSession,
  endSession,
  makeSshKey,
  open,
  prove,
  startCall,
  until,
} from '../../support/vault-ssh.ts'

type Order = { readonly method: string; readonly params: Readonly<Record<string, unknown>> }

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let sue: TestPerson
let admin: TestPerson
const orders: Order[] = []
/** While false the worker answers nothing that it is told. */
let takesOrders = true
const obeys: Dispatch = (method) => async (params) => {
  orders.push({ method, params: params as Order['params'] })
  if (!takesOrders) throw new Error('this worker does not answer')
  return method === 'session.message' ? done({ terminals: 2 }) : done(null)
}
const key = makeSshKey()
const otherKey = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker('w1', obeys)
  api = await vault.connect('api')
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  sue = await vault.person('sue', ['approver'])
  admin = await vault.person('ann', ['admin'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.grant('bob', 'press-3/engineer', { forSeconds: 30 * 86_400, maxSessionSeconds: 7 * 86_400 })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
const show = (session: Permit['session']) => vault.ask('session.show', { session })
const ordersOf = (method: string, session: Permit['session']) =>
  orders.filter((order) => order.method === method && order.params['session'] === session)
/** As its worker reports it. A frozen one would keep its user off the machine: it goes on first. */
const finish = async (session: Permit['session']) => {
  if ((await show(session)).state === 'frozen')
    must(await api.call('session.unfreeze', { session }, sue.token))
  await endSession(recorder, session)
}
const kinds = async (session: Permit['session']) =>
  (await vault.ask('audit.list', { limit: 200 }))
    .filter(({ entry }) => (entry as { session?: string }).session === session)
    .map(({ kind, actor }) => `${kind} ${actor}`)

test('who approves on the safe freezes a session; its worker holds the input, and both ends are in the log', async () => {
  const { session } = await connect()
  const frozen = must(await api.call('session.freeze', { session, reason: 'wrong valve' }, sue.token))
  expect(frozen).toMatchObject({
    state: 'frozen',
    freeze: { by: 'sue', reason: 'wrong valve', isHeld: true },
  })
  expect(ordersOf('session.freeze', session).map(({ params }) => params)).toEqual([
    { session, frozen: true, by: 'sue', reason: 'wrong valve', waits: false },
  ])
  expect(refusalOf(await api.call('session.freeze', { session }, admin.token)).message).toContain('by sue')
  const free = must(await api.call('session.unfreeze', { session }, admin.token))
  expect(free).toMatchObject({ state: 'live', freeze: null })
  expect(ordersOf('session.freeze', session).at(-1)?.params).toMatchObject({ frozen: false, by: 'ann' })
  expect(refusalOf(await api.call('session.unfreeze', { session }, sue.token)).code).toBe('conflict')
  expect(await kinds(session)).toEqual(
    expect.arrayContaining(['session.frozen user:sue', 'session.unfrozen user:ann']),
  )
  await endSession(recorder, session)
})

test('neither its own user nor somebody without a part in the safe freezes, unfreezes or writes', async () => {
  const bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token)
  const eve = await vault.person('eve', ['approver'])
  const { session } = await connect()
  for (const token of [bob.token, eve.token]) {
    for (const verb of ['session.freeze', 'session.unfreeze'] as const)
      expect(refusalOf(await api.call(verb, { session }, token)).code).toBe('forbidden')
    expect(refusalOf(await api.call('session.message', { session, text: 'hi' }, token)).code).toBe(
      'forbidden',
    )
  }
  expect(ordersOf('session.freeze', session)).toEqual([])
  await endSession(recorder, session)
})

test('a worker that does not answer is told again, and until then the session says so', async () => {
  const { session } = await connect()
  takesOrders = false
  const frozen = must(await api.call('session.freeze', { session }, sue.token))
  expect(frozen.freeze?.isHeld).toBe(false)
  takesOrders = true
  await until(async () => ((await show(session)).freeze?.isHeld === true ? true : undefined))
  expect(ordersOf('session.freeze', session).length).toBeGreaterThan(1)
  await finish(session)
})

test('what is ordered before the target lets the session in comes with the answer', async () => {
  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  must(await recorder.call('session.start', startCall(permit.session).input))
  must(await api.call('session.freeze', { session: permit.session, reason: 'wait' }, sue.token))
  expect(ordersOf('session.freeze', permit.session)).toEqual([])
  const { freeze } = must(await recorder.call('session.connected', { session: permit.session }))
  expect(freeze).toMatchObject({ by: 'sue', reason: 'wait' })
  expect((await show(permit.session)).freeze?.isHeld).toBe(true)
  await finish(permit.session)
})

test('a second connection is no way around a freeze', async () => {
  const { session } = await connect()
  must(await api.call('session.freeze', { session }, sue.token))
  const refused = refusalOf(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  expect([refused.code, refused.message]).toEqual([
    'held',
    'your session on press-3/engineer is frozen by sue',
  ])
  must(await api.call('session.unfreeze', { session }, sue.token))
  const second = await connect()
  for (const one of [session, second.session]) await endSession(recorder, one)
})

test('of ten who freeze and unfreeze at once each change is one entry, and the end is one of both', async () => {
  const { session } = await connect()
  await Promise.all(
    Array.from({ length: 10 }, (_, at) =>
      api.call(at % 2 === 0 ? 'session.freeze' : 'session.unfreeze', { session }, sue.token),
    ),
  )
  const said = (await kinds(session)).filter((kind) => /frozen/.test(kind))
  for (const [at, kind] of said.entries())
    expect(kind).toBe(at % 2 === 0 ? 'session.frozen user:sue' : 'session.unfrozen user:sue')
  expect((await show(session)).state).toBe(said.length % 2 === 1 ? 'frozen' : 'live')
  await finish(session)
})

test('a session that was told to end is not frozen any more', async () => {
  const { session } = await connect()
  must(await api.call('session.terminate', { session }, sue.token))
  expect(refusalOf(await api.call('session.freeze', { session }, sue.token)).message).toBe(
    'this session is ending',
  )
  await endSession(recorder, session, 'terminated')
  expect(refusalOf(await api.call('session.freeze', { session }, sue.token)).message).toBe(
    'this session has ended',
  )
})

test('a line for the user is in the log before it is shown, with who wrote it', async () => {
  const { session } = await connect()
  const text = 'stop at two'
  expect(must(await api.call('session.message', { session, text }, sue.token))).toEqual({ terminals: 2 })
  expect(ordersOf('session.message', session)[0]?.params).toEqual({ session, by: 'sue', text })
  expect(await kinds(session)).toContain('session.messaged user:sue')
  takesOrders = false
  expect(must(await api.call('session.message', { session, text }, sue.token))).toEqual({ terminals: 0 })
  takesOrders = true
  await endSession(recorder, session)
})

test('a terminate may hold its user off the target: no account of it, no other user, until it is released', async () => {
  await vault.account({ login: 'fitter' })
  await vault.grant('bob', 'press-3/fitter')
  await vault.ask('user.add', { name: 'una', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'una', publicKey: otherKey.line })
  await vault.grant('una', 'press-3/engineer')
  const { session } = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    account: 'engineer',
  })
  must(await api.call('session.terminate', { session, reason: 'line stop', holdSeconds: 1800 }, sue.token))
  await endSession(recorder, session, 'terminated')
  for (const account of ['engineer', 'fitter']) {
    const refused = refusalOf(await open(recorder, { proof: await prove(recorder, key, 'bob'), account }))
    expect(refused.code).toBe('held')
    expect(refused.message).toMatch(/^you are held off press-3 until .* UTC by sue \(line stop\)$/)
  }
  const una = must(await open(recorder, { proof: await prove(recorder, otherKey, 'una') }))
  await endSession(recorder, una.session)
  const [hold] = must(await api.call('hold.list', {}, sue.token))
  expect(hold).toMatchObject({ user: 'bob', target: 'press-3', heldBy: 'sue', reason: 'line stop' })
  if (hold === undefined) throw new Error('there is a hold')
  must(await api.call('hold.release', { hold: hold.id }, sue.token))
  expect(must(await api.call('hold.list', {}, sue.token))).toEqual([])
  expect(refusalOf(await api.call('hold.release', { hold: hold.id }, sue.token)).code).toBe('conflict')
  const again = must(await open(recorder, { proof: await prove(recorder, key, 'bob'), account: 'engineer' }))
  await endSession(recorder, again.session)
})

test('a hold ends by itself', async () => {
  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'bob'), account: 'engineer' }))
  must(await api.call('session.terminate', { session: permit.session, holdSeconds: 60 }, sue.token))
  await endSession(recorder, permit.session, 'terminated')
  const opened = async () => open(recorder, { proof: await prove(recorder, key, 'bob'), account: 'engineer' })
  expect(refusalOf(await opened()).code).toBe('held')
  vault.advance(61_000)
  await endSession(recorder, must(await opened()).session)
})

test('a vault that starts again has the session frozen as it was, and tells its worker', async () => {
  const { session } = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    account: 'engineer',
  })
  must(await api.call('session.freeze', { session, reason: 'audit' }, sue.token))
  await vault.restart()
  orders.length = 0
  recorder = await vault.connect('recorder', obeys)
  api = await vault.connect('api')
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [session] }))
  await until(async () => ((await show(session)).freeze?.isHeld === true ? true : undefined))
  expect(await show(session)).toMatchObject({ state: 'frozen', freeze: { by: 'sue', reason: 'audit' } })
  expect(ordersOf('session.freeze', session)[0]?.params).toMatchObject({ frozen: true, by: 'sue' })
  await endSession(recorder, session)
})
