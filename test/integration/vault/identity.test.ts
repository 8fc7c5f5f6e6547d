import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import {
  must,
  refusalOf,
  startTestVault,
  type TestPerson,
  type TestVault,
  testPassword,
} from '../../support/vault.ts'

const box = await enrolmentBox()
const { boxKey } = box
let vault: TestVault
let api: VaultClient
let admin: TestPerson
beforeAll(async () => {
  // The clock stands still but for what the tests pass: a slow machine outwaits no back-off.
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  admin = await vault.enrol(vault.firstAdminToken)
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const logIn = async (name: string, password: string, code: string, source = '192.0.2.30') =>
  api.call('login.start', {
    name,
    sealedPassword: await vault.sealLogin(name, password),
    totpCode: code,
    source,
  })

async function logInAdmin(): Promise<void> {
  admin = { ...admin, token: must(await logIn('admin', admin.password, admin.code())).token }
}

test('the first link makes an administrator, once', async () => {
  expect(must(await api.call('login.who', {}, admin.token))).toMatchObject({ name: 'admin', state: 'active' })
  const again = await api.call('enrolment.begin', {
    token: vault.firstAdminToken,
    boxKey,
    source: '192.0.2.10',
  })
  expect(refusalOf(again).code).toBe('conflict')
})

test('a link can be looked at twice, ends after its time, and the newest of a user counts', async () => {
  const { enrolment, user } = await vault.ask('user.add', { name: 'carol', roles: ['operator'] })
  const first = must(
    await api.call('enrolment.begin', { token: enrolment.token, boxKey, source: '192.0.2.10' }),
  )
  expect(
    must(await api.call('enrolment.begin', { token: enrolment.token, boxKey, source: '192.0.2.10' })),
  ).toMatchObject({
    name: first.name,
    expiresAt: first.expiresAt,
  })
  const newer = await vault.ask('user.enrol', { user: user.id })
  expect(
    (await api.call('enrolment.begin', { token: enrolment.token, boxKey, source: '192.0.2.10' })).ok,
  ).toBe(false)
  vault.advance(24 * 3600_000 + 1)
  expect((await api.call('enrolment.begin', { token: newer.token, boxKey, source: '192.0.2.10' })).ok).toBe(
    false,
  )
  await logInAdmin()
})

test('a link that lets nobody in says why, and what to do', async () => {
  const { enrolment } = await vault.ask('user.add', { name: 'gale', roles: ['operator'] })
  const begin = async (token: string) =>
    refusalOf(await api.call('enrolment.begin', { token, boxKey, source: '192.0.2.10' }))
  expect(await begin('x'.repeat(43))).toMatchObject({
    code: 'unauthenticated',
    message: 'there is no such link',
    next: expect.stringContaining('whole'),
  })
  const newer = await vault.ask('user.enrol', { user: 'gale' })
  expect(await begin(enrolment.token)).toMatchObject({
    code: 'conflict',
    message: 'this link was used, or a newer one has taken its place',
    next: expect.stringContaining('tagout user enrol gale'),
  })
  vault.advance(Date.parse(newer.expiresAt) - vault.now().getTime())
  const expired = {
    code: 'expired',
    message: `this link was good until ${newer.expiresAt.slice(0, 16).replace('T', ' ')} UTC, and has expired`,
    next: expect.stringContaining('tagout user enrol gale'),
  }
  expect(await begin(newer.token)).toMatchObject(expired)
  const finish = {
    token: newer.token,
    sealedPassword: await vault.sealLogin('gale', 'a good password 1'),
    totpCode: '000000',
    source: '192.0.2.9',
  }
  expect(refusalOf(await api.call('enrolment.finish', finish))).toMatchObject(expired)
  await vault.ask('user.disable', { user: 'gale' })
  expect((await begin(newer.token)).code).toBe('unauthenticated')
  await logInAdmin()
})

test('of two who finish an enrolment at once, one does', async () => {
  const { enrolment } = await vault.ask('user.add', { name: 'erin', roles: ['operator'] })
  const begun = must(
    await api.call('enrolment.begin', { token: enrolment.token, boxKey, source: '192.0.2.10' }),
  )
  const { secret } = box.open(begun.sealedTotp)
  const { totpCode, totpStep } = await import('../../../vault/identity/totp.ts')
  const bits = [...secret].map((char) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'),
  )
  const bytes = Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const finish = async () =>
    api.call('enrolment.finish', {
      token: enrolment.token,
      sealedPassword: await vault.sealLogin('erin', testPassword),
      totpCode: totpCode(bytes, totpStep(vault.now().getTime())),
      source: '192.0.2.31',
    })
  const outcomes = await Promise.all([finish(), finish(), finish()])
  expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)
})

test('a weak password is refused with what is wrong, and the link is not used up', async () => {
  const { enrolment } = await vault.ask('user.add', { name: 'frank', roles: ['operator'] })
  const finish = async (password: string, code = '000000') =>
    api.call('enrolment.finish', {
      token: enrolment.token,
      sealedPassword: await vault.sealLogin('frank', password),
      totpCode: code,
      source: '192.0.2.32',
    })
  expect(refusalOf(await finish('short'))).toMatchObject({ code: 'invalid' })
  expect(refusalOf(await finish('aaaaaaaaaaaaaaaa')).message).toMatch(/different characters/)
  expect(refusalOf(await finish(testPassword)).message).toMatch(/^totpCode/)
  expect((await vault.enrol(enrolment.token)).name).toBe('frank')
})

test('a login needs the right password and a code that was not used', async () => {
  const dora = await vault.person('dora', ['operator'])
  const code = dora.code()
  expect(refusalOf(await logIn('dora', 'wrong password 1', code, '192.0.2.40')).code).toBe('unauthenticated')
  const login = must(await logIn('DORA', dora.password, code))
  expect(login.user.name).toBe('dora')
  expect(refusalOf(await logIn('dora', dora.password, code)).code).toBe('unauthenticated')
  expect((await logIn('dora', dora.password, dora.code())).ok).toBe(true)
})

test('unknown names, wrong passwords and wrong codes read alike', async () => {
  const greta = await vault.person('greta', ['operator'])
  const unknown = refusalOf(await logIn('nobody-of-this-name', greta.password, '123456', '192.0.2.41'))
  const wrong = refusalOf(await logIn('greta', 'another password 2', greta.code(), '192.0.2.42'))
  const code = refusalOf(await logIn('greta', greta.password, '000000', '192.0.2.43'))
  expect([wrong, code]).toEqual([unknown, unknown])
})

test('a source that guesses is made to wait, and others are not', async () => {
  const hans = await vault.person('hans', ['operator'])
  const code = hans.code()
  for (let tries = 0; tries < 3; tries += 1)
    await logIn('hans', `guess number ${tries}`, '000000', '192.0.2.66')
  expect(refusalOf(await logIn('hans', hans.password, code, '192.0.2.66')).code).toBe('rate_limited')
  expect((await logIn('hans', hans.password, code, '192.0.2.67')).ok).toBe(true)
})

test('a login ends when it is ended, revoked, idle or twelve hours old', async () => {
  const ida = await vault.person('ida', ['operator'])
  const token = async () => must(await logIn('ida', ida.password, ida.code())).token
  const who = (of: string) => api.call('login.who', {}, of)

  const ended = await token()
  must(await api.call('login.end', {}, ended))
  expect((await who(ended)).ok).toBe(false)

  const revoked = await token()
  for (const login of must(await api.call('login.list', {}, revoked)))
    must(await api.call('login.revoke', { login: login.id }, admin.token))
  expect(refusalOf(await who(revoked)).code).toBe('unauthenticated')

  const idle = await token()
  vault.advance(14 * 60_000)
  expect((await who(idle)).ok).toBe(true)
  vault.advance(16 * 60_000)
  expect((await who(idle)).ok).toBe(false)

  const old = await token()
  for (let minutes = 0; minutes < 12 * 60; minutes += 10) {
    expect((await who(old)).ok).toBe(true)
    vault.advance(10 * 60_000)
  }
  expect((await who(old)).ok).toBe(false)
  await logInAdmin()
})

test('people see their own logins, administrators all', async () => {
  const jan = await vault.person('jan', ['operator'])
  const own = must(await api.call('login.list', {}, jan.token))
  expect(own.every((login) => login.user === 'jan')).toBe(true)
  const all = must(await api.call('login.list', {}, admin.token))
  expect(new Set(all.map((login) => login.user)).size).toBeGreaterThan(1)
  const other = all.find((login) => login.user === 'admin')
  if (other === undefined) throw new Error('the administrator has a login')
  expect(refusalOf(await api.call('login.revoke', { login: other.id }, jan.token)).code).toBe('forbidden')
})

test('one person is never administrator and auditor, and an auditor is nothing else', async () => {
  for (const roles of [
    ['admin', 'auditor'],
    ['operator', 'auditor'],
    ['admin', 'admin'],
  ] as const)
    expect(refusalOf(await vault.admin.call('user.add', { name: 'kim', roles: [...roles] })).code).toBe(
      'invalid',
    )
  const { user } = await vault.ask('user.add', { name: 'kim', roles: ['admin'] })
  const both = await vault.admin.call('user.roles', { user: user.id, roles: ['admin', 'auditor'] })
  expect(refusalOf(both).code).toBe('invalid')
})

test('the last active administrator can be neither disabled nor made something else', async () => {
  expect(refusalOf(await vault.admin.call('user.disable', { user: 'admin' })).message).toMatch(/last active/)
  const changed = await vault.admin.call('user.roles', { user: 'admin', roles: ['operator'] })
  expect(refusalOf(changed).code).toBe('conflict')
  const lars = await vault.person('lars', ['admin'])
  expect(refusalOf(await api.call('user.disable', { user: 'lars' }, lars.token)).code).toBe('forbidden')
  expect((await api.call('user.disable', { user: 'lars' }, admin.token)).ok).toBe(true)
  expect((await api.call('login.who', {}, lars.token)).ok).toBe(false)
  expect(refusalOf(await logIn('lars', lars.password, lars.code())).code).toBe('unauthenticated')
})

test('a name is taken whatever its case', async () => {
  await vault.ask('user.add', { name: 'Mona', roles: ['operator'] })
  expect(refusalOf(await vault.admin.call('user.add', { name: 'mONA', roles: ['operator'] })).code).toBe(
    'conflict',
  )
})

test('a reset by somebody else ends the logins and is remembered', async () => {
  const nina = await vault.person('nina', ['operator'])
  const link = await vault.ask('user.enrol', { user: 'nina' })
  expect((await api.call('login.who', {}, nina.token)).ok).toBe(true)
  const again = await vault.enrol(link.token, 'another good password 5')
  expect((await api.call('login.who', {}, nina.token)).ok).toBe(false)
  expect(refusalOf(await logIn('nina', nina.password, again.code())).code).toBe('unauthenticated')
  expect((await logIn('nina', again.password, again.code())).ok).toBe(true)
})

test('each refused act is in the audit log with who asked', async () => {
  const otto = await vault.person('otto', ['operator'])
  await api.call('user.add', { name: 'evil', roles: ['admin'] }, otto.token)
  const leaves = await vault.ask('audit.list', { kind: 'refused' })
  expect(leaves.at(-1)).toMatchObject({ actor: 'user:otto', entry: { verb: 'user.add', code: 'forbidden' } })
})
