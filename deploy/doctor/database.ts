import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { Finding } from './examine.ts'

/** Codes of second factors change each half minute. */
const mostDifferenceMs = 30_000

/**
 * Whether the database answers, and whether its clock and this machine's agree. Nothing where whoever asks may not
 * read how the vault reaches it.
 */
export async function examineDatabase(dataDir: string, now = Date.now): Promise<readonly Finding[]> {
  const url = databaseUrl(dataDir)
  if (url === undefined) return []
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const asked = now()
    const { rows } = await client.query('select extract(epoch from clock_timestamp()) * 1000 as ms')
    // Half of the time that the answer took was the way back.
    const off = Number(rows[0]?.ms) - (asked + now()) / 2
    if (Math.abs(off) <= mostDifferenceMs)
      return [
        { name: 'database', level: 'fine', text: "the database answers, and its clock is this machine's" },
      ]
    const seconds = Math.round(Math.abs(off) / 1000)
    return [
      {
        name: 'database clock',
        level: 'wrong',
        text: `the database's clock is ${seconds} s ${off > 0 ? 'ahead of' : 'behind'} this machine's: grants and the audit log go by both`,
        next: 'set the clock that is wrong, and keep both right with a time server (timedatectl set-ntp true)',
      },
    ]
  } catch (error) {
    // SECURITY: the driver's message may hold the host and the role; the code is enough.
    const code = (error as { code?: string }).code ?? 'unknown'
    return [
      {
        name: 'database',
        level: 'wrong',
        text: `the database does not answer (${code})`,
        next: 'look at what npm start says; with DATABASE_URL: start that server',
      },
    ]
  } finally {
    await client.end().catch(() => undefined)
  }
}

function databaseUrl(dataDir: string): string | undefined {
  try {
    const { databaseUrl: url } = JSON.parse(readFileSync(join(dataDir, 'vault', 'plane.json'), 'utf8')) as {
      readonly databaseUrl?: unknown
    }
    return typeof url === 'string' ? url : undefined
  } catch {
    return undefined
  }
}
