import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { makeSshKey, open, prove, publickeyCall, type Signing } from '../../support/vault-ssh.ts'

// Somebody who listens, keeps what others signed, or holds a recorder, and would like to be somebody else.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
const annKey = makeSshKey()
const benKey = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account()
  ann = await vault.person('ann', ['operator'])
  await vault.ask('user.key.add', { user: 'ann', publicKey: annKey.line })
  await vault.ask('user.add', { name: 'ben', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'ben', publicKey: benKey.line })
  await vault.grant('ann', 'press-3/engineer')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

// A source of its own each time: this is not about back-off.
let sources = 0
const give = (input: ReturnType<typeof publickeyCall>) => {
  sources += 1
  return recorder.call('ssh.publickey', { ...input, source: `198.51.100.${sources}` })
}

test('a key that is only offered proves nothing', async () => {
  const { signature, signed, ...offer } = publickeyCall(annKey, 'ann')
  expect(must(await give(offer))).toEqual({ proof: null, user: 'ann' })
  expect(must(await give({ ...offer, signature: signature ?? '' }))).toMatchObject({ proof: null })
  expect(must(await give({ ...offer, signed: signed ?? '' }))).toMatchObject({ proof: null })
})

test('a signature is good once, also for two who show it at once', async () => {
  const input = publickeyCall(annKey, 'ann')
  const outcomes = await Promise.all([give(input), give(input), give(input)])
  expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)
  expect(refusalOf(await give(input)).code).toBe('unauthenticated')
})

test('a signature of an earlier connection is refused after a restart of the vault too', async () => {
  const input = publickeyCall(annKey, 'ann')
  must(await give(input))
  await vault.restart()
  recorder = await vault.worker()
  api = await vault.connect('api')
  expect(refusalOf(await give(input)).code).toBe('unauthenticated')
})

test('a signature belongs to its connection, user, service, method, algorithm and key', async () => {
  const attempts: readonly [string, ReturnType<typeof publickeyCall>][] = [
    ['another connection', { ...publickeyCall(annKey, 'ann'), connection: someConnection() }],
    ['another user', publickeyCall(annKey, 'ann', { user: 'ben' })],
    ['a user whose name begins so', publickeyCall(annKey, 'ann', { user: 'anna' })],
    ['a name inside', publickeyCall(annKey, 'ann', { user: 'root@ann' })],
    ['no user', publickeyCall(annKey, 'ann', { user: '' })],
    ['another service', publickeyCall(annKey, 'ann', { service: 'ssh-userauth' } satisfies Signing)],
    ['another method', publickeyCall(annKey, 'ann', { method: 'hostbased' })],
    ['another algorithm inside', publickeyCall(annKey, 'ann', { algorithm: 'rsa-sha2-512' })],
    ['another key inside', publickeyCall(annKey, 'ann', { key: benKey.blob })],
    ['another algorithm outside', { ...publickeyCall(annKey, 'ann'), algorithm: 'ssh-rsa' }],
    ['another user’s key', publickeyCall(benKey, 'ann')],
    [
      'another signer',
      { ...publickeyCall(annKey, 'ann'), signature: publickeyCall(benKey, 'ann').signature ?? '' },
    ],
    ['bytes that follow', withTail(publickeyCall(annKey, 'ann'))],
    ['garbage', { ...publickeyCall(annKey, 'ann'), signed: randomBytes(100).toString('base64') }],
    ['nobody', publickeyCall(annKey, 'no-such-user')],
  ]
  for (const [what, input] of attempts) expect((await give(input)).ok, what).toBe(false)
  expect((await give(publickeyCall(annKey, 'ann', { user: 'ann@engineer@press-3' }))).ok).toBe(true)
})

function withTail(input: ReturnType<typeof publickeyCall>) {
  return {
    ...input,
    signed: Buffer.concat([Buffer.from(input.signed ?? '', 'base64'), Buffer.from([0])]).toString('base64'),
  }
}

test('a proof is good on the connection that got it, and nowhere else', async () => {
  const proof = await prove(recorder, annKey, 'ann')
  const other = await vault.worker('w2')
  expect(refusalOf(await open(other, { proof, worker: 'w2' })).code).toBe('unauthenticated')
  expect(refusalOf(await open(recorder, { proof: `${proof}x` })).code).toBe('unauthenticated')
  expect((await open(recorder, { proof })).ok).toBe(true)
  other.close()
})

test('a proof ends with the recorder’s connection and after twelve hours', async () => {
  const worker = await vault.worker('w3')
  const kept = await prove(worker, annKey, 'ann')
  worker.close()
  const again = await vault.worker('w3')
  expect(refusalOf(await open(again, { proof: kept, worker: 'w3' })).code).toBe('unauthenticated')
  const old = await prove(again, annKey, 'ann')
  await vault.grant('ann', 'press-3/engineer', { forSeconds: 48 * 3600 })
  vault.advance(12 * 3600_000)
  expect(refusalOf(await open(again, { proof: old, worker: 'w3' })).code).toBe('unauthenticated')
  again.close()
  ann = { ...ann, token: await logIn() }
})

async function logIn(): Promise<string> {
  const login = await api.call('login.start', {
    name: 'ann',
    sealedPassword: await vault.sealLogin('ann', ann.password),
    totpCode: ann.code(),
    source: '192.0.2.77',
  })
  return must(login).token
}

test('of two who bring a ticket at once one is served, and its account only', async () => {
  const ticket = async () =>
    must(await api.call('ticket.issue', { account: 'press-3/engineer' }, ann.token)).ticket
  const bring = (text: string, name = 'ann') =>
    recorder.call('ssh.ticket', {
      name,
      connection: someConnection(),
      ticket: text,
      source: `198.51.100.${++sources}`,
    })
  const one = await ticket()
  const outcomes = await Promise.all([bring(one), bring(one), bring(one)])
  expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)

  expect((await bring(await ticket(), 'ben')).ok).toBe(false)
  const late = await ticket()
  vault.advance(60_000)
  expect((await bring(late)).ok).toBe(false)

  await vault.account({ login: 'operator' })
  await vault.grant('ann', 'press-3/operator')
  const { proof } = must(await bring(await ticket()))
  expect(refusalOf(await open(recorder, { proof, account: 'operator' })).message).toMatch(/ticket/)
  expect((await open(recorder, { proof, account: 'engineer' })).ok).toBe(true)
})

test('a code that opened a console login opens no SSH login', async () => {
  const code = ann.code()
  const password = async () => ({
    name: 'ann',
    sealedPassword: await vault.sealLogin('ann', ann.password),
    totpCode: code,
    source: `198.51.100.${++sources}`,
  })
  must(await api.call('login.start', await password()))
  const ssh = { ...(await password()), connection: someConnection() }
  expect(refusalOf(await recorder.call('ssh.password', ssh)).code).toBe('unauthenticated')
  const fresh = { ...(await password()), totpCode: ann.code(), connection: someConnection() }
  must(await recorder.call('ssh.password', fresh))
})
