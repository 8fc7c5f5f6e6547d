import { type Kysely, sql } from 'kysely'

// How much the files of one session on a target may carry.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table target add column file_megabytes integer
    constraint files_carry_a_megabyte_at_least check (file_megabytes between 1 and 10000000)`.execute(db)
  await sql`comment on column target.file_megabytes is
    'Megabytes (10^6) that the files of one session may carry, both ways together; null: as usual.'`.execute(
    db,
  )
}
