import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table access_grant (
      id text not null,
      user_id text not null,
      account_id text not null,
      actions text[] not null,
      not_before timestamptz not null,
      not_after timestamptz not null,
      max_session_seconds integer not null,
      mode text not null,
      reason text not null,
      granted_by text not null,
      created_at timestamptz not null,
      revoked_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a grant has an id" primary key (id),
      constraint "a grant is a user's" foreign key (user_id) references app_user (id),
      constraint "a grant is for an account" foreign key (account_id) references account (id),
      constraint "a grant ends after it begins" check (not_after > not_before),
      constraint "a grant is shared or exclusive" check (mode in ('shared', 'exclusive'))
    )`.execute(db)
  await sql`create index "grants of a user" on access_grant (user_id, account_id)`.execute(db)
  await sql`create index "grants for an account" on access_grant (account_id)`.execute(db)

  // Equality and inequality of text in an exclusion constraint need operator classes of this trusted extension.
  await sql`create extension if not exists btree_gist with schema public`.execute(db)
  await sql`create sequence lease_place as integer maxvalue 2147483646 cycle`.execute(db)
  await sql`
    create table lease (
      id text not null,
      account_id text not null,
      user_id text not null,
      exclusive boolean not null,
      explicit boolean not null,
      claim int4range not null,
      since timestamptz not null,
      until timestamptz,
      ended_at timestamptz,
      constraint "a lease has an id" primary key (id),
      constraint "a lease is of an account" foreign key (account_id) references account (id),
      constraint "a lease is held by a user" foreign key (user_id) references app_user (id),
      constraint "an exclusive lease claims the whole account" check (exclusive = (claim = int4range(0, null))),
      constraint "nobody else holds what is held exclusively" exclude using gist
        (account_id with =, user_id with <>, claim with &&) where (ended_at is null)
    )`.execute(db)
  await sql`comment on column lease.claim is
    'Exclusive: everything. Shared: one place of its own, so that those who share do not overlap.'`.execute(
    db,
  )
  await sql`create unique index "a user holds an account once" on lease (account_id, user_id)
    where ended_at is null`.execute(db)
  await sql`create index "leases that end" on lease (until) where ended_at is null`.execute(db)
  await sql`
    create table session (
      id text not null,
      recording_id text not null,
      user_id text not null,
      account_id text not null,
      target_id text not null,
      safe_id text not null,
      grant_id text not null,
      lease_id text not null,
      user_name text not null,
      account_name text not null,
      target_name text not null,
      protocol text not null,
      source text not null,
      node text not null,
      worker text not null,
      state text not null,
      credential_set_by_other boolean not null,
      policy_digest text not null,
      started_at timestamptz not null,
      ends_at timestamptz not null,
      ended_at timestamptz,
      end_reason text,
      released_at timestamptz,
      header_hash bytea,
      public_key bytea,
      constraint "a session has an id" primary key (id),
      constraint "a session has one recording" unique (recording_id),
      constraint "a session is under a grant" foreign key (grant_id) references access_grant (id),
      constraint "a session is under a lease" foreign key (lease_id) references lease (id),
      constraint "a session is of a known state" check (state in ('opening', 'live', 'ended')),
      constraint "an ended session says when and why"
        check ((state = 'ended') = (ended_at is not null) and (state = 'ended') = (end_reason is not null)),
      constraint "nothing is released before the header is durable"
        check (released_at is null or header_hash is not null)
    )`.execute(db)
  await sql`create index "sessions that are not ended" on session (lease_id) where state <> 'ended'`.execute(
    db,
  )
  await sql`create index "sessions by time" on session (started_at desc)`.execute(db)
  await sql`create index "sessions of a user" on session (user_id, started_at desc)`.execute(db)
  await sql`
    create table recording (
      id text not null,
      session_id text not null,
      state text not null,
      size_bytes bigint not null,
      root bytea,
      checkpoint bytea,
      checkpoint_at timestamptz,
      constraint "a recording has an id" primary key (id),
      constraint "a recording is of a session" foreign key (session_id) references session (id),
      constraint "a session is recorded once" unique (session_id),
      constraint "a recording is of a known state"
        check (state in ('recording', 'complete', 'incomplete', 'tampered'))
    )`.execute(db)
  await sql`grant select, insert, update on access_grant, lease, session, recording to tagout_vault`.execute(
    db,
  )
  await sql`grant usage on sequence lease_place to tagout_vault`.execute(db)
}
