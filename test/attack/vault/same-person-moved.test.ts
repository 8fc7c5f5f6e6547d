import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { startHostileProvider } from '../../support/hostile-provider.ts'
import { leave } from '../../support/oidc-sign-in.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whom an address makes one person with another user does not become two by moving it: not at either of their users, nor by
// taking it away, as an administrator or not; nor by a third user, nor by a second record of one directory.

let vault: TestVault
let api: VaultClient
let ann: TestPerson
let alt: TestPerson
let bea: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  ann = await vault.person('ann', ['admin'])
  alt = await vault.person('ann-alt', ['approver'])
  bea = await vault.person('bea', ['admin'])
  await vault.ask('user.mail', { user: 'ann', address: 'ann@plant.example' })
  await vault.ask('user.mail', { user: 'ann-alt', address: 'ann+alt@plant.example' })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const moves = (who: TestPerson, user: string, address: string | null) =>
  api.call('user.mail', { user, address, totpCode: who.code() }, who.token)
const others = async (user: string) =>
  (await vault.ask('user.show', { user })).alsoIs?.map((one) => one.user) ?? []

test('nobody makes two persons of themselves by an address', async () => {
  for (const address of ['else@plant.example', null])
    for (const [who, user] of [
      [ann, 'ann'],
      [ann, 'ann-alt'],
      [alt, 'ann-alt'],
    ] as const) {
      const refused = refusalOf(await moves(who, user, address))
      expect(refused.message).toBe('address: by this one you are the same person as another user here')
    }
  expect(await others('ann')).toEqual(['ann-alt'])
  // Another spelling, and what somebody else does, goes.
  must(await moves(alt, 'ann-alt', 'Ann+other@plant.example'))
  must(await moves(bea, 'ann-alt', 'else@plant.example'))
  expect(await others('ann')).toEqual([])
  must(await moves(alt, 'ann-alt', 'else-again@plant.example'))
})

test('nobody is two by way of a third user', async () => {
  const cat = await vault.person('cat', ['admin'])
  const dan = await vault.person('dan', ['admin'])
  await vault.person('cat-alt', ['operator'])
  await vault.ask('user.mail', { user: 'cat', address: 'cat@plant.example' })
  await vault.ask('user.mail', { user: 'cat-alt', address: 'cat+alt@plant.example' })
  await vault.ask('user.samePerson', { user: 'cat-alt', as: 'dan' })
  expect(await others('cat')).toEqual(expect.arrayContaining(['cat-alt', 'dan']))
  const says = { user: 'dan', as: null, totpCode: cat.code() }
  expect(refusalOf(await api.call('user.samePerson', says, cat.token)).code).toBe('forbidden')
  expect(await others('dan')).toEqual(expect.arrayContaining(['cat-alt', 'cat']))
  expect(dan.token).not.toBe(cat.token)
})

test('nobody is two by a second record of one provider', async () => {
  await using corp = await startHostileProvider()
  for (const [directory, name] of [
    ['corp', 'eve'],
    ['corp-2', 'eve-2'],
  ] as const) {
    await vault.ask('directory.add', { name: directory, settings: corp.settings })
    await vault.ask('directory.map', {
      directory,
      group: 'operators',
      roles: ['operator'],
      policyGroup: null,
    })
    const left = must(await leave(api, corp, directory))
    corp.meet(left.url)
    corp.lies = { claims: { sub: 'subject-of-eve', preferred_username: name } }
    const state = new URL(left.url).searchParams.get('state') ?? ''
    const back = { code: 'a-code', state, browser: left.browser, source: '192.0.2.66' }
    must(await api.call('login.return', back))
  }
  expect(await others('eve')).toEqual(['eve-2'])
})
