import { generateKeyPairSync } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PasskeyProof } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { type Lies, makeAuthenticator, type TestAuthenticator } from '../../support/authenticator.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// A proof by a passkey is good for one person, one act with its whole input, one site and once, whoever carries it.

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let bob: TestPerson
let eve: TestPerson
let bobs: TestAuthenticator
let eves: TestAuthenticator

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  bob = await vault.person('bob', ['admin'])
  eve = await vault.person('eve', ['operator'])
  bobs = makeAuthenticator()
  eves = makeAuthenticator()
  must(await register(bob, bobs))
  must(await register(eve, eves))
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

async function register(who: TestPerson, key: TestAuthenticator, lies: Lies = {}, name = key.credential) {
  const { nonce } = must(await api.call('passkey.begin', {}, who.token))
  const made = await key.create(nonce, lies)
  return api.call('passkey.add', { ...made, name: name.slice(0, 60), totpCode: who.code() }, who.token)
}
const mail = { user: 'bob', address: 'bob@plant.example' }
const challenge = async (who: TestPerson) => must(await api.call('passkey.challenge', {}, who.token)).nonce
const sets = (totpCode: PasskeyProof, who = bob, input: typeof mail = mail) =>
  api.call('user.mail', { ...input, totpCode }, who.token)
const signIn = async (key: TestAuthenticator, lies: Lies = {}) => {
  const { nonce } = must(await api.call('login.challenge', {}))
  const proof = await key.prove(nonce, 'login.passkey', null, lies)
  return { outcome: await api.call('login.passkey', { proof, source: '192.0.2.66' }), proof }
}
const stillGood = async () => must((await signIn(bobs)).outcome)

test('a compromised api moves a proof to no other input, no other act and no other login', async () => {
  const proof = await bobs.prove(await challenge(bob), 'user.mail', mail)
  expect(refusalOf(await sets(proof, bob, { ...mail, address: 'eve@evil.example' })).code).toBe('invalid')

  const forMail = await bobs.prove(await challenge(bob), 'user.mail', mail)
  const roles = { user: 'eve', roles: ['operator', 'approver'] as ['operator', 'approver'] }
  expect(refusalOf(await api.call('user.roles', { ...roles, totpCode: forMail }, bob.token)).code).toBe(
    'invalid',
  )
  // What somebody signs in with does nothing else, and the other way round.
  const { nonce } = must(await api.call('login.challenge', {}))
  expect(refusalOf(await sets(await bobs.prove(nonce, 'user.mail', mail))).code).toBe('invalid')
  const act = await bobs.prove(await challenge(bob), 'login.passkey', null)
  expect(refusalOf(await api.call('login.passkey', { proof: act, source: '192.0.2.66' })).code).toBe(
    'unauthenticated',
  )
  // Another login of the same person.
  const other = must((await signIn(bobs)).outcome)
  const asked = await bobs.prove(await challenge(bob), 'user.mail', mail)
  expect(refusalOf(await sets(asked, { ...bob, token: other.token })).code).toBe('invalid')
  expect((await vault.ask('user.show', { user: 'bob' })).mail).toBeNull()
  must(await sets(await bobs.prove(await challenge(bob), 'user.mail', mail)))
})

test('a proof is good once, also for two at once, and for a minute', async () => {
  const proof = await bobs.prove(await challenge(bob), 'user.mail', mail)
  const outcomes = await Promise.all([sets(proof), sets(proof), sets(proof)])
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
  expect(refusalOf(await sets(proof)).code).toBe('invalid')

  const { outcome, proof: signedIn } = await signIn(bobs)
  must(outcome)
  const again = await api.call('login.passkey', { proof: signedIn, source: '192.0.2.66' })
  expect(refusalOf(again).code).toBe('unauthenticated')

  const late = await bobs.prove(await challenge(bob), 'user.mail', mail)
  vault.advance(60_001)
  expect(refusalOf(await sets(late)).code).toBe('invalid')
})

test('another’s passkey proves nobody but them', async () => {
  expect(refusalOf(await sets(await eves.prove(await challenge(bob), 'user.mail', mail))).code).toBe(
    'invalid',
  )
  const own = { user: 'eve', address: 'eve@maker.example' }
  expect(refusalOf(await sets(await bobs.prove(await challenge(eve), 'user.mail', own), eve, own)).code).toBe(
    'invalid',
  )
  // A nonce of hers, and a proof of his.
  expect(refusalOf(await sets(await bobs.prove(await challenge(eve), 'user.mail', mail))).code).toBe(
    'invalid',
  )
  expect(must((await signIn(eves)).outcome).user.name).toBe('eve')
  const removed = await api.call(
    'passkey.remove',
    {
      user: 'bob',
      passkey: must(await api.call('passkey.list', { user: 'bob' }, bob.token))[0]?.id ?? ('' as never),
    },
    eve.token,
  )
  expect(refusalOf(removed).code).toBe('forbidden')
})

const { privateKey: another } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const lies: readonly (readonly [string, Lies])[] = [
  ['for another origin', { origin: 'https://evil.example' }],
  ['for an origin below ours', { origin: 'https://gateway.plant.example.evil.example' }],
  ['for a name before ours', { origin: 'https://x.gateway.plant.example' }],
  ['for an origin with somebody in it', { origin: 'https://gateway.plant.example@evil.example' }],
  ['without TLS', { origin: 'http://gateway.plant.example' }],
  ['for another name of ours than the passkey’s', { origin: 'https://localhost:8443' }],
  ['of another site', { rpId: 'evil.example' }],
  ['in a frame of another site', { crossOrigin: true }],
  ['without its person being verified', { flags: 1 }],
  ['without its person being there', { flags: 4 }],
  ['of another type', { type: 'webauthn.create' }],
  ['signed by another key', { key: another }],
]
test.each(lies)('a proof %s is refused, at a sign-in and for an act', async (_how, lie) => {
  const { outcome } = await signIn(bobs, lie)
  expect(refusalOf(outcome)).toMatchObject({
    code: 'unauthenticated',
    message: 'this passkey signs nobody in here',
  })
  expect(refusalOf(await sets(await bobs.prove(await challenge(bob), 'user.mail', mail, lie))).code).toBe(
    'invalid',
  )
  await stillGood()
})

test('a counter that goes back or stands still is refused and told as what it is', async () => {
  const { outcome } = await signIn(bobs, { counter: 1 })
  expect(refusalOf(outcome).code).toBe('unauthenticated')
  expect((await vault.ask('audit.list', { kind: 'login.refused' })).at(-1)?.text).toMatch(
    /login as "?bob"? by passkey: the counter of the passkey .* went back: it may have been copied/,
  )
  const proof = await bobs.prove(await challenge(bob), 'user.mail', mail, { counter: 1 })
  expect(refusalOf(await sets(proof))).toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('somebody may have a copy of it'),
  })
  await stillGood()
})

test('whoever has no passkey here reads what everybody reads', async () => {
  const unknown = refusalOf((await signIn(makeAuthenticator())).outcome)
  const wrong = refusalOf((await signIn(bobs, { key: another })).outcome)
  expect(unknown).toEqual(wrong)
})

test.each([
  ...lies.filter(
    ([how]) =>
      !['of another type', 'signed by another key', 'for another name of ours than the passkey’s'].includes(
        how,
      ),
  ),
  ['of a proof', { type: 'webauthn.get' }] as const,
])('a passkey that is made %s is not registered', async (_how, lie) => {
  expect(refusalOf(await register(eve, makeAuthenticator(), lie)).code).toBe('invalid')
})

test.each(['evil.example', 'plant.example', 'x.gateway.plant.example', '127.0.0.1'])(
  'no passkey is made at %s, which is no name of this console, though all of it fits together',
  async (site) => {
    expect(refusalOf(await register(eve, makeAuthenticator(site)))).toMatchObject({
      code: 'invalid',
      message: 'passkeys are made at the console’s own address: localhost, gateway.plant.example',
    })
  },
)

test('a login alone registers no passkey, nor with a nonce of another or with an old one', async () => {
  const key = makeAuthenticator()
  const { nonce } = must(await api.call('passkey.begin', {}, eve.token))
  const made = await key.create(nonce)
  expect(refusalOf(await api.call('passkey.add', { ...made, name: 'x' }, eve.token)).code).toBe('invalid')
  const begun = must(await api.call('passkey.begin', {}, eve.token))
  const moved = await key.create(begun.nonce)
  expect(
    refusalOf(await api.call('passkey.add', { ...moved, name: 'x', totpCode: bob.code() }, bob.token)).code,
  ).toBe('expired')
  const old = must(await api.call('passkey.begin', {}, eve.token))
  vault.advance(5 * 60_000 + 1)
  expect(
    refusalOf(
      await api.call(
        'passkey.add',
        { ...(await key.create(old.nonce)), name: 'x', totpCode: eve.code() },
        eve.token,
      ),
    ).code,
  ).toBe('expired')
})

test.each([
  ['made another’s', `user_id = (select id from app_user where name = 'eve')`],
  ['given another key', `public_key = (select public_key from passkey where credential = $2)`],
  ['given a lower counter', `counter = 0`],
  ['moved to another site', `rp_id = 'evil.example'`],
])('a passkey that is %s in the table is a fault', async (_how, change) => {
  const { rows } = await superuser.query('select * from passkey where credential = $1', [bobs.credential])
  const given = change.includes('$2') ? [bobs.credential, eves.credential] : [bobs.credential]
  await superuser.query(`update passkey set ${change} where credential = $1`, given)
  await expect(signIn(bobs)).rejects.toThrow()
  const [row] = rows
  await superuser.query(
    'update passkey set user_id = $2, public_key = $3, counter = $4, rp_id = $5 where credential = $1',
    [bobs.credential, row.user_id, row.public_key, row.counter, row.rp_id],
  )
  await stillGood()
})

test('hostile bytes in every field are refused, and nothing breaks', async () => {
  const proof = await bobs.prove(await challenge(bob), 'user.mail', mail)
  for (const field of ['clientDataJSON', 'authenticatorData', 'signature'] as const)
    for (const bytes of [
      'AA',
      'bnVsbA',
      Buffer.from('{"origin":{}}').toString('base64url'),
      'A'.repeat(4000),
    ]) {
      if (field === 'signature' && bytes.length > 2000) continue
      const { nonce } = must(await api.call('login.challenge', {}))
      const signed = { ...(await bobs.prove(nonce, 'login.passkey', null)), [field]: bytes }
      const outcome = await api.call('login.passkey', { proof: signed, source: '192.0.2.66' })
      expect(refusalOf(outcome).code).toBe('unauthenticated')
    }
  expect((await sets({ ...proof, nonce: 'A'.repeat(43) })).ok).toBe(false)
  // Attestation of some make: certificates that nobody asked for are not read.
  const { nonce } = must(await api.call('passkey.begin', {}, eve.token))
  const made = await makeAuthenticator().create(nonce)
  const packed = Buffer.from(made.attestationObject, 'base64url')
  packed.write('pack', packed.indexOf('none'))
  const attestationObject = packed.toString('base64url')
  expect(
    refusalOf(
      await api.call(
        'passkey.add',
        { ...made, attestationObject, name: 'x', totpCode: eve.code() },
        eve.token,
      ),
    ).code,
  ).toBe('invalid')
  await stillGood()
})
