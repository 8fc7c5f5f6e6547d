import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { adPassword, adSecret, startSambaAd, type TestSambaAd, whyNoSambaAd } from '../../support/samba-ad.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Users of Active Directory: groups in groups, what its flags and dates say, and what it tells of a password.

let vault: TestVault
let ad: TestSambaAd
let api: VaultClient
let bob: TestPerson

beforeAll(async () => {
  expect(whyNoSambaAd()).toBeUndefined()
  ad = await startSambaAd()
  for (const name of ['bob', 'carol', 'dave']) ad.addUser(name)
  for (const group of ['OT Operators', 'Shift']) ad.tool('group', 'add', group)
  ad.tool('group', 'addmembers', 'OT Operators', 'bob,Shift')
  ad.tool('group', 'addmembers', 'Shift', 'carol')
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.ask('directory.add', {
    name: 'corp',
    settings: ad.settings(),
    sealedSecret: await vault.sealDirectory('corp', ad.settings(), adSecret),
    syncMinutes: 0,
  })
  await vault.ask('directory.map', {
    directory: 'corp',
    group: ad.dn('OT Operators'),
    roles: ['operator'],
    policyGroup: null,
  })
}, 120_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await ad[Symbol.asyncDispose]()
})

const sync = async (more: Partial<VerbInput<'directory.sync'>> = {}) =>
  (await vault.ask('directory.sync', { directory: 'corp', ...more })).changes
const signIn = async (who: TestPerson, password = adPassword) =>
  api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, password),
    totpCode: who.code(),
    source: '192.0.2.10',
  })

test('members of a group and of groups in it become users, and sign in by their password there and our code', async () => {
  expect(await vault.ask('directory.test', { directory: 'corp' })).toMatchObject({
    groups: [{ group: ad.dn('OT Operators'), members: 2 }],
  })
  expect(await sync()).toEqual([
    { does: 'add', user: 'bob', what: 'operator' },
    { does: 'add', user: 'carol', what: 'operator' },
  ])
  bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token, adPassword)
  must(await signIn(bob))
  expect(refusalOf(await signIn(bob, 'wrong')).message).toBe('name, password or code is wrong')
})

test('who has to change their password there is told so, once their code was right', async () => {
  ad.change(`dn: ${ad.dn('bob')}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 0\n`)
  expect(refusalOf(await signIn(bob))).toMatchObject({
    code: 'unauthenticated',
    message: 'your password has to be changed in corp first',
  })
  ad.change(`dn: ${ad.dn('bob')}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: -1\n`)
  must(await signIn(bob))
})

test('a name that is changed there stays what it is here; the person is the same', async () => {
  ad.change(`dn: ${ad.dn('bob')}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: robert\n`)
  expect(await sync()).toMatchObject([{ does: 'renamed', user: 'bob' }])
  must(await signIn(bob))
  const [user] = (await vault.ask('directory.show', { directory: 'corp' })).users
  expect(user).toMatchObject({ user: 'bob', login: 'robert', entry: 'present' })
})

test('an account that is disabled or has expired there is turned off here', async () => {
  ad.tool('user', 'disable', 'carol')
  expect(await sync()).toEqual([{ does: 'off', user: 'carol', what: 'disabled in the directory' }])
  // 100-nanosecond steps since 1601: the first of January 2001.
  ad.change(
    `dn: ${ad.dn('bob')}\nchangetype: modify\nreplace: accountExpires\naccountExpires: 126227808000000000\n`,
  )
  expect(refusalOf(await signIn(bob)).message).toBe('name, password or code is wrong')
  expect(await sync()).toEqual([{ does: 'off', user: 'bob', what: 'expired in the directory' }])
})

test('somebody else who gets a name that was somebody’s is not them', async () => {
  ad.tool('user', 'delete', 'carol')
  ad.addUser('carol')
  ad.tool('group', 'addmembers', 'Shift', 'carol')
  expect(await sync()).toMatchObject([
    {
      does: 'skip',
      user: 'carol',
      what: expect.stringContaining('somebody else is called that here already'),
    },
  ])
  expect(await vault.ask('user.show', { user: 'carol' })).toMatchObject({ state: 'disabled' })
})
