import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let bob: TestPerson
let ann: TestPerson
let sue: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  bob = await vault.person('bob', ['operator'])
  ann = await vault.person('ann', ['admin'])
  sue = await vault.person('sue', ['approver'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const lastText = async () =>
  (await vault.ask('audit.list', { kind: 'user.mail-set', limit: 1_000 })).at(-1)?.text

test('people set their own address with a fresh code, administrators everybody’s, and it is in the log', async () => {
  const own = must(
    await api.call(
      'user.mail',
      { user: 'bob', address: 'bob@plant.example', totpCode: bob.code() },
      bob.token,
    ),
  )
  expect(own.mail).toEqual({ address: 'bob@plant.example', notices: 'all' })
  expect(await lastText()).toBe('bob set the mail address bob@plant.example from 192.0.2.10')
  const changed = must(
    await api.call(
      'user.mail',
      { user: 'bob', address: 'bob@office.example', notices: 'security', totpCode: ann.code() },
      ann.token,
    ),
  )
  expect(changed.mail).toEqual({ address: 'bob@office.example', notices: 'security' })
  expect(await lastText()).toContain(
    'set the mail address bob@office.example, for what concerns security, of bob in place of bob@plant.example',
  )
  // What is not said stays as it is.
  expect((await vault.ask('user.mail', { user: 'bob', address: 'b@office.example' })).mail?.notices).toBe(
    'security',
  )
  expect(must(await api.call('login.who', {}, bob.token)).mail?.address).toBe('b@office.example')
  expect((await vault.ask('user.list', {})).find(({ name }) => name === 'bob')?.mail?.address).toBe(
    'b@office.example',
  )
  expect((await vault.ask('user.mail', { user: 'bob', address: null })).mail).toBeNull()
  expect(refusalOf(await vault.admin.call('user.mail', { user: 'bob', address: null }))).toMatchObject({
    code: 'conflict',
    message: 'the user bob has no mail address',
  })
})

test('a login alone moves no address, and nobody moves another’s', async () => {
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example' })
  const refused = async (who: TestPerson, totpCode?: string) =>
    refusalOf(
      await api.call(
        'user.mail',
        { user: 'bob', address: 'x@evil.example', ...(totpCode === undefined ? {} : { totpCode }) },
        who.token,
      ),
    ).code
  expect(await refused(bob)).toBe('invalid')
  expect(await refused(ann, '000000')).toBe('invalid')
  expect(await refused(sue, sue.code())).toBe('forbidden')
  const code = bob.code()
  must(await api.call('user.mail', { user: 'bob', address: 'bob@plant.example', totpCode: code }, bob.token))
  expect(await refused(bob, code)).toBe('invalid')
  expect((await vault.ask('user.show', { user: 'bob' })).mail?.address).toBe('bob@plant.example')
})

test.each([
  'bob',
  '@plant.example',
  'bob@',
  'bob@plant..example',
  'bob@-plant.example',
  '-oQ@plant.example',
  'bob@plant.example\r\nBcc: eve@evil.example',
  'bob@plant.example, eve@evil.example',
  'Bob <bob@plant.example>',
  '"bob eve"@plant.example',
  'bob@plant.example ',
  'bób@plant.example',
  'bob@plänt.example',
  'bob@[127.0.0.1]',
  `${'a'.repeat(65)}@plant.example`,
  `b@${'a.'.repeat(130)}example`,
])('%j is no mail address', async (address) => {
  const refused = refusalOf(await vault.admin.call('user.mail', { user: 'bob', address }))
  expect(refused.code).toBe('invalid')
  expect(refused.message).toMatch(/^address: /)
})

test('after a restart it is as it was', async () => {
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example', notices: 'security' })
  await vault.restart()
  expect((await vault.ask('user.show', { user: 'bob' })).mail).toEqual({
    address: 'bob@plant.example',
    notices: 'security',
  })
})
