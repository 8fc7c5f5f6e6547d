import pg from 'pg'
import { Fault } from '../../vault/kernel/fault.ts'

/** Rows and bytes of one page of a table at most. */
const pageRows = 500
const pageBytes = 4 * 1024 * 1024

/** Bookkeeping of the migrations, which a restore writes anew. */
const bookkeeping = ['migration', 'migration_lock', 'migration_checksum']

/** What a table looks like, as far as its rows' way in is concerned. */
type Table = { readonly name: string; readonly columns: readonly string[] }

/** A counter of the database: the last number that it gave, null where none. */
export type Sequence = { readonly name: string; readonly last: number | null }

/** Reads the whole database as it is at one moment. */
export class Snapshot implements AsyncDisposable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async open(ownerUrl: string): Promise<Snapshot> {
    const client = await connect(ownerUrl)
    await client.query('begin isolation level repeatable read read only')
    // Times as they are kept, whatever the server's own settings.
    await client.query(`set local timezone = 'UTC'`)
    return new Snapshot(client)
  }

  /** The migrations that made this schema, with their checksums, in order. */
  async migrations(): Promise<readonly { readonly name: string; readonly sha256: string }[]> {
    const { rows: found } = await this.#client.query<{ found: boolean }>(
      `select to_regclass('migration_checksum') is not null as found`,
    )
    if (found[0]?.found !== true) return []
    const { rows } = await this.#client.query<{ name: string; sha256: string }>(
      'select name, sha256 from migration_checksum order by name',
    )
    return rows
  }

  async tables(): Promise<readonly string[]> {
    return (await tablesOf(this.#client)).map((table) => table.name)
  }

  /** The counters. They know no transactions: one may stand a little further than the rows say, never less. */
  async sequences(): Promise<readonly Sequence[]> {
    const { rows } = await this.#client.query<{ name: string; last: string | null }>(
      `select sequencename as name, last_value as last from pg_sequences where schemaname = 'public' order by 1`,
    )
    return rows.map(({ name, last }) => ({ name, last: last === null ? null : Number(last) }))
  }

  /** The rows of a table as lines of JSON, in pages. */
  async *pages(table: string): AsyncGenerator<string> {
    const name = this.#client.escapeIdentifier(table)
    await this.#client.query(
      `declare page no scroll cursor for select to_jsonb(row)::text as line from ${name} as row`,
    )
    let lines = ''
    for (;;) {
      const { rows } = await this.#client.query<{ line: string }>(`fetch ${pageRows} from page`)
      for (const { line } of rows) {
        lines += `${line}\n`
        if (lines.length >= pageBytes) {
          yield lines
          lines = ''
        }
      }
      if (rows.length === 0) break
      if (lines !== '') yield lines
      lines = ''
    }
    await this.#client.query('close page')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

/** Writes rows into an empty, migrated database: all of them, or none. */
export class Loader implements AsyncDisposable {
  readonly #client: pg.Client
  readonly #tables: ReadonlyMap<string, Table>
  /** Order in which tables are filled: none before those that it refers to. */
  readonly order: readonly string[]

  private constructor(client: pg.Client, tables: readonly Table[]) {
    this.#client = client
    this.#tables = new Map(tables.map((table) => [table.name, table]))
    this.order = tables.map((table) => table.name)
  }

  static async open(ownerUrl: string): Promise<Loader> {
    const client = await connect(ownerUrl)
    await client.query('begin')
    return new Loader(client, await tablesOf(client))
  }

  /** Inserts one page of lines as `Snapshot.pages` gave it. */
  async load(tableName: string, lines: string): Promise<number> {
    const table = this.#tables.get(tableName)
    if (table === undefined) throw new Fault('database', `this version has no table ${tableName}`)
    const name = this.#client.escapeIdentifier(table.name)
    const columns = table.columns.map((column) => this.#client.escapeIdentifier(column)).join(', ')
    const rows = `[${lines.trimEnd().split('\n').join(',')}]`
    const { rowCount } = await this.#client.query(
      `insert into ${name} (${columns}) overriding system value
       select ${columns} from jsonb_populate_recordset(null::${name}, $1::jsonb)`,
      [rows],
    )
    return rowCount ?? 0
  }

  /** Sets the counters to where they stood, and commits. */
  async finish(sequences: readonly Sequence[]): Promise<void> {
    for (const { name, last } of sequences) {
      if (last === null) continue
      const { rowCount } = await this.#client.query(
        `select setval(to_regclass(quote_ident($1)), $2::bigint) from pg_sequences
         where schemaname = 'public' and sequencename = $1`,
        [name, last],
      )
      if (rowCount !== 1) throw new Fault('database', `this version has no counter ${name}`)
    }
    await this.#client.query('commit')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'tagout-backup' })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** All tables of ours, each after those that its foreign keys refer to. */
async function tablesOf(client: pg.Client): Promise<readonly Table[]> {
  const { rows } = await client.query<Table>(
    `select c.relname as name,
       array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname <> all ($1)
     group by c.relname
     order by c.relname`,
    [bookkeeping],
  )
  const { rows: references } = await client.query<{ from: string; to: string }>(
    `select conrelid::regclass::text as from, confrelid::regclass::text as to
     from pg_constraint where contype = 'f' and conrelid <> confrelid`,
  )
  const ordered: Table[] = []
  let waiting = rows
  while (waiting.length > 0) {
    const names = new Set(waiting.map((table) => table.name))
    const ready = waiting.filter(
      (table) => !references.some((edge) => edge.from === table.name && names.has(edge.to)),
    )
    if (ready.length === 0) throw new Fault('database', 'tables refer to one another in a circle')
    ordered.push(...ready)
    waiting = waiting.filter((table) => !ready.includes(table))
  }
  return ordered
}
