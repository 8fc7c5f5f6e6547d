import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrations } from '../../migrations/index.ts'
import { ensureRoles, migrate } from '../../migrations/migrate.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres({ migrated: false })
})
afterAll(() => postgres.stop())

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

const one = { up: async (db: never) => void (await sql`create table one (id text)`.execute(db)) }
const two = { up: async (db: never) => void (await sql`create table two (id text)`.execute(db)) }
const broken = { up: async (db: never) => void (await sql`create table three (id nonsense)`.execute(db)) }

test('an empty database is brought to the present, and a second run has nothing to do', async () => {
  const url = await postgres.emptyDatabase('first')
  expect(await migrate(url)).toEqual(Object.keys(migrations))
  expect(await migrate(url)).toEqual([])
})

test('two that migrate at once both end well', async () => {
  const url = await postgres.emptyDatabase('twice')
  const applied = (await Promise.all([migrate(url), migrate(url)])).flat()
  expect(applied.toSorted()).toEqual(Object.keys(migrations))
})

test('a migration that fails leaves nothing of any of them', async () => {
  const url = await postgres.emptyDatabase('broken')
  await expect(
    migrate(url, { '0001_one': one, '0002_broken': broken } as never, (name) => name),
  ).rejects.toThrow('migration 0002_broken failed; nothing was changed')
  expect(await query(url, `select tablename from pg_tables where tablename in ('one', 'three')`)).toEqual([])
  expect(await migrate(url, { '0001_one': one } as never, (name) => name)).toEqual(['0001_one'])
})

test('a migration that was changed, or is not known, stops the next run', async () => {
  const url = await postgres.emptyDatabase('changed')
  await migrate(url, { '0001_one': one } as never, () => 'as released')
  await expect(migrate(url, { '0001_one': one, '0002_two': two } as never, () => 'edited')).rejects.toThrow(
    'migration 0001_one was changed after it had been applied',
  )
  await expect(
    migrate(url, {}, () => {
      throw new Error('no such file')
    }),
  ).rejects.toThrow('migrated by a newer version')
})

test('each migration is a sentence with the next number, each table of the keys says what it is for', async () => {
  for (const name of Object.keys(migrations)) expect(name).toMatch(/^\d{4}(_[a-z0-9]+)+$/)
  const url = await postgres.emptyDatabase('comments')
  await migrate(url)
  const silent = await query(
    url,
    `select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
       and obj_description(oid) is null
       and relname in ('installation', 'seal_wrap', 'safe_key', 'secret_key', 'secret_payload', 'guard')`,
  )
  expect(silent).toEqual([])
})

test('each plane logs in as its own role, which owns nothing, and sees only what it was granted', async () => {
  const passwords = {
    vault: 'vault’s secret',
    recorder: `recorder's "secret"`,
    rotation: 'r’s',
    api: 'api secret',
  }
  const owner = await postgres.emptyDatabase('roles')
  await ensureRoles(owner, passwords)
  await migrate(owner)
  await ensureRoles(owner, passwords)
  const url = (plane: keyof typeof passwords) =>
    postgres.cluster.url(`tagout_${plane}`, passwords[plane], 'roles')
  expect(await query(url('vault'), 'select count(*)::int as n from audit_leaf')).toEqual([{ n: 0 }])
  for (const plane of ['recorder', 'rotation', 'api'] as const) {
    expect(await query(url(plane), 'select 1 as n')).toEqual([{ n: 1 }])
    for (const table of ['audit_entry', 'secret_payload', 'seal_wrap', 'guard'])
      await expect(query(url(plane), `select * from ${table}`), `${plane} ${table}`).rejects.toThrow(
        /permission denied|does not exist/,
      )
  }
  for (const plane of ['vault', 'recorder', 'rotation', 'api'] as const) {
    await expect(query(url(plane), 'create table mine (id text)')).rejects.toThrow(
      /permission denied|no schema/,
    )
    await expect(query(url(plane), 'set role tagout_owner')).rejects.toThrow(/permission denied/)
  }
  const owned = await query(
    owner,
    `select relname from pg_class c join pg_roles r on r.oid = c.relowner
       where r.rolname in ('tagout_vault', 'tagout_recorder', 'tagout_rotation', 'tagout_api')`,
  )
  expect(owned).toEqual([])
  const flags = await query(
    owner,
    `select bool_or(rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls) as any
       from pg_roles where rolname in ('tagout_vault', 'tagout_recorder', 'tagout_rotation', 'tagout_api')`,
  )
  expect(flags).toEqual([{ any: false }])
})

test('a changed password works and the old one does not', async () => {
  const owner = await postgres.emptyDatabase('passwords')
  const passwords = { vault: 'old', recorder: 'r', rotation: 'o', api: 'a' }
  await ensureRoles(owner, passwords)
  await migrate(owner)
  await ensureRoles(owner, { ...passwords, vault: 'new' })
  await expect(query(postgres.cluster.url('tagout_vault', 'old', 'passwords'), 'select 1')).rejects.toThrow(
    /password authentication failed/,
  )
  expect(await query(postgres.cluster.url('tagout_vault', 'new', 'passwords'), 'select 1 as n')).toEqual([
    { n: 1 },
  ])
})
