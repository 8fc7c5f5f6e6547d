import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { migrations } from '../../migrations/index.ts'
import { ensureRoles, migrate } from '../../migrations/migrate.ts'
import { migrateQueue } from '../../migrations/queue.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Plane } from '../../vault/plane.ts'
import type { InstallationSecrets } from './plane-files.ts'
import { type Cluster, ensureDatabase, startCluster } from './postgres.ts'
import type { RunAs } from './system-user.ts'

/** The database of an installation: the embedded one, kept running, or a server of the site's own. */
export type Database = {
  readonly ownerUrl: string
  readonly planeUrl: (plane: Plane) => string
  /** PostgreSQL's process, where it is ours. */
  readonly pid: () => number | undefined
  readonly stop: () => Promise<void>
}

export type DatabasePorts = { readonly say: (line: string) => void; readonly onChange: () => void }

export const databaseName = 'tagout'

/** Starts the embedded PostgreSQL and keeps it running. */
export async function startEmbeddedDatabase(
  dataDir: string,
  runAs: RunAs | undefined,
  secrets: InstallationSecrets,
  ports: DatabasePorts,
): Promise<Database> {
  const start = () =>
    startCluster({
      folder: join(dataDir, 'postgres'),
      ownerPassword: secrets.owner,
      ...(runAs === undefined ? {} : { runAs }),
    })
  let cluster: Cluster = await start()
  let stopping = false
  const watch = async () => {
    for (let delay = 100; !stopping; ) {
      const how = await cluster.ended
      ports.onChange()
      if (stopping) return
      ports.say(`PostgreSQL ended (${how}); starting it again`)
      await pause(delay)
      delay = Math.min(delay * 2, 5_000)
      try {
        cluster = await start()
        delay = 100
        ports.onChange()
      } catch (error) {
        ports.say(error instanceof Error ? error.message : 'PostgreSQL did not start')
      }
    }
  }
  await ensureDatabase(cluster, databaseName)
  void watch()
  return {
    ownerUrl: cluster.ownerUrl(databaseName),
    planeUrl: (plane) => cluster.url(`tagout_${plane}`, secrets[plane].password, databaseName),
    pid: () => cluster.process.pid,
    stop: async () => {
      stopping = true
      await cluster.stop()
    },
  }
}

/** Asks the server of DATABASE_URL, whose role must be able to make roles and own the database. Changes nothing. */
export async function requireGivenDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 15_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query(
      "select current_setting('server_version_num')::int as version, rolcreaterole or rolsuper as able from pg_roles where rolname = current_user",
    )
    if (rows[0]?.version < 150000)
      throw new Fault('configuration', 'DATABASE_URL names a PostgreSQL older than 15: give a newer server')
    if (rows[0]?.able !== true)
      throw new Fault(
        'configuration',
        'the role of DATABASE_URL may not make roles: alter role … createrole, or give another',
      )
  } catch (error) {
    if (error instanceof Fault) throw error
    const code = (error as { code?: string }).code ?? 'unknown'
    // SECURITY: the driver's message can hold the host and role, never the password; the code is enough.
    throw new Fault(
      'configuration',
      `the server of DATABASE_URL does not answer (${code}): correct it or start the server`,
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The server of DATABASE_URL as an installation's database. */
export function useGivenDatabase(url: string, secrets: InstallationSecrets): Database {
  return {
    ownerUrl: url,
    planeUrl: (plane) => {
      const own = new URL(url)
      own.username = `tagout_${plane}`
      own.password = secrets[plane].password
      return own.href
    },
    pid: () => undefined,
    stop: async () => undefined,
  }
}

/** Brings roles and schema to the present version; a database that has something in it is backed up first. */
export async function prepareDatabase(
  database: Database,
  dataDir: string,
  secrets: InstallationSecrets,
  say: (line: string) => void,
): Promise<void> {
  const { applied, pending } = await migrationsOf(database.ownerUrl)
  if (applied > 0 && pending.length > 0) await backUp(database, dataDir, pending.length, say)
  await ensureRoles(database.ownerUrl, {
    vault: secrets.vault.password,
    recorder: secrets.recorder.password,
    rotation: secrets.rotation.password,
    api: secrets.api.password,
  })
  const done = await migrate(database.ownerUrl)
  await migrateQueue(database.ownerUrl)
  if (done.length > 0) say(`applied ${done.length} migration${done.length === 1 ? '' : 's'}`)
}

/** A backup before migrations: `deploy/backup/before-migrations.ts` has this. */
export type BackUpBeforeMigrations = (input: {
  readonly ownerDatabaseUrl: string
  readonly dataDir: string
  readonly path: string
}) => Promise<void>

async function backUp(
  database: Database,
  dataDir: string,
  pending: number,
  say: (line: string) => void,
): Promise<void> {
  const file = join(import.meta.dirname, '..', 'backup', 'before-migrations.ts')
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const path = join(dataDir, 'backups', `before-migrations-${stamp}.tar`)
  if (!existsSync(file)) return
  const { backUpBeforeMigrations } = (await import(pathToFileURL(file).href)) as {
    backUpBeforeMigrations: BackUpBeforeMigrations
  }
  say(`${pending} migration${pending === 1 ? '' : 's'} to apply; backing up to ${path} first`)
  await backUpBeforeMigrations({ ownerDatabaseUrl: database.ownerUrl, dataDir, path })
}

async function migrationsOf(
  ownerUrl: string,
): Promise<{ readonly applied: number; readonly pending: readonly string[] }> {
  const client = new pg.Client({ connectionString: ownerUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const found = await client.query("select to_regclass('public.migration') is not null as found")
    const rows = found.rows[0]?.found === true ? (await client.query('select name from migration')).rows : []
    const applied = new Set(rows.map((row: { name: string }) => row.name))
    return { applied: applied.size, pending: Object.keys(migrations).filter((name) => !applied.has(name)) }
  } finally {
    await client.end()
  }
}
