import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permission, Role } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let sue: TestPerson
let oli: TestPerson
let sec: TestPerson
const cuts: string[] = []
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', (method) => async (params) => {
    if (method === 'watch.cut') cuts.push((params as { watch: string }).watch)
    return done(null)
  })
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  sue = await vault.person('sue', ['supervisor'])
  oli = await vault.person('oli', ['observer'])
  sec = await vault.person('sec', ['security-officer'])
  await member('sue', 'supervise')
  await member('oli', 'observe')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const member = (user: string, ...permissions: Permission[]) =>
  vault.ask('safe.member.set', { safe: 'line-3', user, permissions })
const connects = async () =>
  (await connectSession(recorder, { proof: await prove(recorder, key, 'bob'), worker: 'w1' })).session
const watches = async (who: TestPerson, session: Awaited<ReturnType<typeof connects>>) => {
  const { ticket } = must(await api.call('session.watch', { session }, who.token))
  const { login } = must(await api.call('live.open', {}, who.token))
  const taken = must(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
  if (taken.kind !== 'watch') throw new Error('not a watch')
  return taken.watch
}
const code = (answer: Parameters<typeof refusalOf>[0]) => refusalOf(answer).code

test('a supervisor sees, holds, writes to and ends the sessions of their safes, and lets nobody in', async () => {
  const session = await connects()
  expect(must(await api.call('session.list', { live: true }, sue.token)).map(({ id }) => id)).toEqual([
    session,
  ])
  await watches(sue, session)
  must(await api.call('session.freeze', { session, reason: 'wrong valve' }, sue.token))
  expect(must(await api.call('hold.list', {}, sue.token))).toEqual([])
  must(await api.call('session.unfreeze', { session }, sue.token))
  must(await api.call('session.message', { session, text: 'stop at two' }, sue.token))
  const account = 'press-3/engineer'
  expect(code(await api.call('account.remove', { account }, sue.token))).toBe('forbidden')
  expect(code(await api.call('account.show', { account }, sue.token))).toBe('forbidden')
  expect(code(await api.call('lease.checkOut', { account, exclusive: false }, sue.token))).toBe('forbidden')
  expect(code(await api.call('user.list', {}, sue.token))).toBe('forbidden')
  must(await api.call('session.terminate', { session, reason: 'enough' }, sue.token))
  await endSession(recorder, session)
})

test('an observer watches and does nothing else', async () => {
  const session = await connects()
  await watches(oli, session)
  expect(must(await api.call('session.show', { session }, oli.token)).watchers).toEqual(['oli'])
  expect(code(await api.call('session.freeze', { session }, oli.token))).toBe('forbidden')
  expect(code(await api.call('session.message', { session, text: 'x' }, oli.token))).toBe('forbidden')
  expect(code(await api.call('session.terminate', { session }, oli.token))).toBe('forbidden')
  expect(must(await api.call('recording.list', {}, oli.token))).toEqual([])
  await endSession(recorder, session)
})

test('who only looks on is no supervisor whom the policy wants, until they may act', async () => {
  const { digest } = await vault.ask('policy.show', {})
  const limit = {
    name: 'two',
    effect: 'limit',
    who: { everyone: true },
    what: { safes: ['line-3'] },
  } as const
  const document = {
    version: 1,
    groups: { floor: ['sue'] },
    rules: [{ ...limit, supervisors: 'floor' }],
  } as const
  await member('sue', 'observe')
  await vault.ask('policy.apply', { document: document as never, expected: digest })
  const session = await connects()
  await watches(sue, session)
  expect((await vault.ask('session.show', { session })).freeze).toMatchObject({ waits: true })
  await member('sue', 'supervise')
  await until(async () => ((await vault.ask('session.show', { session })).freeze === null ? true : undefined))
  await member('sue', 'observe')
  await until(async () => ((await vault.ask('session.show', { session })).freeze?.waits ? true : undefined))
  await member('sue', 'supervise')
  await endSession(recorder, session)
  const now = (await vault.ask('policy.show', {})).digest
  await vault.ask('policy.apply', { document: { version: 1, groups: {}, rules: [] }, expected: now })
})

test('who is supervisor no more is cut off at once, and the permission gives nothing while it sleeps', async () => {
  const session = await connects()
  const watch = await watches(sue, session)
  const began = performance.now()
  await vault.ask('user.roles', { user: 'sue', roles: ['operator'] })
  await until(() => (cuts.includes(watch) ? true : undefined))
  expect(performance.now() - began).toBeLessThan(3_000)
  expect(code(await api.call('session.freeze', { session }, sue.token))).toBe('forbidden')
  expect(must(await api.call('session.list', {}, sue.token))).toEqual([])
  await vault.ask('user.roles', { user: 'sue', roles: ['supervisor'] })
  must(await recorder.call('watch.end', { watch, session, by: 'sue' }))
  await endSession(recorder, session)
})

test('a security officer reads what decides and what happened, ends sessions, and gives nobody anything', async () => {
  const session = await connects()
  const reads = [
    ['user.list', {}],
    ['audit.list', {}],
    ['policy.show', {}],
    ['exposure.list', {}],
    ['company.list', {}],
    ['breakglass.list', {}],
    ['offboarding.list', {}],
    ['session.list', {}],
    ['grant.list', {}],
  ] as const
  for (const [verb, input] of reads) must(await api.call(verb, input, sec.token))
  expect(code(await api.call('session.watch', { session }, sec.token))).toBe('forbidden')
  expect(code(await api.call('session.freeze', { session }, sec.token))).toBe('forbidden')
  expect(code(await api.call('user.disable', { user: 'bob' }, sec.token))).toBe('forbidden')
  expect(code(await api.call('user.roles', { user: 'bob', roles: ['admin'] }, sec.token))).toBe('forbidden')
  must(await api.call('session.terminate', { session, reason: 'an incident' }, sec.token))
  await endSession(recorder, session)
  await expect(vault.grant('sec', 'press-3/engineer')).rejects.toThrow(
    'a security officer connects to nothing',
  )
  await expect(member('sec', 'observe')).rejects.toThrow('member of none')
})

const impossible: readonly (readonly [Role[], string])[] = [
  [['observer', 'operator'], 'an observer holds no other role'],
  [['security-officer', 'admin'], 'a security officer holds no other role'],
  [['auditor', 'supervisor'], 'an auditor holds no other role'],
  [['vendor', 'supervisor'], 'a vendor supervises nobody'],
]
test.each(impossible)('nobody is %j', async (roles, sentence) => {
  await expect(vault.ask('user.add', { name: 'nobody', roles })).rejects.toThrow(sentence)
})

test('permissions are given to those alone who may hold them', async () => {
  await expect(member('bob', 'supervise')).rejects.toThrow('only a supervisor can be let supervise')
  await expect(member('oli', 'observe', 'use')).rejects.toThrow(
    'an observer can be let observe, nothing else',
  )
  await expect(vault.grant('oli', 'press-3/engineer')).rejects.toThrow('an observer connects to nothing')
  // To become one who holds nothing else, what was held goes first.
  await expect(vault.ask('user.roles', { user: 'sue', roles: ['observer'] })).rejects.toThrow(
    'an observer can be let observe, nothing else',
  )
})
