import { afterAll, beforeAll, expect, test } from 'vitest'
import { followPolicyRequests } from '../../../vault/access/two.ts'
import type { Envelope } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Who may confirm a policy is written to, reminded of it, and led to it by a link; who asked is told what became of it.

let vault: TestVault
let api: VaultClient
let ann: TestPerson
let bea: TestPerson
let cal: TestPerson

const mail = { server: 'smtp://mail.plant.example', from: 'tagout@plant.example' }

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  bea = await vault.person('bea', ['admin'])
  cal = await vault.person('cal', ['approver'])
  for (const user of ['ann', 'bea', 'cal'])
    await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  // A change of the policy concerns security: nobody mutes it.
  await vault.ask('user.mail', { user: 'bea', address: 'bea@plant.example', notices: 'security' })
  await vault.ask('policy.apply', { document: documentOf('8h'), expected: null })
  await sendAll()
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const documentOf = (longest: string): PolicyDocument => ({
  version: 1,
  applyBy: 'two',
  rules: [
    { name: 'short', effect: 'limit', who: { everyone: true }, what: { everything: true }, longest },
  ] as PolicyDocument['rules'],
})
const take = async () => must(await api.call('notification.take', { mail, limit: 50 }))
async function sendAll(): Promise<readonly Envelope[]> {
  const all: Envelope[] = []
  for (;;) {
    const due = await take()
    if (due.length === 0) return all
    for (const one of due) must(await api.call('notification.done', { notification: one.id }))
    all.push(...due)
  }
}
const said = async () =>
  (await sendAll())
    .map((one) =>
      one.channel === 'mail' ? `${one.to}: ${one.subject}` : `webhook: ${JSON.parse(one.body).text}`,
    )
    .sort()
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: '192.0.2.7' }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
const digest = async () => (await vault.ask('policy.show', {})).digest ?? ''
const asks = async (who: TestPerson, longest: string) =>
  must(
    await api.call(
      'policy.ask',
      { document: documentOf(longest), expected: await digest(), totpCode: who.code() },
      who.token,
    ),
  )
const tick = () => followPolicyRequests(vault.plane.world)

test('who may confirm is written to, not who asked; who asked hears what became of it', async () => {
  const asked = await asks(ann, '4h')
  const [told, ...more] = await sendAll()
  expect(more).toEqual([])
  expect(told).toMatchObject({
    channel: 'mail',
    to: 'bea@plant.example',
    subject: 'ann asks for another policy: 1 change',
    path: expect.stringMatching(/^\/policy\/open#ntf_[0-9a-z]{26}\.[\w-]{43}$/),
  })
  must(
    await api.call(
      'policy.approve',
      { request: asked.id, means: asked.means, totpCode: bea.code() },
      bea.token,
    ),
  )
  expect(await said()).toEqual(['ann@plant.example: the policy that ann asked for was put in force by bea'])
  const next = await asks(bea, '3h')
  expect(await said()).toEqual(['ann@plant.example: bea asks for another policy: 1 change'])
  must(await api.call('policy.withdraw', { request: next.id }, ann.token))
  expect(await said()).toEqual(['bea@plant.example: the policy that bea asked for was withdrawn by ann'])
})

test('the link opens it once, for who it was sent to, and lets nobody approve', async () => {
  const asked = await asks(ann, '5h')
  const [told] = await sendAll()
  if (told?.channel !== 'mail' || told.path === null) throw new Error('no link')
  const token = told.path.slice(told.path.indexOf('#') + 1)
  const open = (who: TestPerson) => api.call('notification.open', { token }, who.token)
  for (const other of [ann, cal])
    expect(refusalOf(await open(other)).message).toBe('this link was sent to somebody else')
  const both = await Promise.all([open(bea), open(bea)])
  expect(both.filter(({ ok }) => ok)).toEqual([{ ok: true, value: { request: asked.id } }])
  expect(refusalOf(await open(bea))).toMatchObject({
    message: 'this link was used',
    next: 'look under Policy',
  })
  expect((await vault.ask('policy.request', { request: asked.id })).state).toBe('open')
  must(await api.call('policy.withdraw', { request: asked.id }, ann.token))
  await sendAll()
})

test('one that was answered, or overtaken, before it was sent is not spoken of any more', async () => {
  const gone = await asks(ann, '5h')
  must(await api.call('policy.withdraw', { request: gone.id }, ann.token))
  expect(await said()).toEqual(['ann@plant.example: the policy that ann asked for was withdrawn by ann'])
  const stale = await asks(ann, '5h')
  const other = await asks(ann, '6h')
  must(
    await api.call(
      'policy.approve',
      { request: other.id, means: other.means, totpCode: bea.code() },
      bea.token,
    ),
  )
  expect(await said()).toEqual(['ann@plant.example: the policy that ann asked for was put in force by bea'])
  const { latest } = await vault.ask('notification.status', {})
  expect(latest.find(({ kind }) => kind === 'policy.asked')).toMatchObject({
    state: 'dropped',
    error: 'its policy was answered, or is over',
  })
  must(await api.call('policy.withdraw', { request: stale.id }, ann.token))
  await sendAll()
})

test('of one that nobody answers people are reminded once, the webhook too, and it is over with a word', async () => {
  await vault.ask('webhook.set', { url: 'https://soc.plant.example/tagout' })
  ann = await signIn(ann)
  const asked = await asks(ann, '5h')
  expect(await said()).toEqual([
    'bea@plant.example: ann asks for another policy: 1 change',
    'webhook: ann asks for another policy: 1 change',
  ])
  await tick()
  expect(await said()).toEqual([])
  vault.advance(24 * 3600_000 + 1_000)
  await Promise.all([tick(), tick()])
  await tick()
  expect(await said()).toEqual([
    'bea@plant.example: ann has waited 24 h for an answer about another policy',
    'webhook: ann has waited 24 h for an answer about another policy',
  ])
  vault.advance(48 * 3600_000)
  await Promise.all([tick(), tick()])
  expect(await said()).toEqual([
    'ann@plant.example: nobody answered in time for the policy that ann asked for',
    'webhook: nobody answered in time for the policy that ann asked for',
  ])
  expect(await vault.ask('policy.request', { request: asked.id })).toMatchObject({ state: 'expired' })
  const log = (await vault.ask('audit.list', { limit: 10_000 })).map(({ text }) => text)
  expect(log.filter((text) => /reminded people of the policy/.test(text))).toHaveLength(1)
  expect(log.filter((text) => /let the policy .* expire/.test(text))).toHaveLength(1)
})

test('one that was overtaken is over without a word', async () => {
  ann = await signIn(ann)
  bea = await signIn(bea)
  const stale = await asks(ann, '7h')
  const other = await asks(ann, '2h')
  must(
    await api.call(
      'policy.approve',
      { request: other.id, means: other.means, totpCode: bea.code() },
      bea.token,
    ),
  )
  await sendAll()
  vault.advance(25 * 3600_000)
  await tick()
  vault.advance(48 * 3600_000)
  await tick()
  expect(await said()).toEqual([])
  expect(await vault.ask('policy.request', { request: stale.id })).toMatchObject({ state: 'expired' })
})
