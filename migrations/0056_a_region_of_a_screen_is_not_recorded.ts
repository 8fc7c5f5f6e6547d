import { type Kysely, sql } from 'kysely'

// What of a machine's screen its recordings do not hold.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table target add column mask text`.execute(db)
  await sql`comment on column target.mask is
    'Canonical JSON: regions of its screen that are not recorded, why, and who said so; null: all is recorded.'`.execute(
    db,
  )
}
