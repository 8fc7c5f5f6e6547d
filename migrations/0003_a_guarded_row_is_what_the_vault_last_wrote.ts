import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table guard (
      guarded text not null,
      counter bigint not null,
      epoch bigint not null,
      row_count bigint not null,
      mac bytea not null,
      constraint "a table has one guard" primary key (guarded),
      constraint "a guard counts upwards" check (counter >= 0 and epoch >= 0 and row_count >= 0),
      constraint "a guard's mac has 32 bytes" check (length(mac) = 32)
    )`.execute(db)
  await sql`comment on table guard is
    'For each guarded table, a MAC over all its rows as the vault last wrote them: shows rows put back, added or taken away.'`.execute(
    db,
  )
  await sql`grant select, insert, update on guard to tagout_vault`.execute(db)
}
