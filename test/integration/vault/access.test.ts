import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { parsePublicKeyBlob } from '../../../vault/identity/ssh-key.ts'
import { verifySshSignature } from '../../../vault/identity/ssh-signature.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import {
  must,
  refusalOf,
  somePin,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { makeSshKey, open, prove, startCall, userauthBytes } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let ann: TestPerson
let mia: TestPerson
const otherPin = `SHA256:${'B'.repeat(43)}`

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  await vault.account({ password: 'the first secret' })
  await vault.account({ target: 'saw-1', safe: 'line-4' })
  ann = await vault.person('ann', ['operator'])
  mia = await vault.person('mia', ['operator'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const reveal = async (who: TestPerson, code: string, account = 'press-3/engineer') => {
  const box = sodium.crypto_box_keypair()
  const outcome = await api.call(
    'account.reveal',
    {
      account,
      boxKey: Buffer.from(box.publicKey).toString('base64'),
      totpCode: code,
      reason: 'the gateway is down',
    },
    who.token,
  )
  const read = (sealed: string) =>
    Buffer.from(
      sodium.crypto_box_seal_open(Buffer.from(sealed, 'base64'), box.publicKey, box.privateKey),
    ).toString()
  return { outcome, read }
}

test('lists show what somebody may see, and nothing else', async () => {
  const see = async (who: TestPerson) => ({
    safes: must(await api.call('safe.list', {}, who.token)).map((safe) => safe.name),
    targets: must(await api.call('target.list', {}, who.token)).map((target) => target.name),
    accounts: must(await api.call('account.list', {}, who.token)).map((account) => account.name),
    grants: must(await api.call('grant.list', {}, who.token)).map((grant) => grant.account),
  })
  expect(await see(ann)).toEqual({ safes: [], targets: [], accounts: [], grants: [] })
  const grant = await vault.grant('ann', 'saw-1/engineer')
  expect(await see(ann)).toEqual({
    safes: [],
    targets: ['saw-1'],
    accounts: ['saw-1/engineer'],
    grants: ['saw-1/engineer'],
  })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['use'] })
  expect(await see(ann)).toMatchObject({ safes: ['line-3'], targets: ['press-3', 'saw-1'] })
  expect(await see(mia)).toEqual({ safes: [], targets: [], accounts: [], grants: [] })
  await vault.ask('grant.revoke', { grant: grant.id })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: [] })
  expect(await see(ann)).toMatchObject({ safes: [], targets: [], accounts: [] })
})

test('one thing that is forbidden reads like one that does not exist', async () => {
  const forbidden = refusalOf(await api.call('account.show', { account: 'press-3/engineer' }, ann.token))
  const unknown = refusalOf(await api.call('account.show', { account: 'press-3/nobody' }, ann.token))
  expect(forbidden).toEqual(unknown)
})

const somewhere = { account: 'press-3/engineer', actions: ['shell'], forSeconds: 60 } as const
test.each([
  ['grant.add', { ...somewhere, user: 'nobody' }, 'there is no user nobody', 'see: tagout user list'],
  [
    'grant.add',
    { ...somewhere, user: 'ann', account: 'press-9/x' },
    'there is no account press-9/x',
    'see: tagout account list; accounts are named target/login',
  ],
  ['grant.list', { user: 'nobody' }, 'there is no user nobody', 'see: tagout user list'],
  ['target.show', { target: 'the press' }, 'there is no target "the press"', 'see: tagout target list'],
  ['user.key.list', { user: 'nobody' }, 'there is no user nobody', 'see: tagout user list'],
  [
    'safe.member.set',
    { safe: 'line-9', user: 'ann', permissions: ['use'] },
    'there is no safe line-9',
    'see: tagout safe list',
  ],
  [
    'account.bind',
    { account: 'press-3/engineer', target: 'x' },
    'there is no target x',
    'see: tagout target list',
  ],
] as const)(
  'the administrator is told what is not there by its name, and where to look: %s %j',
  async (verb, input, message, next) => {
    expect(refusalOf(await vault.admin.call(verb, input as never))).toEqual({
      code: 'not_found',
      message,
      next,
    })
  },
)

test('who may not bind to a machine does not learn whether it exists', async () => {
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['manage'] })
  const bind = async (target: string) =>
    refusalOf(await api.call('account.bind', { account: 'press-3/engineer', target }, mia.token))
  expect(await bind('saw-1')).toEqual(await bind('nothing'))
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: [] })
})

test('a bound that was passed is said in words', async () => {
  const said = async (more: object) =>
    refusalOf(await vault.admin.call('grant.add', { ...somewhere, user: 'ann', ...more } as never)).message
  expect(await said({ forSeconds: 400 * 86_400 })).toBe('forSeconds: a year at most')
  expect(await said({ reason: 'x'.repeat(501) })).toBe('reason: its length is 500 at most')
  expect(await said({ actions: [] })).toBe('actions: this is empty')
  expect(await said({ actions: undefined })).toBe('actions: this is missing')
})

test('who manages a safe looks after its targets and accounts, and no other’s', async () => {
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['manage'] })
  const add = { name: 'press-9', address: 'ssh://192.0.2.9', pin: somePin }
  must(await api.call('target.add', { ...add, safe: 'line-3' }, mia.token))
  expect(refusalOf(await api.call('target.add', { ...add, safe: 'line-4' }, mia.token)).code).toBe(
    'forbidden',
  )
  const pin = { target: 'saw-1', fingerprint: otherPin }
  expect(refusalOf(await api.call('target.pin', pin, mia.token)).code).toBe('forbidden')
  const bind = { account: 'press-3/engineer', target: 'saw-1' }
  expect(refusalOf(await api.call('account.bind', bind, mia.token)).code).toBe('forbidden')
  must(await api.call('target.remove', { target: 'press-9' }, mia.token))
  expect(refusalOf(await api.call('target.remove', { target: 'press-3' }, mia.token)).message).toMatch(
    /engineer/,
  )
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: [] })
})

test('an approver lets others in, not themselves', async () => {
  const give = { account: 'press-3/engineer', actions: ['shell' as const], forSeconds: 600 }
  expect(refusalOf(await api.call('grant.add', { user: 'ann', ...give }, mia.token)).code).toBe('forbidden')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['approve'] })
  const grant = must(await api.call('grant.add', { user: 'ann', ...give }, mia.token))
  expect(grant).toMatchObject({ grantedBy: 'mia', state: 'active' })
  expect(refusalOf(await api.call('grant.add', { user: 'mia', ...give }, mia.token)).code).toBe('forbidden')
  must(await api.call('grant.revoke', { grant: grant.id }, mia.token))
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: [] })
})

test('a grant needs a sensible time', async () => {
  const give = { user: 'ann', account: 'press-3/engineer', actions: ['shell' as const] }
  const refused = async (more: object) =>
    refusalOf(await vault.admin.call('grant.add', { ...give, ...more })).message
  const at = (ms: number) => new Date(vault.now().getTime() + ms).toISOString()
  expect(await refused({ notAfter: at(-1000) })).toMatch(/^notAfter/)
  expect(await refused({ notBefore: at(2000), notAfter: at(1000) })).toMatch(/^notAfter/)
  expect(await refused({ notAfter: at(1000), forSeconds: 60 })).toMatch(/^forSeconds/)
  expect(await refused({ notBefore: at(300 * 86_400_000), forSeconds: 366 * 86_400 })).toMatch(/a year/)
  const future = await vault.ask('grant.add', { ...give, notBefore: at(60_000), forSeconds: 60 })
  expect(future.state).toBe('future')
  const state = async () =>
    (await vault.ask('grant.list', { user: 'ann' })).find((grant) => grant.id === future.id)?.state
  vault.advance(60_000)
  expect(await state()).toBe('active')
  vault.advance(60_000)
  expect(await state()).toBe('expired')
})

test('an auditor is granted nothing and belongs to no safe but to replay', async () => {
  const grant = { user: 'ingrid', account: 'press-3/engineer', actions: ['shell' as const], forSeconds: 60 }
  expect(refusalOf(await vault.admin.call('grant.add', grant)).message).toMatch(/auditor/)
  const member = { safe: 'line-3', user: 'ingrid', permissions: ['reveal' as const] }
  expect(refusalOf(await vault.admin.call('safe.member.set', member)).code).toBe('conflict')
  const replay = { safe: 'line-3', user: 'ann', permissions: ['replay' as const] }
  expect(refusalOf(await vault.admin.call('safe.member.set', replay)).code).toBe('conflict')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['use'] })
  const roles = await vault.admin.call('user.roles', { user: 'ann', roles: ['auditor'] })
  expect(refusalOf(roles).message).toMatch(/member of a safe/)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: [] })
})

test('a secret is shown to who may see it, sealed to their key, with a code of its own, and written down', async () => {
  expect(refusalOf((await reveal(ann, ann.code())).outcome).code).toBe('forbidden')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['reveal'] })
  expect(refusalOf((await reveal(ann, '000000')).outcome).message).toMatch(/^totpCode/)
  expect(await vault.ask('exposure.list', {})).toEqual([])
  const code = ann.code()
  const { outcome, read } = await reveal(ann, code)
  expect(read(must(outcome).sealed)).toBe('the first secret')
  expect(refusalOf((await reveal(ann, code)).outcome).message).toMatch(/^totpCode/)
  expect(refusalOf((await reveal(ann, ann.code(), 'saw-1/engineer')).outcome).code).toBe('forbidden')
  const [seen, ...others] = await vault.ask('exposure.list', { account: 'press-3/engineer' })
  expect(seen).toMatchObject({
    user: 'ann',
    account: 'press-3/engineer',
    version: 1,
    reason: 'the gateway is down',
  })
  expect(others).toEqual([])
})

test('a new secret is a new version, and the old one is not shown again', async () => {
  const changed = await vault.ask('account.secret', {
    account: 'press-3/engineer',
    credential: await vault.sealPassword('press-3/engineer', 'the second secret'),
  })
  expect(changed.credential).toMatchObject({ kind: 'password', version: 2 })
  const { outcome, read } = await reveal(ann, ann.code())
  expect(must(outcome).version).toBe(2)
  expect(read(must(outcome).sealed)).toBe('the second secret')
})

test('passwords that no login takes are refused', async () => {
  for (const password of ['', 'two\nlines', 'a\0b', 'x'.repeat(1025)]) {
    const credential = await vault.sealPassword('press-3/engineer', password)
    const outcome = await vault.admin.call('account.secret', { account: 'press-3/engineer', credential })
    expect(refusalOf(outcome).message).toMatch(/^credential: /)
  }
})

test('a private key signs this account’s logins and nothing else, and never leaves', async () => {
  const recorder = await vault.worker()
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'mia', publicKey: key.line })
  const pair = generateKeyPairSync('ed25519')
  const file = pair.privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'of the key',
  })
  const add = { target: 'press-3', login: 'service' }
  const wrong = await vault.sealKey('press-3/service', file.toString(), 'another')
  expect(refusalOf(await vault.admin.call('account.add', { ...add, credential: wrong })).message).toMatch(
    /passphrase/,
  )
  const credential = await vault.sealKey('press-3/service', file.toString(), 'of the key')
  await vault.ask('account.add', { ...add, credential })
  await vault.grant('mia', 'press-3/service')

  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'mia') }))
  if (permit.credential.kind !== 'ssh-key') throw new Error('a key was expected')
  const blob = Buffer.from(permit.credential.publicKey, 'base64')
  const connection = Buffer.alloc(32, 7).toString('base64')
  const signOf = (data: Buffer, algorithm = 'ssh-ed25519') =>
    recorder.call('session.sign', { session: permit.session, data: data.toString('base64'), algorithm })
  const right = userauthBytes(blob, connection, 'service')
  expect(refusalOf(await signOf(right)).code).toBe('conflict')
  expect(must(await recorder.call('session.start', startCall(permit.session).input))).toEqual({
    kind: 'ssh-key',
  })
  expect(refusalOf(await signOf(userauthBytes(blob, connection, 'root'))).code).toBe('forbidden')
  expect(refusalOf(await signOf(Buffer.from('a message of somebody'))).code).toBe('forbidden')
  const other = userauthBytes(blob, connection, 'service', { key: makeSshKey().blob })
  expect(refusalOf(await signOf(other)).code).toBe('forbidden')
  const { signature } = must(await signOf(right))
  const parsed = parsePublicKeyBlob(blob)
  if (!parsed.ok) throw new Error('the key parses')
  expect(verifySshSignature(parsed.value, 'ssh-ed25519', right, Buffer.from(signature, 'base64'))).toBe(true)
  expect(refusalOf(await signOf(right)).code).toBe('rate_limited')
  recorder.close()
})

test('keys that ssh-keygen writes are taken, and the public half is shown', async () => {
  const folder = vault.dataDir
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', 'words', '-f', `${folder}/key`])
  const file = execFileSync('cat', [`${folder}/key`], { encoding: 'utf8' })
  const without = await vault.sealKey('press-3/plc', file)
  const outcome = await vault.admin.call('account.add', {
    target: 'press-3',
    login: 'plc',
    credential: without,
  })
  expect(refusalOf(outcome).next).toMatch(/passphrase/)
  const credential = await vault.sealKey('press-3/plc', file, 'words')
  const added = await vault.ask('account.add', { target: 'press-3', login: 'plc', credential })
  expect(added.credential?.kind).toBe('ssh-key')
})

test('a recorder looks at a target’s keys; pinning one names its type', async () => {
  const key = { type: 'ssh-ed25519', fingerprint: otherPin, key: 'AAAA', needs: ['group1-sha1'] }
  expect(refusalOf(await vault.admin.call('target.scan', { target: 'saw-1' })).code).toBe('unavailable')
  const asked: unknown[] = []
  const recorder = await vault.worker('w1', (method) =>
    method === 'host-key.fetch'
      ? async (params) => {
          asked.push(params)
          return done([key])
        }
      : undefined,
  )
  expect(await vault.ask('target.scan', { target: 'saw-1' })).toEqual([
    { type: 'ssh-ed25519', fingerprint: otherPin, needs: ['group1-sha1'] },
  ])
  expect(asked).toEqual([{ host: '127.0.0.1', port: 2201 }])
  const pinned = await vault.ask('target.pin', { target: 'saw-1', fingerprint: otherPin })
  expect(pinned.pins).toEqual([
    { type: 'ssh-ed25519', fingerprint: otherPin, approvedBy: expect.stringMatching(/^local:/) },
  ])
  expect((await vault.ask('account.show', { account: 'saw-1/engineer' })).boundTo).toEqual(['saw-1'])
  recorder.close()
})

test('an account that is removed takes its grants with it', async () => {
  await vault.account({ target: 'lathe-1' })
  const grant = await vault.grant('ann', 'lathe-1/engineer')
  await vault.ask('account.remove', { account: 'lathe-1/engineer' })
  const listed = (await vault.ask('grant.list', { user: 'ann' })).find((one) => one.id === grant.id)
  expect(listed?.state).toBe('revoked')
  await vault.ask('target.remove', { target: 'lathe-1' })
  await vault.account({ target: 'lathe-1' })
})
