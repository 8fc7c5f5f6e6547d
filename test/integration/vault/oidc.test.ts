import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbAnswer, VerbInput } from '../../../vault/contract.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { makeSealedDirectorySecret } from '../../../vault/intake.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { enrolByProvider, leave, signInBy } from '../../support/oidc-sign-in.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { makeSshKey, prove, publickeyCall } from '../../support/vault-ssh.ts'

// Users of a provider of OpenID Connect: who becomes one, how they sign in, and what the provider alone does not open.

let vault: TestVault
let provider: TestProvider
let api: VaultClient
let recorder: VaultClient
let bob: { readonly code: () => string }

beforeAll(async () => {
  provider = await startProvider()
  for (const [at, name] of ['bob', 'carol', 'mallory', 'ann'].entries())
    provider.people.set(name, {
      sub: `subject-${at}`,
      name,
      groups: name === 'mallory' ? ['hr'] : ['operators'],
    })
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.person('ann', ['admin'])
  await vault.person('sue', ['approver'])
  await vault.account()
  const intakeKey = (await vault.ask('status', {})).intakeKey ?? ''
  await vault.ask('directory.add', {
    name: 'corp',
    settings: provider.settings,
    sealedSecret: makeSealedDirectorySecret(sodium, intakeKey, 'corp', provider.settings, clientSecret),
  })
  await vault.ask('directory.map', {
    directory: 'corp',
    group: 'operators',
    roles: ['operator'],
    policyGroup: 'line-3',
  })
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

test('the provider is spoken with, and named to whoever signs in', async () => {
  expect(await vault.ask('directory.test', { directory: 'corp' })).toMatchObject({ people: null })
  expect(must(await api.call('login.providers', {}))).toEqual([{ name: 'corp' }])
})

test('who is in a mapped group is added, and signs in once they have used their link and a code', async () => {
  const first = must(await signInBy(api, provider, 'bob'))
  expect(first).toMatchObject({ name: 'bob', directory: 'corp', isEnrolling: true })
  // What the provider proved is half of it: there is no second factor yet.
  expect(
    refusalOf(
      await api.call('login.finish', { arrival: first.arrival, totpCode: '000000', source: '192.0.2.10' }),
    ).code,
  ).toBe('unauthenticated')
  bob = await enrolByProvider(vault, api, provider, 'bob')
  const again = must(await signInBy(api, provider, 'bob'))
  expect(again.isEnrolling).toBe(false)
  const login = must(
    await api.call('login.finish', { arrival: again.arrival, totpCode: bob.code(), source: '192.0.2.10' }),
  )
  expect(login.user).toMatchObject({
    name: 'bob',
    roles: ['operator'],
    directory: 'corp',
    hasPassword: false,
  })
  expect(must(await api.call('login.who', {}, login.token)).name).toBe('bob')
  const shown = await vault.ask('directory.show', { directory: 'corp' })
  expect(shown.users).toMatchObject([{ user: 'bob', policyGroups: ['line-3'], roles: ['operator'] }])
})

test('a corporate login alone opens nothing: codes are guessed at five times, slowed, and the sign-in is over', async () => {
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  const guess = () => api.call('login.finish', { arrival, totpCode: '123456', source: '192.0.2.66' })
  const codes: string[] = []
  for (let times = 0; times < 4; times += 1) codes.push(refusalOf(await guess()).code)
  expect(codes).toEqual(['unauthenticated', 'unauthenticated', 'unauthenticated', 'rate_limited'])
  vault.advance(20_000)
  await guess()
  vault.advance(20_000)
  await guess()
  // Five were wrong: by now the right one comes too late.
  vault.advance(20_000)
  expect((await api.call('login.finish', { arrival, totpCode: bob.code(), source: '192.0.2.10' })).ok).toBe(
    false,
  )
})

test('a code is good once, and an arrival too', async () => {
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  const totpCode = bob.code()
  must(await api.call('login.finish', { arrival, totpCode, source: '192.0.2.10' }))
  expect(
    refusalOf(await api.call('login.finish', { arrival, totpCode: bob.code(), source: '192.0.2.10' })).code,
  ).toBe('unauthenticated')
})

test('who is in no mapped group is not made, and is told whom to ask', async () => {
  const refused = refusalOf(await signInBy(api, provider, 'mallory'))
  expect(refused).toMatchObject({
    code: 'unauthenticated',
    message: 'you are in no group of corp that may sign in here',
  })
  expect((await vault.ask('user.list', {})).map(({ name }) => name)).not.toContain('mallory')
})

test('a name that is somebody’s here stays theirs', async () => {
  expect(refusalOf(await signInBy(api, provider, 'ann')).message).toContain(
    'somebody else is called that here',
  )
  expect((await vault.ask('user.show', { user: 'ann' })).directory).toBeUndefined()
})

test('who said no at the provider, and whom it refuses, reads so', async () => {
  const left = must(await leave(api, provider))
  const back = await provider.signIn(left.url, 'bob', { deny: true })
  const outcome = await api.call('login.return', { ...back, browser: left.browser, source: '192.0.2.10' })
  expect(refusalOf(outcome).message).toBe('the provider corp did not let you in, or you left it')
})

test('how they were asked there, and when, is asked for, and less is refused', async () => {
  const change = (settings: Partial<TestProvider['settings']>) =>
    vault.ask('directory.change', { directory: 'corp', settings: { ...provider.settings, ...settings } })
  await change({ acrValues: ['two-factors'] })
  expect(refusalOf(await signInBy(api, provider, 'bob')).message).toContain('did not ask you for as much')
  must(await signInBy(api, provider, 'bob', { acr: 'two-factors' }))
  await change({ acrValues: [], maxAgeSeconds: 300 })
  must(await signInBy(api, provider, 'bob'))
  await change({})
})

test('its password here is none: neither in the console nor over SSH', async () => {
  const refused = await api.call('login.start', {
    name: 'bob',
    sealedPassword: await vault.sealLogin('bob', 'whatever it is 7'),
    totpCode: bob.code(),
    source: '192.0.2.10',
  })
  expect(refusalOf(refused).message).toContain('who is of corp signs in there')
})

test('an SSH key is good for as long after a sign-in as the directory says', async () => {
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  must(await api.call('login.finish', { arrival, totpCode: bob.code(), source: '192.0.2.10' }))
  expect(await prove(recorder, key, 'bob')).toEqual(expect.any(String))
  vault.advance(13 * 3600_000)
  const refused = await recorder.call('ssh.publickey', publickeyCall(key, 'bob'))
  expect(refusalOf(refused).code).toBe('unauthenticated')
})

test('the provider away: its people wait, local users and what they may do do not', async () => {
  await provider.stop()
  try {
    const refused = refusalOf(await leave(api, provider))
    expect(refused).toMatchObject({
      code: 'unavailable',
      next: 'try again in a few minutes, and tell an administrator if it stays so; local users sign in as ever',
    })
    expect(refused.message).toBe('the provider corp does not answer now, or not as it should')
    const local: TestPerson = await vault.person('dora', ['operator'])
    await vault.ask('safe.member.set', { safe: 'line-3', user: 'dora', permissions: ['use', 'break-glass'] })
    for (const user of ['ann', 'sue'])
      await vault.ask('user.mail', { user, address: `${user}@plant.example` })
    await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 60, alarms: ['ann', 'sue'] })
    const opened = await api.call(
      'breakglass.open',
      {
        account: 'press-3/engineer',
        reason: 'the line stands',
        totpCode: local.code(),
      } as VerbInput<'breakglass.open'>,
      local.token,
    )
    expect(opened.ok || opened.refusal).toBe(true)
  } finally {
    await provider.start()
  }
  must(await leave(api, provider))
})

test('whose groups are gone is turned off at their next sign-in, and not on again by coming back', async () => {
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  const { token }: VerbAnswer<'login.finish'> = must(
    await api.call('login.finish', { arrival, totpCode: bob.code(), source: '192.0.2.10' }),
  )
  const person = provider.people.get('bob')
  if (person === undefined) throw new Error('bob is not there')
  person.groups = []
  expect(refusalOf(await signInBy(api, provider, 'bob')).message).toContain('in no group of corp')
  expect((await vault.ask('user.show', { user: 'bob' })).state).toBe('disabled')
  expect(refusalOf(await api.call('login.who', {}, token)).code).toBe('unauthenticated')
  person.groups = ['operators']
  expect(refusalOf(await signInBy(api, provider, 'bob')).message).toBe('your user bob is turned off here')
})

test('a user who is disabled here is refused, whatever the provider says', async () => {
  must(await signInBy(api, provider, 'carol'))
  const carol = await enrolByProvider(vault, api, provider, 'carol')
  const { arrival } = must(await signInBy(api, provider, 'carol'))
  await vault.ask('user.disable', { user: 'carol' })
  expect((await api.call('login.finish', { arrival, totpCode: carol.code(), source: '192.0.2.10' })).ok).toBe(
    false,
  )
  expect(refusalOf(await signInBy(api, provider, 'carol')).message).toBe('your user carol is turned off here')
})
