import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { PreparingClient } from './preparing-client.ts'
import type { Database } from './tables.ts'

const int8Oid = 20

export type DatabaseOptions = {
  /** Connections at most. Default 10. */
  readonly connections?: number
  /** Told of connections that broke while nobody used them. */
  readonly onFault?: (error: Error) => void
}

/**
 * Opens the database. Whole numbers of 64 bits arrive as `number`; one that does not fit throws `RangeError`.
 * Close with `destroy()`.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Kysely<Database> {
  const pool = new pg.Pool({
    Client: PreparingClient,
    connectionString: url,
    max: options.connections ?? 10,
    application_name: 'tagout-vault',
    statement_timeout: 60_000,
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser },
  })
  // Without a listener a connection that breaks while idle would end the process.
  pool.on('error', (error) => options.onFault?.(error))
  // The pool listens to idle connections only. One that breaks within a transaction, between two statements, would
  // end the process too; there the next statement tells.
  pool.on('connect', (client) => client.on('error', () => {}))
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === int8Oid && format !== 'binary' ? wholeNumber : pg.types.getTypeParser(oid, format as 'text')

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('a whole number of the database is too large')
  return value
}
