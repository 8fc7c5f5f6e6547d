import { generateKeyPairSync } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { Action } from '../../../vault/contract.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall, userauthBytes } from '../../support/vault-ssh.ts'

/** Files beside a desktop: who names whose login carries them, who gets it, and what is written down. */

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
let meg: TestPerson
let ann: TestPerson
const key = makeSshKey()
const password = 'the-password-of-the-transfer'

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  // The machine of the desktop, by SSH, and another machine.
  await vault.account({ target: 'ews-1-ssh', login: 'transfer', password, address: 'ssh://10.0.3.8' })
  await vault.account({ target: 'saw-1', login: 'root', safe: 'line-4', password: 'saw-root' })
  await vault.ask('target.add', { name: 'ews-1', safe: 'line-3', address: 'vnc://10.0.3.8' })
  await vault.ask('target.pin', { target: 'ews-1', fingerprint: 'unverified' })
  const credential = await vault.sealPassword('ews-1/operator', 'Kanarie7')
  await vault.ask('account.add', { target: 'ews-1', login: 'operator', credential })
  meg = await vault.person('meg', ['operator'])
  ann = await vault.person('ann', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-4', user: 'meg', permissions: ['manage'] })
  await vault.ask('user.key.add', { user: 'ann', publicKey: key.line })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser?.end()
  await vault?.[Symbol.asyncDispose]()
})

const desktop = { account: 'ews-1/operator' } as const
const carrier = 'ews-1-ssh/transfer'
const both = ['observe', 'interact', 'sftp-read', 'sftp-write'] as const

async function live() {
  const proof = await prove(recorder, key, 'ann')
  const permit = must(await open(recorder, { proof, target: 'ews-1', account: 'operator', wants: 'observe' }))
  const box = sodium.crypto_box_keypair()
  const { input } = startCall(permit.session)
  const boxKey = Buffer.from(box.publicKey).toString('base64')
  must(await recorder.call('session.start', { ...input, boxKey }))
  must(await recorder.call('session.connected', { session: permit.session }))
  const read = (sealed: string) =>
    Buffer.from(
      sodium.crypto_box_seal_open(Buffer.from(sealed, 'base64'), box.publicKey, box.privateKey),
    ).toString()
  const files = () => {
    vault.advance(4_000)
    return recorder.call('session.files', { session: permit.session })
  }
  return { permit, read, files, end: () => endSession(recorder, permit.session) }
}

test('to name who carries them takes manage of both, on one machine, by SSH, bound as it is', async () => {
  const asked = async (token: string, files: string | null, account: string = desktop.account) =>
    refusalOf(await api.call('account.files', { account, files }, token))
  expect((await asked(ann.token, carrier)).code).toBe('forbidden')
  // Who manages the safe of one of them alone: whether there is the other is not told.
  expect((await asked(meg.token, carrier)).code).toBe('forbidden')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'meg', permissions: ['manage'] })
  await vault.ask('safe.member.set', { safe: 'line-4', user: 'meg', permissions: [] })
  expect(await asked(meg.token, 'saw-1/root')).toEqual(await asked(meg.token, 'saw-1/nobody'))
  expect((await asked(meg.token, null)).message).toBe('no files go beside desktops of ews-1/operator')
  expect((await asked(meg.token, desktop.account, carrier)).message).toBe('ews-1-ssh has no desktop')
  expect((await asked(meg.token, desktop.account)).message).toContain('ews-1 is no target of SSH')
  const elsewhere = refusalOf(await vault.admin.call('account.files', { ...desktop, files: 'saw-1/root' }))
  expect(elsewhere.message).toContain('files go to the machine of the desktop alone')
  const linked = must(await api.call('account.files', { ...desktop, files: carrier }, meg.token))
  expect(linked.files).toBe(carrier)
  const [leaf] = await vault.ask('audit.list', { kind: 'account.files-linked' })
  expect(leaf?.text).toContain(
    'meg had files go beside desktops of account ews-1/operator by the login of ews-1-ssh/transfer',
  )
})

test('it is granted by the words of SSH, with interact; native clients get no session of a desktop by them', async () => {
  const add = async (actions: readonly Action[]) =>
    refusalOf(await vault.admin.call('grant.add', { user: 'ann', ...desktop, actions: [...actions] }))
  for (const actions of [['sftp-read'], ['observe', 'sftp-write']] as const)
    expect((await add(actions)).message).toMatch(
      /^actions: ews-1 has a desktop, and sftp-\w+ goes with interact/,
    )
  const plain = await vault.grant('ann', desktop.account, { actions: ['observe', 'interact'] })
  const without = await live()
  expect(without.permit).not.toHaveProperty('files')
  expect(refusalOf(await without.files()).message).toBe('your grant lets no files go beside this desktop')
  await without.end()
  await vault.ask('grant.revoke', { grant: plain.id })

  await vault.grant('ann', desktop.account, { actions: [...both] })
  const proof = await prove(recorder, key, 'ann')
  for (const wants of ['sftp-read', 'sftp-write'] as const)
    expect(
      refusalOf(await open(recorder, { proof, target: 'ews-1', account: 'operator', wants })).message,
    ).toBe('ews-1 has a desktop, not a terminal')
  const { permit, read, files, end } = await live()
  expect(permit.files).toMatchObject({ name: carrier })
  expect(permit.actions).toEqual([...both])
  const released = must(await files())
  expect(released).toMatchObject({
    target: { name: 'ews-1-ssh', host: '10.0.3.8' },
    account: { name: carrier, login: 'transfer' },
    ways: ['sftp-read', 'sftp-write'],
    credential: { kind: 'password' },
  })
  expect(released.credential.kind === 'password' && read(released.credential.sealed)).toBe(password)
  expect(refusalOf(await recorder.call('session.files', { session: permit.session })).code).toBe(
    'rate_limited',
  )
  must(await recorder.call('session.files-login', { session: permit.session, verdict: 'accepted' }))
  const [leaf] = await vault.ask('audit.list', { kind: 'session.files-opened' })
  expect(leaf?.text).toMatch(
    /^ann opened the files of the machine with version 1 of the secret of ews-1-ssh\/transfer in session ses_\w+/,
  )
  expect(JSON.stringify(await vault.ask('audit.list', {}))).not.toContain(password)
  await end()
  expect((await files()).ok).toBe(false)
})

test('another worker, a user, a frozen session, one that is not live and a taken-back grant get nothing', async () => {
  const other = await vault.worker('w2')
  const proof = await prove(recorder, key, 'ann')
  const opened = must(await open(recorder, { proof, target: 'ews-1', account: 'operator', wants: 'observe' }))
  expect((await recorder.call('session.files', { session: opened.session })).ok).toBe(false)
  await endSession(recorder, opened.session)
  const { permit, files, end } = await live()
  const { session } = permit
  expect(refusalOf(await other.call('session.files', { session })).code).toBe('forbidden')
  expect((await api.call('session.files', { session }, ann.token)).ok).toBe(false)
  expect(refusalOf(await recorder.call('session.files-login', { session, verdict: 'accepted' })).code).toBe(
    'conflict',
  )
  // A key of its own is signed with for nobody who has not opened the files, nor with the desktop's.
  const sign = { session, data: Buffer.from('x').toString('base64'), algorithm: 'ssh-ed25519' } as const
  expect((await recorder.call('session.sign', { ...sign, files: true })).ok).toBe(false)
  await vault.ask('session.freeze', { session })
  expect(refusalOf(await files()).code).toBe('held')
  await vault.ask('session.unfreeze', { session })
  must(await files())
  await vault.ask('grant.revoke', { grant: permit.grant })
  expect((await files()).ok).toBe(false)
  await end()
  await vault.grant('ann', desktop.account, { actions: [...both] })
})

test('a link that the superuser wrote, or took to another account, releases nothing', async () => {
  const { files, end } = await live()
  const { id: saw } = await vault.ask('account.show', { account: 'saw-1/root' })
  const { id: own } = await vault.ask('account.show', { account: carrier })
  await superuser.query('update desktop_files set files_account_id = $1', [saw])
  const fault = await files().catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(Fault)
  expect((fault as Fault).code).toBe('forged_row')
  await superuser.query('update desktop_files set files_account_id = $1', [own])
  must(await files())
  await end()
})

test('limits hold for each way alone, on the desktop and on the login; who holds that alone is not passed by', async () => {
  const eve = await vault.person('eve', ['operator'])
  await vault.grant('eve', carrier, { actions: ['shell'], mode: 'exclusive' })
  const { files, end } = await live()
  const { id: lease } = must(
    await api.call('lease.checkOut', { account: carrier, exclusive: true }, eve.token),
  )
  expect(refusalOf(await files())).toMatchObject({
    code: 'held',
    message: 'the user eve holds ews-1-ssh/transfer exclusively',
  })
  must(await api.call('lease.checkIn', { lease }, eve.token))
  const apply = async (...rules: readonly object[]) => {
    const expected = (await vault.ask('policy.show', {})).digest
    const calendars = { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } }
    const document = { version: 1, calendars, rules } as unknown as PolicyDocument
    await vault.ask('policy.apply', { document, expected })
  }
  const limit = (actions: readonly Action[], account: string) => ({
    ...{ name: `no-${actions.join('-')}`, effect: 'limit', who: { everyone: true }, actions },
    ...{ what: { accounts: [account] }, during: ['never'] },
  })
  await apply(limit(['sftp-write'], carrier))
  expect(must(await files()).ways).toEqual(['sftp-read'])
  await apply(limit(['sftp-read'], desktop.account))
  expect(must(await files()).ways).toEqual(['sftp-write'])
  await apply(limit(['sftp-read', 'sftp-write'], carrier))
  expect(refusalOf(await files()).message).toContain('is closed now')
  // One that ends sooner than the session says until when.
  await apply({
    ...{ name: 'short', effect: 'limit', who: { everyone: true }, actions: ['sftp-read'] },
    ...{ what: { accounts: [carrier] }, longest: '5m' },
  })
  expect(must(await files()).secondsLeft).toBeLessThanOrEqual(300)
  await apply()
  await end()
})

test('a key is signed with for that login alone, and for one login', async () => {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const credential = await vault.sealKey(carrier, pem.toString())
  await vault.ask('account.secret', { account: carrier, credential })
  const { permit, files, end } = await live()
  let blob = key.blob
  const sign = (user: string, as: Buffer, forFiles = true) =>
    recorder.call('session.sign', {
      session: permit.session,
      data: userauthBytes(as, Buffer.alloc(32, 7).toString('base64'), user).toString('base64'),
      algorithm: 'ssh-ed25519',
      ...(forFiles ? { files: true as const } : {}),
    })
  expect((await sign('transfer', blob)).ok).toBe(false)
  const released = must(await files()).credential
  if (released.kind !== 'ssh-key') throw new Error('a key was expected')
  blob = Buffer.from(released.publicKey, 'base64')
  must(await sign('transfer', blob))
  expect((await sign('transfer', blob, false)).ok).toBe(false)
  expect(refusalOf(await sign('root', blob)).code).toBe('forbidden')
  expect(refusalOf(await sign('transfer', key.blob)).code).toBe('forbidden')
  must(await recorder.call('session.files-login', { session: permit.session, verdict: 'accepted' }))
  expect(refusalOf(await sign('transfer', blob)).message).toBe('this session does not log in now')
  await end()
})

test('a machine that was moved, or whose account is removed, carries none until somebody looks', async () => {
  const { permit, files, end } = await live()
  await vault.ask('target.address', { target: 'ews-1-ssh', address: 'ssh://10.0.3.66' })
  expect(refusalOf(await files()).message).toContain('is not the machine of this desktop any more')
  await vault.ask('target.address', { target: 'ews-1-ssh', address: 'ssh://10.0.3.8' })
  must(await files())
  await vault.ask('target.address', { target: 'ews-1-ssh', address: 'ssh://10.0.3.8:2222' })
  expect(refusalOf(await files()).code).toBe('not_pinned')
  expect(permit.files).toBeDefined()
  await end()
  must(await vault.admin.call('account.remove', { account: carrier }))
  expect((await vault.ask('account.show', desktop)).files).toBeNull()
  const [leaf] = await vault.ask('audit.list', { kind: 'account.files-unlinked' })
  expect(leaf?.text).toContain('by the login of ews-1-ssh/transfer no more')
})
