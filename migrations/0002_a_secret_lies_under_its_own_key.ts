import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table safe_key (
      safe text not null,
      version integer not null,
      envelope bytea not null,
      created_at timestamptz not null,
      constraint "a safe has one key per version" primary key (safe, version),
      constraint "versions of safe keys begin at one" check (version >= 1)
    )`.execute(db)
  await sql`comment on table safe_key is
    'The key of each safe, wrapped by the root key (docs/envelope-format.md).'`.execute(db)
  await sql`
    create table secret_key (
      account text not null,
      version integer not null,
      safe text not null,
      safe_key_version integer not null,
      envelope bytea not null,
      constraint "a credential version has one data key" primary key (account, version),
      constraint "a data key is wrapped by a key of its safe"
        foreign key (safe, safe_key_version) references safe_key (safe, version),
      constraint "versions of credentials begin at one" check (version >= 1)
    )`.execute(db)
  await sql`comment on table secret_key is
    'The data key of one credential version, wrapped by its safe''s key. Deleting it destroys the version''s secrets.'`.execute(
    db,
  )
  await sql`
    create table secret_payload (
      account text not null,
      version integer not null,
      field text not null,
      kind text not null,
      binding text not null,
      envelope bytea not null,
      constraint "a field is sealed once per version" primary key (account, version, field),
      constraint "a payload has a data key"
        foreign key (account, version) references secret_key (account, version) on delete cascade
    )`.execute(db)
  await sql`comment on table secret_payload is
    'One sealed field of a credential version: a password, a private key, a passphrase.'`.execute(db)
  await sql`grant select, insert on safe_key to tagout_vault`.execute(db)
  await sql`grant select, insert, update, delete on secret_key to tagout_vault`.execute(db)
  await sql`grant select, insert, delete on secret_payload to tagout_vault`.execute(db)
}
