import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '../../vault/kernel/fault.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import type { SecretPlace, Vault } from '../../vault/open.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'
import { newInstallation, type TestInstallation } from '../support/vault-keys.ts'

/** Ciphertexts moved, swapped and changed directly in SQL never open anywhere but where they were put. */

let postgres: TestPostgres
let installation: TestInstallation
let vault: Vault
beforeAll(async () => {
  postgres = await startTestPostgres()
  installation = await newInstallation(postgres)
  vault = await installation.unsealed()
  await vault.inTransaction(async (tx) => {
    for (const safe of ['saf_1', 'saf_2']) await vault.secrets.addSafe(tx, safe)
    for (const each of all) {
      using secret = Secret.fromText(textOf(each))
      await vault.secrets.put(tx, each, secret)
    }
  })
})
afterAll(async () => {
  await vault.close()
  await installation[Symbol.asyncDispose]()
  await postgres.stop()
})

const place = (
  safe: string,
  account: string,
  version: number,
  field = 'password',
  binding = '',
): SecretPlace => ({
  safe,
  account,
  version,
  field,
  kind: 'password',
  binding,
})
const all = [
  place('saf_1', 'acc_1', 1),
  place('saf_1', 'acc_1', 2),
  place('saf_1', 'acc_1', 2, 'passphrase'),
  place('saf_1', 'acc_2', 1, 'password', 'bound to press-3'),
  place('saf_2', 'acc_3', 1),
]
const textOf = (of: SecretPlace) => `secret of ${of.account} ${of.version} ${of.field}`

async function take(of: SecretPlace): Promise<string> {
  try {
    using secret = await vault.secrets.take(of)
    return secret.expose((bytes) => Buffer.from(bytes).toString())
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

/** Does harm, looks, and undoes it. */
async function harmed(statement: string, look: () => Promise<void>): Promise<void> {
  for (const table of ['safe_key', 'secret_key', 'secret_payload'])
    await installation.sql(`create temp table kept_${table} as table ${table}`)
  await installation.sql(statement)
  await look()
  await installation.sql('delete from secret_payload; delete from secret_key; delete from safe_key')
  for (const table of ['safe_key', 'secret_key', 'secret_payload'])
    await installation.sql(`insert into ${table} table kept_${table}`)
  for (const table of ['safe_key', 'secret_key', 'secret_payload'])
    await installation.sql(`drop table kept_${table}`)
}

test('each secret opens in its own place', async () => {
  for (const each of all) expect(await take(each)).toBe(textOf(each))
})

test('no secret opens under another name of its place', async () => {
  const [first] = all
  if (first === undefined) throw new Error('no place')
  for (const other of [
    { ...first, safe: 'saf_2' },
    { ...first, kind: 'ssh-key' },
    { ...first, binding: 'another target' },
  ])
    expect(await take(other)).toBe('envelope')
})

test.each([
  [
    'payloads of two accounts',
    `update secret_payload p set envelope = q.envelope from secret_payload q
     where (p.account, q.account) in (('acc_1', 'acc_2'), ('acc_2', 'acc_1')) and p.version = 1 and q.version = 1`,
    [0, 3],
  ],
  [
    'payloads of two versions',
    `update secret_payload p set envelope = q.envelope from secret_payload q
     where p.account = 'acc_1' and q.account = 'acc_1' and p.field = 'password' and q.field = 'password' and p.version <> q.version`,
    [0, 1],
  ],
  [
    'payloads of two fields',
    `update secret_payload p set envelope = q.envelope from secret_payload q
     where p.account = 'acc_1' and q.account = 'acc_1' and p.version = 2 and q.version = 2 and p.field <> q.field`,
    [1, 2],
  ],
  [
    'data keys and payloads of two accounts',
    `
     update secret_payload p set envelope = q.envelope from secret_payload q
     where (p.account, q.account) in (('acc_1', 'acc_2'), ('acc_2', 'acc_1')) and p.version = 1 and q.version = 1;
     update secret_key p set envelope = q.envelope from secret_key q
     where (p.account, q.account) in (('acc_1', 'acc_2'), ('acc_2', 'acc_1')) and p.version = 1 and q.version = 1`,
    [0, 3],
  ],
  [
    'keys of two safes',
    `update safe_key p set envelope = q.envelope from safe_key q where p.safe <> q.safe`,
    [0, 1, 2, 3, 4],
  ],
  ['the binding', `update secret_payload set binding = 'bound to my laptop'`, []],
])('%s exchanged: nothing opens where it was not put', async (_, statement, hurt) => {
  await harmed(statement, async () => {
    for (const [at, each] of all.entries())
      expect(await take(each), `${at}`).toBe((hurt as number[]).includes(at) ? 'envelope' : textOf(each))
  })
})

test('a destroyed version is gone, and the others are not', async () => {
  await vault.inTransaction(async (tx) => {
    await vault.secrets.addSafe(tx, 'saf_9')
    for (const version of [1, 2]) {
      using secret = Secret.fromText(`version ${version}`)
      await vault.secrets.put(tx, place('saf_9', 'acc_9', version), secret)
    }
  })
  await vault.inTransaction((tx) => vault.secrets.destroy(tx, 'acc_9', 1))
  expect(await take(place('saf_9', 'acc_9', 1))).toBe('envelope')
  expect(await take(place('saf_9', 'acc_9', 2))).toBe('version 2')
})

test('a place is written once', async () => {
  using secret = Secret.fromText('another')
  await expect(
    vault.inTransaction((tx) => vault.secrets.put(tx, place('saf_1', 'acc_1', 1), secret)),
  ).rejects.toThrow(/sealed once per version/)
})

test('no secret is in a dump of the database, in any encoding', async () => {
  const tables = await installation.sql(`select tablename from pg_tables where schemaname = 'public'`)
  let dump = ''
  for (const { tablename } of tables)
    dump += JSON.stringify(await installation.sql(`select t::text from "${tablename}" t`))
  expect(dump).toContain('acc_1')
  const secret = Buffer.from('secret of acc_1')
  for (const text of [
    secret.toString(),
    secret.toString('hex'),
    secret.toString('base64').replace(/=*$/, ''),
  ])
    expect(dump).not.toContain(text)
})
