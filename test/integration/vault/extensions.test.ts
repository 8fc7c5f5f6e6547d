import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

// Whoever works on asks for more time: others approve it, and the sessions that end with the grant go on.

const hour = 3600_000
let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let bob: TestPerson
let sue: TestPerson
const orders: { readonly method: string; readonly params: Readonly<Record<string, unknown>> }[] = []
let takesOrders = true
const obeys: Dispatch = (method) => async (params) => {
  orders.push({ method, params: params as Readonly<Record<string, unknown>> })
  if (!takesOrders) throw new Error('this worker does not answer')
  return done(null)
}
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker('w1', obeys)
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const later = (at: string, ms: number) => new Date(Date.parse(at) + ms).toISOString()
const extend = (grant: string, until: string, more: Partial<VerbInput<'request.extend'>> = {}) =>
  api.call(
    'request.extend',
    { grant: grant as VerbInput<'request.extend'>['grant'], until, reason: 'the pump is open yet', ...more },
    bob.token,
  )
const approve = ({ id, digest }: RequestView, who = sue) =>
  api.call('request.decide', { request: id, digest, verdict: 'approve', totpCode: who.code() }, who.token)
const grant = (forSeconds = 3600, maxSessionSeconds = 12 * 3600) =>
  vault.grant('bob', 'press-3/engineer', { forSeconds, maxSessionSeconds })
const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
const show = (session: string) => vault.ask('session.show', { session: session as never })
const told = (session: string) =>
  orders.filter((one) => one.method === 'session.extend' && one.params['session'] === session)
const shown = async (id: string) => (await vault.ask('grant.list', {})).find((one) => one.id === id)
const apply = async (document: object) => {
  const { digest: expected } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', { document, expected } as VerbInput<'policy.apply'>)
}
const revoke = (id: string) => vault.ask('grant.revoke', { grant: id as never })

test('an extension that was approved moves the end of the grant and of its session, and the log says all of it', async () => {
  const one = await grant()
  const { session, endsAt } = await connect()
  expect(endsAt).toBe(one.notAfter)
  const until = later(one.notAfter, hour)
  const request = must(await extend(one.id, until))
  expect(request).toMatchObject({
    user: 'bob',
    account: 'press-3/engineer',
    state: 'open',
    notBefore: one.notAfter,
    forSeconds: 3600,
    expiresAt: one.notAfter,
    extends: { grant: one.id, until },
    mayDecide: false,
  })
  // Until somebody has said yes, everything ends as it was to.
  expect((await show(session)).endsAt).toBe(one.notAfter)
  expect(must(await approve(request))).toMatchObject({ state: 'approved', grant: one.id, closedBy: 'sue' })
  expect(await shown(one.id)).toMatchObject({ notAfter: until, state: 'active' })
  expect((await show(session)).endsAt).toBe(until)
  expect(told(session).map(({ params }) => params)).toEqual([{ session, endsAt: until }])
  const texts = (await vault.ask('audit.list', { limit: 20 })).map(
    ({ kind, actor, text }) => `${kind} ${actor}: ${text}`,
  )
  expect(texts.find((text) => text.startsWith('request.made user:bob'))).toContain(
    'asked for 3600 s more on press-3/engineer',
  )
  expect(texts.find((text) => text.startsWith('grant.extended user:sue'))).toContain(`until ${until}`)
  expect(texts.find((text) => text.startsWith('session.extended user:sue'))).toContain(`go on until ${until}`)
  await endSession(recorder, session)
  await revoke(one.id)
})

test('what else ends a session goes on ending it: the longest session of its grant', async () => {
  const one = await grant(3600, 5400)
  const { session, startedAt } = await connect()
  must(await approve(must(await extend(one.id, later(one.notAfter, 4 * hour)))))
  expect((await show(session)).endsAt).toBe(later(startedAt, 5_400_000))
  await endSession(recorder, session)
  await revoke(one.id)
})

test('a limit of the policy ends it at its longest, and at the end of its hours', async () => {
  const document = {
    version: 1,
    rules: [
      {
        name: 'short',
        effect: 'limit',
        who: { everyone: true },
        what: { everything: true },
        actions: ['shell'],
        longest: '2h',
      },
    ],
  }
  await apply(document)
  const one = await grant()
  const { session, startedAt } = await connect()
  must(await approve(must(await extend(one.id, later(one.notAfter, 5 * hour)))))
  // The grant has its end, the session that of the rule, which is of one of the acts that the grant allows.
  expect((await shown(one.id))?.notAfter).toBe(later(one.notAfter, 5 * hour))
  expect((await show(session)).endsAt).toBe(later(startedAt, 2 * hour))
  await endSession(recorder, session)
  await revoke(one.id)
  await apply({ ...document, rules: [] })
})

test('what was checked out until the end of the grant is held on; what was checked out for less ends when it was to', async () => {
  for (const forSeconds of [undefined, 1800]) {
    const one = await grant()
    const lease = must(
      await api.call(
        'lease.checkOut',
        { account: 'press-3/engineer', exclusive: true, ...(forSeconds === undefined ? {} : { forSeconds }) },
        bob.token,
      ),
    )
    const { session, endsAt } = await connect()
    const until = later(one.notAfter, hour)
    must(await approve(must(await extend(one.id, until))))
    const [held] = (await vault.ask('lease.list', {})).filter(({ id }) => id === lease.id)
    expect([(await show(session)).endsAt, held?.until]).toEqual(
      forSeconds === undefined ? [until, until] : [endsAt, lease.until],
    )
    await endSession(recorder, session)
    must(await api.call('lease.checkIn', { lease: lease.id }, bob.token))
    await revoke(one.id)
  }
})

test('a worker that does not answer is told again', async () => {
  const one = await grant()
  const { session } = await connect()
  const request = must(await extend(one.id, later(one.notAfter, hour)))
  takesOrders = false
  must(await approve(request))
  await until(() => Promise.resolve(told(session).length > 0 ? true : undefined))
  takesOrders = true
  const before = told(session).length
  await until(() => Promise.resolve(told(session).length > before ? true : undefined))
  await endSession(recorder, session)
  await revoke(one.id)
})

test('a sentence for each that cannot be: no later end, too late an end, a grant that is over, another’s', async () => {
  const one = await grant()
  expect(refusalOf(await extend(one.id, one.notAfter)).message).toContain('anyway')
  expect(refusalOf(await extend(one.id, later(one.notAfter, 40 * 24 * hour))).message).toContain('31 days')
  await vault.person('eve', ['operator'])
  const other = await vault.grant('eve', 'press-3/engineer', { forSeconds: 3600 })
  expect(refusalOf(await extend(other.id, later(one.notAfter, hour))).code).toBe('forbidden')
  const request = must(await extend(one.id, later(one.notAfter, hour)))
  expect(refusalOf(await extend(one.id, later(one.notAfter, 2 * hour))).message).toContain(request.id)
  await revoke(one.id)
  expect(refusalOf(await approve(request)).message).toBe('this grant was revoked')
  expect(refusalOf(await extend(one.id, later(one.notAfter, hour))).message).toBe('this grant was revoked')
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
})

test('the session goes on past its old end and ends at the new one; denied, it ends as it was to', async () => {
  for (const verdict of ['approve', 'deny'] as const) {
    const one = await grant(300)
    const { session } = await connect()
    const request = must(await extend(one.id, later(one.notAfter, 300_000)))
    if (verdict === 'approve') must(await approve(request))
    else
      must(
        await api.call('request.decide', { request: request.id, digest: request.digest, verdict }, sue.token),
      )
    const cuts = () =>
      orders.filter(({ method, params }) => method === 'session.cut' && params['session'] === session)
    vault.advance(Date.parse(one.notAfter) - vault.now().getTime() + 1_000)
    // A tick after the old end has looked at everything when it has let a request expire that ended then.
    if (verdict === 'approve') {
      await vault.ask('session.list', {})
      await until(async () => ((await show(session)).state === 'live' ? true : undefined))
      expect(cuts()).toEqual([])
      vault.advance(300_000)
    }
    await until(() => Promise.resolve(cuts().length > 0 ? true : undefined))
    expect(cuts()[0]?.params).toMatchObject({ reason: 'time is up' })
    await endSession(recorder, session)
  }
})
