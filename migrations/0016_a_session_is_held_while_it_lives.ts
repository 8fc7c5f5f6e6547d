import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table session_freeze (
      session_id text not null,
      frozen boolean not null,
      by_name text not null,
      reason text not null,
      at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "the last word on the freeze of a session" primary key (session_id),
      constraint "a freeze is of a session" foreign key (session_id) references session (id)
    )`.execute(db)
  await sql`
    create table hold (
      id text not null,
      user_id text not null,
      target_id text not null,
      safe_id text not null,
      session_id text not null,
      reason text not null,
      held_by text not null,
      created_at timestamptz not null,
      until timestamptz not null,
      released_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a hold has an id" primary key (id),
      constraint "a hold is on a user" foreign key (user_id) references app_user (id),
      constraint "a hold is off a target" foreign key (target_id) references target (id),
      constraint "a hold comes of a session" foreign key (session_id) references session (id)
    )`.execute(db)
  await sql`create index "holds on a user" on hold (user_id, target_id) where released_at is null`.execute(db)
  // Who watches is told to who is watched, unless the safe says otherwise. Null: never set.
  await sql`alter table safe add column watch_notice boolean`.execute(db)
  await sql`grant select, insert, update on session_freeze, hold to tagout_vault`.execute(db)
}
