import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { allActions, must, somePin, startTestVault, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

test('the machine administrator sets up a machine, and bob works on it without seeing its password', async () => {
  const { ask } = vault
  const key = makeSshKey()
  await ask('safe.add', { name: 'line-3' })
  await ask('target.add', { name: 'press-3', safe: 'line-3', address: 'ssh://127.0.0.1:2201', pin: somePin })
  await ask('account.add', {
    target: 'press-3',
    login: 'engineer',
    credential: await vault.sealPassword('press-3/engineer', 'the secret'),
  })
  await ask('user.add', { name: 'bob', roles: ['operator'] })
  await ask('user.key.add', { user: 'bob', publicKey: key.line })
  await ask('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions: [...allActions],
    forSeconds: 4 * 3600,
  })

  const permit = must(
    await open(recorder, { proof: await prove(recorder, key, 'bob'), account: 'engineer', wants: 'exec' }),
  )
  expect(permit.account.login).toBe('engineer')
  expect(permit.target.pins).toEqual([{ type: '', fingerprint: somePin }])
  expect(permit.auditorLists).toHaveLength(1)
  const { input, read } = startCall(permit.session)
  expect(read(must(await recorder.call('session.start', input)))).toBe('the secret')
  must(await recorder.call('session.connected', { session: permit.session }))
  const [live] = await ask('session.list', { live: true })
  expect(live).toMatchObject({ id: permit.session, user: 'bob', state: 'live', target: 'press-3' })
  // The key was registered by somebody else: the session says so.
  expect(live?.credentialSetByOther).toBe(true)

  await endSession(recorder, permit.session)
  const [recording] = await ask('recording.list', {})
  expect(recording).toMatchObject({
    state: 'complete',
    sizeBytes: 4096,
    user: 'bob',
    session: permit.session,
  })
  expect((await ask('audit.verify', {})).ok).toBe(true)
  const kinds = (await ask('audit.list', {})).map((leaf) => leaf.kind)
  const order = ['session.opened', 'session.started', 'session.connected', 'session.ended']
  expect(kinds.filter((kind) => order.includes(kind))).toEqual(order)
  expect(vault.faults).toEqual([])
})
