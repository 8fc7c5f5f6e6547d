import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permit, VerbInput, VerbName } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

type Cut = { readonly session: string; readonly reason: string; readonly message: string }

const day = 24 * 3600_000
let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let ann: TestPerson
let sue: TestPerson
let count = 0
const cuts: Cut[] = []
const takesCuts: Dispatch = (method) =>
  method === 'session.cut'
    ? async (params) => {
        cuts.push(params as Cut)
        return done(null)
      }
    : undefined

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', takesCuts)
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const later = (ms: number) => new Date(vault.now().getTime() + ms).toISOString()
/** A company of its own for each test. */
async function company(more: Partial<VerbInput<'company.add'>> = {}) {
  count += 1
  return vault.ask('company.add', {
    name: `acme-${count}`,
    contractEndsAt: later(90 * day),
    sponsor: 'sue',
    mailDomains: [`acme-${count}.com`],
    ...more,
  })
}
async function representative(of: { readonly name: string }, name = `vera-${count}`): Promise<TestPerson> {
  const { enrolment } = await vault.ask('company.invite', {
    company: of.name,
    name,
    mail: `${name}@${of.name}.com`,
  })
  return vault.enrol(enrolment.token)
}
const signIn = async (who: TestPerson) =>
  api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, who.password),
    totpCode: who.code(),
    source: who.name, // nobody waits for others’ failures
  })
const textOf = async (kind: string) =>
  (await vault.ask('audit.list', { kind, limit: 1_000 })).map(({ text }) => text)
const cutOf = (session: Permit['session']) => until(() => cuts.find((cut) => cut.session === session))

test('a company is added, listed, shown and changed, and the log says who and what', async () => {
  const added = await company({ mailDomains: ['ACME.Example', 'acme.example', 'acme.org'], terms: 'Behave.' })
  expect(added).toMatchObject({
    state: 'active',
    sponsor: 'sue',
    isSponsorActive: true,
    mailDomains: ['acme.example', 'acme.org'],
    hasTerms: true,
    representatives: 0,
    offAt: null,
  })
  expect(await vault.ask('company.list', {})).toContainEqual(added)
  const changed = await vault.ask('company.change', {
    company: added.name.toUpperCase(),
    contractEndsAt: later(180 * day),
    sponsor: 'ann',
    mailDomains: ['acme.net'],
    terms: null,
  })
  expect(changed).toMatchObject({ sponsor: 'ann', mailDomains: ['acme.net'], hasTerms: false })
  const detail = await vault.ask('company.show', { company: added.name })
  expect(detail).toMatchObject({ ...changed, terms: null, people: [], grants: [], offboardings: [] })
  expect((await textOf('company.added')).at(-1)).toContain(`added company ${added.name}`)
  expect((await textOf('company.changed')).at(-1)).toMatch(/sponsor ann, mail at acme\.net, no terms/)
})

test.each([
  [{ contractEndsAt: '2020-01-01T00:00:00Z' }, 'contractEndsAt: this moment has passed'],
  [{ contractEndsAt: '2099-01-01T00:00:00Z' }, 'in ten years at the latest'],
  [{ sponsor: 'nobody' }, 'there is no user nobody'],
  [{ mailDomains: ['acme'] }, 'mailDomains: "acme" is not a domain'],
  [{ mailDomains: ['müller.de'] }, 'is not a domain in ASCII'],
  [{ mailDomains: [] }, 'mailDomains: this is empty'],
  [{ terms: '  ' }, 'terms: leave it out where there are none'],
  [{ name: 'a company' }, 'name: use 1 to 63 letters'],
])('what no company can be is refused with a sentence: %j', async (more, sentence) => {
  const input = {
    name: 'odd',
    contractEndsAt: later(day),
    sponsor: 'sue',
    mailDomains: ['odd.com'],
    ...more,
  }
  expect(refusalOf(await vault.admin.call('company.add', input)).message).toContain(sentence)
})

test('a name is one company’s, a vendor is no sponsor, and nothing is no change', async () => {
  const first = await company()
  expect(refusalOf(await vault.admin.call('company.change', { company: first.name })).message).toContain(
    'say what changes',
  )
  const again = { name: first.name.toUpperCase(), contractEndsAt: later(day), mailDomains: ['x.com'] }
  expect(refusalOf(await vault.admin.call('company.add', { ...again, sponsor: 'sue' })).message).toContain(
    'already',
  )
  const vera = await representative(first)
  expect(
    refusalOf(await vault.admin.call('company.change', { company: first.name, sponsor: vera.name })).message,
  ).toBe(`the user ${vera.name} is a vendor`)
})

test('a person gives a fresh code for each act that lets people in', async () => {
  const acme = await company()
  const asks: readonly (readonly [VerbName, object])[] = [
    ['company.add', { name: 'new', contractEndsAt: later(day), sponsor: 'sue', mailDomains: ['new.com'] }],
    ['company.change', { company: acme.name, contractEndsAt: later(100 * day) }],
    ['company.invite', { company: acme.name, name: 'vic', mail: `vic@${acme.name}.com` }],
    ['company.on', { company: acme.name }],
  ]
  for (const [verb, input] of asks) {
    expect(refusalOf(await api.call(verb, input as never, ann.token)).message).toContain('this needs a code')
  }
  const [verb, given] = asks[0] ?? ['company.on', {}]
  const guessed = refusalOf(await api.call(verb, { ...given, totpCode: '000000' } as never, ann.token))
  expect(guessed.message).toBe('totpCode: the code is wrong or was used')
  const input = { company: acme.name, name: 'vic', mail: `vic@${acme.name}.com`, totpCode: ann.code() }
  const { representative: vic } = must(await api.call('company.invite', input, ann.token))
  expect(vic).toMatchObject({
    user: 'vic',
    mail: `vic@${acme.name}.com`,
    invitedBy: 'ann',
    state: 'enrolling',
  })
  expect(refusalOf(await api.call('company.invite', input, sue.token)).code).toBe('forbidden')
})

test('a representative is a vendor of one company, with an address of it, and nothing else', async () => {
  const acme = await company()
  const vera = await representative(acme)
  expect(await vault.ask('user.show', { user: vera.name })).toMatchObject({
    roles: ['vendor'],
    company: acme.name,
    state: 'active',
  })
  expect((await vault.ask('user.list', {})).find(({ name }) => name === vera.name)?.company).toBe(acme.name)
  const invite = (mail: string, name = 'other') =>
    vault.admin.call('company.invite', { company: acme.name, name, mail })
  expect(refusalOf(await invite(`a@${acme.name}.com.evil`)).message).toContain('is not a mail domain')
  expect(refusalOf(await invite(`${vera.name.toUpperCase()}@${acme.name}.com`)).message).toBe(
    `the user ${vera.name} has this mail address`,
  )
  expect(refusalOf(await invite(`other@${acme.name}.com`, vera.name)).code).toBe('conflict')
  for (const roles of [['admin'], ['vendor', 'operator'], ['operator']] as const)
    expect(
      refusalOf(await vault.admin.call('user.roles', { user: vera.name, roles: [...roles] })).message,
    ).toBe(`the user ${vera.name} represents ${acme.name}, and is a vendor and nothing else`)
  // They are written to at the address that they were invited by, and at no address of others.
  expect((await vault.ask('user.show', { user: vera.name })).mail?.address).toBe(
    `${vera.name}@${acme.name}.com`,
  )
  const writes = (address: string) =>
    api.call('user.mail', { user: vera.name, address, totpCode: vera.code() }, vera.token)
  expect(refusalOf(await writes('evil@evil.com')).message).toBe(
    'address: evil.com is not a mail domain of this company',
  )
  expect((await writes(`stone@${acme.name}.com`)).ok).toBe(true)
  for (const permission of ['approve', 'manage'] as const)
    expect(
      refusalOf(
        await vault.admin.call('safe.member.set', {
          safe: 'line-3',
          user: vera.name,
          permissions: [permission],
        }),
      ).message,
    ).toBe('permissions: a vendor can be let use and reveal, nothing else')
})

test('terms are accepted with the enrolment, as they were shown, and written down', async () => {
  const acme = await company({ terms: 'Nobody brings a USB stick.\nNobody.' })
  const { enrolment } = await vault.ask('company.invite', {
    company: acme.name,
    name: `tess-${count}`,
    mail: `tess@${acme.name}.com`,
  })
  const box = await enrolmentBox()
  const begun = must(
    await api.call('enrolment.begin', { token: enrolment.token, boxKey: box.boxKey, source: '192.0.2.10' }),
  )
  expect(begun.terms).toMatchObject({ company: acme.name, text: 'Nobody brings a USB stick.\nNobody.' })
  const finish = (termsDigest?: string) => vault.enrol(enrolment.token, undefined, termsDigest)
  await expect(finish()).rejects.toThrow(/termsDigest: the terms of .* have to be accepted/)
  await expect(finish('f'.repeat(64))).rejects.toThrow(/were changed meanwhile/)
  const tess = await finish(begun.terms?.digest)
  expect(must(await api.call('login.who', {}, tess.token)).owesTerms).toBeUndefined()
  expect((await textOf('terms.accepted')).at(-1)).toContain(
    `accepted the terms of company ${acme.name} (SHA-256 ${begun.terms?.digest})`,
  )
  const [person] = (await vault.ask('company.show', { company: acme.name })).people
  expect(person?.termsAcceptedAt).not.toBeNull()
})

test('new terms come before anything else, in the console and over SSH', async () => {
  const acme = await company()
  const vera = await representative(acme)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  await vault.grant(vera.name, 'press-3/engineer')
  await vault.ask('company.change', { company: acme.name, terms: 'Wear a helmet.' })
  const refused = refusalOf(await api.call('access.list', {}, vera.token))
  expect(refused).toMatchObject({
    code: 'forbidden',
    message: 'you have not accepted the terms of your company yet',
  })
  expect(refusalOf(await open(recorder, { proof: await prove(recorder, key, vera.name) })).message).toBe(
    refused.message,
  )
  expect(must(await api.call('login.who', {}, vera.token)).owesTerms).toBe(true)
  expect(must(await signIn(vera)).user.owesTerms).toBe(true)
  const terms = must(await api.call('terms.show', {}, vera.token))
  expect(terms?.text).toBe('Wear a helmet.')
  expect(refusalOf(await api.call('terms.accept', { digest: '0'.repeat(64) }, vera.token)).message).toContain(
    'were changed meanwhile',
  )
  const user = must(await api.call('terms.accept', { digest: terms?.digest ?? '' }, vera.token))
  expect(user.owesTerms).toBeUndefined()
  expect(must(await api.call('access.list', {}, vera.token))).toHaveLength(1)
  const permit = must(await open(recorder, { proof: await prove(recorder, key, vera.name) }))
  await endSession(recorder, permit.session)
  expect(refusalOf(await api.call('terms.accept', { digest: terms?.digest ?? '' }, sue.token)).code).toBe(
    'conflict',
  )
})

test('a grant never outlasts the contract, however it comes about', async () => {
  const acme = await company({ contractEndsAt: later(2 * 3600_000) })
  const vera = await representative(acme)
  const { contractEndsAt } = acme
  const add = (more: Partial<VerbInput<'grant.add'>>) =>
    vault.admin.call('grant.add', {
      user: vera.name,
      account: 'press-3/engineer',
      actions: ['shell'],
      ...more,
    })
  for (const more of [
    { forSeconds: 4 * 3600 },
    { notAfter: later(day) },
    { notBefore: later(3 * 3600_000), forSeconds: 60 },
  ])
    expect(refusalOf(await add(more))).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(`the contract of ${acme.name} ends at`),
    })
  // Where nobody names an end, it is that of the contract.
  expect(must(await add({})).notAfter).toBe(contractEndsAt)
  await vault.ask('safe.member.set', { safe: 'line-3', user: vera.name, permissions: ['use'] })
  const asks = (forSeconds: number) =>
    api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['exec'], forSeconds, reason: 'firmware' },
      vera.token,
    )
  expect(refusalOf(await asks(3 * 3600)).message).toContain('the contract of your company ends at')
  const request = must(await asks(3600))
  // It is approved late: what is left of the contract is less than what was asked for.
  vault.advance(90 * 60_000)
  const again = must(await signIn(sue))
  const approved = must(
    await api.call(
      'request.decide',
      { request: request.id, digest: request.digest, verdict: 'approve', totpCode: sue.code() },
      again.token,
    ),
  )
  const grants = await vault.ask('grant.list', { user: vera.name })
  expect(grants.find(({ id }) => id === approved.grant)?.notAfter).toBe(contractEndsAt)
})

test('after the end of the contract nothing opens, and what runs ends with it', async () => {
  const acme = await company({ contractEndsAt: later(10 * 60_000) })
  const vera = await representative(acme)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  await vault.ask('grant.add', { user: vera.name, account: 'press-3/engineer', actions: ['shell'] })
  const token = must(await signIn(vera)).token
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, vera.name) })
  expect(permit.endsAt).toBe(acme.contractEndsAt)
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, token),
  )
  expect(lease.until).toBe(acme.contractEndsAt)
  vault.advance(10 * 60_000)
  expect(await cutOf(permit.session)).toMatchObject({ reason: 'time is up' })
  await endSession(recorder, permit.session, 'time is up')
  const over = `the contract of ${acme.name} ended at`
  expect(refusalOf(await signIn(vera)).message).toContain(over)
  expect(refusalOf(await api.call('access.list', {}, token))).toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining(over),
  })
  expect(refusalOf(await open(recorder, { proof: await prove(recorder, key, vera.name) })).message).toContain(
    over,
  )
  for (const verb of ['user.enrol'] as const)
    expect(refusalOf(await vault.admin.call(verb, { user: vera.name })).next).toContain(
      'tagout vendor change',
    )
  expect(
    refusalOf(
      await vault.admin.call('company.invite', {
        company: acme.name,
        name: 'late',
        mail: `l@${acme.name}.com`,
      }),
    ).message,
  ).toBe(`the contract of ${acme.name} has ended`)
  expect((await vault.ask('company.show', { company: acme.name })).state).toBe('ended')
  // Renewed, they come back.
  await vault.ask('company.change', { company: acme.name, contractEndsAt: later(day) })
  expect((await signIn(vera)).ok).toBe(true)
})

test('a contract that is made shorter ends grants and sessions with it', async () => {
  const acme = await company()
  const vera = await representative(acme)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  const grant = await vault.grant(vera.name, 'press-3/engineer')
  const future = await vault.ask('grant.add', {
    user: vera.name,
    account: 'press-3/engineer',
    actions: ['exec'],
    notBefore: later(10 * day),
    forSeconds: 3600,
  })
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, vera.name) })
  const contractEndsAt = later(10 * 60_000)
  await vault.ask('company.change', { company: acme.name, contractEndsAt })
  const grants = await vault.ask('grant.list', { user: vera.name })
  expect(grants.find(({ id }) => id === grant.id)?.notAfter).toBe(contractEndsAt)
  expect(grants.find(({ id }) => id === future.id)?.state).toBe('revoked')
  expect((await vault.ask('session.show', { session: permit.session })).endsAt).toBe(contractEndsAt)
  expect((await textOf('grant.shortened')).at(-1)).toContain(contractEndsAt)
  vault.advance(10 * 60_000)
  expect((await cutOf(permit.session)).reason).toBe('time is up')
  await endSession(recorder, permit.session, 'time is up')
})

test('one act takes a company off, and the report says what it ended and how long it took', async () => {
  const acme = await company()
  const vera = await representative(acme)
  const vito = await representative(acme, `vito-${count}`)
  const waiting = await vault.ask('company.invite', {
    company: acme.name,
    name: `vlad-${count}`,
    mail: `vlad@${acme.name}.com`,
  })
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  const grant = await vault.grant(vera.name, 'press-3/engineer')
  await vault.grant(vito.name, 'press-3/engineer')
  await vault.account({ login: `seen-${count}` })
  await vault.account({ login: `changed-${count}` })
  await vault.ask('safe.member.set', { safe: 'line-3', user: vera.name, permissions: ['use', 'reveal'] })
  const [seen, changed] = [`press-3/seen-${count}`, `press-3/changed-${count}`]
  const box = await enrolmentBox()
  for (const account of [seen, changed])
    must(
      await api.call(
        'account.reveal',
        { account, boxKey: box.boxKey, totpCode: vera.code(), reason: 'assisted change' },
        vera.token,
      ),
    )
  // Rotated since: nobody has to do it again.
  await vault.ask('account.secret', {
    account: changed,
    credential: await vault.sealPassword(changed, 'An0ther-of-the-press'),
  })
  const request = must(
    await api.call(
      'request.add',
      { account: seen, actions: ['shell'], forSeconds: 3600, reason: 'look' },
      vera.token,
    ),
  )
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, vito.token),
  )
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, vera.name) })
  const proof = await prove(recorder, key, vera.name)

  const report = await vault.ask('company.off', { company: acme.name, reason: 'the contract is cancelled' })
  expect(report).toMatchObject({
    company: acme.name,
    user: null,
    reason: 'the contract is cancelled',
    by: expect.stringMatching(/^local:/),
    people: expect.arrayContaining([vera.name, vito.name, `vlad-${count}`]),
    logins: 2,
    sessions: [{ session: permit.session, user: vera.name, endedAt: null, endedAfterMs: null }],
    requests: [{ id: request.id, user: vera.name, account: seen }],
    secrets: [{ account: seen, version: 1, user: vera.name, rotatedAt: null }],
  })
  expect(report.grants.map(({ user }) => user).sort()).toEqual([vera.name, vito.name].sort())
  expect(report.leases.map(({ id }) => id)).toContain(lease.id)
  expect(Date.parse(report.secrets[0]?.dueAt ?? '') - Date.parse(report.at)).toBe(30 * day)

  expect((await cutOf(permit.session)).reason).toBe('user disabled')
  await endSession(recorder, permit.session, 'user disabled')
  const after = await vault.ask('offboarding.show', { offboarding: report.id })
  expect(after.sessions[0]?.endedAfterMs).toBeGreaterThanOrEqual(0)
  expect(after.sessions[0]?.endedAfterMs).toBeLessThan(3_000)
  expect((await vault.ask('offboarding.list', {}))[0]?.id).toBe(report.id)

  // Nothing of theirs is good any more.
  expect((await open(recorder, { proof })).ok).toBe(false)
  await expect(prove(recorder, key, vera.name)).rejects.toThrow()
  for (const who of [vera, vito]) expect((await api.call('login.who', {}, who.token)).ok).toBe(false)
  expect((await signIn(vera)).ok).toBe(false)
  expect(
    refusalOf(
      await api.call('enrolment.begin', {
        token: waiting.enrolment.token,
        boxKey: box.boxKey,
        source: '192.0.2.10',
      }),
    ).code,
  ).toBe('unauthenticated')
  expect((await vault.ask('grant.list', { user: vera.name })).find(({ id }) => id === grant.id)?.state).toBe(
    'revoked',
  )
  expect((await vault.ask('lease.list', {})).filter(({ user }) => user === vito.name)).toEqual([])
  const shown = await vault.ask('company.show', { company: acme.name })
  expect(shown).toMatchObject({ state: 'off', grants: [], offboardings: [{ id: report.id }] })
  expect(shown.people.map(({ state }) => state)).toEqual(['disabled', 'disabled', 'disabled'])
  expect((await textOf('user.off')).filter((text) => text.includes(`-${count} off`))).toHaveLength(3)
  const due = (await vault.ask('exposure.list', { account: seen })).find(({ user }) => user === vera.name)
  // Within 30 days of when they saw it, which was before they left.
  expect(Date.parse(due?.rotationDueAt ?? '')).toBeLessThanOrEqual(Date.parse(report.secrets[0]?.dueAt ?? ''))
  expect(due?.cause).toBe('off-boarding')
  expect(
    (await vault.ask('exposure.list', { account: changed })).find(({ user }) => user === vera.name)
      ?.rotationDueAt,
  ).toBeNull()
  await vault.ask('account.secret', {
    account: seen,
    credential: await vault.sealPassword(seen, 'An0ther-of-the-press'),
  })
  expect(
    (await vault.ask('offboarding.show', { offboarding: report.id })).secrets[0]?.rotatedAt,
  ).not.toBeNull()
  expect(
    (await vault.ask('exposure.list', { account: seen })).find(({ user }) => user === vera.name)
      ?.rotationDueAt,
  ).toBeNull()
})

test('who is let in by a rule and no grant is bound by the contract, and taken off as others are', async () => {
  await vault.ask('policy.apply', {
    document: {
      version: 1,
      rules: [
        {
          name: 'vendors',
          effect: 'allow',
          actions: ['shell'],
          who: { roles: ['vendor'] },
          what: { targets: ['press-3'] },
        },
      ],
    },
    expected: null,
  })
  const acme = await company({ contractEndsAt: later(3600_000) })
  const vera = await representative(acme)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  const explained = () => vault.ask('policy.explain', { user: vera.name, account: 'press-3/engineer' })
  expect(await explained()).toMatchObject({ allowed: true, endsAt: acme.contractEndsAt })
  const reached = await vault.ask('policy.reach', { company: acme.name })
  expect([...new Set(reached.map(({ user }) => user))]).toEqual([vera.name])
  const held = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, vera.token),
  )
  expect(held.until).toBe(acme.contractEndsAt)
  const proof = await prove(recorder, key, vera.name)
  const permit = await connectSession(recorder, { proof, account: 'engineer' })
  expect(permit.endsAt).toBe(acme.contractEndsAt)
  const [grant] = await vault.ask('grant.list', { user: vera.name })
  expect(grant?.notAfter).toBe(acme.contractEndsAt)
  const report = await vault.ask('company.off', { company: acme.name, reason: 'left' })
  expect(report.sessions.map(({ session }) => session)).toEqual([permit.session])
  expect(report.grants.map(({ id }) => id)).toEqual([grant?.id])
  expect((await cutOf(permit.session)).reason).toBe('user disabled')
  await endSession(recorder, permit.session, 'user disabled')
  expect((await open(recorder, { proof, account: 'engineer' })).ok).toBe(false)
  expect(await explained()).toMatchObject({ allowed: false })
  expect(await vault.ask('policy.reach', { user: vera.name })).toEqual([])
  const { digest } = (await vault.ask('policy.show', {})) ?? { digest: null }
  await vault.ask('policy.apply', { document: { version: 1, rules: [] }, expected: digest })
})

test('a company that was taken off comes back person by person, each with a new link and no old right', async () => {
  const acme = await company()
  const vera = await representative(acme)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: vera.name, publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: vera.name, permissions: ['use'] })
  await vault.grant(vera.name, 'press-3/engineer')
  const waiting = await vault.ask('company.invite', {
    company: acme.name,
    name: `vito-${count}`,
    mail: `vito@${acme.name}.com`,
  })
  await vault.ask('company.off', { company: acme.name, reason: 'audit' })
  expect(refusalOf(await vault.admin.call('company.off', { company: acme.name, reason: 'x' })).message).toBe(
    `the company ${acme.name} is off already`,
  )
  const off = `the company ${acme.name} is off`
  expect(refusalOf(await vault.admin.call('user.enable', { user: vera.name })).message).toBe(off)
  expect(
    refusalOf(
      await vault.admin.call('company.invite', {
        company: acme.name,
        name: 'new',
        mail: `n@${acme.name}.com`,
      }),
    ).message,
  ).toBe(off)
  await vault.ask('company.on', { company: acme.name })
  expect((await signIn(vera)).ok).toBe(false)
  expect(await vault.ask('user.enable', { user: vera.name })).toMatchObject({
    state: 'enrolling',
    keys: 0,
    recoveryCodes: 0,
  })
  await vault.ask('user.enable', { user: waiting.representative.user })
  const { boxKey } = await enrolmentBox()
  const { token } = waiting.enrolment
  expect(
    refusalOf(await api.call('enrolment.begin', { token, boxKey, source: '192.0.2.10' })).message,
  ).toContain('was used')
  await expect(prove(recorder, key, vera.name)).rejects.toThrow()
  const [safe] = await vault.ask('safe.list', {})
  expect(safe?.members.map(({ user }) => user)).not.toContain(vera.name)
  expect((await signIn(vera)).ok).toBe(false)
  const again = await vault.enrol((await vault.ask('user.enrol', { user: vera.name })).token)
  expect(must(await api.call('access.list', {}, again.token))).toEqual([])
})

test('one act takes one person off: staff as well, never oneself, never the last administrator', async () => {
  const bob = await vault.person('bob', ['operator'])
  await vault.grant('bob', 'press-3/engineer')
  const approver = must(await signIn(sue)).token
  expect(refusalOf(await api.call('user.off', { user: 'bob', reason: 'x' }, approver)).code).toBe('forbidden')
  const admin = must(await signIn(ann)).token
  expect(refusalOf(await api.call('user.off', { user: 'ann', reason: 'x' }, admin)).code).toBe('forbidden')
  expect(refusalOf(await vault.admin.call('user.off', { user: 'ann', reason: 'x' })).message).toContain(
    'the last active administrator',
  )
  const report = must(await api.call('user.off', { user: 'bob', reason: 'retired' }, admin))
  expect(report).toMatchObject({ user: 'bob', company: null, people: ['bob'], logins: 1, by: 'ann' })
  expect(report.grants).toHaveLength(1)
  expect((await api.call('login.who', {}, bob.token)).ok).toBe(false)
  expect((await vault.ask('user.show', { user: 'bob' })).state).toBe('disabled')
})

test('a sponsor sees and takes off the companies that are theirs, and no other', async () => {
  const sponsor = await vault.person(`sid-${count}`, ['operator'])
  const mine = await company({ sponsor: sponsor.name })
  const other = await company()
  expect(must(await api.call('company.list', {}, sponsor.token)).map(({ name }) => name)).toEqual([mine.name])
  expect(must(await api.call('company.show', { company: mine.name }, sponsor.token)).name).toBe(mine.name)
  const unknown = refusalOf(await api.call('company.show', { company: 'no-such' }, sponsor.token))
  expect(refusalOf(await api.call('company.show', { company: other.name }, sponsor.token))).toEqual(unknown)
  const off = (name: string) => api.call('company.off', { company: name, reason: 'left' }, sponsor.token)
  expect(refusalOf(await off(other.name)).code).toBe('forbidden')
  const report = must(await off(mine.name))
  expect(must(await api.call('offboarding.show', { offboarding: report.id }, sponsor.token)).id).toBe(
    report.id,
  )
  expect(
    refusalOf(await api.call('company.on', { company: mine.name, totpCode: sponsor.code() }, sponsor.token))
      .code,
  ).toBe('forbidden')
})
