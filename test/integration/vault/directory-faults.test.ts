import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import { freePort } from '../../support/ports.ts'
import { refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

// Somebody sets up a directory for the first time and gets one thing wrong: each says which, and the command that mends it.

let vault: TestVault
let slapd: TestSlapd
let provider: TestProvider
let other: TestProvider

beforeAll(async () => {
  ;[vault, slapd, provider, other] = await Promise.all([
    startTestVault(),
    startSlapd(),
    startProvider(),
    startProvider(),
  ])
  slapd.addPerson('bob')
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

let count = 0
/** Adds a directory like this, tests it, and answers what somebody reads. */
async function tested(settings: VerbInput<'directory.add'>['settings'], secret: string, group?: string) {
  count += 1
  const directory = `hall-${count}`
  await vault.ask('directory.add', {
    name: directory,
    settings,
    sealedSecret: await vault.sealDirectory(directory, settings, secret),
    syncMinutes: 0,
  })
  if (group !== undefined)
    await vault.ask('directory.map', { directory, group, roles: ['operator'], policyGroup: null })
  const { message, next } = refusalOf(await vault.admin.call('directory.test', { directory }))
  return { message: message.replaceAll(directory, 'HALL'), next: next?.replaceAll(directory, 'HALL') }
}

test.each<readonly [string, () => object, string, string]>([
  [
    'the certificate of another CA',
    () => ({ certificates: other.ca }),
    'the directory HALL shows a certificate that the one kept of it does not vouch for',
    'tagout directory change HALL --ca FILE',
  ],
  [
    'a base that is not there',
    () => ({ base: 'dc=office,dc=example' }),
    'the directory HALL has no entry at its base',
    'tagout directory change HALL --base DN',
  ],
  [
    'somebody who may not read',
    () => ({ bindName: 'cn=nobody,dc=plant,dc=example' }),
    'the name or password that it reads it with is wrong',
    'tagout directory change HALL --ask',
  ],
  [
    'a filter that is none',
    () => ({ userFilter: '(&(uid=*' }),
    'the filter of the directory HALL is no filter of LDAP',
    'tagout directory change HALL --user-filter FILTER',
  ],
])('LDAP with %s', async (_what, settings, says, mends) => {
  const read = await tested(slapd.settings(settings()), slapdSecret)
  expect(read.message).toContain(says)
  expect(read.next).toContain(mends)
})

test('LDAP with a wrong password, at a port where nothing is, with a group that is not there', async () => {
  const wrong = await tested(slapd.settings(), 'not the password')
  expect(wrong.message).toContain('is wrong, expired or locked')
  expect(wrong.next).toBe('set it anew: tagout directory change HALL --ask')
  const away = await tested(slapd.settings({ url: `ldaps://127.0.0.1:${await freePort()}` }), slapdSecret)
  expect(away.message).toBe('the directory HALL cannot be reached (ECONNREFUSED)')
  expect(away.next).toContain('whether a firewall lets this machine through')
  const group = await tested(slapd.settings(), slapdSecret, 'cn=nobodys,dc=plant,dc=example')
  expect(group.message).toContain('has no group')
  expect(group.next).toContain('tagout directory map HALL GROUP --nothing')
})

test.each<readonly [string, () => object, string, string, string]>([
  [
    'the certificate of another CA',
    () => ({ certificates: other.ca }),
    clientSecret,
    'the provider HALL shows a certificate that nothing vouches for',
    'tagout directory change-oidc HALL --ca FILE',
  ],
  [
    'an issuer that writes itself otherwise',
    () => ({ issuer: `${provider.issuer}/` }),
    clientSecret,
    'what the provider HALL says of itself does not fit its issuer',
    'tagout directory show HALL',
  ],
  [
    'another secret',
    () => ({}),
    'not the secret',
    'the provider HALL does not know this console, or not by the secret that was entered',
    'tagout directory change-oidc HALL --anew',
  ],
  [
    'another client',
    () => ({ clientId: 'office' }),
    clientSecret,
    'the provider HALL does not know this console',
    'tagout directory change-oidc HALL --anew',
  ],
])('OpenID Connect with %s', async (_what, settings, secret, says, mends) => {
  const read = await tested({ ...provider.settings, ...settings() }, secret)
  expect(read.message).toContain(says)
  expect(read.next).toContain(mends)
})

test('what works says what it found, and marks what somebody should look at', async () => {
  const right = { ...provider.settings, scopes: ['profile', 'groups'], acrValues: ['two-factors'] }
  await vault.ask('directory.add', {
    name: 'corp',
    settings: right,
    sealedSecret: await vault.sealDirectory('corp', right, clientSecret),
  })
  const { findings } = await vault.ask('directory.test', { directory: 'corp' })
  expect(findings.map(({ about, fine }) => [about, fine])).toEqual([
    ['discovery', false],
    ['keys', true],
    ['certificate', true],
    ['client', true],
  ])
  expect(findings[0]?.says).toBe('it does not name the scope groups')
  vault.advance(20 * 86_400_000)
  const later = await vault.ask('directory.test', { directory: 'corp' })
  expect(later.findings[2]).toMatchObject({ about: 'certificate', fine: false })
})
