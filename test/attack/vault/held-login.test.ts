import { createHash, generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import {
  must,
  refusalOf,
  somePin,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import {
  connectSession,
  makeSshKey,
  open,
  prove,
  startCall,
  until,
  userauthBytes,
} from '../../support/vault-ssh.ts'

// Somebody who holds a login, a permission, a key or a session, and makes more of it than was meant.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let meg: TestPerson
const secret = 'password-of-the-press'
const evilPin = `SHA256:${createHash('sha256').update('evil').digest('base64').replace(/=+$/, '')}`

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account({ password: secret })
  ann = await vault.person('ann', ['admin'])
  meg = await vault.person('meg', ['operator'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const permit = (user: string, ...permissions: ('manage' | 'reveal')[]) =>
  vault.ask('safe.member.set', { safe: 'line-3', user, permissions })
const reveal = (who: TestPerson, totpCode: string) =>
  api.call(
    'account.reveal',
    {
      account: 'press-3/engineer',
      totpCode,
      reason: 'a drill',
      boxKey: Buffer.alloc(32, 9).toString('base64'),
    },
    who.token,
  )
const boundTo = async () => (await vault.ask('account.show', { account: 'press-3/engineer' })).boundTo

test('a login alone makes no person: no user, key, link, role or permission, and no grant to itself', async () => {
  const key = { user: 'ann', publicKey: makeSshKey().line }
  const grant = { user: 'ann', account: 'press-3/engineer', actions: ['shell' as const] }
  const link = { user: 'meg' }
  const member = { safe: 'line-3', user: 'meg' }
  const attempts = [
    (code: object) => api.call('user.key.add', { ...key, ...code }, ann.token),
    (code: object) => api.call('user.key.add', { ...key, user: 'meg', ...code }, ann.token),
    (code: object) => api.call('grant.add', { ...grant, ...code }, ann.token),
    (code: object) => api.call('user.enrol', { ...link, ...code }, ann.token),
    (code: object) => api.call('user.add', { name: 'ghost', roles: ['operator'], ...code }, ann.token),
    (code: object) =>
      api.call('user.roles', { user: 'meg', roles: ['operator', 'approver'], ...code }, ann.token),
    ...(['reveal', 'approve', 'manage'] as const).map(
      (permission) => (code: object) =>
        api.call('safe.member.set', { ...member, permissions: [permission], ...code }, ann.token),
    ),
  ]
  const used = ann.code()
  must(await api.call('user.key.add', { ...key, publicKey: makeSshKey().line, totpCode: used }, ann.token))
  for (const attempt of attempts) {
    expect(refusalOf(await attempt({})).message).toMatch(/^totpCode/)
    expect(refusalOf(await attempt({ totpCode: used })).message).toMatch(/^totpCode/)
    vault.advance(6 * 60_000)
  }
  ann = { ...ann, token: await logIn(ann) }
  for (const attempt of attempts.filter((_, at) => at !== 1))
    expect((await attempt?.({ totpCode: ann.code() }))?.ok).toBe(true)
  // To somebody else an administrator grants with the login alone, and the machine's administrator needs no code.
  must(await api.call('grant.add', { ...grant, user: 'meg' }, ann.token))
  await vault.ask('user.key.add', { user: 'meg', publicKey: makeSshKey().line })
  // Nor is a code asked for what takes away, or lets somebody do no more than before.
  must(await api.call('safe.member.set', { ...member, permissions: ['use', 'manage'] }, ann.token))
  must(await api.call('safe.member.set', { ...member, permissions: [] }, ann.token))
  must(await api.call('user.roles', { user: 'meg', roles: ['operator'] }, ann.token))
})

test('twenty who reveal at once stop nobody, and their wrong codes count one after another', async () => {
  await permit('meg', 'reveal')
  meg = { ...meg, token: await logIn(meg) }
  const guesses = Array.from({ length: 20 }, (_, at) => reveal(meg, String(at).padStart(6, '0')))
  const answers = await Promise.all(guesses)
  expect(answers.some((answer) => answer.ok)).toBe(false)
  expect(answers.filter((answer) => refusalOf(answer).code === 'rate_limited').length).toBeGreaterThan(10)
  expect((await vault.admin.call('user.list', {})).ok).toBe(true)
  vault.advance(6 * 60_000)
  const code = meg.code()
  const right = await Promise.all(Array.from({ length: 20 }, () => reveal(meg, code)))
  expect(right.filter((answer) => answer.ok)).toHaveLength(1)
})

test('within a transaction nobody can ask the pool for another connection', async () => {
  const inside = vault.plane.world.vault.inTransaction(async () => vault.plane.world.vault.database)
  await expect(inside).rejects.toMatchObject({ message: 'the pool was asked within a transaction' })
})

test('who may manage but not reveal has no secret sent to a machine of theirs', async () => {
  await permit('meg', 'manage')
  const evil = { name: 'evil', safe: 'line-3', address: 'ssh://203.0.113.66', pin: evilPin }
  must(await api.call('target.add', evil, meg.token))
  const elsewhere = { account: 'press-3/engineer', target: 'evil' }
  const refused = refusalOf(await api.call('account.bind', elsewhere, meg.token))
  expect(refused).toMatchObject({ code: 'forbidden', next: expect.stringMatching(/account secret/) })

  const move = { target: 'press-3', address: 'ssh://203.0.113.66' }
  must(await api.call('target.address', move, meg.token))
  must(await api.call('target.pin', { target: 'press-3', fingerprint: evilPin }, meg.token))
  expect(await boundTo()).toEqual([])
  expect(refusalOf(await api.call('account.bind', { account: 'press-3/engineer' }, meg.token)).code).toBe(
    'forbidden',
  )
  expect(await boundTo()).toEqual([])
  // Back where it was, with the key that it had, it is what the account was bound to.
  await vault.ask('target.address', { target: 'press-3', address: 'ssh://127.0.0.1:2201' })
  await vault.ask('target.pin', { target: 'press-3', fingerprint: somePin })
  expect(await boundTo()).toEqual(['press-3'])
  // Where it stands, a new host key is a matter of managing.
  must(await api.call('target.pin', { target: 'press-3', fingerprint: evilPin }, meg.token))
  expect(await boundTo()).toEqual(['press-3'])
})

test('who may manage and reveal binds elsewhere, and is in the exposure ledger', async () => {
  await permit('meg', 'manage', 'reveal')
  const ledger = async () =>
    (await vault.ask('exposure.list', {})).filter(({ reason }) => reason === 'bound to another address')
  must(await api.call('account.bind', { account: 'press-3/engineer' }, meg.token))
  expect(await ledger()).toEqual([])
  must(await api.call('account.bind', { account: 'press-3/engineer', target: 'evil' }, meg.token))
  expect(await boundTo()).toEqual(expect.arrayContaining(['press-3', 'evil']))
  expect(await ledger()).toMatchObject([{ user: 'meg', account: 'press-3/engineer', version: 1 }])
})

test('a new secret goes to the target as it is now', async () => {
  await permit('meg', 'manage')
  must(await api.call('target.address', { target: 'press-3', address: 'ssh://192.0.2.44' }, meg.token))
  expect(await boundTo()).not.toContain('press-3')
  const credential = await vault.sealPassword('press-3/engineer', 'the new one')
  must(await api.call('account.secret', { account: 'press-3/engineer', credential }, meg.token))
  expect(await boundTo()).toContain('press-3')
})

test('nothing is signed for a session whose start was refused, nor after its grant went', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const file = privateKey.export({ format: 'pem', type: 'pkcs1' }).toString()
  await vault.account({ target: 'plc-9' })
  const credential = await vault.sealKey('plc-9/engineer', file)
  await vault.ask('account.secret', { account: 'plc-9/engineer', credential })
  const key = makeSshKey()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const grant = await vault.grant('bob', 'plc-9/engineer')
  const openOne = async () =>
    must(await open(recorder, { proof: await prove(recorder, key, 'bob'), target: 'plc-9' }))
  const signFor = async (opened: Awaited<ReturnType<typeof openOne>>) => {
    if (opened.credential.kind !== 'ssh-key') throw new Error('a key was expected')
    const blob = Buffer.from(opened.credential.publicKey, 'base64')
    const algorithm = 'rsa-sha2-256'
    const data = userauthBytes(blob, Buffer.alloc(32, 7).toString('base64'), 'engineer', { algorithm })
    return recorder.call('session.sign', {
      session: opened.session,
      data: data.toString('base64'),
      algorithm,
    })
  }
  const refused = await openOne()
  await vault.ask('target.address', { target: 'plc-9', address: 'ssh://203.0.113.99' })
  expect((await recorder.call('session.start', startCall(refused.session).input)).ok).toBe(false)
  expect((await signFor(refused)).ok).toBe(false)
  await vault.ask('account.bind', { account: 'plc-9/engineer' })

  const moved = await openOne()
  must(await recorder.call('session.start', startCall(moved.session).input))
  must(await signFor(moved))
  await vault.ask('target.address', { target: 'plc-9', address: 'ssh://203.0.113.98' })
  expect(refusalOf(await signFor(moved)).code).toBe('not_pinned')
  await vault.ask('account.bind', { account: 'plc-9/engineer' })
  must(await signFor(moved))
  await vault.ask('grant.revoke', { grant: grant.id })
  expect((await signFor(moved)).ok).toBe(false)
})

test('a key that is removed takes with it what it opened, and nothing else', async () => {
  const [lost, kept] = [makeSshKey(), makeSshKey()]
  await vault.ask('user.add', { name: 'eve', roles: ['operator'] })
  const { id } = await vault.ask('user.key.add', { user: 'eve', publicKey: lost.line })
  await vault.ask('user.key.add', { user: 'eve', publicKey: kept.line })
  await vault.grant('eve', 'press-3/engineer')
  const stolen = await prove(recorder, lost, 'eve')
  const other = await prove(recorder, kept, 'eve')
  const cut = await connectSession(recorder, { proof: stolen })
  const stays = await connectSession(recorder, { proof: other })
  await vault.ask('user.key.remove', { user: 'eve', key: id })
  const { live } = vault.plane.world
  await until(() => (live.get(cut.session)?.cut?.reason === 'terminated' ? true : undefined))
  expect(live.get(stays.session)?.cut).toBeNull()
  expect(refusalOf(await open(recorder, { proof: stolen })).code).toBe('unauthenticated')
  expect((await open(recorder, { proof: other })).ok).toBe(true)
})

test('a login that is set up anew ends proofs, tickets and sessions of before', async () => {
  const zoe = await vault.person('zoe', ['operator'])
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'zoe', publicKey: key.line })
  await vault.grant('zoe', 'press-3/engineer')
  const proof = await prove(recorder, key, 'zoe')
  const running = await connectSession(recorder, { proof })
  const enrolment = await vault.ask('user.enrol', { user: 'zoe' })
  const { ticket } = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, zoe.token))
  await vault.enrol(enrolment.token, 'another horse 8 battery')
  expect(vault.plane.world.live.get(running.session)?.cut?.reason).toBe('terminated')
  expect(refusalOf(await open(recorder, { proof })).code).toBe('unauthenticated')
  const brought = await recorder.call('ssh.ticket', {
    name: 'zoe',
    connection: Buffer.alloc(32, 3).toString('base64'),
    ticket,
    source: '198.51.100.7',
  })
  expect(brought.ok).toBe(false)
})

async function logIn(who: TestPerson): Promise<string> {
  const login = await api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, who.password),
    totpCode: who.code(),
    source: '192.0.2.77',
  })
  return must(login).token
}
