import { afterAll, beforeAll, expect, test } from 'vitest'
import { totpCode, totpStep } from '../../../vault/identity/totp.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { fromBase32 } from '../../support/totp.ts'
import { must, refusalOf, startTestVault, testPassword, type TestVault } from '../../support/vault.ts'

// Whoever reads somebody's mail opens the link in it before its person does: they learn nothing that is worth anything
// afterwards, and each look is written down.

let vault: TestVault
let api: VaultClient
let token: string

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  token = (await vault.ask('user.add', { name: 'bob', roles: ['operator'] })).enrolment.token
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const begins = async (source: string) => {
  const box = await enrolmentBox()
  const begun = must(await api.call('enrolment.begin', { token, boxKey: box.boxKey, source }))
  return fromBase32(box.open(begun.sealedTotp).secret)
}
const codeOf = (secret: Buffer) => totpCode(secret, totpStep(vault.now().getTime()))
const finishes = async (secret: Buffer) =>
  api.call('enrolment.finish', {
    token,
    sealedPassword: await vault.sealLogin('bob', testPassword),
    totpCode: codeOf(secret),
    source: '192.0.2.10',
  })

test('each who opens a link is shown a second factor of their own, the last one counts, and all of them are in the log', async () => {
  const thief = await begins('198.51.100.66')
  const bob = await begins('192.0.2.10')
  expect(bob.equals(thief)).toBe(false)
  const opened = await vault.ask('audit.list', { kind: 'user.enrolment-opened', limit: 10 })
  expect(opened.map(({ entry }) => (entry as { source?: string }).source)).toEqual([
    '198.51.100.66',
    '192.0.2.10',
  ])
  expect(opened[0]?.text).toContain('somebody opened the enrolment link of bob (')
  const refused = refusalOf(await finishes(thief))
  expect(refused.message).toBe('totpCode: the code is not the one of now')
  expect(refused.next).toContain('where the link was opened again since')
  must(await finishes(bob))
  // What the thief has signs nobody in, with the password too.
  vault.advance(60_000)
  const signIn = async (secret: Buffer) =>
    api.call('login.start', {
      name: 'bob',
      sealedPassword: await vault.sealLogin('bob', testPassword),
      totpCode: codeOf(secret),
      source: '192.0.2.10',
    })
  expect(refusalOf(await signIn(thief)).code).toBe('unauthenticated')
  expect((await signIn(bob)).ok).toBe(true)
})

test('who looks after its person shuts them out, and is noticed: nobody finishes with what both have seen', async () => {
  token = (await vault.ask('user.enrol', { user: 'bob' })).token
  const bob = await begins('192.0.2.10')
  await begins('198.51.100.66')
  expect(refusalOf(await finishes(bob)).message).toContain('the code is not the one of now')
  const again = await begins('192.0.2.10')
  must(await finishes(again))
})

test('many who open it at once are each answered, and one second factor is the link’s', async () => {
  token = (await vault.ask('user.enrol', { user: 'bob' })).token
  const all = await Promise.all(Array.from({ length: 12 }, (_, at) => begins(`192.0.2.${at}`)))
  expect(new Set(all.map((secret) => secret.toString('hex'))).size).toBe(12)
  vault.advance(60_000)
  const good = []
  for (const secret of all) if ((await finishes(secret)).ok) good.push(secret)
  expect(good).toHaveLength(1)
})
