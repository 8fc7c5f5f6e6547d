import { existsSync } from 'node:fs'
import { lchown } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Plane } from '../../vault/plane.ts'
import { findOwners, layOut, openDataFolder } from '../supervisor/data-folder.ts'
import { databaseName } from '../supervisor/database.ts'
import { readSecrets } from '../supervisor/plane-files.ts'
import { ensureDatabase, ownerRole, startCluster } from '../supervisor/postgres.ts'
import type { RestorePorts } from './restore.ts'

/** The database owner's URL of the installation in `dataDir`: the site's own PostgreSQL, or the embedded one. */
export function ownerDatabaseUrl(dataDir: string, env: Readonly<Record<string, string | undefined>>): string {
  const given = env['DATABASE_URL']
  if (given !== undefined && given !== '') return given
  if (!existsSync(join(dataDir, 'supervisor', 'secrets.json')))
    throw new Fault(
      'configuration',
      `there is no installation at ${dataDir} that you may read: run as its owner or as root, or set DATABASE_URL`,
    )
  const { owner } = readSecrets(dataDir)
  const socket = join(dataDir, 'postgres', 'socket')
  return `postgresql://${ownerRole}:${encodeURIComponent(owner)}@localhost/${databaseName}?host=${encodeURIComponent(socket)}`
}

/** Lays out a new data folder and gives it an empty database, as the first start would. */
export const openRestoreDatabase: RestorePorts['open'] = (given) =>
  openPlace(given, process.env['DATABASE_URL'])

/** The same with a database of its own in that folder, whatever the site's database is. */
export const openEmbeddedDatabase: RestorePorts['open'] = (given) => openPlace(given, undefined)

async function openPlace(given: string, external: string | undefined): ReturnType<RestorePorts['open']> {
  const { path: dataDir } = openDataFolder(given, undefined)
  const owners = findOwners()
  layOut(dataDir, owners)
  const secrets = readSecrets(dataDir)
  const own = async (path: string) => {
    const owner = owners[(path.split('/')[0] ?? '') as Plane]
    if (owner !== undefined) await lchown(join(dataDir, path), owner.uid, owner.gid)
  }
  if (external !== undefined && external !== '') {
    await refuseUsed(external)
    return { dataDir, ownerUrl: external, own, close: async () => {} }
  }
  const cluster = await startCluster({
    folder: join(dataDir, 'postgres'),
    ownerPassword: secrets.owner,
    ...(owners.postgres === undefined ? {} : { runAs: owners.postgres }),
  })
  try {
    await ensureDatabase(cluster, databaseName)
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return { dataDir, ownerUrl: cluster.ownerUrl(databaseName), own, close: () => cluster.stop() }
}

async function refuseUsed(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query(`select 1 from pg_tables where schemaname = 'public' limit 1`)
    if (rowCount !== 0)
      throw new Fault(
        'configuration',
        'the database of DATABASE_URL is not empty: give a new one to restore into',
      )
  } finally {
    await client.end()
  }
}
