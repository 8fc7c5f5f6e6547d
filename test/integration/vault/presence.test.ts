import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall, until } from '../../support/vault-ssh.ts'

type Order = {
  readonly session: string
  readonly frozen: boolean
  readonly by: string
  readonly waits: boolean
}

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let bob: TestPerson
let sue: TestPerson
let tom: TestPerson
const orders: Order[] = []
const obeys: Dispatch = (method) => async (params) => {
  if (method === 'session.freeze') orders.push(params as Order)
  return done(null)
}
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker('w1', obeys)
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  for (const user of ['sue', 'tom', 'bob'])
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: ['approve'] })
  await vault.grant('bob', 'press-3/engineer')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

type Limit = Partial<Extract<PolicyDocument['rules'][number], { readonly effect: 'limit' }>>
async function apply(...limits: readonly Limit[]) {
  return applyWith({ OT: ['sue', 'bob'], it: ['tom'] }, limits)
}
async function applyWith(groups: Record<string, string[]>, limits: readonly Limit[]) {
  const document: PolicyDocument = {
    version: 1,
    groups,
    rules: limits.map((more, at) => ({
      name: `r${at}`,
      effect: 'limit',
      who: { everyone: true },
      what: { safes: ['line-3'] },
      ...more,
    })),
  }
  await vault.ask('policy.apply', { document, expected: (await vault.ask('policy.show', {})).digest })
}
beforeEach(async () => {
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
  await apply({ supervisors: 'ot' })
  orders.length = 0
})

const connects = async () => {
  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  must(await recorder.call('session.start', startCall(permit.session).input))
  const { freeze } = must(await recorder.call('session.connected', { session: permit.session }))
  return { session: permit.session, freeze }
}
const watches = async (who: TestPerson, session: Permit['session']) => {
  const { ticket } = must(await api.call('session.watch', { session }, who.token))
  const { login } = must(await api.call('live.open', {}, who.token))
  return recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' })
}
const comes = async (who: TestPerson, session: Permit['session']) => {
  const taken = must(await watches(who, session))
  if (taken.kind !== 'watch') throw new Error('not a watch')
  return () => recorder.call('watch.end', { watch: taken.watch, session, by: who.name })
}
const show = (session: Permit['session']) => vault.ask('session.show', { session })
const last = (session: Permit['session']) => orders.filter((order) => order.session === session).at(-1)
const told = async (session: Permit['session']) =>
  (await vault.ask('audit.list', { kind: 'session.presence', limit: 1000 }))
    .filter(({ entry }) => (entry as { session?: string }).session === session)
    .map(({ text }) => text.replace(/ ses_\S+ of \S+ on \S+?(?=[: ])/, ''))

test('who waits for a supervisor reads whom to call', async () => {
  await apply({ supervisors: 'ot', contact: 'the shift leader, extension 4711' })
  const { session, freeze } = await connects()
  const reason = 'waits for a supervisor of ot to watch it; call the shift leader, extension 4711'
  expect(freeze?.reason).toBe(reason)
  // Another policy, another person to call: said from then on.
  await apply({ supervisors: 'ot', contact: 'hall 2' })
  await until(
    async () => ((await show(session)).freeze?.reason.endsWith('call hall 2') ? true : undefined),
    10_000,
  )
  await apply({ supervisors: 'ot' })
})

test('a session begins held, goes on while a supervisor watches, and is held again when they leave', async () => {
  const { session, freeze } = await connects()
  expect(freeze).toEqual({ by: 'policy', reason: 'waits for a supervisor of ot to watch it', waits: true })
  expect(await show(session)).toMatchObject({ state: 'frozen', freeze: { waits: true, isHeld: true } })
  const leaves = await comes(sue, session)
  expect(last(session)).toMatchObject({ frozen: false, by: 'sue', waits: false })
  expect(await show(session)).toMatchObject({ state: 'live', freeze: null, watchers: ['sue'] })
  must(await leaves())
  expect(last(session)).toMatchObject({ frozen: true, by: 'policy', waits: true })
  expect(await show(session)).toMatchObject({ state: 'frozen', freeze: { waits: true } })
  const lines = await told(session)
  expect(lines.map((line) => line.split(' ')[1])).toEqual(['held', 'let', 'held'])
  expect(lines[1]).toContain('sue supervises it')
})

test('people who come and go at the same moment are written down once for each change', async () => {
  const { session } = await connects()
  for (let round = 1; round <= 5; round++) {
    const leave = await Promise.all([sue, sue, tom, sue].map((who) => comes(who, session)))
    expect((await show(session)).state).toBe('live')
    for (const outcome of await Promise.all(leave.map((leaves) => leaves()))) must(outcome)
    expect((await show(session)).state).toBe('frozen')
    expect((await told(session)).map((line) => line.split(' ')[1])).toHaveLength(1 + 2 * round)
  }
})

test('who is of another group, or the user themself, supervises nothing', async () => {
  const { session } = await connects()
  const tomLeaves = await comes(tom, session)
  expect((await show(session)).freeze).toMatchObject({ waits: true })
  // Their own session nobody watches, whatever group they are in.
  expect(refusalOf(await api.call('session.watch', { session }, bob.token)).code).toBe('forbidden')
  must(await tomLeaves())
  expect(orders.filter(({ frozen }) => !frozen)).toEqual([])
})

test('where two groups are wanted both must be there, and one of several supervisors is enough', async () => {
  await apply({ supervisors: 'ot' }, { supervisors: 'it' })
  const { session, freeze } = await connects()
  expect(freeze?.reason).toBe('waits for a supervisor of it, ot to watch it')
  const first = await comes(sue, session)
  expect((await show(session)).freeze?.reason).toBe('waits for a supervisor of it to watch it')
  await comes(tom, session)
  expect((await show(session)).freeze).toBe(null)
  const second = await comes(sue, session)
  must(await first())
  expect((await show(session)).freeze).toBe(null)
  must(await second())
  expect((await show(session)).freeze?.reason).toBe('waits for a supervisor of ot to watch it')
})

test('somebody’s freeze stands whoever watches, and under it the session waits still', async () => {
  const { session } = await connects()
  const refused = await api.call('session.unfreeze', { session }, sue.token)
  expect(refusalOf(refused)).toMatchObject({ next: 'it goes on when one watches it' })
  must(await api.call('session.freeze', { session, reason: 'wrong valve' }, sue.token))
  expect(last(session)).toMatchObject({ frozen: true, by: 'sue', waits: false })
  const leaves = await comes(sue, session)
  expect(last(session)).toMatchObject({ frozen: true, by: 'sue', waits: false })
  must(await leaves())
  must(await api.call('session.unfreeze', { session }, sue.token))
  expect(last(session)).toMatchObject({ frozen: true, waits: true })
  await comes(sue, session)
  expect(last(session)).toMatchObject({ frozen: false })
})

test('a policy that wants a supervisor holds what runs, and one that wants none lets it go on', async () => {
  await apply()
  const { session, freeze } = await connects()
  expect(freeze).toBe(null)
  await apply({ supervisors: 'ot' })
  await until(async () => ((await show(session)).freeze?.waits === true ? true : undefined), 5_000)
  expect(last(session)).toMatchObject({ frozen: true, waits: true })
  await apply()
  await until(async () => ((await show(session)).freeze === null ? true : undefined), 5_000)
  expect(last(session)).toMatchObject({ frozen: false })
})

test('who is taken out of the group supervises no more, though they watch on', async () => {
  const { session } = await connects()
  await comes(sue, session)
  expect((await show(session)).freeze).toBe(null)
  await applyWith({ OT: ['tom'] }, [{ supervisors: 'ot' }])
  await until(async () => ((await show(session)).freeze?.waits === true ? true : undefined), 3_000)
  expect(await show(session)).toMatchObject({ watchers: ['sue'] })
  expect(last(session)).toMatchObject({ frozen: true, waits: true })
})

test('a supervisor who signs out, or who may watch no more, leaves', async () => {
  const { session } = await connects()
  await comes(tom, session)
  await apply({ supervisors: 'it' })
  await until(async () => ((await show(session)).freeze === null ? true : undefined), 5_000)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'tom', permissions: [] })
  // The worker is told to end the watch; that it did is what it says.
  await until(async () => ((await show(session)).watchers.length === 1 ? true : undefined), 5_000)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'tom', permissions: ['approve'] })
})

test('a session that waits keeps its user from nothing else, and its end leaves no hold', async () => {
  const { session } = await connects()
  const beside = must(await open(recorder, { proof: await prove(recorder, key, 'bob'), wants: 'exec' }))
  await endSession(recorder, beside.session)
  await endSession(recorder, session)
  expect(await vault.ask('hold.list', {})).toEqual([])
})

test('after the vault has started again everybody waits until a supervisor watches anew', async () => {
  const { session } = await connects()
  await comes(sue, session)
  expect((await show(session)).freeze).toBe(null)
  await vault.restart()
  recorder = await vault.connect('recorder', obeys)
  orders.length = 0
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [session] }))
  await until(() => (last(session)?.waits === true ? true : undefined), 5_000)
  expect(orders.filter(({ frozen }) => !frozen)).toEqual([])
  api = await vault.connect('api')
  await comes(sue, session)
  expect(last(session)).toMatchObject({ frozen: false, by: 'sue' })
})
