import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // What ended before is not judged: rules look at what happens from now on, and at the past only as what was usual.
  await sql`alter table session add column judged text not null default 'ended'`.execute(db)
  await sql`update session set judged = 'no' where state <> 'ended'`.execute(db)
  await sql`alter table session alter column judged set default 'no',
    add constraint "rules look at a session twice" check (judged in ('no', 'begun', 'ended'))`.execute(db)
  await sql`comment on column session.judged is
    'How far the rules of risk have looked at it: when it has begun, and when it has ended.'`.execute(db)
  await sql`create index "sessions that rules have to look at" on session (started_at) where judged <> 'ended'`.execute(
    db,
  )
  await sql`create index "sessions of an account" on session (account_id, started_at desc)`.execute(db)
  await sql`
    create table risk_mark (
      id text not null,
      rule text not null,
      user_id text not null,
      user_name text not null,
      account_id text not null,
      account_name text not null,
      session_id text,
      exposure_id text,
      why text not null,
      facts text not null,
      at timestamptz not null,
      found_at timestamptz not null,
      reviewer_id text,
      reviewer_name text,
      reviewed_at timestamptz,
      finding text,
      note text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a mark has an id" primary key (id),
      constraint "a rule marks a session once" unique (session_id, rule),
      constraint "a rule marks a secret that was seen once" unique (exposure_id, rule),
      constraint "a mark is of a session or of a secret that was seen" check (num_nonnulls(session_id, exposure_id) = 1),
      constraint "a mark's session is one" foreign key (session_id) references session (id),
      constraint "a mark's exposure is one" foreign key (exposure_id) references exposure (id),
      constraint "a mark is of a user" foreign key (user_id) references app_user (id),
      constraint "a mark is reviewed whole or not at all"
        check (num_nulls(reviewer_id, reviewer_name, reviewed_at, finding, note) in (0, 5)),
      constraint "nobody reviews a mark of their own" check (reviewer_id <> user_id),
      constraint "a finding is one that there is" check (finding in ('explained', 'follow-up'))
    )`.execute(db)
  await sql`comment on table risk_mark is
    'Something out of the ordinary, as a rule found it: why, the facts it looked at, and what somebody found who looked.'`.execute(
    db,
  )
  await sql`create index "marks that nobody has reviewed" on risk_mark (id) where reviewed_at is null`.execute(
    db,
  )
  await sql`
    create table risk_settings (
      id text not null,
      settings text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "there are settings of risk once" primary key (id),
      constraint "the settings of risk have this id" check (id = 'risk')
    )`.execute(db)
  await sql`comment on table risk_settings is 'By what sessions and secrets are marked; no row: as usual.'`.execute(
    db,
  )
  await sql`grant select, insert, update on risk_mark, risk_settings to tagout_vault`.execute(db)
  await sql`grant update (judged) on session to tagout_vault`.execute(db)
}
