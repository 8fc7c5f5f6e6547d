import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import {
  type HostileProvider,
  type ProviderLies,
  startHostileProvider,
} from '../../support/hostile-provider.ts'
import { fromBase32, leave } from '../../support/oidc-sign-in.ts'
import { totpCode, totpStep } from '../../../vault/identity/totp.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

// Whoever carries somebody's login would have it as fresh as an act wants it: with another person's answer, an old one,
// one of before, or a provider that takes no notice of what it is asked for.

let vault: TestVault
let corp: HostileProvider
let api: VaultClient
const source = '192.0.2.66'

type Signed = { readonly token: string; readonly code: () => string }
let bob: Signed
let eve: Signed

beforeAll(async () => {
  ;[vault, corp] = await Promise.all([startTestVault(), startHostileProvider()])
  api = await vault.connect('api')
  await vault.ask('directory.add', {
    name: 'corp',
    settings: { ...corp.settings, stepUp: { withinSeconds: 300, acrValues: ['two-factors'] } },
    sealedSecret: await vault.sealDirectory('corp', corp.settings, 'a secret of the client'),
  })
  await vault.ask('directory.map', {
    directory: 'corp',
    group: 'operators',
    roles: ['operator'],
    policyGroup: null,
  })
  bob = await enrolled('bob')
  eve = await enrolled('eve')
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await corp[Symbol.asyncDispose]()
})
afterEach(() => {
  corp.lies = {}
})

const as = (name: string) => ({ sub: `subject-of-${name}`, preferred_username: name })
async function signIn(name: string, more: object = {}) {
  const left = must(await leave(api, corp))
  corp.meet(left.url)
  corp.lies = { claims: { ...as(name), ...more } }
  const state = new URL(left.url).searchParams.get('state') ?? ''
  return must(await api.call('login.return', { code: 'a-code', state, browser: left.browser, source }))
    .arrival
}
async function enrolled(name: string): Promise<Signed> {
  await signIn(name)
  const { token } = await vault.ask('user.enrol', { user: name })
  const box = await enrolmentBox()
  const begun = must(await api.call('enrolment.begin', { token, boxKey: box.boxKey, source }))
  const secret = fromBase32(box.open(begun.sealedTotp).secret)
  let used = 0
  const code = () => {
    if (totpStep(vault.now().getTime()) <= used) vault.advance((used + 1) * 30_000 - vault.now().getTime())
    used = totpStep(vault.now().getTime())
    return totpCode(secret, used)
  }
  const arrival = await signIn(name)
  const login = must(await api.call('enrolment.finish', { token, arrival, totpCode: code(), source }))
  return { token: login.token, code }
}

const now = () => Math.floor(vault.now().getTime() / 1000)
const anew = { acr: 'two-factors', auth_time: 0 }
const goes = async (token = bob.token) => {
  const left = must(await api.call('login.stepUp', { origin: corp.settings.console }, token))
  corp.meet(left.url)
  return { browser: left.browser, state: new URL(left.url).searchParams.get('state') ?? '' }
}
const comesBack = (left: { readonly state: string; readonly browser: string }, token = bob.token) =>
  api.call('login.stepUpReturn', { code: 'a-code', ...left }, token)
const steps = async (claims: ProviderLies['claims']) => {
  const left = await goes()
  corp.lies = { claims: { ...as('bob'), ...anew, auth_time: now(), ...claims } }
  return comesBack(left)
}
/** Is bob's login as fresh as an act wants it? */
const isFresh = async () => {
  const tried = await api.call('user.mail', { user: 'bob', address: null, totpCode: '000000' }, bob.token)
  const { code } = refusalOf(tried)
  // Nobody's login ends by being idle meanwhile.
  must(await api.call('login.who', {}, eve.token))
  vault.advance(60_000)
  return code !== 'step_up'
}
const lastRefused = async () =>
  (await vault.ask('audit.list', { kind: 'login.refused', limit: 1_000 })).at(-1)?.text
const names = async () => (await vault.ask('user.list', {})).map(({ name }) => name)

test.each<readonly [string, () => ProviderLies['claims'], string]>([
  ['another user’s', () => as('eve'), 'the provider corp says that you are somebody else than bob: eve'],
  ['somebody’s who is no user', () => as('mallory'), 'corp says that you are somebody else than bob'],
  [
    'of their subject in other letters',
    () => ({ sub: 'Subject-of-Bob' }),
    'corp says that you are somebody else than bob',
  ],
  ['of before', () => ({ auth_time: now() - 120 }), 'the provider corp did not ask you anew'],
  ['of long before', () => ({ auth_time: now() - 90_000 }), 'corp'],
  ['that does not say when', () => ({ auth_time: undefined }), 'corp'],
  ['of another day to come', () => ({ auth_time: now() + 90_000 }), 'the provider corp did not ask you anew'],
  ['by less than is wanted', () => ({ acr: 'password' }), 'did not ask you for as much'],
  ['that does not say how', () => ({ acr: undefined }), 'did not ask you for as much'],
  ['of another sign-in', () => ({ nonce: 'another' }), 'corp'],
])('an answer %s makes no login fresh, signs nobody out, and is in the log', async (_what, claims, said) => {
  const before = await names()
  const refused = refusalOf(await steps(claims()))
  expect(refused).toMatchObject({ code: 'conflict' })
  expect(refused.message).toContain(said)
  expect(await isFresh()).toBe(false)
  expect(await lastRefused()).toMatch(/as bob by directory corp: asked anew: /)
  must(await api.call('login.who', {}, bob.token))
  expect(await names()).toEqual(before)
})

test('an answer is good once', async () => {
  const left = await goes()
  corp.lies = { claims: { ...as('bob'), ...anew, auth_time: now() } }
  must(await comesBack(left))
  expect(await isFresh()).toBe(true)
  expect(refusalOf(await comesBack(left)).message).toContain('not one that was begun here')
})

test('and for its login, in its browser, as what it was asked for', async () => {
  vault.advance(600_000)
  const good = () => ({ claims: { ...as('bob'), ...anew, auth_time: now() } })
  const asked = corp.sent.length
  const ofEve = await goes(eve.token)
  corp.lies = good()
  expect(refusalOf(await comesBack(ofEve)).message).toContain('not one that was begun here')
  const stolen = await goes()
  expect((await comesBack({ ...stolen, browser: 'another' })).ok).toBe(false)
  // What was begun as a sign-in freshens no login, nor does the other sign anybody in.
  const left = must(await leave(api, corp))
  const state = new URL(left.url).searchParams.get('state') ?? ''
  expect((await comesBack({ state, browser: left.browser })).ok).toBe(false)
  const own = await goes()
  const signsIn = await api.call('login.return', { code: 'a-code', ...own, source })
  expect(refusalOf(signsIn).message).toContain('not one that was begun here')
  expect(corp.sent).toHaveLength(asked)
  const late = await goes()
  vault.advance(5 * 60_000 + 1)
  expect((await comesBack(late)).ok).toBe(false)
  expect(await isFresh()).toBe(false)
})

test('nobody is sent back to another name of the console, and nobody goes without a login', async () => {
  const elsewhere = await api.call('login.stepUp', { origin: 'https://evil.example' }, bob.token)
  expect(refusalOf(elsewhere).code).toBe('conflict')
  expect(refusalOf(await api.call('login.stepUp', { origin: corp.settings.console })).code).toBe(
    'unauthenticated',
  )
})

test('a sign-in that says it was asked in days to come is as old as it says nothing', async () => {
  vault.advance(600_000)
  const arrival = await signIn('bob', { ...anew, auth_time: now() + 90_000 })
  const { token } = must(await api.call('login.finish', { arrival, totpCode: bob.code(), source }))
  const tried = await api.call('user.mail', { user: 'bob', address: null, totpCode: bob.code() }, token)
  expect(refusalOf(tried).code).toBe('step_up')
})

test('the tests can fail: an honest answer makes it fresh, until the issuer is another', async () => {
  must(await steps({}))
  expect(await isFresh()).toBe(true)
})
