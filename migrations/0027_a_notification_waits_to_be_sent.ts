import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table notification (
      id text not null,
      kind text not null,
      channel text not null,
      user_id text,
      address text,
      about text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      state text not null,
      attempts integer not null,
      next_at timestamptz not null,
      ended_at timestamptz,
      error text,
      opened_at timestamptz,
      constraint "a notification has an id" primary key (id),
      constraint "a notification by mail is a user's" foreign key (user_id) references app_user (id),
      constraint "a notification goes by mail to a user, or to the webhook"
        check ((channel = 'mail' and user_id is not null) or (channel = 'webhook' and user_id is null)),
      constraint "a notification waits, or ended in one of three ways"
        check (state in ('waiting', 'sent', 'failed', 'dropped'))
    )`.execute(db)
  await sql`comment on column notification.address is
    'Null: the address that the user has when it is sent.'`.execute(db)
  await sql`create index "notifications that wait" on notification (next_at) where state = 'waiting'`.execute(
    db,
  )
  await sql`
    create table webhook (
      id text not null,
      url text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a webhook has an id" primary key (id),
      constraint "there is one webhook" check (id = 'webhook')
    )`.execute(db)
  await sql`alter table safe
    add column unanswered_minutes integer,
    add column escalate_to text,
    add column session_notices boolean,
    add constraint "unanswered requests go to a user" foreign key (escalate_to) references app_user (id)`.execute(
    db,
  )
  await sql`comment on column safe.unanswered_minutes is 'Null: nobody is reminded of a request.'`.execute(db)
  // Not guarded: it keeps people from being reminded twice.
  await sql`alter table access_request add column reminded_at timestamptz`.execute(db)
  await sql`grant select, insert, update, delete on notification, webhook to tagout_vault`.execute(db)
  await sql`grant update (unanswered_minutes, escalate_to, session_notices) on safe to tagout_vault`.execute(
    db,
  )
}
