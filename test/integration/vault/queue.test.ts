import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let account: VerbAnswer<'account.add'>
const people: Record<string, TestPerson> = {}
const keys = { ann: makeSshKey('ann'), ben: makeSshKey('ben') }
const token = (name: string) => people[name]?.token ?? ''

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  account = await vault.account()
  for (const name of ['ann', 'ben', 'cem', 'dan']) {
    people[name] = await vault.person(name, ['operator'])
    await vault.grant(name, account.name, { forSeconds: 20 * 3600 })
  }
  people['sue'] = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  for (const [name, key] of Object.entries(keys))
    await vault.ask('user.key.add', { user: name, publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const { id } of await queue()) await vault.ask('lease.leave', { wait: id })
  for (const { id } of await leases()) await vault.ask('lease.checkIn', { lease: id, reason: 'tidying' })
})

const leases = () => vault.ask('lease.list', {})
const queue = () => vault.ask('lease.queue', {})
const takes = (name: string, exclusive = true, forSeconds = 3600) =>
  api.call('lease.checkOut', { account: account.name, exclusive, forSeconds }, token(name))
const waits = (name: string, exclusive = true) =>
  api.call('lease.wait', { account: account.name, exclusive }, token(name))
const leaves = async (name: string) => {
  const { id } = (await leases()).find(({ user }) => user === name) ?? { id: 'lse_' as never }
  must(await api.call('lease.checkIn', { lease: id }, token(name)))
}
/** Waits until the account is kept for somebody, and answers for whom. */
const keptFor = () =>
  until(async () => {
    const kept = (await queue()).filter(({ keptUntil }) => keptUntil !== null)
    return kept.length === 0 ? undefined : kept.map(({ user }) => user).join()
  })
const latest = async (kind: string) => (await vault.ask('audit.list', { kind, limit: 1 }))[0]?.text

test('who waits has a place, reads who holds it until when, and has it kept when it is their turn', async () => {
  expect(refusalOf(await waits('ben')).message).toBe('press-3/engineer is free')
  const lease = must(await takes('ann'))
  expect(refusalOf(await waits('ann')).message).toBe('you hold press-3/engineer already')
  const own = must(await waits('ben'))
  expect(own).toMatchObject({ place: 1, keptUntil: null, heldBy: [{ user: 'ann', until: lease.until }] })
  expect(refusalOf(await waits('ben')).message).toBe('you wait for press-3/engineer already')
  expect(must(await waits('cem'))).toMatchObject({ place: 2 })
  const seen = must(await api.call('lease.queue', {}, token('cem')))
  expect(seen).toMatchObject([{ user: 'cem', place: 2 }])
  expect(must(await api.call('lease.queue', {}, token('sue'))).map(({ user }) => user)).toEqual([
    'ben',
    'cem',
  ])
  await leaves('ann')
  expect(await keptFor()).toBe('ben')
  expect(await latest('lease.kept')).toMatch(/kept press-3\/engineer for ben/)
  // Who does not wait, and who waits behind, are told for whom it is kept.
  for (const name of ['ann', 'cem', 'dan']) {
    const refusal = refusalOf(await takes(name))
    expect(refusal).toMatchObject({ code: 'held', message: expect.stringMatching(/is kept for ben until/) })
    expect(refusal.next).toMatch(/tagout lease wait press-3\/engineer/)
  }
  expect(refusalOf(await open(recorder, { proof: await prove(recorder, keys.ann, 'ann') })).code).toBe('held')
  must(await takes('ben'))
  expect((await queue()).map(({ user, place }) => [user, place])).toEqual([['cem', 1]])
  expect(await latest('lease.wait-ended')).toMatch(
    /^ben ended the wait for press-3\/engineer: it was their turn/,
  )
})

test('what is not taken in time goes to the next, and who was passed over is told', async () => {
  await vault.ask('user.mail', { user: 'ben', address: 'ben@plant.example' })
  must(await takes('ann'))
  must(await waits('ben'))
  must(await waits('cem'))
  await leaves('ann')
  expect(await keptFor()).toBe('ben')
  vault.advance(5 * 60_000)
  await until(async () => ((await keptFor()) === 'cem' ? true : undefined))
  expect(refusalOf(await takes('ben')).message).toMatch(/kept for cem/)
  must(await takes('cem'))
  const { latest: written } = await vault.ask('notification.status', {})
  expect(written.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['lease.kept', 'lease.passed-over']))
})

test('those who can share it have it kept at the same time; who wants it alone waits for them', async () => {
  must(await takes('ann'))
  must(await waits('ben', false))
  must(await waits('cem', false))
  must(await waits('dan', true))
  await leaves('ann')
  await until(async () => ((await keptFor()) === 'ben,cem' ? true : undefined))
  // Out of their order, but in nobody's way.
  must(await takes('cem', false))
  must(await takes('ben', false))
  expect(await queue()).toMatchObject([{ user: 'dan', place: 1, keptUntil: null }])
  // Nobody who comes later keeps dan waiting for ever.
  expect(refusalOf(await takes('ann', false)).message).toMatch(/kept for dan, who waits for it/)
  await leaves('ben')
  await leaves('cem')
  expect(await keptFor()).toBe('dan')
})

test('a place is left by its owner, or taken from them by who may; nobody else', async () => {
  must(await takes('ann'))
  const ben = must(await waits('ben'))
  const cem = must(await waits('cem'))
  expect(refusalOf(await api.call('lease.leave', { wait: cem.id }, token('ben'))).code).toBe('forbidden')
  must(await api.call('lease.leave', { wait: ben.id }, token('ben')))
  expect(refusalOf(await api.call('lease.leave', { wait: ben.id }, token('ben'))).code).toBe('not_found')
  must(await api.call('lease.leave', { wait: cem.id }, token('sue')))
  expect(await queue()).toEqual([])
  expect(await latest('lease.wait-ended')).toMatch(
    /of cem for press-3\/engineer: taken out of the queue by sue/,
  )
})

test('whose grant is gone is passed by, and a wait ends with the time for which it could be used', async () => {
  const grants = await vault.ask('grant.list', { user: 'dan' })
  must(await takes('ann', true, 3600))
  must(await waits('dan'))
  must(await waits('ben'))
  for (const { id } of grants) await vault.ask('grant.revoke', { grant: id })
  await leaves('ann')
  expect(await keptFor()).toBe('ben')
  expect((await queue()).map(({ user }) => user)).toEqual(['ben'])
  must(await takes('ben', true, 15 * 3600))
  await vault.grant('dan', account.name, { forSeconds: 600 })
  must(await waits('dan'))
  vault.advance(601_000)
  await until(async () =>
    (await latest('lease.wait-ended'))?.includes('of dan for press-3/engineer: time is up')
      ? true
      : undefined,
  )
  expect(await queue()).toEqual([])
})

test('of 64 who join at the same moment each has a place of their own, and one at a time holds it', async () => {
  const racers = Array.from({ length: 64 }, (_, index) => `racer-${index}`)
  for (const name of racers) {
    people[name] = await vault.person(name, ['operator'])
    await vault.grant(name, account.name)
  }
  must(await takes('ann'))
  const joined = await Promise.all(racers.map((name) => waits(name)))
  const places = joined.map((outcome) => must(outcome).place ?? 0)
  expect(places.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, index) => index + 1))
  const order = (await queue()).map(({ user }) => user)
  expect(order).toEqual(places.map((_, place) => racers[places.indexOf(place + 1)]))
  // All of them, and who held it, try at the moment at which it comes free: the first has it, and so on.
  let holder = 'ann'
  for (const next of order.slice(0, 3)) {
    await leaves(holder)
    const taken = await Promise.all([...racers, 'ann'].map((name) => takes(name)))
    expect([...racers, 'ann'].filter((_, index) => taken[index]?.ok === true)).toEqual([next])
    expect(await leases()).toMatchObject([{ user: next, exclusive: true }])
    holder = next
  }
}, 240_000)

test('who breaks the glass waits in no queue', async () => {
  for (const user of ['sue', 'cem']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 30, alarms: ['sue', 'cem'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['break-glass'] })
  must(await takes('ben'))
  must(await waits('cem'))
  await leaves('ben')
  expect(await keptFor()).toBe('cem')
  for (const { id } of await vault.ask('grant.list', { user: 'ann' }))
    await vault.ask('grant.revoke', { grant: id })
  must(
    await api.call(
      'breakglass.open',
      { account: account.name, reason: 'oil on the floor', totpCode: people['ann']?.code() },
      token('ann'),
    ),
  )
  const permit = await connectSession(recorder, { proof: await prove(recorder, keys.ann, 'ann') })
  await until(async () => ((await queue())[0]?.keptUntil === null ? true : undefined))
  expect(await queue()).toMatchObject([{ user: 'cem', place: 1, heldBy: [{ user: 'ann' }] }])
  await endSession(recorder, permit.session)
})
