import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { wireString } from '../../../vault/identity/ssh-wire.ts'
import type { VaultClient } from '../../../vault/index.ts'
import {
  allActions,
  must,
  somePin,
  someConnection,
  startTestVault,
  type TestVault,
} from '../../support/vault.ts'

let vault: TestVault
let recorder: VaultClient
beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
})
afterAll(() => vault[Symbol.asyncDispose]())

const bob = generateKeyPairSync('ed25519')
const blob = Buffer.concat([
  wireString('ssh-ed25519'),
  wireString(bob.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
])

async function prove(connection: string): Promise<string> {
  const signed = Buffer.concat([
    wireString(Buffer.from(connection, 'base64')),
    Buffer.from([50]),
    wireString('bob@engineer@press-3'),
    wireString('ssh-connection'),
    wireString('publickey'),
    Buffer.from([1]),
    wireString('ssh-ed25519'),
    wireString(blob),
  ])
  const proven = must(
    await recorder.call('ssh.publickey', {
      name: 'bob',
      connection,
      algorithm: 'ssh-ed25519',
      key: blob.toString('base64'),
      signature: sign(null, signed, bob.privateKey).toString('base64'),
      signed: signed.toString('base64'),
      source: '127.0.0.1',
    }),
  )
  expect(proven.user).toBe('bob')
  return proven.proof ?? ''
}

test('the machine administrator sets up a machine, and bob works on it without seeing its password', async () => {
  const { ask } = vault
  await ask('safe.add', { name: 'line-3' })
  await ask('target.add', { name: 'press-3', safe: 'line-3', address: 'ssh://127.0.0.1:2201', pin: somePin })
  await ask('account.add', {
    target: 'press-3',
    login: 'engineer',
    credential: await vault.sealPassword('press-3/engineer', 'the secret'),
  })
  await ask('user.add', { name: 'bob', roles: ['operator'] })
  await ask('user.key.add', { user: 'bob', publicKey: `ssh-ed25519 ${blob.toString('base64')} bob@laptop` })
  await ask('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions: [...allActions],
    forSeconds: 4 * 3600,
  })

  const proof = await prove(someConnection())
  const permit = must(
    await recorder.call('session.open', {
      proof,
      target: 'press-3',
      account: 'engineer',
      wants: 'exec',
      worker: 'w1',
      source: '127.0.0.1',
    }),
  )
  expect(permit.account.login).toBe('engineer')
  expect(permit.target.pins).toEqual([{ type: '', fingerprint: somePin }])
  expect(permit.auditorLists).toHaveLength(1)
  const box = sodium.crypto_box_keypair()
  const started = must(
    await recorder.call('session.start', {
      session: permit.session,
      headerHash: randomBytes(32).toString('base64'),
      publicKey: randomBytes(32).toString('base64'),
      boxKey: Buffer.from(box.publicKey).toString('base64'),
    }),
  )
  if (started.kind !== 'password') throw new Error('a password was expected')
  const opened = sodium.crypto_box_seal_open(
    Buffer.from(started.sealed, 'base64'),
    box.publicKey,
    box.privateKey,
  )
  expect(Buffer.from(opened).toString()).toBe('the secret')
  must(await recorder.call('session.connected', { session: permit.session }))
  const [live] = await ask('session.list', { live: true })
  expect(live).toMatchObject({ id: permit.session, user: 'bob', state: 'live', target: 'press-3' })
  must(
    await recorder.call('session.end', {
      session: permit.session,
      reason: 'closed by the user',
      recording: { state: 'complete', sizeBytes: 1234 },
    }),
  )
  const [recording] = await ask('recording.list', {})
  expect(recording).toMatchObject({ state: 'complete', sizeBytes: 1234, user: 'bob' })
  const verdict = await ask('audit.verify', {})
  expect(verdict.ok).toBe(true)
  const kinds = (await ask('audit.list', {})).map((leaf) => leaf.kind)
  for (const kind of ['session.opened', 'session.started', 'session.connected', 'session.ended'])
    expect(kinds).toContain(kind)
  expect(vault.faults).toEqual([])
})
