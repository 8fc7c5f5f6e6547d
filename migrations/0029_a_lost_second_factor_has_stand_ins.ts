import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table recovery_code (
      id text not null,
      user_id text not null,
      hash bytea not null,
      created_at timestamptz not null,
      used_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a recovery code has an id" primary key (id),
      constraint "a recovery code is a user's" foreign key (user_id) references app_user (id),
      constraint "a recovery code stands in once" unique (hash)
    )`.execute(db)
  await sql`create index "recovery codes of a user" on recovery_code (user_id)`.execute(db)
  await sql`grant select, insert, update, delete on recovery_code to tagout_vault`.execute(db)
  // Whoever has signed in from a source before is not kept out there by those who guess elsewhere.
  await sql`create index "where a user has signed in" on login (user_id, source)`.execute(db)
}
