import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table user_mail (
      user_id text not null,
      address text not null,
      notices text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a user has one mail address" primary key (user_id),
      constraint "a mail address is a user's" foreign key (user_id) references app_user (id),
      constraint "a user is told everything, or what concerns security" check (notices in ('all', 'security'))
    )`.execute(db)
  await sql`grant select, insert, update, delete on user_mail to tagout_vault`.execute(db)
}
