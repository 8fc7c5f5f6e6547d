import { type Kysely, sql } from 'kysely'

// Another account that holds the same secret takes the new one by a run of its own, for the task of that place. An account
// is rotated by a schedule too, and at once where its secret has leaked.
export async function up(db: Kysely<unknown>): Promise<void> {
  // No foreign key: a task is of a run already, and tables are backed up and put back in the order of what they refer to.
  await sql`alter table rotation_run add column for_task text`.execute(db)
  await sql`comment on column rotation_run.for_task is
    'The task of the place that takes the secret of another account by this run; null: it makes its own.'`.execute(
    db,
  )
  await sql`alter table rotation_task add column place_account_id text
    constraint "a place may be an account" references account (id)`.execute(db)
  await sql`alter table rotation_task add constraint "an account is a place of another"
    check (place_account_id is null or (kind = 'place' and place_account_id <> account_id))`.execute(db)
  await sql`alter table account_rotation
    add column schedule text,
    add column schedule_zone text,
    add column leak_at_once boolean`.execute(db)
  await sql`alter table account_rotation add constraint "a schedule is of a zone"
    check ((schedule is null) = (schedule_zone is null))`.execute(db)
}
