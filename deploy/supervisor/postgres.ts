import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { Fault } from '../../vault/kernel/fault.ts'
import { findPostgresPrograms } from './postgres-programs.ts'
import type { RunAs } from './system-user.ts'

/** The superuser of the embedded cluster: owns the database, runs migrations, is no plane's role. */
export const ownerRole = 'tagout_owner'

export type ClusterOptions = {
  /** Holds `cluster/` (PGDATA), `socket/` and `log`. */
  readonly folder: string
  readonly ownerPassword: string
  /** As root: PostgreSQL refuses to be root, so whom it runs as. */
  readonly runAs?: RunAs
  readonly settings?: Readonly<Record<string, string>>
}

/** A running embedded PostgreSQL, reached through a Unix socket alone. */
export type Cluster = {
  readonly socketFolder: string
  readonly process: ChildProcess
  /** Settles when it has ended, with how. */
  readonly ended: Promise<string>
  /** `role` reaches `database` by this URL. */
  readonly url: (role: string, password: string, database: string) => string
  readonly ownerUrl: (database: string) => string
  /** Fast shutdown: open transactions are rolled back. Kills after `withinMs`. */
  readonly stop: (withinMs?: number) => Promise<void>
}

const defaultSettings = {
  listen_addresses: '',
  unix_socket_permissions: '0770',
  password_encryption: 'scram-sha-256',
  max_connections: '120',
  shared_buffers: '128MB',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] ',
  // SECURITY: a statement can hold what a person typed; the log names errors, never their statements or parameters.
  log_statement: 'none',
  log_min_error_statement: 'panic',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
} as const

/** A Unix socket's path may have 107 bytes on Linux; PostgreSQL adds `/.s.PGSQL.5432`. */
const longestSocketFolder = 90

/** Makes the cluster where there is none, starts it and waits until it answers. Throws `Fault` with its last words. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const programs = findPostgresPrograms()
  const pgData = join(options.folder, 'cluster')
  const socketFolder = join(options.folder, 'socket')
  if (Buffer.byteLength(socketFolder) > longestSocketFolder)
    throw new Fault(
      'configuration',
      `the data folder's path is too long for a Unix socket: ${options.folder}`,
    )
  prepareFolder(options.folder, 0o711, undefined)
  prepareFolder(socketFolder, 0o750, options.runAs)
  if (!existsSync(join(pgData, 'PG_VERSION'))) await initialise(programs, pgData, options)
  if (existsSync(join(pgData, 'postmaster.pid'))) clearStalePid(pgData)

  const settings = { ...defaultSettings, ...options.settings, unix_socket_directories: socketFolder }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(programs, 'bin', 'postgres'), ['-D', pgData, ...flags], {
    cwd: '/',
    env: environment(programs),
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: Ctrl-C on the terminal reaches the supervisor alone, which stops all in order.
    detached: true,
    ...options.runAs,
  })
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const lastWords = keepLastWords(child)
  const url = (role: string, password: string, database: string) =>
    `postgresql://${role}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(socketFolder)}`
  const ownerUrl = (database: string) => url(ownerRole, options.ownerPassword, database)
  await answers(child, ownerUrl('postgres'), lastWords)

  const stop = async (withinMs = 20_000) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGQUIT'), withinMs)
    await ended
    clearTimeout(timer)
  }
  return { socketFolder, process: child, ended, url, ownerUrl, stop }
}

/** Makes `name` in the cluster where it is missing. */
export async function ensureDatabase(cluster: Cluster, name: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: cluster.ownerUrl('postgres') })
  await client.connect()
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount === 1) return false
    await client.query(`create database ${client.escapeIdentifier(name)}`)
    // Nobody connects but the owner and whom the migrations grant it.
    await client.query(`revoke all on database ${client.escapeIdentifier(name)} from public`)
    return true
  } finally {
    await client.end()
  }
}

async function initialise(programs: string, pgData: string, options: ClusterOptions): Promise<void> {
  // A set-up that was cut short left a half-made cluster without PG_VERSION in its place; nothing of worth is in it.
  rmSync(pgData, { recursive: true, force: true })
  const passwordFile = join(options.folder, 'initial-password')
  rmSync(passwordFile, { force: true })
  writeFileSync(passwordFile, `${options.ownerPassword}\n`, { mode: 0o600, flag: 'wx' })
  if (options.runAs !== undefined) chownSync(passwordFile, options.runAs.uid, options.runAs.gid)
  const half = `${pgData}.part`
  rmSync(half, { recursive: true, force: true })
  prepareFolder(half, 0o700, options.runAs)
  try {
    const child = spawn(
      join(programs, 'bin', 'initdb'),
      [
        ...['-D', half, '-U', ownerRole, '--pwfile', passwordFile],
        ...['--auth-local=scram-sha-256', '--auth-host=reject', '--data-checksums'],
        ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
      ],
      { cwd: '/', env: environment(programs), stdio: ['ignore', 'ignore', 'pipe'], ...options.runAs },
    )
    const lastWords = keepLastWords(child)
    const [code] = await Promise.race([once(child, 'close'), once(child, 'error').then(([error]) => [error])])
    if (code !== 0) throw new Fault('database', `PostgreSQL could not be set up: ${lastWords()}`)
    renameSync(half, pgData)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

function prepareFolder(path: string, mode: number, owner: RunAs | undefined): void {
  mkdirSync(path, { recursive: true, mode })
  chmodSync(path, mode)
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
}

function environment(programs: string): NodeJS.ProcessEnv {
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', LD_LIBRARY_PATH: join(programs, 'lib') }
}

/** After a power cut the pid in the file may by now be another program's, and PostgreSQL would refuse to start. */
function clearStalePid(pgData: string): void {
  const file = join(pgData, 'postmaster.pid')
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  let command = ''
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // No such process, or no /proc: PostgreSQL decides by itself.
    return
  }
  if (!command.split('\0')[0]?.endsWith('postgres')) rmSync(file, { force: true })
}

function keepLastWords(child: ChildProcess): () => string {
  let words = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (text: string) => {
    words = (words + text).slice(-2_000)
  })
  return () => words.trim().split('\n').slice(-3).join(' ') || 'it said nothing'
}

async function answers(child: ChildProcess, url: string, lastWords: () => string): Promise<void> {
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  const deadline = Date.now() + 60_000
  for (;;) {
    if (failure !== undefined) throw new Fault('database', `PostgreSQL cannot be started: ${failure.message}`)
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Fault('database', `PostgreSQL did not start: ${lastWords()}`)
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      // 57P03 is "still starting"; a refused password is final, and waiting would hide it.
      if ((error as { code?: string }).code === '28P01')
        throw new Fault('database', 'PostgreSQL refuses the password kept in the data folder')
      await client.end().catch(() => undefined)
    }
    if (Date.now() > deadline) {
      child.kill('SIGQUIT')
      throw new Fault('database', `PostgreSQL did not answer within a minute: ${lastWords()}`)
    }
    await pause(30)
  }
}
