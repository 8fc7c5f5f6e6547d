import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Database,
  prepareDatabase,
  requireGivenDatabase,
  useGivenDatabase,
} from '../../../deploy/supervisor/database.ts'
import type { InstallationSecrets } from '../../../deploy/supervisor/plane-files.ts'
import { migrations } from '../../../migrations/index.ts'
import { migrate } from '../../../migrations/migrate.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'

const plane = (name: string) => ({ privateKey: '', publicKey: '', password: `password-of-${name}` })
const secrets: InstallationSecrets = {
  owner: '',
  vault: plane('vault'),
  recorder: plane('recorder'),
  rotation: plane('rotation'),
  api: plane('api'),
}
const folder = mkdtempSync(join(tmpdir(), 'tagout-db-'))
const backups = join(folder, 'backups')
let postgres: TestPostgres
beforeAll(async () => {
  for (const name of ['backups', 'vault', 'recorder', 'rotation', 'api']) mkdirSync(join(folder, name))
  postgres = await startTestPostgres({ migrated: false })
})
afterAll(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true })
})

const database = (ownerUrl: string): Database => ({
  ownerUrl,
  planeUrl: () => '',
  pid: () => undefined,
  stop: async () => undefined,
})

test('a new database is migrated without a backup, and a second start changes nothing', async () => {
  const url = await postgres.emptyDatabase('fresh')
  const said: string[] = []
  await prepareDatabase(database(url), folder, secrets, (line) => said.push(line))
  expect(said).toEqual([expect.stringMatching(/^applied \d+ migrations$/)])
  await prepareDatabase(database(url), folder, secrets, (line) => said.push(line))
  expect(said).toHaveLength(1)
  expect(readdirSync(backups)).toEqual([])
})

test('a database that has something in it is backed up before the next migration', async () => {
  const url = await postgres.emptyDatabase('older')
  const earlier = Object.fromEntries(Object.entries(migrations).slice(0, -1))
  await migrate(url, earlier)
  const said: string[] = []
  await prepareDatabase(database(url), folder, secrets, (line) => said.push(line))
  expect(said[0]).toContain('1 migration to apply; backing up to')
  expect(said[1]).toBe('applied 1 migration')
  expect(readdirSync(backups)).toEqual([expect.stringMatching(/^before-migrations-.*\.tar$/)])
})

test('with DATABASE_URL each plane gets its own role on that server', async () => {
  const url = await postgres.emptyDatabase('given')
  await requireGivenDatabase(url)
  const given = useGivenDatabase(url, secrets)
  await prepareDatabase(given, folder, secrets, () => undefined)
  for (const name of ['vault', 'recorder', 'rotation', 'api'] as const) {
    const client = new pg.Client({ connectionString: given.planeUrl(name) })
    await client.connect()
    const { rows } = await client.query('select current_user as name, current_database() as database')
    expect(rows[0]).toEqual({ name: `tagout_${name}`, database: 'given' })
    await client.end()
  }
})

test('a server that does not answer, and a role that may not make roles, get a sentence with the fix', async () => {
  await expect(requireGivenDatabase('postgresql://o:hunter22@127.0.0.1:1/x')).rejects.toThrow(
    'the server of DATABASE_URL does not answer (ECONNREFUSED): correct it or start the server',
  )
  const url = new URL(await postgres.emptyDatabase('poor'))
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  await client.query("create role poor login password 'poor'")
  await client.query('grant connect on database poor to poor')
  await client.end()
  url.username = 'poor'
  url.password = 'poor'
  await expect(requireGivenDatabase(url.href)).rejects.toThrow(
    'the role of DATABASE_URL may not make roles: alter role … createrole, or give another',
  )
})
