import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readSecrets } from '../../deploy/supervisor/plane-files.ts'
import { type Cluster, ensureDatabase, startCluster } from '../../deploy/supervisor/postgres.ts'
import { ensureSystemUser, isRoot } from '../../deploy/supervisor/system-user.ts'
import { ensureRoles, migrate } from '../../migrations/migrate.ts'
import { onceARun } from './once-a-run.ts'

const run = promisify(execFile)

/** A PostgreSQL for one test file: a cluster of its own, migrated, with the planes' roles. */
export type TestPostgres = AsyncDisposable & {
  /** What runs now. */
  readonly cluster: Cluster
  /** The folder of the cluster. */
  readonly folder: string
  /** Kills all its processes at once, as a power cut would; answers when none is left. */
  readonly kill: () => Promise<void>
  /** Starts it over the same files, at the same addresses. */
  readonly again: () => Promise<void>
  /** The owner, who runs migrations. */
  readonly ownerUrl: string
  readonly urls: Readonly<Record<'vault' | 'recorder' | 'rotation' | 'api', string>>
  /** Another, empty database of the same cluster; not migrated. */
  readonly emptyDatabase: (name: string) => Promise<string>
  readonly stop: () => Promise<void>
}

export type TestPostgresOptions = {
  /** Leave the database empty. */
  readonly migrated?: boolean
  /** Keep what is committed through a kill of the machine, not of the process alone. Slower. */
  readonly durable?: boolean
  /** Keep what is committed through a kill of the process. A little slower. */
  readonly keeps?: boolean
  /** Bytes of a disk of its own, which can be full (root alone can make one). */
  readonly diskBytes?: number
}

/**
 * Starts PostgreSQL in a folder of its own under the system's temporary folder. Works as root (PostgreSQL then
 * runs as its own system user) and as anybody else. In a run of vitest the first who asks makes a migrated cluster,
 * and all copy it: a tenth of the time.
 */
export async function startTestPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-pg-'))
  chmodSync(folder, 0o711)
  const model =
    options.migrated === false || options.durable === true
      ? undefined
      : await onceARun('postgres', makeMigratedCluster)
  if (options.diskBytes !== undefined)
    await run('mount', ['-t', 'tmpfs', '-o', `size=${options.diskBytes},mode=0711`, 'tmpfs', folder])
  if (model !== undefined) await copyFolder(join(model, 'postgres'), join(folder, 'postgres'))
  const ownerPassword = model === undefined ? newPassword() : ownerPasswordOf(model)
  let cluster = await start(folder, ownerPassword, options)
  const stop = async () => {
    await cluster.stop()
    if (options.diskBytes !== undefined) await run('umount', [folder])
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await ensureDatabase(cluster, 'tagout')
    const ownerUrl = cluster.ownerUrl('tagout')
    const passwords = {
      vault: newPassword(),
      recorder: newPassword(),
      rotation: newPassword(),
      api: newPassword(),
    }
    if (options.migrated !== false) {
      await ensureRoles(ownerUrl, passwords)
      if (model === undefined) await migrate(ownerUrl)
    }
    const url = (plane: keyof typeof passwords) => cluster.url(`tagout_${plane}`, passwords[plane], 'tagout')
    return {
      get cluster() {
        return cluster
      },
      folder,
      kill: () => killCluster(cluster),
      again: async () => {
        cluster = await start(folder, ownerPassword, options)
      },
      ownerUrl,
      urls: { vault: url('vault'), recorder: url('recorder'), rotation: url('rotation'), api: url('api') },
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

function start(folder: string, ownerPassword: string, options: TestPostgresOptions): Promise<Cluster> {
  const runAs = isRoot() ? ensureSystemUser('tagout-postgres') : undefined
  return startCluster({
    folder: join(folder, 'postgres'),
    ownerPassword,
    settings: {
      ...(options.durable === true ? {} : { fsync: 'off', full_page_writes: 'off' }),
      ...(options.durable === true || options.keeps === true ? {} : { synchronous_commit: 'off' }),
    },
    ...(runAs === undefined ? {} : { runAs }),
  })
}

/** A cluster as every migrated one begins, stopped; its planes have no passwords yet. */
async function makeMigratedCluster(folder: string): Promise<void> {
  mkdirSync(folder)
  // Where PostgreSQL's own user has to pass through on the way to its cluster.
  chmodSync(folder, 0o711)
  chmodSync(dirname(folder), 0o711)
  writeFileSync(join(folder, 'owner-password'), newPassword(), { mode: 0o600 })
  const cluster = await start(folder, ownerPasswordOf(folder), {})
  try {
    await ensureDatabase(cluster, 'tagout')
    await migrate(cluster.ownerUrl('tagout'))
  } finally {
    await cluster.stop()
  }
}

/**
 * Gives an installation that is to start a database that is there already, as after a start that went no further:
 * the cluster of its data folder and the owner's password among its secrets. Nothing outside of a run of vitest.
 */
export async function giveDatabase(dataDir: string): Promise<void> {
  const model = await onceARun('postgres', makeMigratedCluster)
  if (model === undefined) return
  mkdirSync(dataDir, { mode: 0o711 })
  mkdirSync(join(dataDir, 'supervisor'), { mode: 0o700 })
  const secrets = { ...readSecrets(dataDir), owner: ownerPasswordOf(model) }
  writeFileSync(join(dataDir, 'supervisor', 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 })
  await copyFolder(join(model, 'postgres'), join(dataDir, 'postgres'))
}

function ownerPasswordOf(model: string): string {
  return readFileSync(join(model, 'owner-password'), 'utf8')
}

/** Its parts have sessions of their own: each is killed by its id, the one that would start them anew first. */
async function killCluster({ process: main, ended }: Cluster): Promise<void> {
  const parts = readFileSync(`/proc/${main.pid}/task/${main.pid}/children`, 'utf8').split(' ').filter(Boolean)
  main.kill('SIGKILL')
  for (const pid of parts)
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended with the first.
    }
  await ended
  // Its memory is in use until the last of them has ended.
  while (parts.some(isRunning)) await pause(5)
}

/** A process that has ended and that nobody asked after yet is none. */
function isRunning(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await run('cp', ['--archive', '--reflink=auto', '--sparse=always', from, to])
}

function newPassword(): string {
  return randomBytes(18).toString('base64url')
}
