import { generateKeyPairSync } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { makeSealedDirectorySecret } from '../../../vault/intake.ts'
import type { VaultClient } from '../../../vault/index.ts'
import {
  type HostileProvider,
  type ProviderLies,
  startHostileProvider,
} from '../../support/hostile-provider.ts'
import { leave } from '../../support/oidc-sign-in.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

// Providers that lie, browsers that bring what is another's, and a database that somebody writes: nobody signs in by them.

let vault: TestVault
let corp: HostileProvider
let other: HostileProvider
let api: VaultClient
let superuser: pg.Client
const source = '192.0.2.66'

beforeAll(async () => {
  ;[vault, corp, other] = await Promise.all([
    startTestVault(),
    startHostileProvider(),
    startHostileProvider(),
  ])
  api = await vault.connect('api')
  await vault.person('ann', ['admin'])
  const intakeKey = (await vault.ask('status', {})).intakeKey ?? ''
  for (const [name, provider] of [
    ['corp', corp],
    ['other', other],
  ] as const) {
    await vault.ask('directory.add', {
      name,
      settings: provider.settings,
      sealedSecret: makeSealedDirectorySecret(
        sodium,
        intakeKey,
        name,
        provider.settings,
        'canary-secret-of-the-client',
      ),
    })
    await vault.ask('directory.map', {
      directory: name,
      group: 'operators',
      roles: ['operator'],
      policyGroup: null,
    })
  }
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 90_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
  await corp[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})
afterEach(() => {
  corp.lies = {}
  other.lies = {}
})

const stateOf = (url: string) => new URL(url).searchParams.get('state') ?? ''
const departs = async (provider = corp, directory = 'corp') => {
  const left = must(await leave(api, provider, directory))
  provider.meet(left.url)
  return { ...left, state: stateOf(left.url) }
}
const comesBack = (left: { readonly state: string; readonly browser: string }, more: object = {}) =>
  api.call('login.return', { code: 'a-code', state: left.state, browser: left.browser, source, ...more })
const signsIn = async (lies: ProviderLies = {}, provider = corp, directory = 'corp') => {
  provider.lies = lies
  return comesBack(await departs(provider, directory))
}
const names = async () => (await vault.ask('user.list', {})).map(({ name }) => name)

test('the tests can fail: an honest answer signs in', async () => {
  expect(must(await signsIn())).toMatchObject({ name: 'bob', isEnrolling: true })
  expect(corp.sent.at(-1)?.get('code_verifier')).toMatch(/^[A-Za-z0-9_-]{43}$/)
})

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const now = () => Math.floor(Date.now() / 1000)
test.each<readonly [string, () => ProviderLies]>([
  ['is not signed', () => ({ header: { alg: 'none' } })],
  ['is signed with the public key as a secret', () => ({ header: { alg: 'HS256' } })],
  ['is signed by somebody else', () => ({ key: stranger })],
  [
    'is signed by somebody else, who says where their key is',
    () => ({ key: stranger, header: { kid: 'x', jku: 'https://evil.example/jwks' } }),
  ],
  ['is of another issuer', () => ({ claims: { iss: 'https://evil.example' } })],
  ['is of an issuer that is written otherwise', () => ({ claims: { iss: `${corp.issuer}/` } })],
  ['is for another client', () => ({ claims: { aud: 'another' } })],
  ['is for several, and another’s', () => ({ claims: { aud: ['tagout', 'another'], azp: 'another' } })],
  ['is for several, and nobody’s', () => ({ claims: { aud: ['tagout', 'another'] } })],
  ['has expired', () => ({ claims: { iat: now() - 3600, exp: now() - 120 } })],
  ['has no end', () => ({ claims: { exp: undefined } })],
  ['is of the future', () => ({ claims: { nbf: now() + 3600 } })],
  ['has no nonce', () => ({ claims: { nonce: undefined } })],
  ['has another nonce', () => ({ claims: { nonce: 'another' } })],
  ['has no subject', () => ({ claims: { sub: undefined } })],
  ['has a subject without end', () => ({ claims: { sub: 'x'.repeat(5000) } })],
  ['has an empty subject', () => ({ claims: { sub: '' } })],
  ['lists no groups', () => ({ claims: { groups: undefined } })],
  ['lists groups that are none', () => ({ claims: { groups: { operators: true } } })],
  [
    'lists groups among which is something else',
    () => ({ claims: { groups: ['operators', { toString: 'operators' }] } }),
  ],
  ['lists groups without end', () => ({ claims: { groups: Array(6000).fill('operators') } })],
  [
    'lists a group that only looks like one',
    () => ({
      claims: {
        sub: 'subject-of-another',
        preferred_username: 'another',
        groups: ['Operators', 'operators ', 'operators\0', 'ope\u0000rators'],
      },
    }),
  ],
])('an ID token that %s signs nobody in', async (_what, lies) => {
  const refused = refusalOf(await signsIn(lies()))
  expect(['unauthenticated', 'unavailable']).toContain(refused.code)
})

test.each<readonly [string, ProviderLies]>([
  ['without end', { answer: () => ({ body: `{"id_token":"${'x'.repeat(2_000_000)}"}` }) }],
  ['that is none', { answer: () => ({ body: '<html>' }) }],
  ['without an ID token', { answer: () => ({ body: '{"access_token":"a","token_type":"Bearer"}' }) }],
  [
    'that sends on',
    { answer: () => ({ status: 307, headers: { location: 'https://evil.example/' }, body: '' }) },
  ],
  [
    'with an error that would reach a screen',
    { answer: () => ({ status: 400, body: '{"error":"<b>\\u001b[2J"}' }) },
  ],
])('an answer %s is a refusal in our words', async (_what, lies) => {
  const refused = refusalOf(await signsIn(lies))
  expect(JSON.stringify(refused)).not.toMatch(/<b>|\\u001b|evil/)
  expect((await signsIn()).ok).toBe(true)
})

test.each<readonly [string, () => Readonly<Record<string, unknown>>]>([
  ['of another issuer', () => ({ issuer: 'https://evil.example' })],
  ['that sends browsers to a script', () => ({ authorization_endpoint: 'javascript:alert(1)' })],
  ['that sends browsers past TLS', () => ({ authorization_endpoint: 'http://evil.example/auth' })],
  ['that takes codes past TLS', () => ({ token_endpoint: 'http://evil.example/token' })],
  ['that has its keys past TLS', () => ({ jwks_uri: 'http://evil.example/jwks' })],
])('metadata %s send nobody anywhere', async (_what, metadata) => {
  corp.lies = { metadata: metadata() }
  expect(refusalOf(await leave(api, corp)).code).toBe('unavailable')
})

test('what a browser comes back with is good once', async () => {
  const left = await departs()
  must(await comesBack(left))
  const asked = corp.sent.length
  expect(refusalOf(await comesBack(left)).message).toContain('not one that was begun here')
  expect(corp.sent).toHaveLength(asked)
})

test('another’s code in one’s own browser, and one’s own in another’s, sign nobody in', async () => {
  const mallorys = await departs()
  const victims = await departs()
  const asked = corp.sent.length
  // Login CSRF: the victim's browser is sent to the address with which mallory would have come back.
  expect(refusalOf(await comesBack({ state: mallorys.state, browser: victims.browser })).code).toBe(
    'unauthenticated',
  )
  expect(refusalOf(await comesBack({ state: victims.state, browser: 'none' })).code).toBe('unauthenticated')
  expect(refusalOf(await comesBack({ state: 'invented', browser: victims.browser })).code).toBe(
    'unauthenticated',
  )
  expect(corp.sent).toHaveLength(asked)
})

test('a sign-in that took longer than five minutes is over', async () => {
  const left = await departs()
  vault.advance(5 * 60_000 + 1)
  expect(refusalOf(await comesBack(left)).message).toContain('within five minutes')
})

test('mix-up: a code goes to the provider of its state alone, and one that names another is refused', async () => {
  corp.lies = { metadata: { authorization_response_iss_parameter_supported: true } }
  const left = await departs()
  const asked = other.sent.length
  expect(refusalOf(await comesBack(left, { iss: other.issuer })).code).toBe('unauthenticated')
  expect(other.sent).toHaveLength(asked)
  const second = await departs()
  expect(refusalOf(await comesBack(second)).code).toBe('unauthenticated')
  expect((await comesBack(await departs(), { iss: corp.issuer })).ok).toBe(true)
})

test('a subject of one provider is nobody at another, and takes nobody’s name', async () => {
  const refused = refusalOf(await signsIn({}, other, 'other'))
  expect(refused.message).toContain('somebody else is called that here')
  const users = await vault.ask('directory.show', { directory: 'other' })
  expect(users.users).toEqual([])
})

test('a name that is no name makes nobody', async () => {
  const before = await names()
  for (const preferred_username of [
    '../../root',
    'ann',
    'ANN',
    '-rf',
    '',
    '@plant.example',
    7,
    ['eve'],
    `e\u0000ve`,
    'local:0',
  ])
    expect(
      (await signsIn({ claims: { sub: `s-${String(preferred_username)}`, preferred_username } })).ok,
    ).toBe(false)
  expect(await names()).toEqual(before)
})

test('no groups of a provider make an administrator, an auditor or a vendor', async () => {
  for (const role of ['admin', 'auditor', 'vendor'])
    await expect(
      vault.ask('directory.map', {
        directory: 'corp',
        group: 'x',
        roles: [role as 'operator'],
        policyGroup: null,
      }),
    ).rejects.toThrow()
})

test('nobody is sent back to another name of the console', async () => {
  for (const origin of [
    'https://evil.example',
    'http://gateway.plant.example',
    `${corp.settings.console}:8443`,
    '',
  ])
    expect(refusalOf(await api.call('login.leave', { directory: 'corp', origin, source })).code).toBe(
      'conflict',
    )
  for (const console of [
    'https://evil.example/path',
    'http://gateway.plant.example',
    'https://a@evil.example',
    'javascript:alert(1)',
  ])
    await expect(
      vault.ask('directory.change', { directory: 'corp', settings: { ...corp.settings, console } }),
    ).rejects.toThrow(/console/)
})

test('with another issuer or client the secret is given anew: nobody has it sent to themselves', async () => {
  for (const change of [
    { issuer: other.issuer },
    { clientId: 'another' },
    { certificates: other.settings.certificates },
  ])
    await expect(
      vault.ask('directory.change', { directory: 'corp', settings: { ...corp.settings, ...change } }),
    ).rejects.toThrow(/given anew/)
})

test('a secret that somebody kept goes to no other issuer, client or certificate', async () => {
  const intakeKey = (await vault.ask('status', {})).intakeKey ?? ''
  const kept = makeSealedDirectorySecret(sodium, intakeKey, 'corp', corp.settings, 'kept')
  for (const change of [
    { issuer: other.issuer },
    { clientId: 'another' },
    { certificates: other.settings.certificates },
  ])
    await expect(
      vault.ask('directory.change', {
        directory: 'corp',
        settings: { ...corp.settings, ...change },
        sealedSecret: kept,
      }),
    ).rejects.toThrow('sealedSecret: it was sealed for another address, certificate or name')
})

test('users are of their issuer: who is called the same by another is not let in as them', async () => {
  const intakeKey = (await vault.ask('status', {})).intakeKey ?? ''
  const moves = { ...other.settings, issuer: other.issuer }
  const sealedSecret = makeSealedDirectorySecret(sodium, intakeKey, 'corp', moves, 'a secret of the client')
  const moved = await vault.admin.call('directory.change', {
    directory: 'corp',
    settings: moves,
    sealedSecret,
  })
  const met = await signsIn({ claims: { sub: 'subject-of-bob' } }, moved.ok ? other : corp)
  expect(refusalOf(moved)).toMatchObject({
    code: 'conflict',
    message: 'issuer: the users of corp are known by it, and another may call somebody else the same',
  })
  expect(must(met).name).toBe('bob')
})

test('a provider behind another certificate is told nothing', async () => {
  await vault.ask('directory.add', {
    name: 'forged',
    settings: { ...corp.settings, certificates: other.settings.certificates },
  })
  const asked = corp.sent.length
  expect(refusalOf(await leave(api, corp, 'forged')).message).toContain('the provider forged does not answer')
  const tested = await vault.admin.call('directory.test', { directory: 'forged' })
  expect(refusalOf(tested).message).toContain('certificate')
  expect(corp.sent).toHaveLength(asked)
  await vault.ask('directory.remove', { directory: 'forged' })
})

test('a directory that changed while somebody was away signs them in no more', async () => {
  const left = await departs()
  await vault.ask('directory.change', {
    directory: 'corp',
    settings: { ...corp.settings, keysSeconds: 7200 },
  })
  expect(refusalOf(await comesBack(left)).code).toBe('unauthenticated')
})

test('a link alone enrols nobody, nor does the arrival of somebody else', async () => {
  const { token } = await vault.ask('user.enrol', { user: 'bob' })
  const finish = (arrival: string | undefined) =>
    api.call('enrolment.finish', {
      token,
      totpCode: '000000',
      source,
      ...(arrival === undefined ? {} : { arrival }),
    })
  expect(refusalOf(await finish(undefined)).message).toContain('sign in by corp first')
  expect(refusalOf(await finish('invented')).message).toContain('sign in by corp first')
  const eve = must(await signsIn({ claims: { sub: 'subject-of-eve', preferred_username: 'eve' } }))
  expect(refusalOf(await finish(eve.arrival)).message).toContain('sign in by corp first')
  const bob = must(await signsIn())
  // Now it is the code that is wrong.
  expect(refusalOf(await finish(bob.arrival)).message).toContain('totpCode')
})

test.each([
  ['another subject', `update directory_user set subject = 'subject-of-mallory' where login = 'bob'`],
  [
    'a sign-in of just now',
    `update directory_user set seen_at = now() + interval '1 day' where login = 'bob'`,
  ],
  [
    'another provider',
    `update directory set settings = replace(settings, 'tagout', 'evil') where name = 'corp'`,
  ],
  [
    'groups that give more',
    `update directory set mappings = replace(mappings, 'operator"', 'approver"') where name = 'corp'`,
  ],
])('a row with %s is a fault', async (_what, statement) => {
  const { rows: people } = await superuser.query(`select * from directory_user where login = 'bob'`)
  const { rows: kept } = await superuser.query(`select * from directory where name = 'corp'`)
  await superuser.query(statement)
  const lies = { claims: { sub: statement.includes('mallory') ? 'subject-of-mallory' : 'subject-of-bob' } }
  await expect(signsIn(lies).then(must)).rejects.toThrow()
  await superuser.query(`update directory_user set subject = $1, seen_at = $2 where login = 'bob'`, [
    people[0].subject,
    people[0].seen_at,
  ])
  await superuser.query(`update directory set settings = $1, mappings = $2 where name = 'corp'`, [
    kept[0].settings,
    kept[0].mappings,
  ])
  must(await signsIn())
})

test('neither the secret of the client nor a code is in the log, the tables or an answer', async () => {
  await signsIn()
  const { rows } = await superuser.query('select * from directory')
  const entries = await vault.ask('audit.list', { limit: 1000 })
  const text = JSON.stringify([
    rows,
    entries,
    await vault.ask('directory.list', {}),
    vault.faults.map(String),
  ])
  expect(text).not.toContain('canary-secret')
  expect(text).not.toContain('a-code')
})
