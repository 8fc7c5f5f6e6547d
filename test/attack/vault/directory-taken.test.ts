import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { enrolByProvider, signInBy } from '../../support/oidc-sign-in.ts'
import { peoplesPassword, slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { makeSshKey, prove, publickeyCall } from '../../support/vault-ssh.ts'

// What a directory gives no more is taken, whatever else stands against what it says; and nobody was seen tomorrow.

let vault: TestVault
let slapd: TestSlapd
let provider: TestProvider
let api: VaultClient

beforeAll(async () => {
  slapd = await startSlapd()
  for (const uid of ['carol', 'boss']) slapd.addPerson(uid)
  slapd.group('operators', ['carol', 'boss'])
  slapd.group('leads', ['boss'])
  provider = await startProvider()
  provider.people.set('bob', { sub: 'subject-of-bob', name: 'bob', groups: ['operators'] })
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  await vault.ask('directory.add', {
    name: 'plant',
    settings: slapd.settings(),
    sealedSecret: await vault.sealDirectory('plant', slapd.settings(), slapdSecret),
    syncMinutes: 0,
  })
  const map = (group: string, role: 'operator' | 'approver', policyGroup: string | null) =>
    vault.ask('directory.map', {
      directory: 'plant',
      group: slapd.groupDn(group),
      roles: [role],
      policyGroup,
    })
  await map('operators', 'operator', 'line-3')
  await map('leads', 'approver', null)
  await sync()
  await vault.account()
  await vault.ask('policy.apply', {
    document: {
      version: 1,
      groups: { 'line-3': [] },
      rules: [
        {
          name: 'line',
          effect: 'allow',
          actions: ['shell'],
          who: { groups: ['line-3'] },
          what: { safes: ['line-3'] },
        },
      ],
    },
    expected: null,
  })
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const sync = () => vault.ask('directory.sync', { directory: 'plant', yes: true })
const mayBy = async (user: string) => {
  const { steps } = await vault.ask('policy.explain', { user, account: 'press-3/engineer', action: 'shell' })
  return steps.some(({ what, effect, holds }) => what === 'rule line' && effect === 'allows' && holds)
}

test('who cannot hold what they are given now loses what they were given before', async () => {
  expect(await mayBy('carol')).toBe(true)
  await vault.ask('user.roles', { user: 'carol', roles: ['observer'] })
  slapd.group('operators', ['boss'])
  slapd.group('leads', ['boss', 'carol'])
  const { changes } = await sync()
  expect(changes).toMatchObject([
    {
      does: 'change',
      user: 'carol',
      what: expect.stringContaining('nothing is added: an observer holds no other role'),
    },
  ])
  expect((await vault.ask('user.show', { user: 'carol' })).roles).toEqual(['observer'])
  expect(await mayBy('carol')).toBe(false)
  // And is told of as before, as long as it is so.
  expect((await sync()).changes).toMatchObject([{ does: 'skip', user: 'carol' }])
})

test('the last administrator stays on when they are gone there, without what its groups gave', async () => {
  await vault.ask('user.roles', { user: 'boss', roles: ['operator', 'approver', 'admin'] })
  const { token } = await vault.ask('user.enrol', { user: 'boss' })
  await vault.enrol(token, peoplesPassword)
  expect(await mayBy('boss')).toBe(true)
  slapd.group('operators', [])
  slapd.group('leads', ['carol'])
  await sync()
  expect(await mayBy('boss')).toBe(false)
})

test('a key is not good because its person was seen in the future', async () => {
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
  // The clock of the machine was wrong when they signed in, and is right again when the vault next starts.
  vault.advance(40 * 24 * 3600_000)
  must(await signInBy(api, provider, 'bob'))
  await enrolByProvider(vault, api, provider, 'bob')
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const recorder = await vault.worker()
  expect(await prove(recorder, key, 'bob')).toEqual(expect.any(String))
  vault.advance(-41 * 24 * 3600_000)
  const refused = refusalOf(await recorder.call('ssh.publickey', publickeyCall(key, 'bob')))
  expect(refused.message).toContain('have not signed in by your directory for too long')
})
