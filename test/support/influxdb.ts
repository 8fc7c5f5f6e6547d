import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDirectoryCertificates } from './directory-certificates.ts'
import { until } from './installation.ts'
import { freePorts } from './ports.ts'

/** InfluxDB of Debian, over HTTPS, to those alone who log in. */
export type TestInflux = AsyncDisposable & {
  readonly port: number
  /** Its certificate, PEM. */
  readonly certificate: string
  /** Runs a query as somebody, past Tagout: the status and the answer. */
  readonly query: (login: string, password: string, q: string) => Promise<readonly [number, string]>
  /** All that it wrote. */
  readonly log: () => string
}

/** Why none can run here, or undefined. */
export function whyNoInflux(): string | undefined {
  return existsSync('/usr/bin/influxd') ? undefined : 'influxdb is not installed (deploy/test-packages.txt)'
}

/** Starts one with an administrator. */
export async function startInflux(admin: string, password: string): Promise<TestInflux> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-influx-'))
  const { files, certificate } = makeDirectoryCertificates(folder, 'trends')
  const [port = 0, inner = 0] = await freePorts(2)
  const config = join(folder, 'influxdb.conf')
  writeFileSync(
    config,
    [
      ...['reporting-disabled = true', `bind-address = "127.0.0.1:${inner}"`],
      ...['[meta]', `dir = "${folder}/meta"`],
      ...['[data]', `dir = "${folder}/data"`, `wal-dir = "${folder}/wal"`],
      ...['[http]', `bind-address = "127.0.0.1:${port}"`, 'auth-enabled = true', 'https-enabled = true'],
      ...[`https-certificate = "${files.certificate}"`, `https-private-key = "${files.key}"`],
      ...['[monitor]', 'store-enabled = false', ''],
    ].join('\n'),
  )
  const child: ChildProcess = spawn('/usr/bin/influxd', ['-config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (piece: Buffer) => {
      log += piece.toString()
    })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const ca = readFileSync(files.ca)
  const query: TestInflux['query'] = (login, secret, q) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly [number, string]>()
    const asked = request(
      {
        ...{ host: '127.0.0.1', port, path: '/query', method: 'POST', ca, agent: false },
        ...{ auth: `${login}:${secret}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      },
      (response) => {
        let said = ''
        response.on('data', (piece: Buffer) => {
          said += piece.toString()
        })
        response.once('end', () => resolve([response.statusCode ?? 0, said]))
      },
    )
    asked.once('error', reject)
    asked.end(new URLSearchParams({ q }).toString())
    return promise
  }
  await until(
    () =>
      query('', '', `CREATE USER "${admin}" WITH PASSWORD '${password}' WITH ALL PRIVILEGES`).then(
        ([status]) => (status === 200 ? true : undefined),
        () => undefined,
      ),
    30_000,
  )
  return {
    port,
    certificate,
    query,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}
