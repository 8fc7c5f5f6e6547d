import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table passkey (
      id text not null,
      user_id text not null,
      credential text not null,
      public_key bytea not null,
      rp_id text not null,
      name text not null,
      counter bigint not null,
      created_at timestamptz not null,
      last_used_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a passkey has an id" primary key (id),
      constraint "a passkey is a user's" foreign key (user_id) references app_user (id),
      constraint "a passkey is known once" unique (credential)
    )`.execute(db)
  await sql`create index "passkeys of a user" on passkey (user_id)`.execute(db)
  await sql`grant select, insert, update, delete on passkey to tagout_vault`.execute(db)
}
