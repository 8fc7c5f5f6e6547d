import { type Kysely, sql } from 'kysely'

// What is kept in a file of a machine, or in a device behind it, is changed by somebody else who logs in there.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table account_rotation add column through_account_id text
    constraint "an account is changed through another" references account (id)`.execute(db)
  await sql`alter table account_rotation add constraint "nothing is changed through itself"
    check (through_account_id <> account_id)`.execute(db)
  await sql`alter table account_rotation add column told text, add column told_at timestamptz,
    add constraint "what was told was told at a moment" check ((told is null) = (told_at is null))`.execute(
    db,
  )
  await sql`comment on column account_rotation.told is
    'Canonical JSON: which passwords its machine said that it takes; null: it was not asked, or does not say.'`.execute(
    db,
  )
  await sql`alter table rotation_run drop constraint "nothing is done to a target before the candidate is durable"`.execute(
    db,
  )
  await sql`alter table rotation_run add constraint "nothing is done to a target before the candidate is durable"
    check (kind = 'verify' or phase in ('waiting', 'asking', 'cancelled', 'failed') or version is not null)`.execute(
    db,
  )
  await sql`comment on column account_rotation.through_account_id is
    'Another account of the same host, as which the credential is changed; null: it changes itself.'`.execute(
    db,
  )
}
