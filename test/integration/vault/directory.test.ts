import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SyncAnswer, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { peoplesPassword, slapdSecret, startSlapd, type TestSlapd, whyNoSlapd } from '../../support/slapd.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import {
  connectSession,
  endSession,
  makeSshKey,
  prove,
  publickeyCall,
  until,
} from '../../support/vault-ssh.ts'

// Users of a directory (OpenLDAP) beside local ones: who becomes one, how they sign in, and who is turned off.

let vault: TestVault
let slapd: TestSlapd
let api: VaultClient
let recorder: VaultClient
let ann: TestPerson
const cut: string[] = []

beforeAll(async () => {
  expect(whyNoSlapd()).toBeUndefined()
  slapd = await startSlapd()
  for (const uid of ['bob', 'carol', 'dave']) slapd.addPerson(uid)
  slapd.addPerson('erin', peoplesPassword, ['shadowExpire: 1'])
  slapd.group('operators', ['bob', 'erin'])
  slapd.group('shift', ['carol'])
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', (method) => async (params) => {
    if (method === 'session.cut') cut.push((params as { session: string }).session)
    return { ok: true, value: null }
  })
  ann = await vault.person('ann', ['admin'])
  await vault.account()
}, 90_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
})

const sync = (more: Partial<VerbInput<'directory.sync'>> = {}): Promise<SyncAnswer> =>
  vault.ask('directory.sync', { directory: 'corp', ...more })
const signIn = async (
  who: { readonly name: string; readonly code: () => string },
  password = peoplesPassword,
) =>
  api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, password),
    totpCode: who.code(),
    source: '192.0.2.10',
  })
const enrolled = async (name: string) =>
  vault.enrol((await vault.ask('user.enrol', { user: name })).token, peoplesPassword)

test('a directory is added, tested, and gives nothing until somebody says what', async () => {
  const added = await vault.ask('directory.add', {
    name: 'corp',
    settings: slapd.settings(),
    sealedSecret: await vault.sealDirectory('corp', slapd.settings(), slapdSecret),
    syncMinutes: 0,
  })
  expect(added).toMatchObject({ name: 'corp', hasSecret: true, people: 0, mappings: [], fault: null })
  expect(await vault.ask('directory.test', { directory: 'corp' })).toMatchObject({ people: 4, groups: [] })
  expect(refusalOf(await vault.admin.call('directory.sync', { directory: 'corp' })).message).toBe(
    'no group of the directory corp gives anything yet',
  )
})

test('members of a mapped group become users by a synchronisation, and nobody else does', async () => {
  await vault.ask('directory.map', {
    directory: 'corp',
    group: slapd.groupDn('operators'),
    roles: ['operator'],
    policyGroup: null,
  })
  expect(await vault.ask('directory.test', { directory: 'corp' })).toMatchObject({
    groups: [{ group: slapd.groupDn('operators'), members: 2 }],
  })
  expect(await sync({ dryRun: true })).toEqual({
    applied: false,
    people: 2,
    changes: [{ does: 'add', user: 'bob', what: 'operator' }],
  })
  expect((await vault.ask('user.list', {})).map(({ name }) => name)).not.toContain('bob')
  expect(await sync()).toMatchObject({ applied: true, changes: [{ does: 'add', user: 'bob' }] })
  const names = (await vault.ask('user.list', {})).map(({ name, state, directory }) => ({
    name,
    state,
    directory,
  }))
  expect(names).toContainEqual({ name: 'bob', state: 'enrolling', directory: 'corp' })
  expect(names.map(({ name }) => name)).not.toContain('erin')
  expect(names.map(({ name }) => name)).not.toContain('carol')
})

test('a new user needs a link of an administrator; the link takes the password of the directory', async () => {
  expect(refusalOf(await signIn({ name: 'bob', code: () => '123456' }))).toMatchObject({
    code: 'unauthenticated',
    message: 'name, password or code is wrong',
  })
  const { token } = await vault.ask('user.enrol', { user: 'bob' })
  await expect(vault.enrol(token, 'not-the-corporate-one')).rejects.toThrow(
    'password: this is not your password of corp',
  )
  const bob = await vault.enrol(token, peoplesPassword)
  must(await signIn(bob))
  const shown = await vault.ask('user.show', { user: 'bob' })
  expect(shown).toMatchObject({ state: 'active', hasPassword: false, hasTotp: true, directory: 'corp' })
  expect(refusalOf(await signIn(bob, 'wrong')).message).toBe('name, password or code is wrong')
  expect(refusalOf(await signIn({ name: 'bob', code: () => '000000' })).message).toBe(
    'name, password or code is wrong',
  )
})

test('at SSH the same two are asked for, and a key works as long as the person does', async () => {
  const bob = await enrolled('bob')
  const asked = async (password: string, totpCode: string) =>
    recorder.call('ssh.password', {
      name: 'bob',
      connection: someConnection(),
      sealedPassword: await vault.sealLogin('bob', password),
      totpCode,
      source: '192.0.2.20',
    })
  must(await asked(peoplesPassword, bob.code()))
  expect((await asked(peoplesPassword, '000000')).ok).toBe(false)
  expect((await asked('', bob.code())).ok).toBe(false)
  expect((await asked('wrong', bob.code())).ok).toBe(false)
})

test('what groups give follows them; what was given here by hand stays', async () => {
  await vault.ask('directory.map', {
    directory: 'corp',
    group: slapd.groupDn('shift'),
    roles: ['operator', 'approver'],
    policyGroup: 'line-3',
  })
  await vault.ask('user.roles', { user: 'bob', roles: ['operator', 'admin'] })
  slapd.group('shift', ['carol', 'bob', slapd.groupDn('inner')])
  slapd.group('inner', ['dave'])
  const { changes } = await sync()
  expect(changes).toEqual([
    { does: 'change', user: 'bob', what: 'operator, admin, approver; group line-3' },
    { does: 'add', user: 'carol', what: 'approver, operator; group line-3' },
    { does: 'add', user: 'dave', what: 'approver, operator; group line-3' },
  ])
  slapd.group('shift', ['carol'])
  expect((await sync()).changes).toMatchObject([
    { does: 'change', user: 'bob', what: 'operator, admin' },
    { does: 'off', user: 'dave', what: 'is in none of its mapped groups' },
  ])
  await vault.ask('user.roles', { user: 'bob', roles: ['operator'] })
  expect((await sync()).changes).toEqual([])
})

test('a group of the policy has the members that the directory gives it', async () => {
  await vault.ask('policy.apply', {
    document: {
      version: 1,
      groups: { 'line-3': [] },
      rules: [
        {
          name: 'shift',
          effect: 'allow',
          who: { groups: ['line-3'] },
          what: { safes: ['line-3'] },
          actions: ['shell'],
        },
      ],
    },
    expected: null,
  })
  const carol = await enrolled('carol')
  const lets = async (user: string) =>
    (await vault.ask('policy.explain', { user, account: 'press-3/engineer', action: 'shell' })).allowed
  expect(await lets('carol')).toBe(true)
  expect(await lets('bob')).toBe(false)
  const shown = async () => (await vault.ask('policy.show', {})).fromDirectories
  expect(await shown()).toEqual([{ group: 'line-3', users: ['carol'] }])
  slapd.group('shift', ['bob'])
  slapd.group('operators', ['bob', 'carol', 'erin'])
  await sync()
  expect(await lets('carol')).toBe(false)
  expect(await lets('bob')).toBe(true)
  expect(await shown()).toEqual([{ group: 'line-3', users: ['bob'] }])
  must(await signIn(carol))
})

test('who is disabled in the directory is turned off: sessions end, grants are void, keys are gone', async () => {
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  slapd.change(`dn: ${slapd.dn('bob')}\nchangetype: modify\nreplace: shadowExpire\nshadowExpire: 1\n`)
  const began = performance.now()
  expect((await sync()).changes).toEqual([{ does: 'off', user: 'bob', what: 'expired in the directory' }])
  await until(() => cut.find((session) => session === permit.session))
  expect(performance.now() - began).toBeLessThan(3_000)
  await endSession(recorder, permit.session, 'user disabled')
  expect(await vault.ask('user.show', { user: 'bob' })).toMatchObject({
    state: 'disabled',
    keys: 0,
    hasTotp: false,
  })
  expect((await recorder.call('ssh.publickey', publickeyCall(key, 'bob'))).ok).toBe(false)
  expect((await vault.ask('grant.list', { user: 'bob' })).every(({ state }) => state === 'revoked')).toBe(
    true,
  )
  const [report] = await vault.ask('offboarding.list', {})
  expect(report).toMatchObject({
    user: 'bob',
    by: 'local:0',
    reason: 'the directory corp: expired in the directory',
  })

  // There again: they stay turned off until somebody enables them, and set everything up anew.
  expect(refusalOf(await vault.admin.call('user.enable', { user: 'bob' })).message).toBe(
    'the directory corp lets bob do nothing: they are disabled there',
  )
  slapd.change(`dn: ${slapd.dn('bob')}\nchangetype: modify\ndelete: shadowExpire\n`)
  expect((await sync()).changes).toMatchObject([{ does: 'back', user: 'bob' }])
  expect((await sync()).changes).toEqual([])
  expect(await vault.ask('user.enable', { user: 'bob' })).toMatchObject({ state: 'enrolling' })
  must(await signIn(await enrolled('bob')))
})

test('with the directory away local users sign in and sessions go on; its own are told why they cannot', async () => {
  const bob = await enrolled('bob')
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await slapd.stop()
  const refused = refusalOf(await signIn(bob))
  expect(refused).toMatchObject({ code: 'unavailable' })
  // What they can do nothing about is not said to them.
  expect(refused).toMatchObject({
    message: 'the directory corp, which knows your password, does not answer now',
    next: 'try again in a few minutes, and tell an administrator if it stays so; local users sign in as ever',
  })
  must(await signIn(ann, ann.password))
  // A key of theirs works as it did when the directory was last read.
  await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(await vault.admin.call('directory.sync', { directory: 'corp' })).message).toContain(
    'the directory corp cannot be reached (ECONNREFUSED)',
  )
  const [corp] = await vault.ask('directory.list', {})
  expect(corp?.fault).toContain('cannot be reached')
  expect(await vault.ask('user.show', { user: 'bob' })).toMatchObject({ state: 'active' })
  expect(await vault.ask('session.show', { session: permit.session })).toMatchObject({ state: 'live' })
  await slapd.start()
  must(await signIn(bob))
  await sync()
  expect((await vault.ask('directory.list', {}))[0]?.fault).toBeNull()
})

test('an answer that would turn off many is not taken until somebody says that it is meant', async () => {
  const many = ['u1', 'u2', 'u3', 'u4', 'u5']
  for (const uid of many) slapd.addPerson(uid)
  slapd.group('operators', ['bob', 'carol', ...many])
  await sync()
  slapd.group('operators', [])
  slapd.group('shift', [])
  const refused = refusalOf(await vault.admin.call('directory.sync', { directory: 'corp' }))
  expect(refused).toMatchObject({
    code: 'conflict',
    message: 'the directory corp would have 7 of its 7 users turned off: nothing was changed',
  })
  expect((await sync({ dryRun: true })).changes.filter(({ does }) => does === 'off')).toHaveLength(7)
  expect(await vault.ask('user.show', { user: 'u1' })).toMatchObject({ state: 'enrolling' })
  slapd.group('operators', ['bob', 'carol', ...many])
  slapd.group('shift', ['bob'])
  expect((await sync()).changes).toEqual([])
  slapd.group('operators', ['bob'])
  expect((await sync({ yes: true })).changes.filter(({ does }) => does === 'off')).toHaveLength(6)
})

test('the last administrator is not turned off by a directory', async () => {
  await vault.ask('user.roles', { user: 'bob', roles: ['operator', 'admin'] })
  await enrolled('bob')
  for (const { name, roles, state } of await vault.ask('user.list', {}))
    if (roles.includes('admin') && name !== 'bob' && state === 'active')
      await vault.ask('user.disable', { user: name })
  slapd.group('operators', [])
  slapd.group('shift', [])
  expect((await sync()).changes).toMatchObject([
    { does: 'skip', user: 'bob', what: expect.stringContaining('they are the last active administrator') },
  ])
  expect(await vault.ask('user.show', { user: 'bob' })).toMatchObject({ state: 'active' })
  await vault.ask('user.enable', { user: 'ann' })
  expect((await sync()).changes).toMatchObject([{ does: 'off', user: 'bob' }])
})

test('it is read by itself, and taken away with its people', async () => {
  slapd.addPerson('frank')
  slapd.group('operators', ['frank'])
  await vault.ask('directory.change', { directory: 'corp', syncMinutes: 1 })
  await until(async () => (await vault.ask('user.list', {})).find(({ name }) => name === 'frank'), 15_000)
  await until(async () =>
    (await vault.ask('audit.list', { kind: 'directory.synced', limit: 1 })).find(
      ({ actor }) => actor === 'vault',
    ),
  )
  const frank = await enrolled('frank')
  expect(refusalOf(await vault.admin.call('directory.remove', { directory: 'corp' })).message).toBe(
    'the directory corp has 1 user who is not turned off',
  )
  await vault.ask('directory.remove', { directory: 'corp', withPeople: true })
  expect(await vault.ask('user.show', { user: 'frank' })).toMatchObject({ state: 'disabled' })
  expect((await signIn(frank)).ok).toBe(false)
  expect(await vault.ask('directory.list', {})).toEqual([])
})
