import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// Whoever writes the database can neither thaw a session nor lift a hold.

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
  await vault.grant('bob', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
const show = (session: Awaited<ReturnType<typeof connect>>['session']) =>
  vault.ask('session.show', { session })

test.each([
  ['changed', `update session_freeze set frozen = false where session_id = $1`],
  ['deleted', `delete from session_freeze where session_id = $1`],
])('the row of a freeze that is %s thaws nothing', async (_how, statement) => {
  const { session } = await connect()
  await vault.ask('session.freeze', { session, reason: 'look' })
  const { rows } = await superuser.query('select * from session_freeze where session_id = $1', [session])
  await superuser.query(statement, [session])
  expect((await show(session)).state).toBe('frozen')
  const live = vault.plane.world.live.get(session)
  if (live === undefined) throw new Error('the session lives')
  // As one that was found in the table: what it says is held against the guard.
  live.freeze = null
  live.isVetted = false
  await until(async () => ((await show(session)).state === 'frozen' ? true : undefined))
  expect(await show(session)).toMatchObject({ freeze: { by: 'vault' } })
  const kinds = (await vault.ask('audit.list', { limit: 10 })).map(({ kind }) => kind)
  expect(kinds).toContain('vault.fault')
  // Nor does the next word of a person make it right.
  await expect(vault.admin.call('session.unfreeze', { session })).rejects.toThrow()
  const [row] = rows
  await superuser.query('delete from session_freeze where session_id = $1', [session])
  await superuser.query('insert into session_freeze values ($1, $2, $3, $4, $5, $6, $7)', Object.values(row))
  await vault.ask('session.unfreeze', { session })
  await endSession(recorder, session)
})

test.each([
  ['released', `update hold set released_at = now() where id = $1`],
  ['made shorter', `update hold set until = now() where id = $1`],
  ['deleted', `delete from hold where id = $1`],
])('a hold that is %s in the table lets nobody in', async (_how, statement) => {
  const { session } = await connect()
  await vault.ask('session.terminate', { session, holdSeconds: 600 })
  await endSession(recorder, session, 'terminated')
  const [hold] = await vault.ask('hold.list', {})
  const { rows } = await superuser.query('select * from hold where id = $1', [hold?.id])
  const opened = async () => open(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(await opened()).code).toBe('held')
  await superuser.query(statement, [hold?.id])
  await expect(opened()).rejects.toThrow()
  const [row] = rows
  await superuser.query('delete from hold where id = $1', [hold?.id])
  await superuser.query(
    `insert into hold values (${Object.keys(row).map((_, at) => `$${at + 1}`)})`,
    Object.values(row),
  )
  if (hold === undefined) throw new Error('there is a hold')
  must(await vault.admin.call('hold.release', { hold: hold.id }))
  await endSession(recorder, must(await opened()).session)
})
