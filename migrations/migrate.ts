import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import pg from 'pg'
import { Fault } from '../vault/kernel/fault.ts'
import { migrations } from './index.ts'
import { ensureRoleNames, roles, withClient } from './roles.ts'

export { ensureRoles, type PlanePasswords } from './roles.ts'

type ChecksumTables = { migration_checksum: { name: string; sha256: string } }

/**
 * Brings the database to the present schema and answers the names of the migrations that it applied. All of them
 * commit together or none does; two at once wait for one another. Throws `Fault('configuration')` when a migration
 * that was applied earlier has changed since, or is not known to this version.
 */
export async function migrate(
  ownerDatabaseUrl: string,
  list: Readonly<Record<string, Migration>> = migrations,
  checksum: (name: string) => string = checksumOfFile,
): Promise<readonly string[]> {
  await withClient(ownerDatabaseUrl, async (client) => {
    // Two that grant at once fail with "tuple concurrently updated". Given back when the connection closes.
    await client.query('select pg_advisory_lock(8246157)')
    await ensureRoleNames(client)
    const { rows } = await client.query<{ name: string }>('select current_database() as name')
    const database = client.escapeIdentifier(rows[0]?.name ?? '')
    await client.query(`revoke all on database ${database} from public`)
    await client.query(`grant connect on database ${database} to ${Object.values(roles).join(', ')}`)
    await client.query('revoke all on schema public from public')
    await client.query('grant usage on schema public to tagout_vault')
  })
  const pool = new pg.Pool({ connectionString: ownerDatabaseUrl, max: 2, application_name: 'tagout-migrate' })
  // A connection that breaks tells at its next statement; without listeners it would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const db = new Kysely<ChecksumTables>({ dialect: new PostgresDialect({ pool }) })
  try {
    await verifyChecksums(db, checksum)
    const migrator = new Migrator({
      db,
      provider: { getMigrations: async () => withChecksums(list, checksum) },
      migrationTableName: 'migration',
      migrationLockTableName: 'migration_lock',
    })
    const { results, error } = await migrator.migrateToLatest()
    if (error !== undefined) {
      const failed = results?.find((result) => result.status === 'Error')?.migrationName
      const what = failed === undefined ? 'the migrations cannot be applied' : `migration ${failed} failed`
      throw new Fault('configuration', `${what}; nothing was changed`, { cause: error })
    }
    return (results ?? []).map((result) => result.migrationName)
  } finally {
    await db.destroy()
  }
}

/** Each migration also writes its own checksum, in the same transaction. */
function withChecksums(
  list: Readonly<Record<string, Migration>>,
  checksum: (name: string) => string,
): Record<string, Migration> {
  const checked = Object.entries(list).map(([name, migration]): [string, Migration] => [
    name,
    {
      up: async (db: Kysely<ChecksumTables>) => {
        await sql`create table if not exists migration_checksum (
          name text not null,
          sha256 text not null,
          constraint "a migration is applied once" primary key (name)
        )`.execute(db)
        await migration.up(db)
        await db
          .insertInto('migration_checksum')
          .values({ name, sha256: checksum(name) })
          .execute()
      },
    },
  ])
  return Object.fromEntries(checked)
}

async function verifyChecksums(
  db: Kysely<ChecksumTables>,
  checksum: (name: string) => string,
): Promise<void> {
  const exists = await sql<{ found: boolean }>`
    select to_regclass('migration_checksum') is not null as found`.execute(db)
  if (exists.rows[0]?.found !== true) return
  for (const { name, sha256 } of await db.selectFrom('migration_checksum').selectAll().execute()) {
    let present: string
    try {
      present = checksum(name)
    } catch (error) {
      throw new Fault(
        'configuration',
        `the database was migrated by a newer version (${name}); install that version`,
        { cause: error },
      )
    }
    if (present !== sha256)
      throw new Fault('configuration', `migration ${name} was changed after it had been applied`)
  }
}

function checksumOfFile(name: string): string {
  return createHash('sha256')
    .update(readFileSync(join(import.meta.dirname, `${name}.ts`)))
    .digest('hex')
}
