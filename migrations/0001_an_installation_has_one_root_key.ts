import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table installation (
      only_row boolean not null default true,
      id text not null,
      root_key_id bytea not null,
      intake_key bytea not null,
      audit_key bytea not null,
      created_at timestamptz not null,
      constraint "there is one installation" primary key (only_row),
      constraint "only_row is true" check (only_row),
      constraint "public keys have 32 bytes" check (length(intake_key) = 32 and length(audit_key) = 32)
    )`.execute(db)
  await sql`comment on table installation is
    'Who this vault is: its id and public keys. The vault derives them again at each unseal and compares.'`.execute(
    db,
  )
  await sql`
    create table seal_wrap (
      id text not null,
      kind text not null,
      parameters text not null,
      envelope bytea not null,
      created_at timestamptz not null,
      constraint "a wrap has an id" primary key (id),
      constraint "a wrap is of a known kind" check (kind in ('passphrase', 'key-file', 'recovery'))
    )`.execute(db)
  await sql`comment on table seal_wrap is
    'The root key, wrapped once for each way to unseal. Any one of them opens the vault.'`.execute(db)
  await sql`grant select, insert on installation to tagout_vault`.execute(db)
  await sql`grant select, insert, delete on seal_wrap to tagout_vault`.execute(db)
}
