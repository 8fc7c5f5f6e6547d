import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { BreakGlassView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { startFakeSshTarget } from '../../support/fake-ssh-target.ts'
import { drive, secretsOf } from '../../support/rotation-drive.ts'
import { connectSession, endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let sue: TestPerson
let ann: TestPerson
let eve: TestPerson
const key = makeSshKey()
const mail = { server: 'mail.plant.example:587', from: 'tagout@plant.example' }

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', () => async () => done(null))
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  ann = await vault.person('ann', ['admin'])
  eve = await vault.person('eve', ['operator'])
  for (const name of ['bob', 'sue', 'ann'])
    await vault.ask('user.mail', { user: name, address: `${name}@plant.example` })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await member('bob', 'break-glass')
  await member('sue', 'approve')
  await member('eve', 'use')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
// What a test left is over, and reviewed.
afterEach(async () => {
  for (const one of await vault.ask('breakglass.list', {})) {
    if (one.state === 'running') await vault.ask('grant.revoke', { grant: one.grant }).catch(() => undefined)
    ann = await signIn(ann)
    must(
      await api.call(
        'breakglass.review',
        { breakGlass: one.id, note: 'after the test', totpCode: ann.code() },
        ann.token,
      ),
    )
  }
})

const member = (user: string, ...permissions: VerbInput<'safe.member.set'>['permissions']) =>
  vault.ask('safe.member.set', { safe: 'line-3', user, permissions })
const signIn = async (who: TestPerson): Promise<TestPerson> => {
  const sealedPassword = await vault.sealLogin(who.name, who.password)
  const input = { name: who.name, sealedPassword, totpCode: who.code(), source: '192.0.2.7' }
  return { ...who, token: must(await api.call('login.start', input)).token }
}
const allow = (minutes = 60, alarms = ['sue', 'ann']) =>
  vault.ask('safe.breakGlass', { safe: 'line-3', minutes, alarms })
const opens = (who = bob, more: Partial<VerbInput<'breakglass.open'>> = {}) =>
  api.call(
    'breakglass.open',
    { account: 'press-3/engineer', reason: 'oil on the floor', totpCode: who.code(), ...more },
    who.token,
  )
const reviews = (who: TestPerson, { id }: BreakGlassView, note = 'a hose had burst') =>
  api.call('breakglass.review', { breakGlass: id, note, totpCode: who.code() }, who.token)
const taken = async () => {
  const due = must(await api.call('notification.take', { mail, limit: 50 }))
  for (const { id } of due) must(await api.call('notification.done', { notification: id }))
  return due.map((one) => (one.channel === 'mail' ? `${one.to}: ${one.subject}` : one.channel))
}
const texts = async (kind: string) =>
  (await vault.ask('audit.list', { kind, limit: 1_000 })).map(({ text }) => text)

test('nobody breaks the glass before the safe says for how long, and whom it alarms: two people at least', async () => {
  expect(refusalOf(await opens())).toMatchObject({
    code: 'conflict',
    message: 'break-glass is not set up for the safe line-3',
  })
  const sets = async (alarms: string[]) =>
    refusalOf(await vault.admin.call('safe.breakGlass', { safe: 'line-3', minutes: 60, alarms })).message
  expect(await sets(['sue'])).toBe('alarms: name two people at least')
  expect(await sets(['sue', 'SUE'])).toBe('alarms: name two different people at least')
  expect(await sets(['sue', 'eve'])).toBe('alarms: the user eve has no mail address')
  expect(await sets(['sue', 'nobody'])).toBe('there is no user nobody')
  await vault.ask('user.add', { name: 'new', roles: ['operator'] })
  expect(await sets(['sue', 'new'])).toBe('alarms: the user new has not signed in yet')
  const safe = await allow()
  expect(safe.breakGlass).toEqual({ minutes: 60, alarms: ['sue', 'ann'] })
  expect((await texts('safe.break-glass-set')).at(-1)).toContain(
    'allowed break-glass of 60 min in safe line-3, with an alarm for sue, ann',
  )
  // An administrator's login alone changes it as little as the permission itself.
  ann = await signIn(ann)
  expect(
    refusalOf(await api.call('safe.breakGlass', { safe: 'line-3', minutes: null }, ann.token)).message,
  ).toMatch(/^totpCode/)
  expect(
    refusalOf(
      await api.call(
        'safe.member.set',
        { safe: 'line-3', user: 'eve', permissions: ['use', 'break-glass'] },
        ann.token,
      ),
    ).message,
  ).toMatch(/^totpCode/)
})

test('who opens is in at once, for the time of the safe: two people are alarmed, and all of it is in the log', async () => {
  await allow(30)
  await taken()
  const opened = must(await opens())
  expect(opened).toMatchObject({
    user: 'bob',
    account: 'press-3/engineer',
    safe: 'line-3',
    reason: 'oil on the floor',
    state: 'running',
    alarmed: ['sue', 'ann'],
    secretChanged: false,
    mayReview: false,
  })
  expect(Date.parse(opened.endsAt) - Date.parse(opened.openedAt)).toBe(30 * 60_000)
  expect(new Set(await taken())).toEqual(
    new Set([
      'sue@plant.example: ALARM: bob broke the glass for press-3/engineer',
      'ann@plant.example: ALARM: bob broke the glass for press-3/engineer',
    ]),
  )
  const [access] = must(await api.call('access.list', {}, bob.token))
  expect(access?.grants).toMatchObject([
    {
      id: opened.grant,
      grantedBy: `break-glass ${opened.id}`,
      notAfter: opened.endsAt,
      maxSessionSeconds: 1800,
      actions: ['shell', 'exec', 'sftp-read', 'sftp-write'],
    },
  ])
  expect((await texts('breakglass.opened')).at(-1)).toBe(
    `bob broke the glass for press-3/engineer (${opened.id}) until ${opened.endsAt}: grant ${opened.grant}; 2 people were alarmed: "oil on the floor" from 192.0.2.10`,
  )
  expect((await texts('grant.added')).at(-1)).toContain('bob granted themself')
  expect(await vault.ask('exposure.list', { account: 'press-3/engineer' })).toMatchObject([
    { user: 'bob', version: 1, reason: `break-glass ${opened.id}: oil on the floor` },
  ])
  // The session says what it is under: the permit (and so the recording's header), the lists and the log.
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(permit.breakGlass).toEqual({ id: opened.id, reason: 'oil on the floor' })
  expect(permit.endsAt <= opened.endsAt).toBe(true)
  expect(await vault.ask('session.show', { session: permit.session })).toMatchObject({
    breakGlass: opened.id,
  })
  expect((await vault.ask('recording.list', {}))[0]).toMatchObject({ breakGlass: opened.id })
  await endSession(recorder, permit.session)
  // Twice at once is no more than once.
  expect(refusalOf(await opens()).message).toBe(
    `you broke the glass for press-3/engineer already (${opened.id})`,
  )
  // When the time is up nothing opens, whatever the grant was.
  vault.advance(31 * 60_000)
  const late = await open(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(late).code).toBe('expired')
})

test('a way in that somebody gave stays as it was: its session is none of break-glass', async () => {
  await vault.grant('bob', 'press-3/engineer', { forSeconds: 600 })
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(permit.breakGlass).toBeUndefined()
  await endSession(recorder, permit.session)
  for (const { id, state } of await vault.ask('grant.list', { user: 'bob' }))
    if (state === 'active') await vault.ask('grant.revoke', { grant: id })
})

test('its review is another’s, once it is over, with a word and a fresh code; until then it is open', async () => {
  bob = await signIn(bob)
  sue = await signIn(sue)
  eve = await signIn(eve)
  await taken()
  const opened = must(await opens())
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(await reviews(sue, opened))).toMatchObject({
    code: 'conflict',
    message: 'this break-glass is not over',
  })
  // Its grant can be revoked like any other, and the session under it still has to end.
  await vault.ask('grant.revoke', { grant: opened.grant })
  expect(refusalOf(await reviews(sue, opened)).code).toBe('conflict')
  await endSession(recorder, permit.session)
  expect(refusalOf(await reviews(bob, opened)).code).toBe('forbidden')
  expect(refusalOf(await reviews(eve, opened)).code).toBe('forbidden')
  expect(refusalOf(await reviews(sue, opened, '  ')).message).toBe('note: say what came of it')
  expect(
    refusalOf(await api.call('breakglass.review', { breakGlass: opened.id, note: 'fine' }, sue.token))
      .message,
  ).toMatch(/^totpCode/)
  expect(must(await api.call('breakglass.list', {}, eve.token))).toEqual([])
  expect(must(await api.call('breakglass.list', {}, bob.token))).toMatchObject([
    { id: opened.id, state: 'ended', mayReview: false, sessions: 1 },
  ])
  expect(must(await api.call('breakglass.list', {}, sue.token))).toMatchObject([
    { id: opened.id, mayReview: true },
  ])
  // Two at once: one says it, the other is told.
  const codes = [sue, ann].map((who) => ({ who, totpCode: who.code() }))
  ann = await signIn(ann)
  const both = await Promise.all(
    codes.map(({ who, totpCode }) =>
      api.call(
        'breakglass.review',
        { breakGlass: opened.id, note: 'a hose had burst', totpCode },
        who.name === 'ann' ? ann.token : who.token,
      ),
    ),
  )
  expect(both.filter(({ ok }) => ok).length).toBeLessThanOrEqual(1)
  if (both.every(({ ok }) => !ok)) must(await reviews(sue, opened))
  expect(await vault.ask('breakglass.list', {})).toEqual([])
  const [reviewed] = await vault.ask('breakglass.list', { state: 'all' })
  expect(reviewed).toMatchObject({ id: opened.id, state: 'reviewed', note: 'a hose had burst' })
  expect(refusalOf(await reviews(sue, opened)).message).toBe('this break-glass is reviewed already')
  expect((await texts('breakglass.reviewed')).at(-1)).toContain(
    `reviewed the break-glass ${opened.id} of bob`,
  )
  expect((await taken()).filter((line) => line.includes('was reviewed by')).length).toBeGreaterThan(0)
})

test('the secret is due to be another one, and it is said when it is', async () => {
  bob = await signIn(bob)
  const opened = must(await opens())
  expect(Date.parse(opened.secretDueAt) - Date.parse(opened.endsAt)).toBe(3600_000)
  const credential = await vault.sealPassword('press-3/engineer', 'An0ther-secret')
  await vault.ask('account.secret', { account: 'press-3/engineer', credential })
  expect((await vault.ask('breakglass.list', {}))[0]).toMatchObject({ secretChanged: true })
})

test('without the permission, as a vendor, an auditor, disabled or without a code nobody opens', async () => {
  eve = await signIn(eve)
  expect(refusalOf(await opens(eve)).code).toBe('forbidden')
  ann = await signIn(ann)
  expect(refusalOf(await opens(ann)).code).toBe('forbidden')
  bob = await signIn(bob)
  expect(
    refusalOf(await api.call('breakglass.open', { account: 'press-3/engineer', reason: 'now' }, bob.token))
      .message,
  ).toMatch(/^totpCode/)
  const code = bob.code()
  must(await opens(bob, { totpCode: code }))
  expect(refusalOf(await opens(bob, { totpCode: code })).message).toMatch(/^totpCode/)
  expect(refusalOf(await opens(bob, { reason: ' ' })).message).toBe('reason: say why')
  expect(refusalOf(await opens(bob, { account: 'press-3/nobody' })).code).toBe('forbidden')
  await vault.person('vic', ['vendor'])
  expect(
    refusalOf(
      await vault.admin.call('safe.member.set', {
        safe: 'line-3',
        user: 'vic',
        permissions: ['break-glass'],
      }),
    ).message,
  ).toContain('a vendor can be let use and reveal, nothing else')
  expect(refusalOf(await vault.admin.call('user.roles', { user: 'bob', roles: ['vendor'] })).code).toBe(
    'conflict',
  )
  expect(
    refusalOf(
      await vault.admin.call('safe.member.set', {
        safe: 'line-3',
        user: 'ingrid',
        permissions: ['break-glass'],
      }),
    ).message,
  ).toContain('auditor')
})

test('whom the safe alarms may be gone: administrators hear of it, and it opens all the same', async () => {
  await vault.ask('user.disable', { user: 'sue' })
  bob = await signIn(bob)
  expect(must(await opens()).alarmed).toEqual(['ann'])
  await vault.ask('user.enable', { user: 'sue' })
})

test('a policy that wants approvals is skipped, and its other limits are not', async () => {
  bob = await signIn(bob)
  const rule = { name: 'approved', effect: 'limit', who: { everyone: true }, what: { everything: true } }
  const apply = async (document: unknown) => {
    const { digest: expected } = await vault.ask('policy.show', {})
    await vault.ask('policy.apply', { document: document as never, expected })
  }
  await apply({
    version: 1,
    groups: { ot: ['sue'] },
    rules: [{ ...rule, approvals: [{ group: 'ot', count: 1 }] }],
  })
  must(await opens())
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(permit.breakGlass).toBeDefined()
  await endSession(recorder, permit.session)
  await apply({ version: 1, rules: [{ ...rule, networks: ['203.0.113.0/24'] }] })
  const elsewhere = await open(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(elsewhere).code).toBe('forbidden')
  await apply({ version: 1, rules: [] })
})

test('where a rotation ended in doubt it sends both credentials, the new one first, and who gets in settles it', async () => {
  await using machine = await startFakeSshTarget()
  const account = 'press-9/engineer'
  const before = 'S3cret-before-the-doubt'
  machine.users.set('engineer', { password: before, behaviour: 'refuses the login', refused: 0, accepted: 0 })
  const { port, pin } = machine
  await vault.account({ target: 'press-9', address: `ssh://127.0.0.1:${port}`, pin, password: before })
  await vault.ask('rotation.set', { account, connector: 'linux-password' })
  await vault.grant('bob', account)
  const worker = await vault.connect('rotation')
  const { id: run } = await vault.ask('rotation.start', { account })
  await drive(vault, () => worker, run)
  expect(await vault.ask('rotation.show', { run })).toMatchObject({ phase: 'unknown' })
  const kept = await secretsOf(vault, account)

  const connecting = async () =>
    open(recorder, { proof: await prove(recorder, key, 'bob'), target: 'press-9', account: 'engineer' })
  // A grant alone sends neither: it would count against the lock-out.
  expect(refusalOf(await connecting()).message).toContain('nobody knows which password')

  bob = await signIn(bob)
  const glass = must(await opens(bob, { account }))
  const two = [
    { version: 2, is: 'new' },
    { version: 1, is: 'before' },
  ]
  expect(glass.doubt).toEqual({ rotation: run, order: two })
  // Both count as seen.
  const seen = (await vault.ask('exposure.list', { account })).map(({ version }) => version)
  expect(new Set(seen)).toEqual(new Set([1, 2]))
  const sent = async () => {
    const { session } = must(await connecting())
    const call = startCall(session)
    return { session, password: call.read(must(await recorder.call('session.start', call.input))) }
  }
  const order = async () => (await vault.ask('breakglass.list', {}))[0]?.doubt?.order
  const first = await sent()
  expect(first.password).toBe(kept.get('candidate'))
  await endSession(recorder, first.session, 'target refused the credential')
  expect(await order()).toEqual(two.toReversed())
  const second = await sent()
  expect(second.password).toBe(before)
  await endSession(recorder, second.session, 'target refused the credential')
  const third = await sent()
  expect(third.password).toBe(kept.get('candidate'))
  await endSession(recorder, third.session, 'target unreachable')
  // Not refused: the same again.
  const fourth = await sent()
  expect(fourth.password).toBe(kept.get('candidate'))
  must(await recorder.call('session.connected', { session: fourth.session }))
  expect(await vault.ask('rotation.show', { run })).toMatchObject({ phase: 'done', version: 2 })
  expect(await vault.ask('account.show', { account })).toMatchObject({ credential: { version: 2 } })
  // Whom it let in may have it: it is to be changed all the same.
  expect((await vault.ask('breakglass.list', {}))[0]).toMatchObject({ doubt: null, secretChanged: false })
  await endSession(recorder, fourth.session)
})
