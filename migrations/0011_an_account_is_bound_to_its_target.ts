import { type Kysely, sql } from 'kysely'
import { makeAppendOnly } from './append-only.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table safe (
      id text not null,
      name text not null,
      input_policy text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a safe has an id" primary key (id),
      constraint "an input policy is known" check (input_policy in ('echoed', 'full', 'timing_only'))
    )`.execute(db)
  await sql`create unique index "a name belongs to one safe" on safe (lower(name))`.execute(db)
  await sql`
    create table safe_member (
      safe_id text not null,
      user_id text not null,
      permissions text[] not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a user is a member of a safe once" primary key (safe_id, user_id),
      constraint "a member is of a safe" foreign key (safe_id) references safe (id),
      constraint "a member is a user" foreign key (user_id) references app_user (id)
    )`.execute(db)
  await sql`create index "safes of a user" on safe_member (user_id)`.execute(db)
  await sql`
    create table target (
      id text not null,
      name text not null,
      safe_id text not null,
      protocol text not null,
      host text not null,
      port integer not null,
      pins text not null,
      created_at timestamptz not null,
      removed_at timestamptz,
      changed_key_type text,
      changed_key text,
      changed_key_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a target has an id" primary key (id),
      constraint "a target lies in a safe" foreign key (safe_id) references safe (id),
      constraint "a port is a port" check (port between 1 and 65535)
    )`.execute(db)
  await sql`create unique index "a name belongs to one target" on target (lower(name))
    where removed_at is null`.execute(db)
  await sql`
    create table account (
      id text not null,
      target_id text not null,
      safe_id text not null,
      login text not null,
      created_at timestamptz not null,
      removed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "an account has an id" primary key (id),
      constraint "an account is of a target" foreign key (target_id) references target (id),
      constraint "an account lies in a safe" foreign key (safe_id) references safe (id)
    )`.execute(db)
  await sql`create unique index "a login is one account of a target" on account (target_id, login)
    where removed_at is null`.execute(db)
  await sql`
    create table credential (
      id text not null,
      account_id text not null,
      version integer not null,
      state text not null,
      kind text not null,
      public_key text,
      created_by text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a credential has an id" primary key (id),
      constraint "a credential is of an account" foreign key (account_id) references account (id),
      constraint "a version is written once" unique (account_id, version),
      constraint "a credential is of a known state" check (state in ('candidate', 'current', 'retired')),
      constraint "a key has a public half" check ((kind = 'ssh-key') = (public_key is not null)),
      constraint "a credential is of a known kind" check (kind in ('password', 'ssh-key'))
    )`.execute(db)
  await sql`create unique index "an account has one current credential" on credential (account_id)
    where state = 'current'`.execute(db)
  await sql`create unique index "an account has one candidate" on credential (account_id)
    where state = 'candidate'`.execute(db)
  await sql`
    create table binding (
      id text not null,
      account_id text not null,
      target_id text not null,
      digest bytea not null,
      bound_by text not null,
      bound_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a binding has an id" primary key (id),
      constraint "an account is bound to a target once" unique (account_id, target_id),
      constraint "a binding is of an account" foreign key (account_id) references account (id),
      constraint "a binding is to a target" foreign key (target_id) references target (id)
    )`.execute(db)
  await sql`
    create table exposure (
      id text not null,
      user_id text not null,
      account_id text not null,
      version integer not null,
      at timestamptz not null,
      reason text not null,
      constraint "an exposure has an id" primary key (id),
      constraint "an exposure is to a user" foreign key (user_id) references app_user (id),
      constraint "an exposure is of an account" foreign key (account_id) references account (id)
    )`.execute(db)
  await sql`comment on table exposure is 'Who has ever seen which version of a secret.'`.execute(db)
  await makeAppendOnly(db, 'exposure')
  await sql`grant select, insert on safe, exposure to tagout_vault`.execute(db)
  await sql`grant select, insert, update on target, account, credential to tagout_vault`.execute(db)
  await sql`grant select, insert, update, delete on safe_member, binding to tagout_vault`.execute(db)
}
