import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { idTime, newId } from '../../../vault/kernel/id.ts'
import { must, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

// Rows of running sessions have no MAC. Whoever writes them must get nothing out of it.

let vault: TestVault
let recorder: VaultClient
let superuser: pg.Client
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

/** Starts the vault again, and has the recorder claim the session. */
async function claimAgain(session: Permit['session']): Promise<readonly { readonly reason: string }[]> {
  await vault.restart()
  recorder = await vault.connect('recorder')
  const hello = { node: 'node-1', worker: 'w1', live: [session] }
  return must(await recorder.call('recorder.hello', hello)).end
}
const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })

test('an id says when it was made', () => {
  const now = Date.now()
  expect(idTime(newId('ses', now))).toBe(now)
  expect(idTime(newId('ses', 2 ** 41))).toBe(2 ** 41)
})

test('a session that was made longer in the table ends when its grant says', async () => {
  const lent = await vault.grant('bob', 'press-3/engineer', { maxSessionSeconds: 600 })
  const { session, endsAt } = await connect()
  await superuser.query(
    `update session set ends_at = ends_at + interval '1 day', started_at = now() + interval '1 day'`,
  )
  expect(await claimAgain(session)).toEqual([])
  expect(vault.plane.world.live.get(session)?.endsAt).toBe(Date.parse(endsAt))
  await vault.ask('grant.revoke', { grant: lent.id })
})

test('a session whose grant was changed in the table ends, and the alarm is in the log', async () => {
  const lent = await vault.grant('bob', 'press-3/engineer')
  const { session } = await connect()
  await superuser.query(`update access_grant set not_after = not_after + interval '1 year' where id = $1`, [
    lent.id,
  ])
  // As if it had been taken up from the table: over a forged row the vault would not have unsealed.
  const live = vault.plane.world.live.get(session)
  if (live === undefined) throw new Error('the session is live')
  live.isVetted = false
  await until(() => (live.cut?.reason === 'terminated' ? true : undefined))
  const faults = await vault.ask('audit.list', { kind: 'vault.fault' })
  expect(faults.at(-1)).toMatchObject({ entry: { code: 'forged_row' } })
  await superuser.query(`update access_grant set not_after = not_after - interval '1 year' where id = $1`, [
    lent.id,
  ])
  await vault.ask('grant.revoke', { grant: lent.id })
})

test('a late word about a lost recording makes it neither shorter nor cleaner', async () => {
  await vault.grant('bob', 'press-3/engineer')
  const worker = await vault.worker('w5')
  const permit = await connectSession(worker, { proof: await prove(worker, key, 'bob'), worker: 'w5' })
  worker.close()
  await (await vault.worker('w5')).call('status', {})
  const say = async (state: 'complete' | 'incomplete' | 'tampered', sizeBytes: number) => {
    const recording = { state, sizeBytes }
    const end = { session: permit.session, reason: 'recorder crashed' as const, recording }
    must(await recorder.call('session.end', end))
    const { state: kept, sizeBytes: size } = await vault.ask('recording.show', {
      recording: permit.recording,
    })
    return [kept, size]
  }
  expect(await say('incomplete', 5_000)).toEqual(['incomplete', 5_000])
  expect(await say('incomplete', 40)).toEqual(['incomplete', 5_000])
  expect(await say('tampered', 40)).toEqual(['tampered', 5_000])
  expect(await say('complete', 9_000)).toEqual(['tampered', 5_000])
})
