import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCheckpoint } from '../../../vault/audit/checkpoint.ts'
import { isIncluded } from '../../../vault/proof/tree.ts'
import { leafHash } from '../../../vault/audit/tree.ts'
import type { AuditFound, Permit, VerbInput } from '../../../vault/contract.ts'
import { verifyingKeyOf } from '../../../vault/crypto/signing.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// Vera of acme works at press-3 after sue has let her in; bob, who is of the plant, at mill-9, on a grant of the administrator.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let ann: TestPerson
let sue: TestPerson
let vera: TestPerson
let veras: Permit
const began = new Date()

beforeAll(async () => {
  vault = await startTestVault({ clock: () => new Date() })
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account()
  await vault.account({ target: 'mill-9', safe: 'line-9', login: 'root' })
  ann = await vault.person('ann', ['admin'])
  sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.ask('company.add', {
    name: 'Acme',
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'sue',
    mailDomains: ['acme.com'],
  })
  const invited = await vault.ask('company.invite', { company: 'Acme', name: 'vera', mail: 'vera@acme.com' })
  vera = await vault.enrol(invited.enrolment.token)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'vera', permissions: ['use'] })
  const request = must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'the gripper sticks' },
      vera.token,
    ),
  )
  must(
    await api.call(
      'request.decide',
      { request: request.id, digest: request.digest, verdict: 'approve', totpCode: sue.code() },
      sue.token,
    ),
  )
  const veraKey = makeSshKey()
  await vault.ask('user.key.add', { user: 'vera', publicKey: veraKey.line })
  veras = await connectSession(recorder, { proof: await prove(recorder, veraKey, 'vera') })
  await endSession(recorder, veras.session)
  const bobKey = makeSshKey()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: bobKey.line })
  await vault.person('otto', ['operator'])
  await vault.grant('bob', 'mill-9/root')
  const bobs = await connectSession(recorder, {
    proof: await prove(recorder, bobKey, 'bob'),
    target: 'mill-9',
  })
  await endSession(recorder, bobs.session)
  refusalOf(await open(recorder, { proof: await prove(recorder, bobKey, 'bob'), target: 'press-3' }))
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const find = (input: VerbInput<'audit.find'>) => vault.ask('audit.find', input)
/** All pages of three entries each, the oldest entry first. */
async function all(input: VerbInput<'audit.find'>): Promise<AuditFound[]> {
  const found: AuditFound[] = []
  for (let after: string | undefined; ; ) {
    const page = await find({ ...input, limit: 3, ...(after === undefined ? {} : { after }) })
    found.push(...page.entries)
    if (page.next === null) return found.reverse()
    after = page.next
  }
}
/** What is marked of sessions comes when the vault gets to it. */
const kinds = (entries: readonly AuditFound[]) =>
  entries.flatMap(({ kind }) => (kind === 'risk.marked' ? [] : [kind]))

test('for a machine: who, of which company, let in by whom, from where, as which account', async () => {
  const entries = await all({ target: 'PRESS-3' })
  expect(kinds(entries)).toEqual([
    'safe.added',
    'target.added',
    'target.pinned',
    'account.added',
    'account.secret',
    'account.bound',
    'safe.member-set',
    'safe.member-set',
    'request.made',
    'grant.added',
    'request.decided',
    'lease.taken',
    'session.opened',
    'session.started',
    'session.connected',
    'session.ended',
    'session.refused',
  ])
  const of = (kind: string) => entries.find((entry) => entry.kind === kind)
  const veraAtThePress = {
    who: 'vera',
    company: 'Acme',
    approvedBy: ['sue'],
    target: 'press-3',
    account: 'press-3/engineer',
    session: veras.session,
    source: '192.0.2.20',
    unproven: false,
  }
  expect(of('session.opened')).toMatchObject({ ...veraAtThePress, actor: 'user:vera' })
  // What the recorder writes down of her session is hers.
  expect(of('session.ended')).toMatchObject({ ...veraAtThePress, actor: 'recorder' })
  expect(of('request.decided')).toMatchObject({ who: 'sue', company: null, approvedBy: ['sue'] })
  expect(of('session.refused')).toMatchObject({ who: 'bob', company: null, target: 'press-3' })
})

test('a session that a grant of the administrator let in names who gave it', async () => {
  const [ended] = await all({ target: 'mill-9', kinds: 'session.ended' })
  expect(ended).toMatchObject({ who: 'bob', company: null, account: 'mill-9/root' })
  expect(ended?.approvedBy).toEqual([expect.stringMatching(/^local:\d+$/)])
})

test('for a person: what they did, and what was done to them', async () => {
  const entries = await all({ person: 'vera' })
  expect(kinds(entries)).toEqual(
    expect.arrayContaining(['company.invited', 'user.enrolled', 'request.decided', 'session.ended']),
  )
  expect(entries.every(({ text }) => text.includes('vera'))).toBe(true)
  expect(kinds(await all({ person: 'bob', target: 'press-3' }))).toEqual(['session.refused'])
})

test('for a company: it, and all of its people', async () => {
  const entries = await all({ company: 'acme' })
  expect(kinds(entries)).toEqual(
    expect.arrayContaining(['company.added', 'session.started', 'login.started']),
  )
  expect(kinds(await all({ company: 'acme', kinds: 'session' }))).toEqual([
    'session.opened',
    'session.started',
    'session.connected',
    'session.ended',
  ])
  expect(await all({ company: 'acme', target: 'mill-9' })).toEqual([])
})

test('by account, session, kind, words and time', async () => {
  expect((await all({ account: 'press-3/engineer', kinds: 'request' })).length).toBe(2)
  expect(await all({ account: 'press-3/nobody' })).toEqual([])
  expect(kinds(await all({ session: veras.session }))).toEqual([
    'session.opened',
    'session.started',
    'session.connected',
    'session.ended',
  ])
  expect(kinds(await all({ kinds: 'session.refused,request.made' }))).toEqual([
    'request.made',
    'session.refused',
  ])
  expect(kinds(await all({ text: 'GRIPPER sticks' }))).toEqual(['request.made', 'grant.added'])
  const [first] = await all({ session: veras.session })
  const at = first?.at ?? ''
  expect(kinds(await all({ target: 'press-3', kinds: 'session.opened', since: at }))).toEqual([
    'session.opened',
  ])
  expect(await all({ target: 'press-3', kinds: 'session.opened', until: at })).toEqual([])
  expect(await all({ until: new Date(began.getTime() - 3600_000).toISOString() })).toEqual([])
})

test('the policy concerns every machine', async () => {
  const before = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', {
    document: { version: 1, rules: [] },
    expected: before.digest,
  })
  expect(kinds(await all({ target: 'mill-9' }))).toContain('policy.applied')
  expect(kinds(await all({ account: 'mill-9/root' }))).not.toContain('policy.applied')
})

test('checkpoints of recordings are told to be listed by number', async () => {
  const refused = refusalOf(await vault.admin.call('audit.find', { kinds: 'session.checkpoint' }))
  expect(refused).toMatchObject({ code: 'invalid' })
  expect(refused.next).toContain('audit list --kind session.checkpoint')
})

test('administrators and auditors find, nobody else does', async () => {
  const asking = { target: 'press-3' }
  expect(must(await api.call('audit.find', asking, ann.token)).entries.length).toBeGreaterThan(0)
  for (const one of [sue, vera])
    expect(refusalOf(await api.call('audit.find', asking, one.token)).code).toBe('forbidden')
  expect(refusalOf(await api.call('audit.reindex', {}, sue.token)).code).toBe('forbidden')
})

test('what was found is proven to be in the log, without the log', async () => {
  const entries = await all({ session: veras.session })
  const given = await vault.ask('audit.prove', { seqs: entries.map(({ seq }) => seq) })
  const key = new Uint8Array(Buffer.from(given.publicKey, 'base64'))
  const checkpoint = openCheckpoint(given.checkpoint, verifyingKeyOf(key), key)
  if (checkpoint === undefined) throw new Error('the checkpoint does not open')
  expect(given.leaves.map(({ seq }) => seq)).toEqual(entries.map(({ seq }) => seq))
  for (const { seq, body, proof } of given.leaves)
    expect(
      await isIncluded(
        leafHash(Buffer.from(body, 'base64')),
        seq,
        checkpoint.size,
        proof.map((hash) => Buffer.from(hash, 'base64')),
        checkpoint.root,
      ),
    ).toBe(true)
  expect((await all({ kinds: 'audit.proven' })).length).toBe(1)
})
