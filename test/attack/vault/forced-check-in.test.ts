import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// An account was taken from its holder, who connects again before the sessions that are being cut have ended.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let account: VerbAnswer<'account.add'>
const keys = { ann: makeSshKey('ann'), ben: makeSshKey('ben') }

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  account = await vault.account()
  ann = await vault.person('ann', ['operator'])
  await vault.person('ben', ['operator'])
  await vault.ask('user.key.add', { user: 'ann', publicKey: keys.ann.line })
  await vault.ask('user.key.add', { user: 'ben', publicKey: keys.ben.line })
  await vault.grant('ann', account.name)
  await vault.grant('ben', account.name)
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const openAs = async (name: 'ann' | 'ben') =>
  open(recorder, { proof: await prove(recorder, keys[name], name) })
const connectAs = async (name: 'ann' | 'ben') =>
  connectSession(recorder, { proof: await prove(recorder, keys[name], name) })
const checkOut = (who: TestPerson) =>
  api.call('lease.checkOut', { account: account.name, exclusive: true, forSeconds: 600 }, who.token)
const isFree = {
  code: 'held',
  message: expect.stringMatching(/^the account press-3\/engineer was checked in/),
}

test.each([
  ['by somebody else', false],
  ['by themselves', true],
])('a lease checked in %s is joined by no further session and no check-out: it ends', async (_who, isOwn) => {
  const lease = must(await checkOut(ann))
  const { session } = await connectAs('ann')
  if (isOwn) must(await api.call('lease.checkIn', { lease: lease.id }, ann.token))
  else await vault.ask('lease.checkIn', { lease: lease.id, reason: 'ben needs it' })
  expect(refusalOf(await openAs('ann'))).toMatchObject(isFree)
  expect(refusalOf(await checkOut(ann))).toMatchObject(isFree)
  await endSession(recorder, session, 'terminated')
  // With its last session it is free for whoever comes first.
  const next = must(await openAs('ben'))
  await endSession(recorder, next.session)
  for (const one of await vault.ask('lease.list', {}))
    await vault.ask('lease.checkIn', { lease: one.id, reason: 'tidying' })
  expect(await vault.ask('lease.list', {})).toEqual([])
})
