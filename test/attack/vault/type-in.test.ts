import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { AccountId, SessionId } from '../../../vault/kernel/id.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

/** Secrets that are typed into desktops: who links them, who gets them, and what is written down. */

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
let meg: TestPerson
let ann: TestPerson
let plc: AccountId
let saw: AccountId
const key = makeSshKey()
const plcPassword = 'the-password-of-the-plc'

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account({ login: 'tia', password: plcPassword })
  await vault.account({ target: 'saw-1', login: 'root', safe: 'line-4', password: 'saw-root' })
  await vault.ask('target.add', { name: 'ews-1', safe: 'line-3', address: 'vnc://10.0.3.8' })
  await vault.ask('target.pin', { target: 'ews-1', fingerprint: 'unverified' })
  const credential = await vault.sealPassword('ews-1/operator', 'Kanarie7')
  await vault.ask('account.add', { target: 'ews-1', login: 'operator', credential })
  plc = (await vault.ask('account.show', { account: 'press-3/tia' })).id
  saw = (await vault.ask('account.show', { account: 'saw-1/root' })).id
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

const desktop = { account: 'ews-1/operator' } as const
const all = ['observe', 'interact', 'type-in'] as const

/** A session of ann, live, and how to open what is sealed to it. */
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
  const typeIn = (account: AccountId = plc) =>
    recorder.call('session.type-in', { session: permit.session, account })
  return { permit, read, typeIn }
}

test('to link a secret takes manage and reveal on its safe, and a desktop with another account', async () => {
  const asked = async (token: string, secrets: readonly string[], account: string = desktop.account) =>
    refusalOf(await api.call('account.type-ins', { account, secrets: [...secrets] }, token))
  expect((await asked(ann.token, ['press-3/tia'])).code).toBe('forbidden')
  expect(await asked(meg.token, ['press-3/tia'])).toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('it needs manage and reveal'),
  })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'meg', permissions: ['manage', 'reveal'] })
  // Whether there is an account of somebody else's is not told.
  expect(await asked(meg.token, ['saw-1/root'])).toEqual(await asked(meg.token, ['saw-1/nobody']))
  expect((await asked(meg.token, ['ews-1/operator'])).message).toBe(
    'ews-1/operator is the account of the desktop itself',
  )
  expect((await asked(meg.token, ['ews-1/operator'], 'press-3/tia')).message).toBe('press-3 has no desktop')
  await vault.ask('target.add', { name: 'new-1', safe: 'line-3', address: 'vnc://10.0.3.9' })
  const credential = await vault.sealPassword('new-1/operator', 'Kanarie8')
  await vault.ask('account.add', { target: 'new-1', login: 'operator', credential })
  expect((await asked(meg.token, ['press-3/tia'], 'new-1/operator')).message).toContain(
    'nobody has approved new-1 yet',
  )
  // Nothing of a list is done where one of it is refused.
  expect((await asked(meg.token, ['press-3/tia', 'saw-1/root'])).code).toBe('forbidden')
  expect((await vault.ask('account.show', desktop)).typeIns).toEqual([])
  const linked = must(
    await api.call('account.type-ins', { ...desktop, secrets: ['press-3/tia', 'press-3/tia'] }, meg.token),
  )
  expect(linked.typeIns).toEqual(['press-3/tia'])
})

test('it is granted by an action of its own, and comes once per act, sealed, written down first', async () => {
  expect(
    refusalOf(
      await vault.admin.call('grant.add', { user: 'ann', ...desktop, actions: ['observe', 'type-in'] }),
    ).message,
  ).toBe('actions: type-in goes with interact')
  const plain = await vault.grant('ann', desktop.account, { actions: ['observe', 'interact'] })
  const without = await live()
  expect(without.permit).not.toHaveProperty('typeIns')
  expect(refusalOf(await without.typeIn())).toMatchObject({
    code: 'forbidden',
    message: 'your grant does not let secrets be typed here',
  })
  await endSession(recorder, without.permit.session)
  await vault.ask('grant.revoke', { grant: plain.id })
  expect(await vault.ask('exposure.list', {})).toEqual([])

  await vault.grant('ann', desktop.account, { actions: [...all] })
  const { permit, read, typeIn } = await live()
  expect(permit.typeIns).toEqual([{ account: plc, name: 'press-3/tia' }])
  const [first, second] = await Promise.all([typeIn(), typeIn()])
  const answers = [first, second].map((one) => (one.ok ? one.value.name : one.refusal.code)).sort()
  expect(answers).toEqual(['press-3/tia', 'rate_limited'])
  const released = first.ok ? first.value : must(second)
  expect(read(released.sealed)).toBe(plcPassword)
  const [leaf] = await vault.ask('audit.list', { kind: 'session.typed-in' })
  expect(leaf?.text).toMatch(
    /^ann had version 1 of the secret of press-3\/tia typed into the desktop in session ses_\w+/,
  )
  const [exposure] = await vault.ask('exposure.list', { account: 'press-3/tia' })
  expect(exposure).toMatchObject({
    ...{ user: 'ann', account: 'press-3/tia', version: 1, cause: 'typed in', isOverdue: false },
    reason: 'typed in on ews-1/operator',
    rotationDueAt: expect.any(String),
  })
  expect(JSON.stringify(await vault.ask('audit.list', {}))).not.toContain(plcPassword)
  vault.advance(4_000)
  expect(refusalOf(await typeIn(saw)).code).toBe('forbidden')
  vault.advance(4_000)
  expect(refusalOf(await typeIn((await vault.ask('account.show', desktop)).id)).code).toBe('forbidden')
  await endSession(recorder, permit.session)
  expect((await typeIn()).ok).toBe(false)
})

test('no more than twenty in an hour', async () => {
  const { permit, typeIn } = await live()
  for (let count = 0; count < 20; count += 1) {
    must(await typeIn())
    vault.advance(4_000)
  }
  expect(refusalOf(await typeIn()).code).toBe('rate_limited')
  await endSession(recorder, permit.session)
})

test('another worker, a user, a session that is not live, a frozen one and a taken-back grant get nothing', async () => {
  const other = await vault.worker('w2')
  const call = (session: SessionId, by = recorder, token?: string) =>
    by.call('session.type-in', { session, account: plc }, token)
  const proof = await prove(recorder, key, 'ann')
  const opened = must(await open(recorder, { proof, target: 'ews-1', account: 'operator', wants: 'observe' }))
  expect((await call(opened.session)).ok).toBe(false)
  await endSession(recorder, opened.session)
  const { permit, typeIn } = await live()
  expect(refusalOf(await call(permit.session, other)).code).toBe('forbidden')
  expect((await call(permit.session, api, ann.token)).ok).toBe(false)
  await vault.ask('session.freeze', { session: permit.session })
  expect(refusalOf(await typeIn()).code).toBe('held')
  await vault.ask('session.unfreeze', { session: permit.session })
  must(await typeIn())
  await vault.ask('grant.revoke', { grant: permit.grant })
  vault.advance(4_000)
  expect((await typeIn()).ok).toBe(false)
  await endSession(recorder, permit.session)
  await vault.grant('ann', desktop.account, { actions: [...all] })
})

test('a link that the superuser wrote, or took to another account, releases nothing', async () => {
  const { permit, typeIn } = await live()
  await superuser.query('update type_in set secret_account_id = $1', [saw])
  const forged = async (account: AccountId) => {
    vault.advance(4_000)
    return typeIn(account).catch((error: unknown) => error)
  }
  for (const account of [saw, plc]) {
    const fault = await forged(account)
    expect(fault).toBeInstanceOf(Fault)
    expect((fault as Fault).code).toBe('forged_row')
  }
  await superuser.query('update type_in set secret_account_id = $1', [plc])
  vault.advance(4_000)
  must(await typeIn())
  await endSession(recorder, permit.session)
})

test('somebody else who holds its account alone is not passed by, nor a limit on it', async () => {
  const eve = await vault.person('eve', ['operator'])
  await vault.grant('eve', 'press-3/tia', { actions: ['shell'], mode: 'exclusive' })
  const { permit, typeIn } = await live()
  const { id: lease } = must(
    await api.call('lease.checkOut', { account: 'press-3/tia', exclusive: true }, eve.token),
  )
  expect(refusalOf(await typeIn())).toMatchObject({
    code: 'held',
    message: 'the user eve holds press-3/tia exclusively',
  })
  must(await api.call('lease.checkIn', { lease }, eve.token))
  vault.advance(4_000)
  must(await typeIn())
  const apply = async (...rules: readonly object[]) => {
    const expected = (await vault.ask('policy.show', {})).digest
    const calendars = { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } }
    const document = { version: 1, calendars, rules } as unknown as PolicyDocument
    await vault.ask('policy.apply', { document, expected })
    vault.advance(4_000)
  }
  await apply({
    ...{ name: 'plc', effect: 'limit', who: { everyone: true }, actions: ['type-in'] },
    ...{ what: { accounts: ['press-3/tia'] }, during: ['never'] },
  })
  expect(refusalOf(await typeIn()).message).toContain('is closed now')
  await apply()
  must(await typeIn())
  await endSession(recorder, permit.session)
})

test('a desktop that was moved gets nothing until it is linked again', async () => {
  await vault.ask('target.address', { target: 'ews-1', address: 'vnc://10.0.3.66' })
  await vault.ask('target.pin', { target: 'ews-1', fingerprint: 'unverified' })
  must(await vault.admin.call('account.bind', { account: 'ews-1/operator' }))
  expect((await vault.ask('account.show', desktop)).typeIns).toEqual([])
  const before = await live()
  expect(before.permit).not.toHaveProperty('typeIns')
  expect(refusalOf(await before.typeIn())).toMatchObject({
    code: 'forbidden',
    message: 'no such secret is linked to this desktop as it is now',
  })
  await vault.ask('account.type-ins', { ...desktop, secrets: ['press-3/tia'] })
  vault.advance(4_000)
  must(await before.typeIn())
  await endSession(recorder, before.permit.session)
})

test('an account that is removed takes its links with it, and the log says so', async () => {
  must(await vault.admin.call('account.remove', { account: 'press-3/tia' }))
  expect((await vault.ask('account.show', desktop)).typeIns).toEqual([])
  const [leaf] = await vault.ask('audit.list', { kind: 'account.type-in-unlinked' })
  expect(leaf?.text).toContain(
    'let the secret of press-3/tia be typed into desktops of account ews-1/operator no more',
  )
})
