import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../vault/db/open.ts'
import { startTestPostgres } from '../../support/postgres.ts'

test('a statement is prepared once, and one with a long list not at all', async () => {
  await using postgres = await startTestPostgres()
  const database = openDatabase(postgres.urls.vault, { connections: 1 })
  try {
    const prepared = async () =>
      (await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(database)).rows
        .map(({ statement }) => statement)
        .filter((statement) => statement.includes('"safe"'))
    const ask = (count: number) =>
      database
        .selectFrom('safe')
        .select('id')
        .where(
          'name',
          'in',
          Array.from({ length: count }, (_, at) => `safe-${at}`),
        )
        .execute()
    for (let time = 0; time < 3; time += 1) await ask(2)
    expect(await prepared()).toHaveLength(1)
    for (let length = 41; length < 60; length += 1) await ask(length)
    expect(await prepared()).toHaveLength(1)
  } finally {
    await database.destroy()
  }
})
