import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { enrolByProvider, signInBy } from '../../support/oidc-sign-in.ts'
import { peoplesPassword, slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever has the password, or the corporate login, guesses at codes: many at once are no more than one after another.

let vault: TestVault
let provider: TestProvider
let slapd: TestSlapd
let api: VaultClient
let dora: TestPerson

beforeAll(async () => {
  provider = await startProvider()
  provider.people.set('bob', { sub: 'subject-of-bob', name: 'bob', groups: ['operators'] })
  // The clock stands still but for what the tests pass: a slow machine outwaits no back-off.
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  dora = await vault.person('dora', ['operator'])
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
  slapd = await startSlapd()
  slapd.addPerson('carol')
  slapd.group('operators', ['carol'])
  await vault.ask('directory.add', {
    name: 'plant',
    settings: slapd.settings(),
    sealedSecret: await vault.sealDirectory('plant', slapd.settings(), slapdSecret),
    syncMinutes: 0,
  })
  await vault.ask('directory.map', {
    directory: 'plant',
    group: slapd.groupDn('operators'),
    roles: ['operator'],
    policyGroup: null,
  })
  await vault.ask('directory.sync', { directory: 'plant' })
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
})

const many = 40
/** How many of these guesses were looked at. */
const lookedAt = (outcomes: readonly Outcome<unknown>[]) =>
  outcomes.filter((one) => one.ok || one.refusal.code === 'unauthenticated').length

test('at the code of a provider’s person: no more than five for one sign-in there, from wherever', async () => {
  must(await signInBy(api, provider, 'bob'))
  const bob = await enrolByProvider(vault, api, provider, 'bob')
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  const guess = (host: number) =>
    api.call('login.finish', { arrival, totpCode: '123456', source: `198.51.100.${host}` })
  const guesses = await Promise.all(Array.from({ length: many }, (_, at) => guess(at)))
  const wrong = guesses.filter((one) => !one.ok && one.refusal.message.includes('code is wrong'))
  expect(wrong).toHaveLength(5)
  // And the right one comes too late.
  const late = await api.call('login.finish', { arrival, totpCode: bob.code(), source: '192.0.2.10' })
  expect(late.ok).toBe(false)
})

test('at the code of a provider’s person, from one place: as few as one after another', async () => {
  vault.advance(3600_000)
  const { arrival } = must(await signInBy(api, provider, 'bob'))
  const guess = () => api.call('login.finish', { arrival, totpCode: '123456', source: '203.0.113.9' })
  const guesses = await Promise.all(Array.from({ length: many }, guess))
  expect(lookedAt(guesses)).toBe(3)
})

test.each([
  ['here', 'dora', async () => dora.password],
  [
    'in a directory',
    'carol',
    async () => {
      await vault.enrol((await vault.ask('user.enrol', { user: 'carol' })).token, peoplesPassword)
      return peoplesPassword
    },
  ],
])(
  'at the code of who has a password %s, and at the password',
  async (where, name, passwordOf) => {
    const password = await passwordOf()
    // Each takes a second of work.
    const guesses = async (given: string, source: string) =>
      Promise.all(
        Array.from({ length: 10 }, async () =>
          api.call('login.start', {
            name,
            sealedPassword: await vault.sealLogin(name, given),
            totpCode: '123456',
            source,
          }),
        ),
      )
    vault.advance(3600_000)
    expect(lookedAt(await guesses(password, `203.0.113.${where.length}`))).toBe(3)
    vault.advance(3600_000)
    expect(lookedAt(await guesses('another password', `203.0.113.${where.length}`))).toBe(3)
  },
  60_000,
)

test('somebody is one to guess at: by their id nobody signs in, and nothing is guessed beside their name', async () => {
  vault.advance(3600_000)
  const id = (await vault.ask('user.show', { user: 'dora' })).id
  const guess = async (name: string, source: string, totpCode = '123456') =>
    api.call('login.start', {
      name,
      sealedPassword: await vault.sealLogin(name, dora.password),
      totpCode,
      source,
    })
  for (const name of [id, id.toUpperCase()])
    expect(refusalOf(await guess(name, '203.0.113.77', dora.code())).message).toBe(
      'name, password or code is wrong',
    )
  vault.advance(3600_000)
  // From ten places, by turns: what is guessed at by the id is guessed at nobody.
  const looked = []
  for (let at = 0; at < 16; at += 1) looked.push(await guess(at % 4 < 3 ? 'dora' : id, `203.0.113.${at}`))
  expect(lookedAt(looked.filter((_, at) => at % 4 < 3))).toBe(10)
  expect(looked.some((one) => one.ok)).toBe(false)
}, 240_000)
