import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { migrate } from '../../../migrations/migrate.ts'
import { backupTables, restoreRows } from '../../../vault/backup.ts'
import { openDatabase } from '../../../vault/db/open.ts'
import { refusalOf, startTestVault } from '../../support/vault.ts'

test('the pages of all tables are of one moment, and fill an empty database with the same rows', async () => {
  await using vault = await startTestVault()
  await vault.account()
  const { database } = vault.plane.world.vault
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public'`.execute(database)
  const known = rows
    .map((row) => row.name)
    .filter(
      // What the log is searched by is made from it anew.
      (name) => !name.startsWith('migration') && name !== 'audit_index',
    )
  expect([...backupTables].sort()).toEqual(known.sort())

  const ownerUrl = await vault.postgres.emptyDatabase('restored')
  await migrate(ownerUrl)
  const restored = openDatabase(ownerUrl)
  const users = (await vault.ask('user.list', {})).length
  expect(await vault.ask('backup.tables', {})).toEqual(backupTables)
  await vault.ask('user.add', { name: 'later', roles: ['operator'] })
  for (const table of backupTables) {
    let after: string | undefined
    do {
      const page = await vault.ask('backup.page', {
        table,
        limit: 3,
        ...(after === undefined ? {} : { after }),
      })
      await restoreRows(restored, table, page.rows)
      after = page.next ?? undefined
    } while (after !== undefined)
  }
  const count = async (table: string) => {
    const found = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(
      restored,
    )
    return found.rows[0]?.count
  }
  // Made after the backup began: not in it.
  expect(await count('app_user')).toBe(users)
  const digest = (db: typeof restored, table: string) =>
    sql<{
      all: string
    }>`select string_agg(md5(t::text), ',' order by md5(t::text)) as all from ${sql.table(table)} as t`
      .execute(db)
      .then((found) => found.rows[0]?.all)
  for (const table of [
    'installation',
    'safe',
    'target',
    'account',
    'credential',
    'secret_payload',
    'auditor_list',
  ])
    expect(await digest(restored, table), table).toBe(await digest(database, table))
  await restored.destroy()
  expect(refusalOf(await vault.admin.call('backup.page', { table: 'pg_shadow', limit: 1 })).code).toBe(
    'not_found',
  )
}, 60_000)
