import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table session add column login_id text`.execute(db)
  await sql`comment on column session.login_id is
    'The console login from whose browser the session is used; null for a native client.'`.execute(db)
  await sql`
    create table favourite (
      user_id text not null,
      account_id text not null,
      since timestamptz not null,
      constraint "a favourite is kept once" primary key (user_id, account_id),
      constraint "a favourite is a user's" foreign key (user_id) references app_user (id),
      constraint "a favourite is an account" foreign key (account_id) references account (id)
    )`.execute(db)
  await sql`grant select, insert, delete on favourite to tagout_vault`.execute(db)
}
