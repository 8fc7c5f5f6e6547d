import { afterAll, beforeAll, expect, test } from 'vitest'
import { serviceScopes } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { addToken } from '../../support/service.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { makeSshKey, open, prove, publickeyCall } from '../../support/vault-ssh.ts'

// A second factor that was shown makes young the one login, or the one connection, at which it was shown.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let ann: TestPerson
const key = makeSshKey()
const source = '192.0.2.7'
const document: PolicyDocument = {
  version: 1,
  rules: [
    {
      name: 'lately',
      effect: 'limit',
      who: { everyone: true },
      what: { everything: true },
      factorWithin: '5m',
    },
  ],
}

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  ann = await vault.person('ann', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  await vault.grant('ann', 'press-3/engineer')
  await vault.ask('policy.apply', { document, expected: null })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const signIn = async () =>
  must(
    await api.call('login.start', {
      name: 'bob',
      sealedPassword: await vault.sealLogin('bob', bob.password),
      totpCode: bob.code(),
      source,
    }),
  ).token
const connect = async (token: string) => {
  const { ticket } = must(
    await api.call('ticket.issue', { account: 'press-3/engineer', for: 'connect' }, token),
  )
  const { login } = must(await api.call('live.open', {}, token))
  const redeemed = must(await recorder.call('ticket.redeem', { ticket, login, source }))
  if (redeemed.kind !== 'connect') throw new Error('a ticket to connect was meant')
  return open(recorder, { proof: redeemed.proof })
}
const factor = (proof: string, totpCode: string, by = recorder) =>
  by.call('ssh.factor', { proof, target: 'press-3', totpCode })

test('a factor that is shown at one login leaves the other logins of the same person as old as they were', async () => {
  const [stolen, own] = [await signIn(), await signIn()]
  vault.advance(6 * 60_000)
  must(await api.call('login.confirm', { totpCode: bob.code() }, own))
  expect(refusalOf(await connect(stolen)).code).toBe('stale_factor')
  // Nor does a code of somebody else's, or one that was used.
  const used = bob.code()
  must(await api.call('login.confirm', { totpCode: used }, own))
  for (const totpCode of [ann.code(), used, '000000'])
    expect(refusalOf(await api.call('login.confirm', { totpCode }, stolen)).code).toBe('invalid')
  expect(refusalOf(await connect(stolen)).code).toBe('stale_factor')
})

test('one connection’s code makes no other connection young, and no login', async () => {
  const token = await signIn()
  vault.advance(6 * 60_000)
  const [one, other] = [await prove(recorder, key, 'bob'), await prove(recorder, key, 'bob')]
  must(await factor(one, bob.code()))
  expect(refusalOf(await open(recorder, { proof: other })).code).toBe('stale_factor')
  expect(refusalOf(await connect(token)).code).toBe('stale_factor')
  must(await open(recorder, { proof: one }))
})

test('a proof is made young on its own connection alone, by its own person’s code, and not after it was taken back', async () => {
  const proof = await prove(recorder, key, 'bob')
  const elsewhere = await vault.connect('recorder')
  expect(refusalOf(await factor(proof, bob.code(), elsewhere)).code).toBe('unauthenticated')
  expect(refusalOf(await factor(proof, ann.code())).code).toBe('invalid')
  expect(refusalOf(await factor('x'.repeat(43), bob.code())).code).toBe('unauthenticated')
  const [{ id } = { id: '' }] = await vault.ask('user.key.list', { user: 'bob' })
  await vault.ask('user.key.remove', { user: 'bob', key: id as never })
  expect(refusalOf(await factor(proof, bob.code())).code).toBe('unauthenticated')
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
})

test('guesses over SSH are slowed like all others', async () => {
  const proof = await prove(recorder, key, 'bob')
  const codes: string[] = []
  for (let guess = 0; guess < 6; guess += 1)
    codes.push(refusalOf(await factor(proof, String(guess).padStart(6, '0'))).code)
  expect(codes).toContain('rate_limited')
  vault.advance(10 * 60_000)
})

test('what was shown is forgotten by a restart, and people are asked once more', async () => {
  const token = await signIn()
  vault.advance(6 * 60_000)
  must(await api.call('login.confirm', { totpCode: bob.code() }, token))
  await vault.restart()
  api = await vault.connect('api')
  recorder = await vault.worker()
  expect(refusalOf(await connect(token)).code).toBe('stale_factor')
})

test('a token of a service shows no factor', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  const said = await api.call('login.confirm', { totpCode: bob.code() }, secret, undefined, '127.0.0.1')
  expect(refusalOf(said).code).toBe('forbidden')
})

test('who stole a key, and guesses from many places, is counted by the name', async () => {
  // From where he shows his own, bob is known.
  must(await factor(await prove(recorder, key, 'bob'), bob.code()))
  const codes: string[] = []
  for (let guess = 0; guess < 16; guess += 1) {
    const from = { ...publickeyCall(key, 'bob'), source: `203.0.113.${guess + 1}` }
    const { proof } = must(await recorder.call('ssh.publickey', from))
    codes.push(refusalOf(await factor(proof ?? '', String(guess).padStart(6, '0'))).code)
  }
  expect(codes.slice(0, 3)).toEqual(['invalid', 'invalid', 'invalid'])
  expect(codes).toContain('rate_limited')
  must(await factor(await prove(recorder, key, 'bob'), bob.code()))
})

test('who stole a key, and guesses, begins anew by no other login with it', async () => {
  vault.advance(3600_000)
  const codes: string[] = []
  for (let guess = 0; guess < 6; guess += 1) {
    const proof = await prove(recorder, key, 'bob')
    codes.push(refusalOf(await factor(proof, String(guess).padStart(6, '0'))).code)
  }
  expect(codes).toContain('rate_limited')
  vault.advance(3600_000)
})

test('a code makes no proof last longer', async () => {
  const proof = await prove(recorder, key, 'bob')
  vault.advance(11 * 3600_000)
  must(await factor(proof, bob.code()))
  vault.advance(2 * 3600_000)
  expect(refusalOf(await factor(proof, bob.code())).code).toBe('unauthenticated')
})
