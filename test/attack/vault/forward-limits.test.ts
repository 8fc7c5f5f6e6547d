import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { SessionId } from '../../../vault/kernel/id.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['vendor'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const grantOf = (forwards: NonNullable<VerbInput<'grant.add'>['forwards']>) =>
  vault.admin.call('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions: ['forward'],
    forwards,
  })
const openTo = async (host: string, port: number) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), wants: 'forward', forward: { host, port } })

const finish = async (session: SessionId, bytesDown: number) => {
  must(await recorder.call('session.start', startCall(session).input))
  must(await recorder.call('session.connected', { session }))
  must(await recorder.call('session.forwarded', { session, connections: 1, bytesUp: 0, bytesDown }))
  await endSession(recorder, session)
}

test('the megabytes of a destination are those of all sessions together: connecting again gives no more', async () => {
  const grant = must(
    await grantOf([
      { host: 'plc-7', port: 102, megabytes: 50 },
      { host: 'plc-8', port: 102, megabytes: 50 },
    ]),
  )
  const first = must(await openTo('plc-7', 102))
  expect(refusalOf(await openTo('plc-7', 102))).toMatchObject({
    code: 'held',
    message: 'a forwarding to plc-7:102 is open already under this grant',
  })
  await finish(first.session, 30_500_000)
  const second = must(await openTo('plc-7', 102))
  expect(second.forward?.megabytes).toBe(19)
  await finish(second.session, 19_000_001)
  expect(refusalOf(await openTo('plc-7', 102)).message).toBe('this grant has carried its 50 MB to plc-7:102')
  const other = must(await openTo('plc-8', 102))
  expect(other.forward?.megabytes).toBe(50)
  await endSession(recorder, other.session)
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
})

test('of two sessions that are opened at once, one gets the last room at a destination', async () => {
  const grant = must(await grantOf([{ host: 'plc-7', port: 102, connections: 2 }]))
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => openTo('plc-7', 102)))
  const opened = outcomes.flatMap((one) => (one.ok ? [one.value] : []))
  expect(opened).toHaveLength(2)
  expect(outcomes.flatMap((one) => (one.ok ? [] : [one.refusal.message]))).toEqual(
    Array(2).fill('2 forwardings to plc-7:102 are open already under this grant'),
  )
  for (const { session } of opened) await endSession(recorder, session)
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
})

test('the connections of a destination are those of all sessions under the grant together', async () => {
  const grant = must(
    await grantOf([
      { host: 'plc-7', port: 102, connections: 3 },
      { host: 'plc-8', port: 102, connections: 1 },
    ]),
  )
  const opened = []
  for (let count = 0; count < 3; count += 1) {
    const { session } = must(await openTo('plc-7', 102))
    must(await recorder.call('session.start', startCall(session).input))
    must(await recorder.call('session.connected', { session }))
    opened.push(session)
  }
  const [one, two, three] = opened as [SessionId, SessionId, SessionId]
  const say = (session: SessionId, open: number) => recorder.call('session.forwarding', { session, open })
  must(await say(one, 2))
  must(await say(two, 1))
  expect(refusalOf(await say(three, 1))).toMatchObject({
    code: 'held',
    message: '3 connections to plc-7:102 are open already under this grant',
  })
  expect(refusalOf(await say(one, 3)).code).toBe('held')
  // What was refused is not counted, and another destination is.
  const other = must(await openTo('plc-8', 102)).session
  must(await say(other, 1))
  expect(refusalOf(await say(other, 2)).code).toBe('held')
  must(await say(one, 1))
  must(await say(three, 1))
  // A session that has ended has none.
  await endSession(recorder, one)
  must(await say(two, 2))
  expect(refusalOf(await say(two, 3)).code).toBe('held')
  for (const session of [two, three, other]) await endSession(recorder, session)
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
})

test('nobody says how many connections another worker’s session has, nor a session that is none', async () => {
  const grant = must(await grantOf([{ host: 'plc-7', port: 102, connections: 3 }]))
  const { session } = must(await openTo('plc-7', 102))
  const stranger = await vault.worker('w2')
  expect(refusalOf(await stranger.call('session.forwarding', { session, open: 0 })).code).toBe('forbidden')
  await endSession(recorder, session)
  expect(refusalOf(await recorder.call('session.forwarding', { session, open: 0 })).code).toBe('not_found')
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
  const shell = await vault.grant('bob', 'press-3/engineer')
  const plain = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  const said = await recorder.call('session.forwarding', { session: plain.session, open: 1 })
  expect(refusalOf(said).code).toBe('conflict')
  await endSession(recorder, plain.session)
  must(await vault.admin.call('grant.revoke', { grant: shell.id }))
})
