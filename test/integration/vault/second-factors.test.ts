import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Canonical } from '../../../vault/kernel/encoding.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { makeAuthenticator, type TestAuthenticator } from '../../support/authenticator.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { enrolByProvider, signInBy } from '../../support/oidc-sign-in.ts'
import { peoplesPassword, slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// The second factor is ours, of whoever is of a directory too: a code, a recovery code or a passkey, as for local users.

let vault: TestVault
let provider: TestProvider
let slapd: TestSlapd
let api: VaultClient
const source = '192.0.2.10'
const keys = new Map<string, TestAuthenticator>()
const recovery = new Map<string, readonly string[]>()
let dora: TestPerson

beforeAll(async () => {
  ;[provider, slapd, vault] = await Promise.all([startProvider(), startSlapd(), startTestVault()])
  api = await vault.connect('api')
  provider.people.set('bob', { sub: 'subject-of-bob', name: 'bob', groups: ['operators'] })
  slapd.addPerson('carol')
  slapd.group('operators', ['carol'])
  await vault.ask('directory.add', {
    name: 'corp',
    settings: provider.settings,
    sealedSecret: await vault.sealDirectory('corp', provider.settings, clientSecret),
  })
  await vault.ask('directory.add', {
    name: 'plant',
    settings: slapd.settings(),
    sealedSecret: await vault.sealDirectory('plant', slapd.settings(), slapdSecret),
    syncMinutes: 0,
  })
  for (const [directory, group] of [
    ['corp', 'operators'],
    ['plant', slapd.groupDn('operators')],
  ] as const)
    await vault.ask('directory.map', { directory, group, roles: ['operator'], policyGroup: null })
  await vault.ask('directory.sync', { directory: 'plant' })
  must(await signInBy(api, provider, 'bob'))
  const bob = await enrolByProvider(vault, api, provider, 'bob')
  const carol = await vault.enrol((await vault.ask('user.enrol', { user: 'carol' })).token, peoplesPassword)
  dora = await vault.person('dora', ['operator'])
  for (const who of [{ ...bob, name: 'bob' }, carol, dora]) {
    const key = makeAuthenticator()
    const { nonce } = must(await api.call('passkey.begin', {}, who.token))
    const made = await key.create(nonce)
    must(await api.call('passkey.add', { ...made, name: 'key', totpCode: who.code() }, who.token))
    keys.set(who.name, key)
    const box = await enrolmentBox()
    const renewed = must(
      await api.call('user.renewCodes', { boxKey: box.boxKey, totpCode: who.code() }, who.token),
    )
    recovery.set(who.name, box.open(renewed.sealedRecoveryCodes) as never)
  }
}, 120_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
})

const keyOf = (name: string) => {
  const key = keys.get(name)
  if (key === undefined) throw new Error(`${name} has no passkey`)
  return key
}
const proof = async (
  name: string,
  verb: string,
  input: Canonical,
  nonce?: string,
  lies: Parameters<TestAuthenticator['prove']>[3] = {},
) => keyOf(name).prove(nonce ?? must(await api.call('login.challenge', {})).nonce, verb, input, lies)
const arrive = async () => must(await signInBy(api, provider, 'bob')).arrival
const passwordOf = (name: string) => (name === 'dora' ? dora.password : peoplesPassword)
const begin = async (name: string, password = passwordOf(name)) => ({
  name,
  sealedPassword: await vault.sealLogin(name, password),
})
const last = async (kind: string) => (await vault.ask('audit.list', { kind, limit: 1_000 })).at(-1)?.text

test('a passkey ends a sign-in at a provider in place of the code', async () => {
  const arrival = await arrive()
  const totpCode = await proof('bob', 'login.finish', { arrival })
  const login = must(await api.call('login.finish', { arrival, totpCode, source }))
  expect(login.user).toMatchObject({ name: 'bob' })
  expect(login.user.lastLoginAt).not.toBeNull()
  expect(await last('login.started')).toContain('bob logged in by directory and passkey')
})

test.each([
  ['of a directory', 'carol'],
  ['of ours', 'dora'],
])('a passkey stands for the code beside a password %s', async (_whose, name) => {
  const given = await begin(name)
  const totpCode = await proof(name, 'login.start', given)
  const login = must(await api.call('login.start', { ...given, totpCode, source }))
  expect(login.user.name).toBe(name)
  expect(await last('login.started')).toContain(`${name} logged in by password and passkey`)
})

test('a recovery code stands in for it, once, of whoever is of a provider or a directory', async () => {
  const [ofBob = ''] = recovery.get('bob') ?? []
  const arrival = await arrive()
  must(await api.call('login.finish', { arrival, totpCode: ofBob, source }))
  expect(await last('login.started')).toContain('bob logged in by directory and recovery code')
  const again = await arrive()
  expect((await api.call('login.finish', { arrival: again, totpCode: ofBob, source })).ok).toBe(false)
  const [ofCarol = ''] = recovery.get('carol') ?? []
  must(await api.call('login.start', { ...(await begin('carol')), totpCode: ofCarol, source }))
  vault.advance(60_000)
  expect((await api.call('login.start', { ...(await begin('carol')), totpCode: ofCarol, source })).ok).toBe(
    false,
  )
  vault.advance(60_000)
})

test.each<readonly [string, (arrival: string) => Promise<Awaited<ReturnType<typeof proof>>>]>([
  ['another’s', (arrival) => proof('dora', 'login.finish', { arrival })],
  ['for another sign-in', () => proof('bob', 'login.finish', { arrival: 'another' })],
  ['for a sign-in by it alone', () => proof('bob', 'login.passkey', null)],
  ['with a nonce that is not ours', (arrival) => proof('bob', 'login.finish', { arrival }, 'invented')],
  ['without its person', (arrival) => proof('bob', 'login.finish', { arrival }, undefined, { flags: 1 })],
  [
    'at another site',
    (arrival) => proof('bob', 'login.finish', { arrival }, undefined, { origin: 'https://evil.example' }),
  ],
  [
    'whose counter went back',
    (arrival) => proof('bob', 'login.finish', { arrival }, undefined, { counter: 1 }),
  ],
])('a proof %s ends no sign-in at a provider', async (_what, prove) => {
  const arrival = await arrive()
  const totpCode = await prove(arrival)
  expect(refusalOf(await api.call('login.finish', { arrival, totpCode, source })).message).toBe(
    'the code is wrong or was used',
  )
  vault.advance(120_000)
})

test('a proof is good once, and five wrong ones are as many as five wrong codes', async () => {
  const arrival = await arrive()
  const totpCode = await proof('bob', 'login.finish', { arrival })
  must(await api.call('login.finish', { arrival, totpCode, source }))
  expect((await api.call('login.finish', { arrival, totpCode, source })).ok).toBe(false)
  const next = await arrive()
  for (let at = 0; at < 5; at += 1) {
    vault.advance(20_000)
    const wrong = await proof('dora', 'login.finish', { arrival: next })
    expect((await api.call('login.finish', { arrival: next, totpCode: wrong, source })).ok).toBe(false)
  }
  vault.advance(20_000)
  const right = await proof('bob', 'login.finish', { arrival: next })
  expect(
    refusalOf(await api.call('login.finish', { arrival: next, totpCode: right, source })).message,
  ).toContain('longer than five minutes, or was used')
  vault.advance(120_000)
})

test('the directory is asked nothing without a right proof, and a right one opens nothing without its password', async () => {
  const failures = () => slapd.read(slapd.dn('carol'), 'pwdFailureTime').match(/pwdFailureTime/g)?.length ?? 0
  const before = failures()
  const given = await begin('carol', 'guessed')
  const notTheirs = await proof('dora', 'login.start', given)
  expect((await api.call('login.start', { ...given, totpCode: notTheirs, source })).ok).toBe(false)
  expect(failures()).toBe(before)
  vault.advance(60_000)
  const theirs = await proof('carol', 'login.start', given)
  const refused = await api.call('login.start', { ...given, totpCode: theirs, source })
  expect(refusalOf(refused).message).toBe('name, password or code is wrong')
  expect(failures()).toBe(before + 1)
  vault.advance(60_000)
  // A proof that was made with one password is none for another.
  const other = await proof('carol', 'login.start', given)
  expect((await api.call('login.start', { ...(await begin('carol')), totpCode: other, source })).ok).toBe(
    false,
  )
})
