import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table safe add column break_glass_minutes integer, add column break_glass_alarms text[]`.execute(
    db,
  )
  await sql`comment on column safe.break_glass_minutes is 'Null: nobody breaks the glass there.'`.execute(db)
  await sql`
    create table break_glass (
      id text not null,
      user_id text not null,
      account_id text not null,
      grant_id text not null,
      reason text not null,
      version integer not null,
      alarmed text[] not null,
      opened_at timestamptz not null,
      ends_at timestamptz not null,
      reviewed_at timestamptz,
      reviewed_by text,
      note text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a break-glass has an id" primary key (id),
      constraint "a break-glass is a user's" foreign key (user_id) references app_user (id),
      constraint "a break-glass is for an account" foreign key (account_id) references account (id),
      constraint "a break-glass has a grant of its own" unique (grant_id),
      constraint "the grant of a break-glass is a grant" foreign key (grant_id) references access_grant (id),
      constraint "a break-glass is reviewed by a user" foreign key (reviewed_by) references app_user (id),
      constraint "nobody reviews their own break-glass" check (reviewed_by is null or reviewed_by <> user_id)
    )`.execute(db)
  await sql`comment on column break_glass.version is
    'Of the secret when it was opened; 0: there was none. A later one means that it was changed since.'`.execute(
    db,
  )
  await sql`alter table session add column break_glass_id text`.execute(db)
  await sql`grant select, insert, update on break_glass to tagout_vault`.execute(db)
  await sql`grant update (break_glass_minutes, break_glass_alarms) on safe to tagout_vault`.execute(db)
}
