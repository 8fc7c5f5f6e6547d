import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let bob: TestPerson
let sue: TestPerson
let tom: TestPerson
let ann: TestPerson
let eve: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  await vault.account({ login: 'viewer' })
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  tom = await vault.person('tom', ['approver'])
  ann = await vault.person('ann', ['admin'])
  eve = await vault.person('eve', ['approver'])
  await member('bob', 'use')
  await member('sue', 'approve')
  await member('tom', 'approve')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

async function member(user: string, ...permissions: VerbInput<'safe.member.set'>['permissions']) {
  await vault.ask('safe.member.set', { safe: 'line-3', user, permissions })
}
const approvals = (number: number) => vault.ask('safe.approvals', { safe: 'line-3', approvals: number })
const asks = (more: Partial<VerbInput<'request.add'>> = {}, who = bob) =>
  api.call(
    'request.add',
    {
      account: 'press-3/engineer',
      actions: ['shell'],
      forSeconds: 7200,
      reason: 'the press stops by itself',
      ...more,
    },
    who.token,
  )
const says = (
  who: TestPerson,
  { id, digest }: RequestView,
  verdict: 'approve' | 'deny' = 'approve',
  more: Partial<VerbInput<'request.decide'>> = {},
) =>
  api.call(
    'request.decide',
    {
      request: id,
      digest,
      verdict,
      ...(verdict === 'approve' ? { totpCode: who.code() } : {}),
      ...more,
    },
    who.token,
  )
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: '192.0.2.7' }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
const withdraw = async (request: RequestView) =>
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
const log = async (request: RequestView) =>
  (await vault.ask('audit.list', { limit: 100 }))
    .filter(({ entry }) => (entry as { request?: string }).request === request.id)
    .map(({ kind, actor, text }) => `${kind} ${actor}: ${text}`)

test('one approver lets a person in: the grant is what was asked, and the log says who, what and why', async () => {
  const request = must(
    await asks({ workOrder: 'WO-4711', actions: ['shell', 'sftp-read'], mode: 'exclusive' }),
  )
  expect(request).toMatchObject({
    user: 'bob',
    account: 'press-3/engineer',
    state: 'open',
    approvalsNeeded: 1,
    workOrder: 'WO-4711',
    mayDecide: false,
  })
  expect(must(await api.call('access.list', {}, bob.token))).toEqual([])
  const [seen] = must(await api.call('request.list', {}, sue.token))
  expect(seen).toMatchObject({ id: request.id, mayDecide: true, digest: request.digest })
  const before = vault.now().getTime()
  const approved = must(await says(sue, request, 'approve', { note: 'until the shift ends' }))
  expect(approved).toMatchObject({
    state: 'approved',
    closedBy: 'sue',
    mayDecide: false,
    approvals: [{ user: 'sue', verdict: 'approve', note: 'until the shift ends' }],
  })
  const [grant] = (await vault.ask('grant.list', { user: 'bob' })).filter(({ id }) => id === approved.grant)
  expect(grant).toMatchObject({
    user: 'bob',
    account: 'press-3/engineer',
    actions: ['shell', 'sftp-read'],
    mode: 'exclusive',
    reason: 'WO-4711: the press stops by itself',
    state: 'active',
    grantedBy: 'sue',
  })
  const lasts = Date.parse(grant?.notAfter ?? '') - Date.parse(grant?.notBefore ?? '')
  expect(lasts).toBe(7_200_000)
  expect(Date.parse(grant?.notBefore ?? '')).toBeGreaterThanOrEqual(before)
  const lines = await log(request)
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['request.made', 'request.decided'])
  expect(lines[0]).toContain('asked for shell, sftp-read on press-3/engineer for 7200 s')
  expect(lines[0]).toContain('WO-4711')
  expect(lines[1]).toContain(`grant ${approved.grant}`)
})

test('where two must approve, one is not enough, and none counts twice', async () => {
  await approvals(2)
  const request = must(await asks())
  const half = must(await says(sue, request))
  expect(half).toMatchObject({ state: 'open', grant: null, approvalsNeeded: 2 })
  expect(refusalOf(await says(sue, request)).message).toContain('you have decided this request already')
  expect(must(await says(tom, request))).toMatchObject({ state: 'approved', closedBy: 'sue, tom' })
  expect((await vault.ask('grant.list', { user: 'bob' }))[0]?.grantedBy).toBe('sue, tom')
  await approvals(1)
})

test('one refusal denies it, with its reason, and it takes no code', async () => {
  const request = must(await asks())
  const denied = must(await says(sue, request, 'deny', { note: 'not while the press runs' }))
  expect(denied).toMatchObject({ state: 'denied', grant: null, closedBy: 'sue' })
  const late = refusalOf(await says(tom, request))
  expect(late).toMatchObject({ code: 'conflict', message: 'this request is denied already' })
  const own = must(await api.call('request.show', { request: request.id }, bob.token))
  expect(own.approvals).toMatchObject([{ user: 'sue', verdict: 'deny', note: 'not while the press runs' }])
})

test('a request for a time of its own leads to a grant of that time and no other', async () => {
  const notBefore = new Date(vault.now().getTime() + 3_600_000).toISOString()
  const request = must(await asks({ notBefore, forSeconds: 1800 }))
  expect(request.expiresAt).toBe(new Date(Date.parse(notBefore) + 1_800_000).toISOString())
  const { grant } = must(await says(sue, request))
  const [made] = (await vault.ask('grant.list', { user: 'bob' })).filter(({ id }) => id === grant)
  expect(made).toMatchObject({ state: 'future', notBefore, notAfter: request.expiresAt })
})

test('one asks for an account once at a time, withdraws, and asks again', async () => {
  const request = must(await asks())
  expect(refusalOf(await asks({ forSeconds: 60 }))).toMatchObject({
    code: 'conflict',
    message: `you asked for press-3/engineer already (${request.id})`,
  })
  const other = must(await asks({ account: 'press-3/viewer' }))
  expect(must(await api.call('request.list', {}, bob.token)).map(({ id }) => id)).toEqual([
    other.id,
    request.id,
  ])
  expect(await withdraw(request)).toMatchObject({ state: 'withdrawn', closedBy: 'bob' })
  await withdraw(other)
  expect(refusalOf(await api.call('request.withdraw', { request: request.id }, bob.token)).message).toBe(
    'this request is withdrawn already',
  )
  await withdraw(must(await asks()))
})

test('who asks, lists and decides: members who use ask, approvers of the safe decide, and others see nothing', async () => {
  const request = must(await asks())
  // Nobody decides their own, whatever they are besides.
  await member('bob', 'use', 'approve')
  expect(refusalOf(await says(bob, request)).code).toBe('forbidden')
  await member('bob', 'use')
  expect(refusalOf(await says(eve, request)).code).toBe('forbidden')
  expect(must(await api.call('request.list', { state: 'all' }, eve.token))).toEqual([])
  expect(refusalOf(await api.call('request.show', { request: request.id }, eve.token)).code).toBe('forbidden')
  expect(refusalOf(await api.call('request.withdraw', { request: request.id }, sue.token)).code).toBe(
    'forbidden',
  )
  expect(refusalOf(await asks({}, eve)).code).toBe('forbidden')
  // An account that is not there and one that is not one's to ask for read alike.
  expect(refusalOf(await asks({ account: 'press-9/engineer' }, eve)).message).toBe(
    refusalOf(await asks({}, eve)).message,
  )
  // The machine's administrator looks on, and decides nothing.
  expect((await vault.ask('request.list', {})).map(({ mayDecide }) => mayDecide)).toEqual([false])
  expect(must(await says(ann, request)).state).toBe('approved')
})

test('an approval takes a fresh code, and is of what its giver saw', async () => {
  const request = must(await asks())
  expect(refusalOf(await says(sue, request, 'approve', { totpCode: '000000' })).message).toContain('totpCode')
  const { totpCode: _, ...without } = { request: request.id, digest: request.digest, totpCode: '' }
  expect(
    refusalOf(await api.call('request.decide', { ...without, verdict: 'approve' }, sue.token)).message,
  ).toContain('this needs a code of your authenticator')
  const other = { ...request, digest: 'f'.repeat(64) }
  expect(refusalOf(await says(sue, other)).message).toContain('this is not what is asked')
  expect(must(await api.call('request.show', { request: request.id }, sue.token)).approvals).toEqual([])
  await withdraw(request)
})

test('approvals of those who may no longer approve do not count', async () => {
  await approvals(2)
  const request = must(await asks())
  must(await says(sue, request))
  await member('sue', 'use')
  expect(must(await says(tom, request))).toMatchObject({ state: 'open', grant: null })
  expect(must(await says(ann, request))).toMatchObject({ state: 'approved', closedBy: 'tom, ann' })
  await member('sue', 'approve')
  await approvals(1)
})

test.each([
  [{ forSeconds: 59 }, 'forSeconds'],
  [{ forSeconds: 32 * 24 * 3600 }, 'forSeconds'],
  [{ reason: '   ' }, 'reason'],
  [{ reason: 'x'.repeat(501) }, 'reason'],
  [{ actions: [] }, 'actions'],
  [{ actions: ['forward' as const] }, 'forwards'],
  [{ actions: ['elevate' as const] }, 'elevate goes with shell'],
  [{ notBefore: '2026-01-01T00:00:00Z' }, 'notBefore: this time is over already'],
  [{ notBefore: '2036-01-01T00:00:00Z' }, 'more than three months ahead'],
])('what cannot be asked is refused with a sentence: %j', async (more, sentence) => {
  const refused = refusalOf(await asks(more))
  expect(refused.code).toBe('invalid')
  expect(refused.message).toContain(sentence)
})

test('a disabled person’s request lets nobody in', async () => {
  const request = must(await asks())
  await vault.ask('user.disable', { user: 'bob' })
  expect(refusalOf(await says(sue, request)).message).toBe('the user bob is disabled')
  await vault.ask('user.enable', { user: 'bob' })
  bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token)
  await withdraw(request)
})

test('a request that nobody answers expires by itself, and the log says so', async () => {
  const request = must(await asks())
  vault.advance(24 * 3600_000 + 1_000)
  const again = await signIn(sue)
  expect(refusalOf(await says(again, request)).message).toBe('this request is expired already')
  await expect.poll(async () => (await log(request)).at(-1), { timeout: 20_000 }).toMatch(/^request\.expired/)
  bob = await signIn(bob)
  const shown = must(await api.call('request.show', { request: request.id }, bob.token))
  expect(shown).toMatchObject({ state: 'expired', grant: null })
  await withdraw(must(await asks()))
})
