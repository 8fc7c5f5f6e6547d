import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OidcSettings, VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { type HostileProvider, startHostileProvider } from '../../support/hostile-provider.ts'
import { leave } from '../../support/oidc-sign-in.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Where it takes two people to change the policy, one alone puts nobody into a group that it names, and takes nobody out
// of one, by what the groups of a directory give or by which directory that is.

let vault: TestVault
let corp: HostileProvider
let api: VaultClient
let ann: TestPerson
let bea: TestPerson

const documentOf = (...groups: readonly string[]): PolicyDocument => ({
  version: 1,
  groups: Object.fromEntries(groups.map((name) => [name, []])),
  rules: [
    {
      name: 'maintain',
      effect: 'allow',
      actions: ['shell'],
      who: { groups: [...groups] },
      what: { everything: true },
    },
  ],
})
const two = (document: PolicyDocument): PolicyDocument => ({ ...document, applyBy: 'two' })
const map = (policyGroup: string | null, group = 'operators') => ({
  directory: 'corp',
  group,
  roles: ['operator'] as 'operator'[],
  policyGroup,
})
const maps = (input: ReturnType<typeof map>, who: TestPerson = ann) =>
  api.call('directory.map', { ...input, totpCode: who.code() }, who.token)
const changes = (more: Partial<OidcSettings>, who: TestPerson = ann) =>
  api.call(
    'directory.change',
    { directory: 'corp', settings: { ...corp.settings, ...more }, totpCode: who.code() },
    who.token,
  )
const given = async () =>
  (await vault.ask('directory.show', { directory: 'corp' })).mappings.map((one) => [
    one.group,
    one.policyGroup,
  ])
const whyTwo = 'the policy names the group maintainers, and is changed by two people'

beforeAll(async () => {
  ;[vault, corp] = await Promise.all([startTestVault(), startHostileProvider()])
  api = await vault.connect('api')
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  bea = await vault.person('bea', ['admin'])
  await vault.ask('directory.add', { name: 'corp', settings: corp.settings })
  await vault.ask('policy.apply', { document: documentOf('maintainers'), expected: null })
  must(await maps(map('maintainers', 'fitters')))
  const { digest } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', { document: two(documentOf('maintainers')), expected: digest })
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await corp[Symbol.asyncDispose]()
})

test.each(['maintainers', 'MAINTAINERS'])(
  'one alone gives no group of a directory what %s may',
  async (name) => {
    const refused = refusalOf(await maps(map(name)))
    expect([refused.code, refused.message.toLowerCase()]).toEqual(['conflict', whyTwo])
    // The machine's administrator is one, too.
    expect(refusalOf(await vault.admin.call('directory.map', map(name))).code).toBe('conflict')
    expect(await given()).toEqual([['fitters', 'maintainers']])
  },
)

test('nor takes it, or gives another: limits name groups too', async () => {
  for (const input of [map(null, 'fitters'), map('other', 'fitters'), { ...map(null, 'FITTERS'), roles: [] }])
    expect(refusalOf(await maps(input)).message).toBe(whyTwo)
  expect(await given()).toEqual([['fitters', 'maintainers']])
  // What its members are besides is not the policy's.
  must(await maps({ ...map('maintainers', 'fitters'), roles: ['operator'] }))
  must(await maps(map(null, 'guests')))
  must(await maps({ ...map(null, 'guests'), roles: [] }))
})

test('nor has it read elsewhere, or otherwise', async () => {
  for (const more of [
    { issuer: 'https://login.elsewhere.example' },
    { clientId: 'another' },
    { certificates: null },
    { groupsClaim: 'given_name' },
  ])
    expect(refusalOf(await changes(more)).message).toBe(whyTwo)
  must(await changes({ keysSeconds: 7200 }))
})

test('what no policy names yet is mapped by one, and gives something when two have the policy name it', async () => {
  must(await maps(map('later')))
  const { digest } = await vault.ask('policy.show', {})
  const document = two(documentOf('maintainers', 'later'))
  const asked: VerbAnswer<'policy.ask'> = must(
    await api.call('policy.ask', { document, expected: digest ?? '', totpCode: ann.code() }, ann.token),
  )
  must(
    await api.call(
      'policy.approve',
      { request: asked.id, means: asked.means, totpCode: bea.code() },
      bea.token,
    ),
  )
  expect(refusalOf(await maps({ ...map(null), roles: [] })).message).toContain('the group later')
})

test('of a policy that names it while it is mapped one comes first', async () => {
  const { digest } = await vault.ask('policy.show', {})
  const document = two(documentOf('maintainers', 'later', 'racing'))
  const asked = must(
    await api.call('policy.ask', { document, expected: digest ?? '', totpCode: ann.code() }, ann.token),
  )
  const approval = { request: asked.id, means: asked.means, totpCode: bea.code() }
  const mapping = { ...map('racing', 'racers'), totpCode: ann.code() }
  const [approved, mapped] = await Promise.all([
    api.call('policy.approve', approval, bea.token),
    api.call('directory.map', mapping, ann.token),
  ])
  if (mapped.ok)
    expect(refusalOf(approved).message).toBe('what its names stand for has changed since it was asked for')
  else {
    must(approved)
    expect(mapped.refusal.message).toContain('the group racing')
  }
  if (approved.ok)
    expect(refusalOf(await maps({ ...map(null, 'racers'), roles: [] })).message).toMatch(
      /the group racing|gives anything/,
    )
})

test('nor is a group mapped while a policy that names it first waits: what is approved is what was asked', async () => {
  const { digest } = await vault.ask('policy.show', {})
  const document = two(documentOf('maintainers', 'later', 'racing', 'waiting'))
  const asks = async () =>
    must(await api.call('policy.ask', { document, expected: digest ?? '', totpCode: ann.code() }, ann.token))
  const approves = async ({
    id,
    means,
  }: {
    readonly id: VerbAnswer<'policy.ask'>['id']
    readonly means: string
  }) => api.call('policy.approve', { request: id, means, totpCode: bea.code() }, bea.token)
  const asked = await asks()
  must(await maps(map('waiting', 'everybody')))
  expect(refusalOf(await approves(asked)).message).toBe(
    'what its names stand for has changed since it was asked for',
  )
  // Nor somebody whom the directory says is in it, meanwhile.
  must(await api.call('policy.withdraw', { request: asked.id }, ann.token))
  const again = await asks()
  const left = must(await leave(api, corp))
  corp.meet(left.url)
  corp.lies = { claims: { groups: ['everybody'] } }
  const state = new URL(left.url).searchParams.get('state') ?? ''
  must(await api.call('login.return', { code: 'a-code', state, browser: left.browser, source: '192.0.2.66' }))
  expect(refusalOf(await approves(again)).message).toBe(
    'what its names stand for has changed since it was asked for',
  )
  must(await api.call('policy.withdraw', { request: again.id }, ann.token))
  // The tests can fail: what did not change is approved.
  must(await approves(await asks()))
})
