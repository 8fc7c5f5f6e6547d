import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
let meg: TestPerson
let ann: TestPerson
const key = makeSshKey()
const rootPassword = 'the-root-password-of-press-3'

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account({ password: 'engineer-pw' })
  await vault.account({ login: 'root', password: rootPassword })
  await vault.account({ target: 'saw-1', login: 'root', safe: 'line-4', password: 'saw-root' })
  meg = await vault.person('meg', ['operator'])
  ann = await vault.person('ann', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'meg', permissions: ['manage'] })
  await vault.ask('user.key.add', { user: 'ann', publicKey: key.line })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser?.end()
  await vault?.[Symbol.asyncDispose]()
})

const byRoot = { account: 'press-3/engineer', elevation: { kind: 'su', account: 'press-3/root' } } as const

/** A session of ann, live, and how to open what is sealed to it. */
async function live() {
  const permit = must(
    await open(recorder, {
      proof: await prove(recorder, key, 'ann'),
      target: 'press-3',
      account: 'engineer',
    }),
  )
  const box = sodium.crypto_box_keypair()
  const { input } = startCall(permit.session)
  must(
    await recorder.call('session.start', {
      ...input,
      boxKey: Buffer.from(box.publicKey).toString('base64'),
    }),
  )
  must(await recorder.call('session.connected', { session: permit.session }))
  const read = (sealed: string) =>
    Buffer.from(
      sodium.crypto_box_seal_open(Buffer.from(sealed, 'base64'), box.publicKey, box.privateKey),
    ).toString()
  return { permit, read, elevate: () => recorder.call('session.elevate', { session: permit.session }) }
}

test('who does not manage both accounts names no secret; nor one that is not bound to the machine, or is a key', async () => {
  const asked = async (elevation: { kind: 'sudo' | 'su'; account: string }, token = meg.token) =>
    refusalOf(await api.call('account.elevation', { account: 'press-3/engineer', elevation }, token))
  expect((await asked({ kind: 'su', account: 'press-3/root' }, ann.token)).code).toBe('forbidden')
  const elsewhere = await asked({ kind: 'su', account: 'saw-1/root' })
  expect(elsewhere).toEqual(await asked({ kind: 'su', account: 'saw-1/nobody' }))
  expect(
    refusalOf(
      await vault.admin.call('account.elevation', {
        ...byRoot,
        elevation: { kind: 'su', account: 'saw-1/root' },
      }),
    ).message,
  ).toBe('the account saw-1/root is not bound to press-3, so its secret does not go there')
})

test('with elevate in the grant the secret comes once per act, sealed to the session, in the audit log first', async () => {
  expect(must(await api.call('account.elevation', byRoot, meg.token)).elevation).toEqual({
    kind: 'su',
    account: 'press-3/root',
  })
  expect(
    refusalOf(
      await vault.admin.call('grant.add', { user: 'ann', account: 'press-3/engineer', actions: ['elevate'] }),
    ).message,
  ).toBe('actions: elevate goes with shell or exec')

  const plain = await vault.grant('ann', 'press-3/engineer', { actions: ['shell'] })
  const without = await live()
  expect(without.permit.elevation).toEqual({ kind: 'su', isGranted: false })
  expect(refusalOf(await without.elevate())).toMatchObject({
    code: 'forbidden',
    message: 'your grant does not allow elevation',
  })
  await endSession(recorder, without.permit.session)
  await vault.ask('grant.revoke', { grant: plain.id })

  await vault.grant('ann', 'press-3/engineer', { actions: ['shell', 'elevate'] })
  const { permit, read, elevate } = await live()
  expect(permit.elevation).toEqual({ kind: 'su', isGranted: true })
  const [first, second] = await Promise.all([elevate(), elevate()])
  const answers = [first, second].map((one) => (one.ok ? one.value.kind : one.refusal.code)).sort()
  expect(answers).toEqual(['rate_limited', 'su'])
  const released = first.ok ? first.value : must(second)
  expect(read(released.sealed)).toBe(rootPassword)
  const [leaf] = await vault.ask('audit.list', { kind: 'session.elevated' })
  expect(leaf?.text).toMatch(
    /^ann had version 1 of the secret of press-3\/root typed at the prompt of su in session ses_\w+/,
  )
  expect(JSON.stringify(await vault.ask('audit.list', {}))).not.toContain(rootPassword)

  vault.advance(4_000)
  must(await elevate())
  await endSession(recorder, permit.session)
  expect((await elevate()).ok).toBe(false)
})

test('no more than twenty in an hour', async () => {
  const { permit, elevate } = await live()
  for (let count = 0; count < 20; count += 1) {
    must(await elevate())
    vault.advance(4_000)
  }
  expect(refusalOf(await elevate()).code).toBe('rate_limited')
  await endSession(recorder, permit.session)
})

test('another worker, a session that is not live, a cut one and a taken-back grant get nothing', async () => {
  const other = await vault.worker('w2')
  const opened = must(
    await open(recorder, {
      proof: await prove(recorder, key, 'ann'),
      target: 'press-3',
      account: 'engineer',
    }),
  )
  expect((await recorder.call('session.elevate', { session: opened.session })).ok).toBe(false)
  await endSession(recorder, opened.session)

  const { permit, elevate } = await live()
  expect(refusalOf(await other.call('session.elevate', { session: permit.session })).code).toBe('forbidden')
  expect((await api.call('session.elevate', { session: permit.session }, ann.token)).ok).toBe(false)
  await vault.ask('grant.revoke', { grant: permit.grant })
  expect((await elevate()).ok).toBe(false)
  await endSession(recorder, permit.session)
  await vault.grant('ann', 'press-3/engineer', { actions: ['shell', 'elevate'] })
})

test('a frozen session gets nothing, whatever its worker says', async () => {
  const { permit, elevate } = await live()
  await vault.ask('session.freeze', { session: permit.session })
  expect(refusalOf(await elevate()).code).toBe('held')
  await vault.ask('session.unfreeze', { session: permit.session })
  must(await elevate())
  await endSession(recorder, permit.session)
})

test('an elevation that the superuser wrote releases nothing', async () => {
  const { permit, elevate } = await live()
  const { rows } = await superuser.query('select secret_account_id from elevation')
  await superuser.query(
    `update elevation set secret_account_id = (select a.id from account a join target t on t.id = a.target_id
     where t.name = 'saw-1')`,
  )
  const fault = await elevate().catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(Fault)
  expect((fault as Fault).code).toBe('forged_row')
  await superuser.query('update elevation set secret_account_id = $1', [rows[0].secret_account_id])
  vault.advance(4_000)
  must(await elevate())
  await endSession(recorder, permit.session)
})

test('a machine that was moved gets no secret, nor where somebody else holds its account alone', async () => {
  const eve = await vault.person('eve', ['operator'])
  await vault.grant('eve', 'press-3/root', { actions: ['shell'], mode: 'exclusive' })
  const { permit, elevate } = await live()
  must(await api.call('lease.checkOut', { account: 'press-3/root', exclusive: true }, eve.token))
  expect(refusalOf(await elevate())).toMatchObject({
    code: 'held',
    message: 'the user eve holds press-3/root exclusively',
  })
  await vault.ask('target.address', { target: 'press-3', address: 'ssh://192.0.2.66' })
  vault.advance(4_000)
  expect((await elevate()).ok).toBe(false)
  await endSession(recorder, permit.session)
})

test('an account whose secret elevates another is removed only after that', async () => {
  expect(refusalOf(await vault.admin.call('account.remove', { account: 'press-3/root' })).message).toBe(
    'the login engineer is elevated with its secret',
  )
  const input = { account: 'press-3/engineer', elevation: null }
  expect((await vault.ask('account.elevation', input)).elevation).toBeNull()
  expect(refusalOf(await vault.admin.call('account.elevation', input)).code).toBe('conflict')
})
