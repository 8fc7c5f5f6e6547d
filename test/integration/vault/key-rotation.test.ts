import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '../../../vault/kernel/fault.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import type { Rotation } from '../../../vault/keys/rotation.ts'
import type { Vault } from '../../../vault/open.ts'
import { placeOf, putMany, textOf } from '../../support/many-secrets.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { newInstallation, somebody, type TestInstallation } from '../../support/vault-keys.ts'

/** Keys are exchanged while everything goes on; a crash anywhere costs the rest of the work, never a secret. */

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres.stop())

/** One batch and a bit of another. */
const secretsPerSafe = 1_100
const safes = ['saf_many', 'saf_few']
const open = { guarded: {} }

async function filled(count: number): Promise<TestInstallation> {
  const installation = await newInstallation(postgres)
  await installation.sql('delete from guard')
  await using vault = await installation.unsealed(open)
  await vault.inTransaction(async (tx) => {
    for (const safe of safes) await vault.secrets.addSafe(tx, safe)
  })
  await putMany(vault, join(installation.dataDir, 'seal.key'), 'saf_many', count)
  await vault.inTransaction((tx) => put(vault, tx, 'saf_few', count))
  return installation
}

async function put(vault: Vault, tx: Parameters<Vault['secrets']['put']>[0], safe: string, at: number) {
  using secret = Secret.fromText(textOf(at))
  await vault.secrets.put(tx, placeOf(safe, at), secret)
}

async function take(vault: Vault, safe: string, at: number): Promise<string> {
  using secret = await vault.secrets.take(placeOf(safe, at))
  return secret.expose((bytes) => Buffer.from(bytes).toString())
}

async function expectAll(vault: Vault, count: number): Promise<void> {
  const eighth = async (from: number) => {
    for (let at = from; at < count; at += 8)
      if ((await take(vault, 'saf_many', at)) !== textOf(at)) throw new Error(`secret ${at} does not open`)
  }
  await Promise.all(Array.from({ length: 8 }, (_, from) => eighth(from)))
  expect(await take(vault, 'saf_few', count)).toBe(textOf(count))
}

/** Holds a data key so that the batch with it waits: what is killed meanwhile is killed in the middle. */
async function heldRow(installation: TestInstallation, at: number) {
  const client = new pg.Client({ connectionString: installation.ownerUrl })
  await client.connect()
  await client.query('begin')
  await client.query('select * from secret_key where account = $1 for update', [
    placeOf('saf_many', at).account,
  ])
  let isHeld = true
  const release = async () => {
    if (isHeld) await client.end()
    isHeld = false
  }
  return { release, [Symbol.asyncDispose]: release }
}

async function started(vault: Vault, what: 'root' | 'safe'): Promise<Rotation> {
  const outcome = await vault.rotations.start(
    what === 'root' ? { what } : { what, safe: 'saf_many', name: 'many' },
    somebody,
  )
  if (!outcome.ok) throw new Error(outcome.refusal.message)
  return outcome.value
}

test('the root key is exchanged: everything opens, by every way to unseal, and the old one is gone', async () => {
  await using installation = await filled(20)
  const payloads = await installation.sql('select * from secret_payload order by account')
  const before = await installation.sql('select version, key_id from root_key')
  {
    await using vault = await installation.unsealed(open)
    await started(vault, 'root')
    const again = await vault.rotations.start({ what: 'root' }, somebody)
    await vault.rotations.settled()
    if (!again.ok) expect(again.refusal.message).toContain('is being exchanged already')
    const [latest] = await vault.rotations.list()
    expect(latest).toMatchObject({ what: 'root', done: 2, total: 2, finishedAt: expect.any(Date) })
    await expectAll(vault, 20)
    await vault.inTransaction((tx) => vault.secrets.addSafe(tx, 'saf_later'))
    const kinds = (await vault.listAudit({ limit: 100 })).map(({ kind }) => kind)
    expect(kinds).toContain('keys.rotation-started')
    expect(kinds).toContain('keys.rotation-finished')
  }
  const after = await installation.sql('select version, key_id, previous from root_key')
  expect(after.length).toBe(1)
  expect(after[0]).toMatchObject({ previous: null })
  expect(after[0]?.['key_id']).not.toEqual(before[0]?.['key_id'])
  const versions = await installation.sql('select distinct root_version from safe_key')
  expect(versions).toEqual([{ root_version: after[0]?.['version'] }])
  expect(await installation.sql('select * from secret_payload order by account')).toEqual(payloads)
  await using vault = await installation.unsealed(open)
  await expectAll(vault, 20)
  await started(vault, 'root')
  await vault.rotations.settled()
  await expectAll(vault, 20)
})

test('a wrap of the root key that was exchanged, put back, opens nothing', async () => {
  await using installation = await filled(1)
  await installation.sql('create table kept as select * from seal_wrap')
  {
    await using vault = await installation.unsealed(open)
    await started(vault, 'root')
    await vault.rotations.settled()
  }
  await installation.sql('delete from seal_wrap')
  await installation.sql('insert into seal_wrap select * from kept')
  await using vault = await installation.open(open)
  const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody)
  expect(outcome.ok ? '' : outcome.refusal.message).toBe(
    'that key file opened a root key that was exchanged since',
  )
})

test('a way to unseal that cannot follow is named, and nothing is begun', async () => {
  await using installation = await filled(1)
  await using vault = await installation.unsealed(open)
  await vault.seals.change(async (tx) => {
    await tx.db.updateTable('seal_wrap').set({ box_key: null }).where('kind', '=', 'recovery').execute()
    return { ok: true, value: null }
  })
  for (const outcome of [
    await vault.rotations.start({ what: 'root' }, somebody),
    await vault.rotations.rehearse({ what: 'root' }, somebody),
  ])
    expect(outcome.ok ? '' : outcome.refusal.message).toContain('the recovery key was made by a version')
  expect((await installation.sql('select * from root_key')).length).toBe(1)
})

test('an exchange that is rehearsed changes nothing, and is in the audit log', async () => {
  await using installation = await filled(20)
  await using vault = await installation.unsealed(open)
  const tables = ['root_key', 'safe_key', 'secret_key', 'seal_wrap', 'key_rotation']
  const all = async () => {
    const rows = []
    for (const table of tables) rows.push(await installation.sql(`select * from ${table} order by 1, 2`))
    return rows
  }
  const before = await all()
  const totals = []
  for (const of of [{ what: 'root' }, { what: 'safe', safe: 'saf_many', name: 'many' }] as const) {
    const could = await vault.rotations.rehearse(of, somebody)
    totals.push(could.ok ? could.value.total : could.refusal.message)
  }
  expect(totals).toEqual([2, 20])
  expect(await all()).toEqual(before)
  const said = (await vault.listAudit({ limit: 100, kind: 'keys.rotation-rehearsed' })).map(
    ({ text }) => text,
  )
  expect(said).toEqual([
    'the gateway’s administrator (local:1000) rehearsed exchanging the root key: 2 keys would be wrapped anew',
    'the gateway’s administrator (local:1000) rehearsed exchanging the key of safe many: 20 keys would be wrapped anew',
  ])
})

test('secrets are read and written while the key of their safe is exchanged', async () => {
  await using installation = await filled(secretsPerSafe)
  const payloads = await installation.sql('select * from secret_payload order by account, version')
  await using vault = await installation.unsealed(open)
  await started(vault, 'safe')
  const again = await vault.rotations.start({ what: 'safe', safe: 'saf_many', name: 'many' }, somebody)
  expect(again.ok ? '' : again.refusal.message).toContain('is being exchanged already')
  let isOver = false
  const over = vault.rotations.settled().then(() => {
    isOver = true
  })
  let added = 0
  while (!isOver) {
    await take(vault, 'saf_many', Math.floor(Math.random() * secretsPerSafe))
    added += 1
    await vault.inTransaction((tx) => put(vault, tx, 'saf_many', 5_000 + added))
  }
  await over
  const [latest] = await vault.rotations.list()
  expect(latest?.finishedAt).toBeInstanceOf(Date)
  await expectAll(vault, secretsPerSafe)
  for (let at = 1; at <= added; at += 1)
    expect(await take(vault, 'saf_many', 5_000 + at)).toBe(textOf(5_000 + at))
  expect(await installation.sql(`select version from safe_key where safe = 'saf_many'`)).toEqual([
    { version: 2 },
  ])
  expect(
    await installation.sql(
      `select count(*)::int as n from secret_key where safe = 'saf_many' and safe_key_version = 1`,
    ),
  ).toEqual([{ n: 0 }])
  const kept = await installation.sql('select * from secret_payload order by account, version')
  expect(kept.slice(0, secretsPerSafe)).toEqual(payloads.slice(0, secretsPerSafe))
})

test('an exchange that is killed in the middle goes on at the next unsealing, and loses nothing', async () => {
  await using installation = await filled(secretsPerSafe)
  await using holder = await heldRow(installation, secretsPerSafe - 1)
  for (const what of ['safe', 'root'] as const) {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../support/rotating-vault.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin.end(
      JSON.stringify({
        databaseUrl: installation.vaultUrl,
        dataDir: installation.dataDir,
        what,
        safe: 'saf_many',
      }),
    )
    for await (const line of createInterface({ input: child.stdout })) {
      const enough = what === 'root' || Number(line.split(' ')[0]) >= 1_000
      if (enough || line.endsWith('finished')) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
    if (what === 'safe') {
      const [left] = await installation.sql(
        `select count(*)::int as n from secret_key where safe_key_version = 1 and safe = 'saf_many'`,
      )
      expect(left?.['n']).toBeGreaterThan(0)
      expect(left?.['n']).toBeLessThan(secretsPerSafe)
    }
    await using vault = await installation.unsealed(open)
    for (const at of [0, 999, 1_000, secretsPerSafe - 1])
      expect(await take(vault, 'saf_many', at)).toBe(textOf(at))
    await holder.release()
    await vault.rotations.settled()
    const [latest] = await vault.rotations.list()
    expect(latest).toMatchObject({ what, finishedAt: expect.any(Date), running: false })
    await expectAll(vault, secretsPerSafe)
  }
  expect(await installation.sql('select version, previous from root_key')).toEqual([
    { version: 2, previous: null },
  ])
  expect(await installation.sql(`select version from safe_key where safe = 'saf_many'`)).toEqual([
    { version: 2 },
  ])
})

test('a data key that somebody exchanged stops the exchange, and nothing of it is believed', async () => {
  await using installation = await filled(50)
  const faults: unknown[] = []
  await installation.sql(
    `update secret_key set envelope = (select envelope from secret_key where account = 'acc_00000001')
     where account = 'acc_00000002'`,
  )
  await using vault = await installation.unsealed({ ...open, onFault: (fault) => faults.push(fault) })
  await started(vault, 'safe')
  await vault.rotations.settled()
  expect(faults).toContainEqual(expect.any(Fault))
  const [latest] = await vault.rotations.list()
  expect(latest).toMatchObject({ finishedAt: null, running: false, done: 0 })
  expect(await take(vault, 'saf_many', 1)).toBe(textOf(1))
  expect(await take(vault, 'saf_many', 3)).toBe(textOf(3))
})
