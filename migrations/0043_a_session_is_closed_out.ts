import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table safe add column close_out text
    constraint "a close-out is asked or required" check (close_out in ('asked', 'required'))`.execute(db)
  await sql`comment on column safe.close_out is 'Null: nobody is asked what they did.'`.execute(db)
  await sql`
    create table close_out (
      session_id text not null,
      lease_id text not null,
      user_id text not null,
      account_id text not null,
      safe_id text not null,
      opened_at timestamptz not null,
      filled_at timestamptz,
      result text,
      done text,
      left_behind text,
      work_order text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a close-out is of a session" primary key (session_id),
      constraint "the session of a close-out is a session" foreign key (session_id) references session (id),
      constraint "a close-out is a user's" foreign key (user_id) references app_user (id),
      constraint "a close-out has one of three results" check (result in ('done', 'not done', 'follow-up')),
      constraint "a close-out is filled whole"
        check ((filled_at is null) = (result is null) and (filled_at is null) = (done is null))
    )`.execute(db)
  await sql`create index "close-outs that a user owes" on close_out (user_id, safe_id) where filled_at is null`.execute(
    db,
  )
  await sql`create unique index "a check-out is closed out by one form at a time"
    on close_out (lease_id) where filled_at is null`.execute(db)
  await sql`alter table session add column ended_by text, add column ended_why text`.execute(db)
  await sql`comment on column session.ended_by is 'Who terminated it; null: nobody did.'`.execute(db)
  await sql`grant select, insert, update on close_out to tagout_vault`.execute(db)
  await sql`grant update (close_out) on safe to tagout_vault`.execute(db)
  await sql`grant update (ended_by, ended_why) on session to tagout_vault`.execute(db)
}
