import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

// Somebody was told to keep their hands off a machine, and looks for another way to it.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let sue: TestPerson
let bob: TestPerson
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account()
  await vault.account({ login: 'fitter' })
  sue = await vault.person('sue', ['approver'])
  bob = await vault.person('bob', ['vendor'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  for (const login of ['engineer', 'fitter'])
    await vault.grant('bob', `press-3/${login}`, { forSeconds: 14_400, maxSessionSeconds: 7_200 })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const opened = async (account = 'engineer') =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), account })
const connect = async (account = 'engineer') =>
  connectSession(recorder, { proof: await prove(recorder, key, 'bob'), account })
const freeze = async (session: VerbInput<'session.freeze'>['session']) =>
  must(await api.call('session.freeze', { session, reason: 'wrong valve' }, sue.token))
const letGo = async () => {
  for (const hold of must(await api.call('hold.list', {}, sue.token)))
    must(await api.call('hold.release', { hold: hold.id }, sue.token))
}

test('while one session is frozen, no other account of the machine opens another', async () => {
  const { session } = await connect()
  await freeze(session)
  for (const account of ['engineer', 'fitter'])
    expect(refusalOf(await opened(account))).toMatchObject({
      code: 'held',
      message: 'your session on press-3/engineer is frozen by sue',
    })
  must(await api.call('session.unfreeze', { session }, sue.token))
  await endSession(recorder, session)
})

test.each(['closed by the user', 'protocol error', 'finished', 'closed by the target'] as const)(
  'who leaves a frozen session (%s) is kept off the machine for as long as it would have been frozen',
  async (reason) => {
    const { session } = await connect()
    await freeze(session)
    await endSession(recorder, session, reason)
    for (const account of ['engineer', 'fitter'])
      expect(refusalOf(await opened(account))).toMatchObject({
        code: 'held',
        message: expect.stringMatching(/^you are held off press-3 until .* UTC by sue \(wrong valve\)$/),
      })
    const [entry] = await vault.ask('audit.list', { limit: 1, kind: 'session.ended' })
    expect(entry?.text).toContain('it was frozen, so its user is held off until')
    await letGo()
    await endSession(recorder, must(await opened()).session)
  },
)

test('to end one’s own frozen session lifts nothing; that somebody else ended it does', async () => {
  const own = await connect()
  await freeze(own.session)
  must(await api.call('session.terminate', { session: own.session }, bob.token))
  await endSession(recorder, own.session, 'terminated')
  expect(refusalOf(await opened()).code).toBe('held')
  await letGo()
  const other = await connect()
  await freeze(other.session)
  must(await api.call('session.terminate', { session: other.session }, sue.token))
  await endSession(recorder, other.session, 'terminated')
  await endSession(recorder, must(await opened()).session)
})

test('who was still connecting when the freeze or the hold came gets no credential', async () => {
  const first = await connect()
  const second = must(await opened('fitter'))
  await freeze(first.session)
  const start = () => recorder.call('session.start', startCall(second.session).input)
  expect(refusalOf(await start()).message).toBe('your session on press-3/engineer is frozen by sue')
  must(await api.call('session.terminate', { session: first.session, holdSeconds: 600 }, sue.token))
  await endSession(recorder, first.session, 'terminated')
  expect(refusalOf(await start()).message).toMatch(/^you are held off press-3/)
  await letGo()
  must(await start())
  await endSession(recorder, second.session)
})

test('a second record of the machine, under another name, is no way around a freeze or a hold', async () => {
  await vault.account({ target: 'press-3-again', address: 'ssh://127.0.0.1:2201' })
  await vault.account({ target: 'press-9', address: 'ssh://127.0.0.1:2209' })
  for (const target of ['press-3-again', 'press-9'])
    await vault.grant('bob', `${target}/engineer`, { forSeconds: 14_400, maxSessionSeconds: 7_200 })
  const openedAt = async (target: string) =>
    open(recorder, { proof: await prove(recorder, key, 'bob'), target })
  const { session } = await connect()
  await freeze(session)
  expect(refusalOf(await openedAt('press-3-again')).message).toBe(
    'your session on press-3/engineer is frozen by sue',
  )
  await endSession(recorder, session)
  expect(refusalOf(await openedAt('press-3-again'))).toMatchObject({
    code: 'held',
    message: expect.stringMatching(/^you are held off press-3-again until .* UTC by sue \(wrong valve\)$/),
  })
  // Another machine is another machine.
  await endSession(recorder, must(await openedAt('press-9')).session)
  await letGo()
  await endSession(recorder, must(await openedAt('press-3-again')).session)
})
