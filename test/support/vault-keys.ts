import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../migrations/migrate.ts'
import type { Actor } from '../../vault/audit/entry.ts'
import type { GuardedShapes } from '../../vault/keys/guard.ts'
import type { GuardedTable } from '../../vault/keys/guarded.ts'
import { type OpenVaultOptions, openVault, type Vault } from '../../vault/open.ts'
import type { TestPostgres } from './postgres.ts'

export const somebody: Actor = { kind: 'local', uid: 1000 }

/** A guarded table of the tests' own: everything that a guarded column may be. */
export const plaque = 'plaque' as GuardedTable
export const testShapes: GuardedShapes = {
  plaque: { id: ['id'], columns: ['words', 'size', 'hidden', 'made_at', 'tags', 'bytes', 'note'] },
  pair: { id: ['left_id', 'right_id'], columns: ['words'] },
}

/** The database and data folder of one installation, whose vault can be opened again and again. */
export type TestInstallation = AsyncDisposable & {
  readonly ownerUrl: string
  readonly vaultUrl: string
  readonly dataDir: string
  readonly faults: unknown[]
  /** Opens the vault; it is sealed. */
  readonly open: (options?: Partial<OpenVaultOptions>) => Promise<Vault>
  /** Opens and unseals it. */
  readonly unsealed: (options?: Partial<OpenVaultOptions>) => Promise<Vault>
  /** Runs SQL as the superuser who owns everything: the attacker of these tests. */
  readonly sql: (text: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>
}

let count = 0
let template: Promise<void> | undefined

/** Makes a database of its own, migrated, with the tests' guarded tables; the vault in it is initialised with a key file. */
export async function newInstallation(postgres: TestPostgres): Promise<TestInstallation> {
  template ??= makeTemplate(postgres)
  await template
  count += 1
  const name = `keys_${count}`
  await withOwner(postgres.ownerUrl, async (client) => {
    await client.query(`create database ${name} template keys_template`)
    await client.query(`grant connect on database ${name} to tagout_vault`)
  })
  const ownerUrl = inDatabase(postgres.ownerUrl, name)
  const vaultUrl = inDatabase(postgres.urls.vault, name)
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-keys-'))
  const owner = new pg.Client({ connectionString: ownerUrl })
  owner.on('error', () => {})
  await owner.connect()
  const faults: unknown[] = []
  const open: TestInstallation['open'] = (options) =>
    openVault({
      databaseUrl: vaultUrl,
      dataDir,
      guarded: testShapes,
      onFault: (fault) => faults.push(fault),
      ...options,
    })
  const unsealed: TestInstallation['unsealed'] = async (options) => {
    const vault = await open(options)
    const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody)
    if (outcome.ok) return vault
    await vault.close()
    throw new Error(`${outcome.refusal.code}: ${outcome.refusal.message}`)
  }
  const vault = await open()
  const initialised = await vault.initialise({ kind: 'key-file', path: join(dataDir, 'seal.key') }, somebody)
  await vault.close()
  if (!initialised.ok) throw new Error(initialised.refusal.message)
  return {
    ownerUrl,
    vaultUrl,
    dataDir,
    faults,
    open,
    unsealed,
    sql: async (text, values = []) => (await owner.query(text, [...values])).rows,
    [Symbol.asyncDispose]: async () => {
      await owner.end()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export type Plaque = {
  readonly id: string
  readonly words: string
  readonly size: number
  readonly hidden: boolean
  readonly made_at: Date
  readonly tags: readonly string[]
  readonly bytes: Uint8Array
  readonly note: string | null
}

export function aPlaque(id: string, words = 'first'): Plaque {
  return {
    id,
    words,
    size: 7,
    hidden: false,
    made_at: new Date('2026-11-24T07:00:00.123Z'),
    tags: ['a', 'b,c'],
    bytes: Buffer.from([0, 255]),
    note: null,
  }
}

/** Migrating takes a while, copying does not: one database is made, and each test gets a copy. */
async function makeTemplate(postgres: TestPostgres): Promise<void> {
  const url = await postgres.emptyDatabase('keys_template')
  await migrate(url)
  await withOwner(url, (client) =>
    client.query(`
      create table plaque (
        id text primary key, words text not null, size integer not null, hidden boolean not null,
        made_at timestamptz not null, tags text[] not null, bytes bytea not null, note text,
        epoch bigint not null, mac bytea not null
      );
      create table pair (
        left_id text not null, right_id text not null, words text not null,
        epoch bigint not null, mac bytea not null, primary key (left_id, right_id)
      );
      grant select, insert, update, delete on plaque, pair to tagout_vault`),
  )
}

async function withOwner(url: string, act: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await act(client)
  } finally {
    await client.end()
  }
}

function inDatabase(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}
