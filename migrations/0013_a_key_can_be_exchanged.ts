import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table seal_wrap
      add column box_key bytea,
      add column key_box bytea,
      add column root_version integer not null default 1,
      drop constraint "a wrap is of a known kind",
      add constraint "a wrap is of a known kind" check (
        kind in ('passphrase', 'key-file', 'recovery', 'custodians', 'pkcs11', 'plug-in')
      ),
      add constraint "box keys have 32 bytes" check (length(box_key) = 32)`.execute(db)
  await sql`grant update (envelope, box_key, key_box, root_version) on seal_wrap to tagout_vault`.execute(db)

  await sql`
    create table root_key (
      version integer not null,
      key_id bytea not null,
      base_key bytea not null,
      previous bytea,
      created_at timestamptz not null,
      constraint "a root key has a version" primary key (version),
      constraint "versions of root keys begin at one" check (version >= 1)
    )`.execute(db)
  await sql`comment on table root_key is
    'What the root key opens besides the keys of safes: the base key, and the root before it while anything is still wrapped by that.'`.execute(
    db,
  )
  await sql`grant select, insert, update, delete on root_key to tagout_vault`.execute(db)

  await sql`
    create table seal_set (
      only_row boolean not null default true,
      generation integer not null,
      mac bytea not null,
      constraint "there is one set of seals" primary key (only_row),
      constraint "only_row is true" check (only_row)
    )`.execute(db)
  await sql`comment on table seal_set is
    'The vault''s MAC over all ways to unseal it and all versions of its root key: none can be added, changed or put back.'`.execute(
    db,
  )
  await sql`grant select, insert, update on seal_set to tagout_vault`.execute(db)

  await sql`alter table safe_key add column root_version integer not null default 1`.execute(db)
  await sql`grant update (envelope, root_version), delete on safe_key to tagout_vault`.execute(db)
  await sql`create index secret_key_by_safe_key on secret_key (safe, safe_key_version)`.execute(db)

  await sql`
    create table key_rotation (
      id text not null,
      what text not null,
      safe text not null default '',
      to_version integer not null,
      total integer not null,
      done integer not null default 0,
      started_by text not null,
      started_at timestamptz not null,
      finished_at timestamptz,
      constraint "a key rotation has an id" primary key (id),
      constraint "the root or a safe is rotated" check (what in ('root', 'safe') and (what = 'safe') = (safe <> ''))
    )`.execute(db)
  await sql`create unique index "one rotation of a key at a time"
    on key_rotation (what, safe) where finished_at is null`.execute(db)
  await sql`comment on table key_rotation is
    'How far the exchange of a key has come. What is left to do is told by the wrapped keys themselves.'`.execute(
    db,
  )
  await sql`grant select, insert, update on key_rotation to tagout_vault`.execute(db)
}
