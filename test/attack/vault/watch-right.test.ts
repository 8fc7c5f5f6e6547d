import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

// A worker of the recorder that does not do as it is told, beside one that does.

let vault: TestVault
let api: VaultClient
const key = makeSshKey()
const cuts: string[] = []

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  await vault.account({ target: 'press-4' })
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  await vault.grant('bob', 'press-4/engineer')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const watch = async (recorder: VaultClient, session: never, person: TestPerson) => {
  const { ticket } = must(await api.call('session.watch', { session }, person.token))
  const { login } = must(await api.call('live.open', {}, person.token))
  const redeemed = must(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
  if (redeemed.kind !== 'watch') throw new Error('a ticket to watch was meant')
  return redeemed.watch
}

test('a worker that answers no order keeps no other watch, and no session, past its end', async () => {
  const silent = await vault.worker('w1', () => () => new Promise(() => undefined))
  const heard = await vault.worker('w2', (method) => async (params) => {
    if (method === 'watch.cut') cuts.push((params as { watch: string }).watch)
    return done(null)
  })
  const stuck = await connectSession(silent, { proof: await prove(silent, key, 'bob'), worker: 'w1' })
  const other = await connectSession(heard, {
    proof: await prove(heard, key, 'bob'),
    worker: 'w2',
    target: 'press-4',
  })
  const sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  for (let count = 0; count < 8; count += 1) await watch(silent, stuck.session as never, sue)
  const seen = await watch(heard, other.session as never, sue)
  const began = performance.now()
  must(await api.call('login.end', {}, sue.token))
  await until(() => (cuts.includes(seen) ? true : undefined), 30_000)
  // Eight orders that nobody answers within their two seconds each are sixteen.
  expect(performance.now() - began).toBeLessThan(8_000)
  // The vault's clock goes on for everybody: what is due is not behind the orders either.
  expect(vault.plane.world.watches.size).toBe(9)
  must(await heard.call('watch.end', { watch: seen, session: other.session, by: 'sue' }))
  await endSession(heard, other.session)
  silent.close()
}, 60_000)

test('a worker says of no other’s session that somebody stopped watching it', async () => {
  const one = await vault.worker('w3')
  const two = await vault.worker('w4')
  const { session } = await connectSession(one, {
    proof: await prove(one, key, 'bob'),
    worker: 'w3',
    target: 'press-4',
  })
  const before = (await vault.ask('audit.list', { kind: 'session.watch-ended', limit: 50 })).length
  const forged = await two.call('watch.end', { watch: newId('wch'), session, by: 'sue' })
  expect(refusalOf(forged).code).toBe('forbidden')
  expect(await vault.ask('audit.list', { kind: 'session.watch-ended', limit: 50 })).toHaveLength(before)
  // Its own worker may: a vault that started meanwhile knows of no watch.
  must(await one.call('watch.end', { watch: newId('wch'), session, by: 'sue' }))
  await endSession(one, session)
})
