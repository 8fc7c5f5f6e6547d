import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table directory (
      id text not null,
      name text not null,
      kind text not null,
      settings text not null,
      secret bytea,
      mappings text not null,
      sync_minutes integer not null,
      added_by text not null,
      added_at timestamptz not null,
      removed_at timestamptz,
      last_sync_at timestamptz,
      last_try_at timestamptz,
      last_fault text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a directory has an id" primary key (id),
      constraint "a directory speaks LDAP or OpenID Connect" check (kind in ('ldap', 'oidc'))
    )`.execute(db)
  await sql`create unique index "directories have names of their own"
    on directory (lower(name)) where removed_at is null`.execute(db)
  await sql`comment on column directory.settings is 'Canonical JSON, as its kind has it.'`.execute(db)
  await sql`comment on column directory.secret is 'What Tagout proves itself with there, sealed; null: nothing.'`.execute(
    db,
  )
  await sql`comment on column directory.sync_minutes is '0: by hand alone.'`.execute(db)
  await sql`comment on column directory.last_fault is
    'Not guarded, as the two moments before it: shown, and nothing is decided by it.'`.execute(db)
  await sql`
    create table directory_user (
      user_id text not null,
      directory_id text not null,
      subject text not null,
      login text not null,
      given_roles text[] not null,
      policy_groups text[] not null,
      state text not null,
      seen_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a directory knows a user once" primary key (user_id),
      constraint "the user that a directory knows is a user" foreign key (user_id) references app_user (id),
      constraint "a user is of a directory" foreign key (directory_id) references directory (id),
      constraint "an entry of a directory is one user" unique (directory_id, subject),
      constraint "an entry is there, disabled or gone" check (state in ('present', 'disabled', 'gone'))
    )`.execute(db)
  await sql`comment on column directory_user.subject is
    'What stays when the entry is renamed, and is never given twice: entryUUID, objectGUID, sub.'`.execute(db)
  await sql`comment on column directory_user.given_roles is 'Roles that its groups gave when it was last seen.'`.execute(
    db,
  )
  await sql`
    create table directory_group (
      name text not null,
      members text[] not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a group of the policy has members of directories once" primary key (name)
    )`.execute(db)
  await sql`comment on table directory_group is
    'Members that directories give to groups of the policy, by the name of the group in small letters.'`.execute(
    db,
  )
  await sql`grant select, insert, update on directory, directory_user, directory_group to tagout_vault`.execute(
    db,
  )
}
