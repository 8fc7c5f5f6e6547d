import { type Kysely, sql } from 'kysely'

// By whose login, of SSH on the same machine, files go beside the desktop of an account.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table desktop_files (
      account_id text not null,
      files_account_id text not null,
      digest bytea not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "files go beside a desktop by one login" primary key (account_id),
      constraint "files go beside the desktop of an account" foreign key (account_id) references account (id),
      constraint "files go by the login of an account" foreign key (files_account_id) references account (id),
      constraint "files go by the login of another account" check (account_id <> files_account_id),
      constraint "what files go beside has a SHA-256" check (octet_length(digest) = 32)
    )`.execute(db)
  await sql`comment on table desktop_files is
    'By whose login files go beside sessions of an account: of its target as it was then.'`.execute(db)
  await sql`create index "desktops by the account of their files" on desktop_files (files_account_id)`.execute(
    db,
  )
  await sql`grant select, insert, update, delete on desktop_files to tagout_vault`.execute(db)
}
