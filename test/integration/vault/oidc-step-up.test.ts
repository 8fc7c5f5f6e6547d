import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { enrolByProvider, signInBy, signInWhole, stepUp } from '../../support/oidc-sign-in.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

// A directory may want its people asked anew for what takes a fresh code: by their provider, besides the code.

let vault: TestVault
let provider: TestProvider
let api: VaultClient
let bob: { readonly code: () => string; readonly token: string }

const change = (wanted: TestProvider['settings']['stepUp']) =>
  vault.ask('directory.change', {
    directory: 'corp',
    settings: { ...provider.settings, stepUp: wanted },
  })

beforeAll(async () => {
  provider = await startProvider({ now: () => vault.now().getTime() })
  provider.people.set('bob', { sub: 'subject-of-bob', name: 'bob', groups: ['operators'] })
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.ask('directory.add', {
    name: 'corp',
    settings: provider.settings,
    sealedSecret: await vault.sealDirectory('corp', provider.settings, clientSecret),
  })
  await vault.ask('directory.map', {
    directory: 'corp',
    group: 'operators',
    roles: ['operator'],
    policyGroup: null,
  })
  must(await signInBy(api, provider, 'bob'))
  bob = await enrolByProvider(vault, api, provider, 'bob')
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

let mails = 0
/** Something that takes a fresh code. */
const act = (totpCode: string): Promise<Outcome<unknown>> => {
  mails += 1
  return api.call('user.mail', { user: 'bob', address: `bob-${mails}@plant.example`, totpCode }, bob.token)
}
const last = async (kind: string) => (await vault.ask('audit.list', { kind, limit: 1_000 })).at(-1)?.text

test('without such a setting a fresh code is enough', async () => {
  must(await act(bob.code()))
})

test('with it they are asked anew, by their provider, and the code that they had typed is good still', async () => {
  await change({ withinSeconds: 300, acrValues: [] })
  const code = bob.code()
  expect(refusalOf(await act(code))).toEqual({
    code: 'step_up',
    message: 'this takes a sign-in at corp within 5 min',
    next: 'sign in there anew in the console, and do it again: what you entered stays',
  })
  const came = await stepUp(api, provider, bob.token, 'bob')
  expect(new URL(came.url).searchParams.get('prompt')).toBe('login')
  expect(new URL(came.url).searchParams.get('max_age')).toBe('0')
  expect(must(came.outcome)).toEqual({ directory: 'corp' })
  expect(await last('login.stepped-up')).toContain('bob signed in anew by corp')
  must(await act(code))
})

test('it is good for as long as it says, and for the login that went', async () => {
  vault.advance(290_000)
  must(await act(bob.code()))
  vault.advance(60_000)
  expect(refusalOf(await act(bob.code())).code).toBe('step_up')
  must((await stepUp(api, provider, bob.token, 'bob')).outcome)
  must(await act(bob.code()))
  const other = await signInWhole(api, provider, 'bob', bob.code)
  // The sign-in itself was by the provider, a moment ago.
  must(await api.call('user.mail', { user: 'bob', address: null, totpCode: bob.code() }, other))
  vault.advance(310_000)
  must((await stepUp(api, provider, bob.token, 'bob')).outcome)
  const refused = await api.call('user.mail', { user: 'bob', address: 'b@c.de', totpCode: bob.code() }, other)
  expect(refusalOf(refused).code).toBe('step_up')
})

test('how they are asked may be said, too: it is asked for, and less is refused', async () => {
  await change({ withinSeconds: 300, acrValues: ['two-factors'] })
  const refused = refusalOf(await act(bob.code()))
  expect(refused.message).toBe('this takes a sign-in at corp within 5 min, by two-factors')
  const weak = await stepUp(api, provider, bob.token, 'bob')
  expect(new URL(weak.url).searchParams.get('acr_values')).toBe('two-factors')
  expect(refusalOf(weak.outcome)).toMatchObject({
    code: 'conflict',
    message: 'the provider corp did not ask you for as much as is needed here',
  })
  must((await stepUp(api, provider, bob.token, 'bob', { acr: 'two-factors' })).outcome)
  expect(await last('login.stepped-up')).toContain('bob signed in anew by corp (two-factors)')
  must(await act(bob.code()))
})

test('who says no there keeps their login, and reads so', async () => {
  const { outcome } = await stepUp(api, provider, bob.token, 'bob', { deny: true })
  expect(refusalOf(outcome)).toMatchObject({
    code: 'conflict',
    message: 'the provider corp did not let you in, or you left it',
  })
  must(await api.call('login.who', {}, bob.token))
})

test('breaking glass waits for no provider, and a local user is asked by none', async () => {
  await vault.account()
  for (const user of ['ann', 'sue']) {
    await vault.person(user, ['approver'])
    await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  }
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use', 'break-glass'] })
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 60, alarms: ['ann', 'sue'] })
  vault.advance(3600_000)
  // They worked on all the while.
  const login = await signInWhole(api, provider, 'bob', bob.code)
  vault.advance(400_000)
  const mail = { user: 'bob', address: 'bob@plant.example', totpCode: bob.code() }
  expect(refusalOf(await api.call('user.mail', mail, login)).code).toBe('step_up')
  await provider.stop()
  const glass = { account: 'press-3/engineer', reason: 'the line stands', totpCode: bob.code() }
  must(await api.call('breakglass.open', glass, login))
  expect(
    refusalOf(await api.call('login.stepUp', { origin: provider.settings.console }, login)).message,
  ).toContain('the provider corp does not answer now')
  const dora = await vault.person('dora', ['operator'])
  must(
    await api.call(
      'user.mail',
      { user: 'dora', address: 'd@plant.example', totpCode: dora.code() },
      dora.token,
    ),
  )
  const asked = await api.call('login.stepUp', { origin: provider.settings.console }, dora.token)
  expect(refusalOf(asked).message).toBe('no provider knows you that could ask you anew')
  await provider.start()
})

test('whose groups are gone is turned off by being asked anew', async () => {
  const login = await signInWhole(api, provider, 'bob', bob.code, { acr: 'two-factors' })
  const person = provider.people.get('bob')
  if (person === undefined) throw new Error('bob is there')
  person.groups = ['others']
  const { outcome } = await stepUp(api, provider, login, 'bob', { acr: 'two-factors' })
  expect(refusalOf(outcome).message).toBe('you are in no group of corp that may sign in here')
  expect((await vault.ask('user.show', { user: 'bob' })).state).toBe('disabled')
  expect(refusalOf(await api.call('login.who', {}, login)).code).toBe('unauthenticated')
})
