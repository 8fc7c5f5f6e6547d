import { type Kysely, sql } from 'kysely'

// Whose secrets are typed into the desktop of an account on its user's act, and that they were.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table type_in (
      account_id text not null,
      secret_account_id text not null,
      digest bytea not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a secret is linked to a desktop once" primary key (account_id, secret_account_id),
      constraint "a linked secret is typed for an account" foreign key (account_id) references account (id),
      constraint "a linked secret is of an account" foreign key (secret_account_id) references account (id),
      constraint "a linked secret is of another account" check (account_id <> secret_account_id),
      constraint "a linked secret has a SHA-256" check (octet_length(digest) = 32)
    )`.execute(db)
  await sql`comment on table type_in is
    'Whose secrets are typed into sessions of an account on their user''s act: into its target as it was then.'`.execute(
    db,
  )
  await sql`create index "linked secrets by account" on type_in (secret_account_id)`.execute(db)
  await sql`grant select, insert, update, delete on type_in to tagout_vault`.execute(db)
  await sql`alter table exposure add column session_id text`.execute(db)
  await sql`comment on column exposure.session_id is
    'The session into whose desktop it was typed; null: it was shown otherwise.'`.execute(db)
}
