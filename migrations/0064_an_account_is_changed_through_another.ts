import { type Kysely, sql } from 'kysely'

// What is kept in a file of a machine, or in a device behind it, is changed by somebody else who logs in there.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table account_rotation add column through_account_id text
    constraint "an account is changed through another" references account (id)`.execute(db)
  await sql`alter table account_rotation add constraint "nothing is changed through itself"
    check (through_account_id <> account_id)`.execute(db)
  await sql`comment on column account_rotation.through_account_id is
    'Another account of the same host, as which the credential is changed; null: it changes itself.'`.execute(
    db,
  )
}
