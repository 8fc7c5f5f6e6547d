import { type Kysely, sql } from 'kysely'

// What takes two people takes two persons: an administrator says which users are one.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table app_user add column same_as text
    constraint "a person is a user" references app_user (id)`.execute(db)
  await sql`comment on column app_user.same_as is
    'The user whom an administrator has said that this one is; null: nobody has.'`.execute(db)
}
