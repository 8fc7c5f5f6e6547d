import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'

const box = await enrolmentBox()
let vault: TestVault
let api: VaultClient
let bob: TestPerson

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  bob = await vault.person('bob', ['operator'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const renew = async (who: TestPerson): Promise<readonly string[]> => {
  const made = must(
    await api.call('user.renewCodes', { boxKey: box.boxKey, totpCode: who.code() }, who.token),
  )
  expect(made.user.recoveryCodes).toBe(10)
  return box.open(made.sealedRecoveryCodes) as never
}
const signIn = async (who: TestPerson, totpCode: string, source = '192.0.2.30') =>
  api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, who.password),
    totpCode,
    source,
  })
const last = async (kind: string) => (await vault.ask('audit.list', { kind, limit: 1_000 })).at(-1)?.text

test('ten codes are made, each signs in once in place of the authenticator’s, and it is told how many are left', async () => {
  const codes = await renew(bob)
  expect(new Set(codes).size).toBe(10)
  for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/)
  expect(await last('user.codes-renewed')).toBe(
    'bob made 10 recovery codes: those before are good no longer from 192.0.2.10',
  )
  const [first = '', second = ''] = codes
  const login = must(await signIn(bob, first))
  expect(login.user.recoveryCodes).toBe(9)
  expect(await last('user.code-used')).toBe(
    'bob used a recovery code in place of the second factor by console: 9 left from 192.0.2.30',
  )
  expect(await last('login.started')).toContain('by password and recovery code')
  expect(refusalOf(await signIn(bob, first, '192.0.2.31')).code).toBe('unauthenticated')
  // As somebody types it from paper.
  expect(must(await signIn(bob, second.replace('-', '').toUpperCase())).user.recoveryCodes).toBe(8)
  expect((await vault.ask('user.show', { user: 'bob' })).recoveryCodes).toBe(8)
})

test('over SSH a recovery code is as good as in the console, and a wrong one as bad', async () => {
  const [code = ''] = await renew(bob)
  const recorder = await vault.worker()
  const prove = async (totpCode: string) =>
    recorder.call('ssh.password', {
      name: 'bob',
      connection: someConnection(),
      sealedPassword: await vault.sealLogin('bob', bob.password),
      totpCode,
      source: '192.0.2.30',
    })
  expect(refusalOf(await prove('00000-00000')).code).toBe('unauthenticated')
  expect(must(await prove(code)).user).toBe('bob')
  expect(await last('user.code-used')).toContain('by ssh password: 9 left')
  expect(refusalOf(await prove(code)).code).toBe('unauthenticated')
})

test('nobody does with a recovery code what takes a fresh code', async () => {
  const [code = ''] = await renew(bob)
  const refused = refusalOf(
    await api.call('user.mail', { user: 'bob', address: 'bob@plant.example', totpCode: code }, bob.token),
  )
  expect(refused).toMatchObject({ code: 'invalid', message: expect.stringMatching(/^totpCode: /) })
  expect(
    refusalOf(await api.call('user.renewCodes', { boxKey: box.boxKey, totpCode: code }, bob.token)).code,
  ).toBe('invalid')
  expect((await vault.ask('user.show', { user: 'bob' })).recoveryCodes).toBe(10)
  expect((await signIn(bob, code)).ok).toBe(true)
})

test('new codes end those before, and so does a new second factor', async () => {
  const [before = ''] = await renew(bob)
  const [code = ''] = await renew(bob)
  expect(refusalOf(await signIn(bob, before)).code).toBe('unauthenticated')
  const { token } = await vault.ask('user.enrol', { user: 'bob' })
  bob = await vault.enrol(token)
  expect((await vault.ask('user.show', { user: 'bob' })).recoveryCodes).toBe(0)
  expect(refusalOf(await signIn(bob, code)).code).toBe('unauthenticated')
})

test('whoever enrols with a key of their own gets codes with it', async () => {
  const { enrolment } = await vault.ask('user.add', { name: 'dora', roles: ['vendor'] })
  const dora = await vault.enrol(enrolment.token, undefined, undefined, box.boxKey)
  const codes: readonly string[] = box.open(dora.sealedRecoveryCodes ?? '') as never
  expect(codes).toHaveLength(10)
  expect(must(await signIn(dora, codes[9] ?? '')).user.recoveryCodes).toBe(9)
})

test('who has a mail address is told of each code that is used, and that new ones were made', async () => {
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example', notices: 'security' })
  const [code = ''] = await renew(bob)
  must(await signIn(bob, code))
  const told = await api.call('notification.take', {
    mail: { server: 'smtp://127.0.0.1', from: 'tagout@plant.example' },
    limit: 10,
  })
  const subjects = must(told).flatMap((one) => (one.channel === 'mail' ? [one.subject] : []))
  expect(subjects).toEqual(
    expect.arrayContaining([
      expect.stringContaining('bob made new recovery codes'),
      expect.stringContaining('bob signed in with a recovery code: 9 left'),
    ]),
  )
})

test('of two who use one code at once, one is let in', async () => {
  const [code = ''] = await renew(bob)
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => signIn(bob, code)))
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
})
