import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let account: VerbAnswer<'account.add'>
const cuts: { readonly session: string; readonly message: string }[] = []
const people: Record<string, TestPerson> = {}
const keys = { ann: makeSshKey('ann'), ben: makeSshKey('ben') }
const token = (name: string) => people[name]?.token ?? ''

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker('w1', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.push(params as (typeof cuts)[number])
          return { ok: true, value: null }
        }
      : undefined,
  )
  api = await vault.connect('api')
  account = await vault.account()
  for (const name of ['ann', 'ben', 'cem']) {
    people[name] = await vault.person(name, ['operator'])
    await vault.grant(name, account.name)
  }
  people['eve'] = await vault.person('eve', ['operator'])
  for (const [name, key] of Object.entries(keys))
    await vault.ask('user.key.add', { user: name, publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const { id } of await vault.ask('lease.queue', {})) await vault.ask('lease.leave', { wait: id })
  for (const { id } of await leases()) await vault.ask('lease.checkIn', { lease: id, reason: 'tidying' })
  cuts.length = 0
})

const leases = () => vault.ask('lease.list', {})
const takes = async (name: string, exclusive = true) =>
  must(await api.call('lease.checkOut', { account: account.name, exclusive, forSeconds: 3600 }, token(name)))
const offers = (from: string, to: string, lease: { readonly id: VerbAnswer<'lease.checkOut'>['id'] }) =>
  api.call('handover.offer', { lease: lease.id, user: to }, token(from))
const accepts = (name: string, { id }: { readonly id: VerbAnswer<'handover.offer'>['id'] }) =>
  api.call('handover.accept', { handOver: id, totpCode: people[name]?.code() }, token(name))
const ends = (name: string, { id }: { readonly id: VerbAnswer<'handover.offer'>['id'] }) =>
  api.call('handover.end', { handOver: id }, token(name))

test('a colleague takes over with a code of their own: both names are on record, and no third comes between', async () => {
  const lease = await takes('ann')
  must(await api.call('lease.wait', { account: account.name, exclusive: true }, token('cem')))
  const permit = await connectSession(recorder, { proof: await prove(recorder, keys.ann, 'ann') })
  const offer = must(await offers('ann', 'ben', lease))
  expect(offer).toMatchObject({ account: account.name, from: 'ann', to: 'ben', exclusive: true })
  for (const name of ['ann', 'ben'])
    expect(must(await api.call('handover.list', {}, token(name)))).toEqual([offer])
  expect(must(await api.call('handover.list', {}, token('cem')))).toEqual([])
  expect(refusalOf(await offers('ann', 'cem', lease)).message).toBe('you have offered it to ben already')
  const own = must(await accepts('ben', offer))
  expect(own).toMatchObject({ user: 'ben', exclusive: true, explicit: true, until: lease.until })
  expect(await leases()).toMatchObject([{ id: own.id, user: 'ben' }])
  await until(() => (cuts.length > 0 ? true : undefined))
  expect(cuts[0]).toMatchObject({
    session: permit.session,
    message: 'you handed press-3/engineer over to ben',
  })
  // Until they are gone, nobody else is connected to what one person holds.
  const early = await open(recorder, { proof: await prove(recorder, keys.ben, 'ben') })
  expect(refusalOf(early).message).toMatch(/sessions of who handed this account over have not ended/)
  await endSession(recorder, permit.session, 'terminated')
  const next = await connectSession(recorder, { proof: await prove(recorder, keys.ben, 'ben') })
  await endSession(recorder, next.session)
  expect(await vault.ask('lease.queue', {})).toMatchObject([{ user: 'cem', place: 1, keptUntil: null }])
  const [leaf] = await vault.ask('audit.list', { kind: 'handover.accepted', limit: 1 })
  expect(leaf?.text).toMatch(/^ben took press-3\/engineer over from ann, whose session ends/)
  expect(refusalOf(await accepts('ben', offer)).message).toBe('this hand-over is over')
})

test('what stood on sessions alone is kept for the colleague until they connect, and then as ever', async () => {
  const permit = await connectSession(recorder, { proof: await prove(recorder, keys.ann, 'ann') })
  const [lease] = await leases()
  if (lease === undefined) throw new Error('a session has a lease')
  const own = must(await accepts('ben', must(await offers('ann', 'ben', lease))))
  expect(own).toMatchObject({
    explicit: false,
    until: new Date(vault.now().getTime() + 5 * 60_000).toISOString(),
  })
  await endSession(recorder, permit.session, 'terminated')
  const next = await connectSession(recorder, { proof: await prove(recorder, keys.ben, 'ben') })
  expect(await leases()).toMatchObject([{ user: 'ben', until: null }])
  await endSession(recorder, next.session)
})

test('it is declined, withdrawn or over in time, and nothing changes hands', async () => {
  const lease = await takes('ann')
  const first = must(await offers('ann', 'ben', lease))
  must(await ends('ben', first))
  expect(refusalOf(await accepts('ben', first)).message).toBe('this hand-over is over')
  const second = must(await offers('ann', 'ben', lease))
  must(await ends('ann', second))
  expect(refusalOf(await accepts('ben', second)).message).toBe('this hand-over is over')
  const third = must(await offers('ann', 'ben', lease))
  vault.advance(15 * 60_000)
  expect(refusalOf(await accepts('ben', third)).message).toBe('this hand-over is over')
  await until(async () => {
    const [leaf] = await vault.ask('audit.list', { kind: 'handover.ended', limit: 1 })
    return leaf?.text.startsWith('vault let the offer') ? true : undefined
  })
  expect(await leases()).toMatchObject([{ user: 'ann' }])
  // It can be offered again then.
  must(await ends('ann', must(await offers('ann', 'ben', lease))))
})

test('only who may use the account anyway is offered it, and only its holder offers it', async () => {
  const lease = await takes('ann')
  const nobody = refusalOf(await offers('ann', 'mallory', lease))
  expect(nobody).toMatchObject({
    code: 'forbidden',
    message: 'user: mallory is nobody who may use press-3/engineer',
  })
  expect(refusalOf(await offers('ann', 'eve', lease)).message).toBe(nobody.message.replace('mallory', 'eve'))
  expect(refusalOf(await offers('ann', 'ann', lease)).message).toMatch(/^user: you hold it already/)
  expect(refusalOf(await offers('ben', 'cem', lease)).code).toBe('forbidden')
  // Between the offer and the answer the colleague's grant is taken back.
  const offer = must(await offers('ann', 'ben', lease))
  for (const { id } of await vault.ask('grant.list', { user: 'ben' }))
    await vault.ask('grant.revoke', { grant: id })
  expect(refusalOf(await accepts('ben', offer)).code).toBe('forbidden')
  expect(await leases()).toMatchObject([{ user: 'ann' }])
  await vault.grant('ben', account.name)
})
