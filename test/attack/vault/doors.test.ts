import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type VerbName, verbs } from '../../../vault/contract.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { makeSealedAccountSecret, makeSealedLoginPassword } from '../../../vault/intake.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// A plane that was broken into, and asks for what is not its own.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
const names = Object.keys(verbs) as VerbName[]

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account()
  await vault.account({ login: 'operator' })
  ann = await vault.person('ann', ['admin'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const ask = (client: VaultClient, verb: VerbName, token?: string) => client.call(verb, {} as never, token)

test('the api without a token is answered what anyone may ask, and nothing else', async () => {
  for (const verb of names) {
    const door: readonly string[] = verbs[verb].door
    const outcome = await ask(api, verb)
    if (door.includes('anyone') || door.includes('api')) continue
    expect(refusalOf(outcome).code, verb).toBe('unauthenticated')
  }
})

test('the api cannot make up a token', async () => {
  const some = [
    randomBytes(32).toString('base64url'),
    '',
    'a',
    `${ann.token}x`,
    ann.token.slice(0, -1),
    newId('lgn'),
  ]
  for (const token of some)
    for (const verb of names) {
      if (!(verbs[verb].door as readonly string[]).includes('user')) continue
      expect(refusalOf(await ask(api, verb, token)).code, verb).toBe('unauthenticated')
    }
})

test('the api carries the second factor of a new user without learning it', async () => {
  const { enrolment } = await vault.ask('user.add', { name: 'nina', roles: ['operator'] })
  const box = await enrolmentBox()
  const begun = must(
    await api.call('enrolment.begin', { token: enrolment.token, boxKey: box.boxKey, source: '192.0.2.10' }),
  )
  const { secret, uri } = box.open(begun.sealedTotp)
  expect(secret).toMatch(/^[A-Z2-7]{32}$/)
  expect(uri).toContain(`secret=${secret}`)
  const carried = JSON.stringify(begun) + Buffer.from(begun.sealedTotp, 'base64').toString('latin1')
  expect(carried).not.toContain(secret)
  expect(carried).not.toContain('otpauth')
  const other = await enrolmentBox()
  expect(() => other.open(begun.sealedTotp)).toThrow()
  const short = await api.call('enrolment.begin', {
    token: enrolment.token,
    boxKey: 'AAAA',
    source: '192.0.2.10',
  })
  expect(refusalOf(short).code).toBe('invalid')
})

test('the api cannot ask what is the recorder’s, with a token or without', async () => {
  for (const verb of names) {
    const door: readonly string[] = verbs[verb].door
    if (!door.includes('recorder') || door.length > 1) continue
    for (const token of [undefined, ann.token])
      expect(refusalOf(await ask(api, verb, token)).code, verb).toMatch(/forbidden|unauthenticated/)
  }
})

test('the recorder carries no tokens of people', async () => {
  for (const verb of names)
    expect(refusalOf(await ask(recorder, verb, ann.token)).code, verb).toBe('forbidden')
})

test('the recorder is answered its own verbs only', async () => {
  for (const verb of names) {
    if ((verbs[verb].door as readonly string[]).includes('recorder')) continue
    expect(refusalOf(await ask(recorder, verb)).code, verb).toBe('forbidden')
  }
})

test('the machine administrator is not answered what is people’s or the recorder’s', async () => {
  for (const verb of names) {
    const door: readonly string[] = verbs[verb].door
    if (door.includes('local') || door.includes('anyone')) continue
    expect(refusalOf(await ask(vault.admin, verb)).code, verb).toBe('forbidden')
  }
})

test('the machine administrator’s token verifies recordings, and neither replays nor does anything else', async () => {
  const { token } = await vault.ask('login.local', {})
  for (const verb of names) {
    if (!(verbs[verb].door as readonly string[]).includes('user')) continue
    expect((await ask(api, verb, token)).ok, verb).toBe(verb === 'status' && false)
  }
})

test('unknown verbs are refused', async () => {
  for (const verb of ['', 'vault.wipe', 'toString', '__proto__', 'constructor', 'hasOwnProperty'])
    for (const client of [vault.admin, api, recorder])
      expect((await ask(client, verb as VerbName)).ok).toBe(false)
})

test('a secret sealed for one account, use or vault is not taken for another', async () => {
  const { intakeKey } = await vault.ask('status', {})
  if (intakeKey === null) throw new Error('the vault has a key')
  const set = async (sealed: string, account = 'press-3/operator') =>
    vault.admin.call('account.secret', { account, credential: { kind: 'password', sealed } })
  const sealed = makeSealedAccountSecret(
    sodium,
    intakeKey,
    'press-3/engineer',
    Buffer.from('of the engineer'),
  )
  expect(refusalOf(await set(sealed)).message).toMatch(/another account/)
  must(await set(sealed, 'press-3/engineer'))
  const passphrase = await vault.sealKey('press-3/operator', 'x', 'a passphrase')
  if (passphrase.kind !== 'ssh-key') throw new Error('a key')
  expect(refusalOf(await set(passphrase.sealedPassphrase ?? '')).message).toMatch(/another account or use/)
  expect((await set(await vault.sealLogin('press-3/operator', 'a login password'))).ok).toBe(false)
  const stranger = Buffer.from(sodium.crypto_box_keypair().publicKey).toString('base64')
  const elsewhere = makeSealedAccountSecret(sodium, stranger, 'press-3/operator', Buffer.from('x'))
  expect(refusalOf(await set(elsewhere)).code).toBe('invalid')
  for (const junk of ['', 'AAAA', randomBytes(200).toString('base64')])
    expect((await set(junk)).ok).toBe(false)
})

test('a login password that was sealed for somebody else or long ago is refused', async () => {
  const { intakeKey } = await vault.ask('status', {})
  if (intakeKey === null) throw new Error('the vault has a key')
  const logIn = (sealedPassword: string) =>
    api.call('login.start', { name: 'ann', sealedPassword, totpCode: ann.code(), source: '192.0.2.5' })
  const seal = (name: string, at: number) =>
    makeSealedLoginPassword(sodium, intakeKey, name, ann.password, new Date(at))
  const now = () => vault.now().getTime()
  expect(refusalOf(await logIn(seal('ben', now()))).code).toBe('invalid')
  expect(refusalOf(await logIn(seal('ann', now() - 5.1 * 60_000))).code).toBe('expired')
  expect(refusalOf(await logIn(seal('ann', now() + 6 * 60_000))).code).toBe('expired')
  const code = ann.code()
  const right = await api.call('login.start', {
    name: 'ann',
    sealedPassword: seal('ann', now()),
    totpCode: code,
    source: '192.0.2.5',
  })
  expect(right.ok).toBe(true)
})
