import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { makeAuthenticator, type TestAuthenticator } from '../../support/authenticator.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let bob: TestPerson
let key: TestAuthenticator

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  bob = await vault.person('bob', ['operator'])
  key = makeAuthenticator()
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const register = async (who: TestPerson, authenticator: TestAuthenticator, name: string) => {
  const { nonce } = must(await api.call('passkey.begin', {}, who.token))
  const made = await authenticator.create(nonce)
  return api.call('passkey.add', { ...made, name, totpCode: who.code() }, who.token)
}
const signIn = async (authenticator: TestAuthenticator) => {
  const { nonce } = must(await api.call('login.challenge', {}))
  const proof = await authenticator.prove(nonce, 'login.passkey', null)
  return api.call('login.passkey', { proof, source: '192.0.2.30' })
}
const last = async (kind: string) => (await vault.ask('audit.list', { kind, limit: 1_000 })).at(-1)?.text

test('a passkey is registered with a fresh code, is listed and signs in alone', async () => {
  const view = must(await register(bob, key, 'laptop'))
  expect(view).toMatchObject({ name: 'laptop', site: 'gateway.plant.example', lastUsedAt: null })
  expect(await last('user.passkey-added')).toContain(
    'bob registered the passkey laptop, good at gateway.plant.example',
  )
  const login = must(await signIn(key))
  expect(login.user).toMatchObject({ name: 'bob', passkeys: 1 })
  expect(must(await api.call('login.who', {}, login.token)).name).toBe('bob')
  expect(await last('login.started')).toContain('bob logged in by passkey')
  const [listed] = must(await api.call('passkey.list', { user: 'bob' }, bob.token))
  expect(listed?.lastUsedAt).not.toBeNull()
  expect(await vault.ask('passkey.list', { user: 'bob' })).toHaveLength(1)
})

test('it takes the place of a fresh code, for the very act that it was asked for', async () => {
  const { nonce, passkeys } = must(await api.call('passkey.challenge', {}, bob.token))
  expect(passkeys).toEqual([{ credential: key.credential, site: 'gateway.plant.example' }])
  const input = { user: 'bob', address: 'bob@plant.example' }
  const totpCode = await key.prove(nonce, 'user.mail', input)
  expect(must(await api.call('user.mail', { ...input, totpCode }, bob.token)).mail?.address).toBe(
    'bob@plant.example',
  )
})

test('one that does not count, as those that are synchronised, is good too, and again', async () => {
  const synchronised = makeAuthenticator('localhost', false)
  must(await register(bob, synchronised, 'phone'))
  expect((await signIn(synchronised)).ok).toBe(true)
  expect((await signIn(synchronised)).ok).toBe(true)
})

test('one of the same name, or made twice, is refused', async () => {
  expect(refusalOf(await register(bob, makeAuthenticator(), 'laptop')).message).toMatch(/^name: you have a/)
  expect(refusalOf(await register(bob, key, 'another')).code).toBe('conflict')
})

test('one that is removed, whose user is disabled or set up anew signs nobody in', async () => {
  const carol = await vault.person('carol', ['operator'])
  const own = makeAuthenticator()
  const { id } = must(await register(carol, own, 'own'))
  expect((await signIn(own)).ok).toBe(true)
  must(await api.call('passkey.remove', { user: 'carol', passkey: id }, carol.token))
  expect(await last('user.passkey-removed')).toContain('carol removed the passkey own')
  expect(refusalOf(await signIn(own)).code).toBe('unauthenticated')
  must(await register(carol, own, 'own'))
  await vault.ask('user.disable', { user: 'carol' })
  expect(refusalOf(await signIn(own)).code).toBe('unauthenticated')
  await vault.ask('user.enable', { user: 'carol' })
  expect((await signIn(own)).ok).toBe(true)
  const { token } = await vault.ask('user.enrol', { user: 'carol' })
  await vault.enrol(token)
  expect(refusalOf(await signIn(own)).code).toBe('unauthenticated')
  expect((await vault.ask('user.show', { user: 'carol' })).passkeys).toBe(0)
})

test('it survives a restart of the vault', async () => {
  await vault.restart()
  api = await vault.connect('api')
  expect((await signIn(key)).ok).toBe(true)
})
