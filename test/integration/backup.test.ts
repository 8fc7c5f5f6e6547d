import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBackup } from '../../deploy/backup/create.ts'
import { restoreBackup, type RestorePorts } from '../../deploy/backup/restore.ts'
import { showBackup } from '../../deploy/backup/show.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'

let postgres: TestPostgres
const folder = mkdtempSync(join(tmpdir(), 'tagout-backup-'))
chmodSync(folder, 0o711)
const dataDir = join(folder, 'data')
const recording = 'recorder/recordings/2026-12-01/rec_00000000000000000000000000.tgr'
const kept = {
  'tagout.json': '{"ssh":{"port":2222}}',
  'vault/vault.state': 'sealed state',
  'vault/audit-witness.log': 'witness',
  'recorder/auditors.pin': 'pin',
  'recorder/ssh_host_ed25519_key': 'host key',
  'api/tls/server.crt': 'certificate',
  [recording]: 'ciphertext',
}
const leftOut = {
  'vault/seal.key': 'tagout-seal-key-1 CANARY',
  'vault/plane.json': 'CANARY',
  'recorder/plane.json': 'CANARY',
  'supervisor/secrets.json': 'CANARY',
  'vault/core.1234': 'CANARY',
}

async function query(url: string, text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(text, [...values])
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  postgres = await startTestPostgres()
  for (const [path, text] of Object.entries({ ...kept, ...leftOut })) {
    mkdirSync(join(dataDir, path, '..'), { recursive: true })
    writeFileSync(join(dataDir, path), text)
  }
  await query(
    postgres.ownerUrl,
    `insert into app_user (id, name, roles, state, created_at, epoch, mac)
     select 'usr_' || n, 'bo"b\\ ü€' || n, array['operator', 'a,"b"'], 'active', '2026-11-24 07:00:00.123456+00', n, '\\x00ff0a'
     from generate_series(1, 1203) as n`,
  )
  await query(postgres.ownerUrl, `select setval('lease_place', 17)`)
  await query(
    postgres.ownerUrl,
    `insert into audit_entry (id, body, mac)
     select decode(lpad(to_hex(n), 32, '0'), 'hex'), '\\x7b7d', null from generate_series(1, 3) as n`,
  )
}, 60_000)
afterAll(() => postgres?.stop())

let count = 0
const intoNew: RestorePorts['open'] = async (path) => {
  mkdirSync(path, { recursive: true })
  count += 1
  const ownerUrl = await postgres.emptyDatabase(`restored_${count}`)
  return { dataDir: path, ownerUrl, own: async () => {}, close: async () => {} }
}
const restoredUrl = () => postgres.cluster.ownerUrl(`restored_${count}`)

async function backup(name: string, recordings: 'included' | 'listed'): Promise<string> {
  const out = join(folder, name)
  await createBackup({ ownerUrl: postgres.ownerUrl, dataDir, out, recordings, reason: 'asked' })
  return out
}

test('every row of every table comes back as it was', async () => {
  const out = await backup('rows.tgb', 'included')
  const restored = await restoreBackup({ open: intoNew }, out, join(folder, 'new'))
  expect(restored).toMatchObject({ ok: true })
  const { rows: tables } = await query(
    postgres.ownerUrl,
    `select tablename from pg_tables where schemaname = 'public' and tablename <> 'migration'`,
  )
  expect(tables.length).toBeGreaterThan(15)
  for (const { tablename } of tables) {
    // `xmin` and friends are left out by `to_jsonb`; text of a row shows each column as PostgreSQL keeps it.
    const text = `select coalesce(string_agg(t::text, E'\\n' order by t::text), '') as all from "${tablename}" t`
    const [before, after] = await Promise.all([query(postgres.ownerUrl, text), query(restoredUrl(), text)])
    expect(after.rows[0].all, tablename).toBe(before.rows[0].all)
  }
})

test('counters count on after a restore', async () => {
  const { rows } = await query(
    restoredUrl(),
    `insert into audit_entry (id, body) values ('\\x${'ff'.repeat(16)}', '\\x7b7d') returning ordinal`,
  )
  expect(Number(rows[0].ordinal)).toBe(4)
  // Places of shared leases: one given twice would make two holders refuse one another.
  const { rows: places } = await query(restoredUrl(), `select nextval('lease_place') as place`)
  expect(Number(places[0].place)).toBe(18)
})

test('what a restore needs of the data folder comes back, and nothing else is in the backup', async () => {
  for (const [path, text] of Object.entries(kept))
    expect(readFileSync(join(folder, 'new', path), 'utf8')).toBe(text)
  const bytes = readFileSync(join(folder, 'rows.tgb'))
  expect(bytes.includes('CANARY')).toBe(false)
  // The positive control: the search finds what is there.
  expect(bytes.includes('sealed state')).toBe(true)
})

test('recordings that are not included are listed with their size and SHA-256', async () => {
  const out = await backup('listed.tgb', 'listed')
  expect(readFileSync(out).includes('ciphertext')).toBe(false)
  const shown = await showBackup(out)
  expect(shown).toMatchObject({ ok: true, value: { recordings: 1, rows: { app_user: 1203 } } })
  const sha256 = createHash('sha256').update('ciphertext').digest('hex')
  expect(readFileSync(out, 'latin1')).toContain(JSON.stringify({ path: recording, size: 10, sha256 }))
})

test('a folder that is not empty is not restored into', async () => {
  const out = await backup('twice.tgb', 'listed')
  const into = join(folder, 'new')
  const before = readdirSync(into)
  expect(await restoreBackup({ open: intoNew }, out, into)).toMatchObject({
    ok: false,
    refusal: { code: 'conflict' },
  })
  expect(readdirSync(into)).toEqual(before)
})

test('a damaged backup is refused before anything is made', async () => {
  const out = await backup('damaged.tgb', 'listed')
  const bytes = readFileSync(out)
  const at = bytes.indexOf('usr_77')
  bytes.write('usr_78', at)
  writeFileSync(join(folder, 'damaged2.tgb'), bytes)
  let opened = false
  const restored = await restoreBackup(
    {
      open: async (path) => {
        opened = true
        return intoNew(path)
      },
    },
    join(folder, 'damaged2.tgb'),
    join(folder, 'nothing'),
  )
  expect(restored).toMatchObject({ ok: false, refusal: { code: 'invalid' } })
  expect(opened).toBe(false)
})

test('a restore that fails half way leaves an empty folder', async () => {
  const out = await backup('fails.tgb', 'included')
  const into = join(folder, 'half')
  await expect(
    restoreBackup(
      {
        open: async (path) => {
          const place = await intoNew(path)
          let files = 0
          return {
            ...place,
            own: async () => {
              files += 1
              if (files > 3) throw new Error('the disk is full')
            },
          }
        },
      },
      out,
      into,
    ),
  ).rejects.toThrow('the disk is full')
  expect(readdirSync(into)).toEqual([])
  const { rows } = await query(restoredUrl(), 'select count(*) from app_user')
  expect(Number(rows[0].count)).toBe(0)
})

test('a backup is of one moment, though rows change while it is taken', async () => {
  let stop = false
  const writer = (async () => {
    for (let n = 0; !stop; n += 1) {
      await query(
        postgres.ownerUrl,
        `update app_user set epoch = epoch + 1 where id in ('usr_1', 'usr_1203')`,
      )
    }
  })()
  const out = await backup('moment.tgb', 'listed')
  stop = true
  await writer
  await restoreBackup({ open: intoNew }, out, join(folder, 'moment'))
  const { rows } = await query(
    restoredUrl(),
    `select epoch from app_user where id in ('usr_1', 'usr_1203') order by id`,
  )
  expect(Number(rows[1].epoch) - Number(rows[0].epoch)).toBe(1202)
})
