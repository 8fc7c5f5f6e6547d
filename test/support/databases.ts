import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Cluster, startCluster } from '../../deploy/supervisor/postgres.ts'
import { ensureSystemUser, isRoot } from '../../deploy/supervisor/system-user.ts'
import { makeDirectoryCertificates } from './directory-certificates.ts'
import { until } from './installation.ts'

/** A real database server under TLS, at a loopback address of its own and at its usual port. */
export type TestDatabase = AsyncDisposable & {
  readonly host: string
  readonly port: number
  /** Its certificate, PEM. */
  readonly certificate: () => string
  /** Runs statements as whoever may do everything. */
  readonly run: (sql: string) => Promise<void>
  /** May somebody log in by this password, past Tagout? */
  readonly accepts: (login: string, password: string) => Promise<boolean>
  /** All that the server wrote, statements too. */
  readonly log: () => string
  /** Ends it, and starts it again with another certificate. */
  readonly renew: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

export const ownLoopback = () => `127.${randomInt(64, 128)}.${randomInt(1, 255)}.${randomInt(2, 255)}`

/** PostgreSQL of the embedded kind, which answers over TCP, to TLS alone, and logs every statement. */
export async function startPostgresServer(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-pgs-'))
  chmodSync(folder, 0o711)
  const host = ownLoopback()
  const runAs = isRoot() ? ensureSystemUser('tagout-postgres') : undefined
  let certificates = makeDirectoryCertificates(folder, 'historian.plant.example', host)
  const prepare = () => {
    if (runAs !== undefined)
      for (const file of [certificates.files.key, certificates.files.certificate])
        chownSync(file, runAs.uid, runAs.gid)
    chmodSync(certificates.files.key, 0o600)
  }
  const hba = join(folder, 'hba.conf')
  writeFileSync(hba, 'local all all scram-sha-256\nhostssl all all 127.0.0.0/8 scram-sha-256\n', {
    mode: 0o644,
  })
  let cluster: Cluster | undefined
  let log = ''
  const start = async () => {
    prepare()
    cluster = await startCluster({
      folder: join(folder, 'postgres'),
      ownerPassword: 'owner-of-the-historian',
      settings: {
        ...{ fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', shared_buffers: '16MB' },
        ...{ listen_addresses: host, hba_file: hba, ssl: 'on' },
        ssl_cert_file: certificates.files.certificate,
        ssl_key_file: certificates.files.key,
        // As careless as a site can be: whatever is a statement is in it.
        ...{ log_statement: 'all', log_min_error_statement: 'debug5', log_connections: 'on' },
      },
      ...(runAs === undefined ? {} : { runAs }),
    })
    cluster.process.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  }
  const stop = async () => {
    await cluster?.stop()
    cluster = undefined
  }
  await start()
  return {
    host,
    port: 5432,
    certificate: () => certificates.certificate,
    run: async (sql) => {
      const client = new pg.Client({ connectionString: cluster?.ownerUrl('postgres') })
      await client.connect()
      try {
        await client.query(sql)
      } finally {
        await client.end()
      }
    },
    accepts: async (user, password) => {
      const client = new pg.Client({
        ...{ host, port: 5432, user, password, database: 'postgres' },
        ssl: { rejectUnauthorized: false },
      })
      try {
        await client.connect()
        return true
      } catch {
        return false
      } finally {
        await client.end().catch(() => undefined)
      }
    },
    log: () => log,
    renew: async () => {
      await stop()
      certificates = makeDirectoryCertificates(folder, 'historian.plant.example', host)
      await start()
    },
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Why no MariaDB can run here, or undefined. */
export function whyNoMariadb(): string | undefined {
  if (!existsSync('/usr/sbin/mariadbd')) return 'mariadb-server is not installed (deploy/test-packages.txt)'
  return isRoot() ? undefined : 'a test MariaDB runs as root'
}

/** MariaDB of Debian, which wants TLS of everybody who comes over TCP, and logs every query. */
export async function startMariadb(options: readonly string[] = []): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-sql-'))
  const host = ownLoopback()
  let certificates = makeDirectoryCertificates(folder, 'mes.plant.example', host)
  const data = join(folder, 'data')
  const socket = join(folder, 'socket')
  const logFile = join(folder, 'general.log')
  mkdirSync(data)
  execFileSync(
    'mariadb-install-db',
    [
      '--no-defaults',
      `--datadir=${data}`,
      '--user=root',
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
    ],
    { stdio: 'pipe' },
  )
  let child: ChildProcess | undefined
  const client = (args: readonly string[], sql: string, password = '') =>
    execFileSync('mariadb', ['--no-defaults', ...args, '--batch', '-N'], {
      input: sql,
      env: { ...process.env, MYSQL_PWD: password },
      stdio: ['pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    })
  const start = async () => {
    child = spawn(
      '/usr/sbin/mariadbd',
      [
        ...['--no-defaults', `--datadir=${data}`, '--user=root', `--socket=${socket}`],
        ...[`--bind-address=${host}`, '--port=3306', `--pid-file=${join(folder, 'pid')}`],
        ...[`--ssl-cert=${certificates.files.certificate}`, `--ssl-key=${certificates.files.key}`],
        ...['--require-secure-transport=ON', '--general-log=1', `--general-log-file=${logFile}`],
        ...['--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0', '--skip-name-resolve'],
        ...options,
      ],
      { stdio: 'ignore' },
    )
    await until(() => {
      try {
        client([`--socket=${socket}`, '-uroot'], 'select 1')
        return true
      } catch {
        return undefined
      }
    }, 30_000)
  }
  const stop = async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }
  await start()
  return {
    host,
    port: 3306,
    certificate: () => certificates.certificate,
    run: async (sql) => void client([`--socket=${socket}`, '-uroot'], sql),
    accepts: async (login, password) => {
      try {
        client([`--host=${host}`, '--port=3306', `-u${login}`, '--ssl'], 'select 1', password)
        return true
      } catch {
        return false
      }
    },
    log: () => readFileSync(logFile, 'utf8'),
    renew: async () => {
      await stop()
      certificates = makeDirectoryCertificates(folder, 'mes.plant.example', host)
      await start()
    },
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
