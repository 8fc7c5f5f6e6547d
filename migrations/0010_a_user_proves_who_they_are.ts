import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table app_user (
      id text not null,
      name text not null,
      roles text[] not null,
      state text not null,
      password_salt bytea,
      password_hash bytea,
      totp bytea,
      credential_set_by_other_at timestamptz,
      created_at timestamptz not null,
      totp_last_step bigint not null default 0,
      last_login_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a user has an id" primary key (id),
      constraint "a user is of a known state" check (state in ('enrolling', 'active', 'disabled')),
      constraint "a password has a salt" check ((password_salt is null) = (password_hash is null))
    )`.execute(db)
  // Names that differ in case alone would let one person pass for another.
  await sql`create unique index "a name belongs to one user" on app_user (lower(name))`.execute(db)
  await sql`
    create table user_key (
      id text not null,
      user_id text not null,
      type text not null,
      blob bytea not null,
      fingerprint text not null,
      comment text not null,
      added_by text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a key has an id" primary key (id),
      constraint "a key belongs to a user" foreign key (user_id) references app_user (id),
      constraint "a user has a key once" unique (user_id, fingerprint)
    )`.execute(db)
  await sql`
    create table enrolment (
      id text not null,
      user_id text not null,
      token_hash bytea not null,
      totp bytea not null,
      resets boolean not null,
      issued_by text not null,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      used_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "an enrolment has an id" primary key (id),
      constraint "an enrolment is for a user" foreign key (user_id) references app_user (id),
      constraint "a link opens one enrolment" unique (token_hash)
    )`.execute(db)
  await sql`create index "enrolments of a user" on enrolment (user_id)`.execute(db)
  await sql`
    create table login (
      id text not null,
      user_id text,
      uid integer,
      kind text not null,
      token_hash bytea not null,
      source text not null,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      ended_at timestamptz,
      last_seen_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a login has an id" primary key (id),
      constraint "a login is a user's" foreign key (user_id) references app_user (id),
      constraint "a login is of a known kind" check (kind in ('console', 'replay', 'local')),
      constraint "a login is a user's or the machine administrator's" check ((user_id is null) = (kind = 'local')),
      constraint "a token opens one login" unique (token_hash)
    )`.execute(db)
  await sql`create index "open logins of a user" on login (user_id) where ended_at is null`.execute(db)
  await sql`
    create table ssh_connection (
      hash bytea not null,
      at timestamptz not null,
      constraint "a connection proves a user once" primary key (hash)
    )`.execute(db)
  await sql`comment on table ssh_connection is
    'SHA-256 of the session ids of SSH connections that gave a proof: none of them gives another.'`.execute(
    db,
  )
  await sql`
    create table auditor_list (
      version text not null,
      body bytea not null,
      signature bytea not null,
      appended_by text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a list has a version" primary key (version)
    )`.execute(db)
  await sql`comment on table auditor_list is
    'The chain of auditor lists, each signed by somebody on the one before. Recorders pin it.'`.execute(db)
  await sql`grant select, insert, update on app_user, enrolment, login to tagout_vault`.execute(db)
  await sql`grant select, insert, update, delete on user_key to tagout_vault`.execute(db)
  await sql`grant select, insert on ssh_connection, auditor_list to tagout_vault`.execute(db)
}
