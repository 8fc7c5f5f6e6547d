import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whom an address makes one person with another user does not become two by moving it: not at either of their users, nor by
// taking it away, as an administrator or not.

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
