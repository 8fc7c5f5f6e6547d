import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  addAuditor,
  answerChallenge,
  makeIdentity,
  removeAuditor,
  verifyChain,
} from '../../../vault/auditors/index.ts'
import type { AuditorIdentity } from '../../../vault/auditors/index.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RecordingId } from '../../../vault/kernel/id.ts'
import { openCms } from '../../../vault/proof/cms.ts'
import { verifyFound } from '../../../vault/proof/found.ts'
import { openNote, readNote } from '../../../vault/proof/note.ts'
import { isConsistent } from '../../../vault/proof/tree.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let recording: RecordingId

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  const key = makeSshKey()
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, permit.session)
  recording = permit.recording
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const authorise = (token: string, purpose: 'replay' | 'verify' | 'export') =>
  recorder.call('recording.authorise', { token, recording, purpose })

async function logInByKey(identity: AuditorIdentity, name = identity.name, client = api) {
  const { challenge } = must(await client.call('auditor.challenge', { auditor: name }))
  const signature = answerChallenge(sodium, identity, Buffer.from(challenge, 'base64'))
  return client.call('auditor.login', {
    auditor: name,
    challenge,
    signature: Buffer.from(signature).toString('base64'),
    source: '192.0.2.50',
  })
}

const ingrid = () => {
  if (vault.auditor === undefined) throw new Error('there is an auditor')
  return vault.auditor
}
const chain = async () => must(await verifyChain(sodium, await vault.ask('auditor.lists', {})))

test('an auditor proves their key and may replay, verify and export, and nothing else', async () => {
  const { token } = must(await logInByKey(ingrid()))
  for (const purpose of ['replay', 'verify', 'export'] as const)
    expect(must(await authorise(token, purpose))).toMatchObject({ id: recording, reader: 'user:ingrid' })
  expect(must(await api.call('recording.list', {}, token))).toHaveLength(1)
  expect(refusalOf(await api.call('target.list', {}, token)).code).toBe('forbidden')
  expect(refusalOf(await api.call('audit.list', {}, token)).code).toBe('forbidden')
  const kinds = (await vault.ask('audit.list', {})).map((leaf) => leaf.kind)
  expect(kinds).toEqual(
    expect.arrayContaining(['recording.replayed', 'recording.exported', 'recording.verified']),
  )
})

test('a challenge is answered once, by the key on the list', async () => {
  const { challenge } = must(await api.call('auditor.challenge', { auditor: 'ingrid' }))
  const signature = Buffer.from(answerChallenge(sodium, ingrid(), Buffer.from(challenge, 'base64'))).toString(
    'base64',
  )
  const input = { auditor: 'ingrid', challenge, signature, source: '192.0.2.51' }
  must(await api.call('auditor.login', input))
  expect(refusalOf(await api.call('auditor.login', input)).code).toBe('unauthenticated')
  const stranger = makeIdentity(sodium, 'ingrid')
  expect(refusalOf(await logInByKey(stranger)).code).toBe('unauthenticated')
})

test('administrators and operators replay nothing, and the machine administrator only verifies', async () => {
  expect(refusalOf(await authorise(ann.token, 'replay')).code).toBe('forbidden')
  expect(refusalOf(await authorise(ann.token, 'verify')).code).toBe('forbidden')
  const { token } = await vault.ask('login.local', {})
  expect(must(await authorise(token, 'verify')).reader).toMatch(/^local:\d+$/)
  for (const purpose of ['replay', 'export'] as const)
    expect(refusalOf(await authorise(token, purpose)).code).toBe('forbidden')
  expect(refusalOf(await authorise('x'.repeat(43), 'verify')).code).toBe('unauthenticated')
})

test('evidence is gathered with its proofs and signed, for who may replay it, and the log says so', async () => {
  const { token } = must(await logInByKey(ingrid()))
  const exported = await vault.ask('audit.export', { from: 0, limit: 5_000 })
  const earlier = readNote(exported.checkpoints[0] ?? '')
  const gathered = must(await api.call('evidence.gather', { recording, from: earlier?.size ?? 0 }, token))
  const entries = gathered.leaves.map(({ body }) => JSON.parse(Buffer.from(body, 'base64').toString()).entry)
  expect(entries.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining([
      ...['auditor.list', 'grant.added', 'session.opened', 'session.started', 'session.ended'],
      ...['recording.replayed', 'evidence.certificate'],
    ]),
  )
  const key = new Uint8Array(Buffer.from(gathered.publicKey, 'base64'))
  const isSigned = (message: Uint8Array, signature: Uint8Array) =>
    sodium.crypto_sign_verify_detached(signature, message, key)
  expect(await verifyFound([gathered], key, isSigned)).toMatchObject({ ok: true })
  const point = await openNote(gathered.checkpoint, key, isSigned)
  const proof = gathered.consistency.map((hash) => Buffer.from(hash, 'base64'))
  const none = { size: 0, root: new Uint8Array() }
  const [before, after] = [earlier ?? none, point ?? none]
  expect(await isConsistent(before.size, before.root, after.size, after.root, proof)).toBe(true)
  expect(before.size).toBeGreaterThan(0)
  expect(must(await api.call('evidence.gather', { recording }, token)).certificate).toBe(gathered.certificate)

  const list = `${'ab'.repeat(32)}  recording.tgr\n`
  const input = { recording, list, opens: 'openly' } as const
  const { signature } = must(await api.call('evidence.sign', input, token))
  const opened = await openCms(Buffer.from(signature, 'base64'), Buffer.from(list))
  expect(Buffer.from(opened?.certificate ?? []).toString('base64')).toBe(gathered.certificate)
  expect((await vault.ask('audit.list', { kind: 'recording.packaged' })).at(-1)?.text).toMatch(
    /ingrid made an evidence package of recording rec_\S+, which opens for whoever has it/,
  )
  for (const by of [ann.token, (await vault.ask('login.local', {})).token])
    expect((await api.call('evidence.sign', input, by)).ok).toBe(false)
  const wrong = await api.call('evidence.sign', { ...input, list: 'rm -rf /' }, token)
  expect(refusalOf(wrong).code).toBe('invalid')
})

const otto = makeIdentity(sodium, 'otto')

test('only an auditor’s signature adds to the list, whoever carries it', async () => {
  const forgedBy = makeIdentity(sodium, 'ingrid')
  const present = await chain()
  const forged = await addAuditor(
    sodium,
    { ...forgedBy, boxPrivate: ingrid().boxPrivate, boxKey: ingrid().boxKey },
    present,
    otto,
    vault.now,
  )
  if (forged.ok) {
    const refused = await vault.admin.call('auditor.append', {
      body: forged.value.body,
      signature: forged.value.signature,
    })
    expect(refusalOf(refused).code).toBe('invalid')
  }
  const link = must(await addAuditor(sodium, ingrid(), present, otto, vault.now))
  const input = { body: link.body, signature: link.signature, newAuditorUser: 'otto' }
  const notAuditor = await api.call('auditor.append', input, ann.token)
  expect(refusalOf(notAuditor).code).toBe('forbidden')
  const { token } = must(await logInByKey(ingrid()))
  const added = must(await api.call('auditor.append', input, token))
  expect(added).toMatchObject({ version: 2 })
  expect(added.enrolment).not.toBeNull()
  expect(refusalOf(await api.call('auditor.append', input, token)).code).toBe('invalid')
  expect(must(await logInByKey(otto)).user.name).toBe('otto')
})

test('a safe that names auditors is replayed by them alone', async () => {
  const { token } = must(await logInByKey(ingrid()))
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'otto', permissions: ['replay'] })
  const readOn = (by = token) => api.call('recording.readable', { recording }, by)
  for (const purpose of ['replay', 'export', 'verify'] as const)
    expect(refusalOf(await authorise(token, purpose)).code).toBe('forbidden')
  expect(refusalOf(await readOn()).code).toBe('forbidden')
  expect(must(await readOn(must(await logInByKey(otto)).token)).id).toBe(recording)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ingrid', permissions: ['replay'] })
  const entries = async () => (await vault.ask('audit.list', {})).length
  expect((await authorise(token, 'replay')).ok).toBe(true)
  const before = await entries()
  expect((await readOn()).ok).toBe(true)
  expect(await entries()).toBe(before)
})

test('an auditor who was removed from the list gets in no more', async () => {
  const { token } = must(await logInByKey(otto))
  expect((await authorise(token, 'replay')).ok).toBe(true)
  const link = must(await removeAuditor(sodium, ingrid(), await chain(), 'otto', vault.now))
  await vault.ask('auditor.append', { body: link.body, signature: link.signature })
  expect(refusalOf(await logInByKey(otto)).code).toBe('unauthenticated')
  // Nor by a login that they have, whatever they say it is for.
  for (const purpose of ['replay', 'export', 'verify'] as const)
    expect(refusalOf(await authorise(token, purpose)).code).toBe('forbidden')
  expect(refusalOf(await api.call('recording.readable', { recording }, token)).code).toBe('forbidden')
})

test('somebody who is no auditor cannot become one by being put on the list', async () => {
  const ben = makeIdentity(sodium, 'ann')
  const link = must(await addAuditor(sodium, ingrid(), await chain(), ben, vault.now))
  const outcome = await vault.admin.call('auditor.append', {
    body: link.body,
    signature: link.signature,
    newAuditorUser: 'ann',
  })
  expect(refusalOf(outcome).code).toBe('conflict')
  expect((await chain()).current.auditors.map((auditor) => auditor.name)).toEqual(['ingrid'])
})

test('without auditors no session begins, and the refusal says how to get one', async () => {
  await using empty = await startTestVault({ withAuditor: false })
  const worker = await empty.worker()
  const key = makeSshKey()
  await empty.account()
  await empty.ask('user.add', { name: 'bob', roles: ['operator'] })
  await empty.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await empty.grant('bob', 'press-3/engineer')
  const refused = await worker.call('session.open', {
    proof: await prove(worker, key, 'bob'),
    target: 'press-3',
    wants: 'shell',
    worker: 'w1',
    source: '192.0.2.1',
  })
  expect(refusalOf(refused)).toMatchObject({
    code: 'no_auditors',
    next: expect.stringMatching(/auditor add/),
  })
})
