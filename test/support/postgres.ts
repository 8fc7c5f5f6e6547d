import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cluster, ensureDatabase, startCluster } from '../../deploy/supervisor/postgres.ts'
import { ensureSystemUser, isRoot } from '../../deploy/supervisor/system-user.ts'

/** A PostgreSQL for one test file: a cluster of its own, migrated, with the planes' roles. */
export type TestPostgres = AsyncDisposable & {
  readonly cluster: Cluster
  /** The owner, who runs migrations. */
  readonly ownerUrl: string
  readonly urls: Readonly<Record<'vault' | 'recorder' | 'api', string>>
  /** Another, empty database of the same cluster; not migrated. */
  readonly emptyDatabase: (name: string) => Promise<string>
  readonly stop: () => Promise<void>
}

export type TestPostgresOptions = {
  /** Leave the database empty. */
  readonly migrated?: boolean
  /** Keep what is committed through a kill of the machine, not of the process alone. Slower. */
  readonly durable?: boolean
}

/**
 * Starts PostgreSQL in a folder of its own under the system's temporary folder. Works as root (PostgreSQL then
 * runs as its own system user) and as anybody else. Takes one to two seconds.
 */
export async function startTestPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-pg-'))
  chmodSync(folder, 0o711)
  const runAs = isRoot() ? ensureSystemUser('tagout-postgres') : undefined
  const cluster = await startCluster({
    folder: join(folder, 'postgres'),
    ownerPassword: randomBytes(18).toString('base64url'),
    settings:
      options.durable === true ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
    ...(runAs === undefined ? {} : { runAs }),
  })
  const stop = async () => {
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await ensureDatabase(cluster, 'tagout')
    const ownerUrl = cluster.ownerUrl('tagout')
    const passwords = { vault: newPassword(), recorder: newPassword(), api: newPassword() }
    if (options.migrated !== false) await migrateIfWritten(ownerUrl, passwords)
    const url = (plane: keyof typeof passwords) => cluster.url(`tagout_${plane}`, passwords[plane], 'tagout')
    return {
      cluster,
      ownerUrl,
      urls: { vault: url('vault'), recorder: url('recorder'), api: url('api') },
      emptyDatabase: async (name) => {
        await ensureDatabase(cluster, name)
        return cluster.ownerUrl(name)
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function newPassword(): string {
  return randomBytes(18).toString('base64url')
}

async function migrateIfWritten(
  ownerUrl: string,
  passwords: Readonly<Record<'vault' | 'recorder' | 'api', string>>,
): Promise<void> {
  const file = new URL('../../migrations/migrate.ts', import.meta.url)
  if (!existsSync(fileURLToPath(file))) return
  const { ensureRoles, migrate } = await import(file.href)
  await ensureRoles(ownerUrl, passwords)
  await migrate(ownerUrl)
}
