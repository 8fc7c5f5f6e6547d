import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Key } from '../../../vault/crypto/key.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { initialiseGuards } from '../../../vault/keys/guard-load.ts'
import { Guard } from '../../../vault/keys/guard.ts'
import { makeSet } from '../../../vault/keys/custodians.ts'
import { makeKeyFile } from '../../../vault/keys/key-file.ts'
import { Keyring } from '../../../vault/keys/keyring.ts'
import { LocalState } from '../../../vault/keys/local-state.ts'
import { wrapFor } from '../../../vault/keys/seal-provider.ts'
import { openDatabase } from '../../../vault/db/open.ts'
import type { Unsealing, Vault } from '../../../vault/open.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { newInstallation, somebody, testShapes, type TestInstallation } from '../../support/vault-keys.ts'

/** Whoever can write to the database gains no way to unseal, and learns no later root key. */

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres.stop())

const cheap = { memory: 64 * 1024, passes: 2, parallelism: 1 }

async function attempt(vault: Vault, how: Unsealing = { kind: 'stored-key-file' }): Promise<string> {
  try {
    const outcome = await vault.unseal(how, somebody)
    return outcome.ok ? 'opened' : `${outcome.refusal.code}: ${outcome.refusal.message}`
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

async function restarted(installation: TestInstallation): Promise<string> {
  await using vault = await installation.open()
  return await attempt(vault)
}

test('a way to unseal that was added, changed or taken away in the database is noticed at unsealing', async () => {
  for (const forgery of [
    `insert into seal_wrap select 'wrp_00000000000000000000000001', kind, parameters, envelope, created_at, box_key
      from seal_wrap where kind = 'recovery'`,
    `update seal_wrap set box_key = decode(repeat('09', 32), 'hex') where kind = 'recovery'`,
    `update seal_wrap set box_key = null where kind = 'recovery'`,
    `update seal_wrap set root_version = 2`,
    `delete from seal_wrap where kind = 'recovery'`,
    `update root_key set previous = base_key`,
    `delete from seal_set`,
    `update seal_set set generation = generation + 1`,
  ]) {
    await using installation = await newInstallation(postgres)
    await installation.sql(forgery)
    expect(await restarted(installation), forgery).toMatch(/^(forged_row|envelope)$/)
  }
})

test('a forged public key is not given the next root key, and a forged wrap not vouched for', async () => {
  await using installation = await newInstallation(postgres)
  await using vault = await installation.unsealed({ passphraseCosts: cheap })
  await installation.sql(
    `update seal_wrap set box_key = decode(repeat('09', 32), 'hex') where kind = 'recovery'`,
  )
  using passphrase = Secret.fromText('correct horse battery staple')
  await expect(vault.seals.add({ kind: 'passphrase', passphrase }, somebody, false)).rejects.toThrow(
    'the ways to unseal this vault are not what it last wrote',
  )
  expect((await vault.seals.list()).length).toBe(2)
})

test('shares of an exchanged set, put back with their whole table, do not unseal', async () => {
  await using installation = await newInstallation(postgres)
  const old = await makeSet(['anna', 'bob'], 2)
  const fresh = await makeSet(['anna', 'carl'], 2)
  const tables = ['seal_wrap', 'seal_set', 'root_key']
  {
    await using vault = await installation.unsealed()
    await vault.seals.add({ kind: 'custodians', ...old }, somebody, true)
    for (const table of tables) await installation.sql(`create table kept_${table} as select * from ${table}`)
    await vault.seals.add({ kind: 'custodians', ...fresh }, somebody, true)
  }
  const [wrap] = await installation.sql(`select id from kept_seal_wrap where kind = 'custodians'`)
  for (const table of tables) {
    await installation.sql(`delete from ${table}`)
    await installation.sql(`insert into ${table} select * from kept_${table}`)
  }
  await using vault = await installation.open()
  const how: Unsealing = { kind: 'custodians', wrap: String(wrap?.['id']), secret: old.secret }
  expect(await attempt(vault, how)).toContain(
    'conflict: the database is not the one that this vault last wrote',
  )
  expect(vault.isSealed).toBe(true)
})

test('the one wrap of an exchanged set, put back, opens nothing', async () => {
  await using installation = await newInstallation(postgres)
  const old = await makeSet(['anna', 'bob'], 2)
  const fresh = await makeSet(['anna', 'carl'], 2)
  let how: Unsealing
  {
    await using vault = await installation.unsealed()
    await vault.seals.add({ kind: 'custodians', ...old }, somebody, true)
    const [wrap] = await installation.sql(`select id from seal_wrap where kind = 'custodians'`)
    await installation.sql(`create table kept as select * from seal_wrap where kind = 'custodians'`)
    await vault.seals.add({ kind: 'custodians', ...fresh }, somebody, true)
    await installation.sql('insert into seal_wrap select * from kept')
    how = { kind: 'custodians', wrap: String(wrap?.['id']), secret: old.secret }
    // Neither in a rehearsal while the vault is open, nor beside the way that somebody adds.
    await expect(vault.seals.rehearse(how, somebody)).rejects.toThrow('not what it last wrote')
  }
  {
    await using vault = await installation.open()
    expect(await attempt(vault, how)).toBe('forged_row')
    expect(vault.isSealed).toBe(true)
  }
  // Taken out again, the vault opens as before; the old shares open nothing.
  await installation.sql(`delete from seal_wrap where id in (select id from kept)`)
  await using vault = await installation.open()
  expect(await attempt(vault, how)).toContain('unauthenticated')
  expect(await attempt(vault)).toBe('opened')
})

test('parameters that were exchanged make right shares useless, and open nothing', async () => {
  await using installation = await newInstallation(postgres)
  const made = await makeSet(['anna', 'bob'], 2)
  {
    await using vault = await installation.unsealed()
    await vault.seals.add({ kind: 'custodians', ...made }, somebody, true)
  }
  await installation.sql(`update seal_wrap set parameters = replace(parameters, 'anna', 'mallory')`)
  const [wrap] = await installation.sql(`select id from seal_wrap where kind = 'custodians'`)
  await using vault = await installation.open()
  const how: Unsealing = { kind: 'custodians', wrap: String(wrap?.['id']), secret: made.secret }
  expect(await attempt(vault, how)).toBe('envelope')
  await installation.sql(`update seal_wrap set parameters = '{"set":"x"}' where kind = 'custodians'`)
  await expect(vault.seals.list()).rejects.toThrow('malformed')
})

test('a vault of the version before has its seals taken over at its first unsealing', async () => {
  await using installation = await newInstallation(postgres)
  await installation.sql('truncate seal_wrap, installation, guard, seal_set, root_key')
  await installation.sql('set session_replication_role = replica')
  for (const table of ['audit_checkpoint', 'audit_leaf', 'audit_entry', 'audit_node'])
    await installation.sql(`delete from ${table}`)
  await installation.sql('set session_replication_role = origin')
  const { rm } = await import('node:fs/promises')
  await rm(join(installation.dataDir, 'vault', 'audit-witness.log'))
  // As that version did: everything derived from the root, no public halves, no set.
  const id = newId('ins')
  const root = Key.random()
  using keyring = new Keyring(Key.of(root.secret), new Map([[1, root]]), id)
  const path = join(installation.dataDir, 'old.key')
  await makeKeyFile(path)
  const wrapped = await wrapFor({ kind: 'key-file', path }, { key: root, version: 1 }, id, new Date())
  if (!wrapped.ok) throw new Error(wrapped.refusal.message)
  const db = openDatabase(installation.vaultUrl, { onFault: () => {} })
  await db
    .insertInto('installation')
    .values({
      id,
      root_key_id: root.id,
      intake_key: keyring.intake.publicKey,
      audit_key: keyring.auditKey.publicKey,
      created_at: new Date(),
    })
    .execute()
  await db
    .insertInto('seal_wrap')
    .values({ ...wrapped.value, box_key: null })
    .execute()
  const guard = new Guard(keyring, testShapes)
  await initialiseGuards(db, guard, Object.keys(testShapes))
  const memory = () =>
    Object.fromEntries(
      [...guard.tables].map(([name, { counter, mac }]) => [
        name,
        { counter, mac: Buffer.from(mac).toString('hex') },
      ]),
    )
  await new LocalState(installation.dataDir, keyring, memory, () => {}).flush()
  await db.destroy()

  {
    await using vault = await installation.open()
    const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody, { acceptRollback: true })
    expect(outcome.ok ? 'opened' : outcome.refusal.message).toBe('opened')
    expect(await vault.seals.list()).toMatchObject([{ kind: 'key-file', followsRotation: true }])
  }
  expect(await restarted(installation)).toBe('opened')
  await installation.sql(`update seal_wrap set box_key = decode(repeat('09', 32), 'hex')`)
  expect(await restarted(installation)).toBe('forged_row')
})
