import { type Kysely, sql } from 'kysely'

// How many rotations go on at a time, and begin within an hour: at a machine, in a safe, in all.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table rotation_limit (
      id text not null,
      safe_id text,
      target_id text,
      abreast integer,
      per_hour integer,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a limit of rotations has an id" primary key (id),
      constraint "a limit of rotations is on a safe" foreign key (safe_id) references safe (id),
      constraint "a limit of rotations is on a target" foreign key (target_id) references target (id),
      constraint "a limit of rotations is of one place" check (safe_id is null or target_id is null),
      constraint "something goes on at a time" check (abreast >= 1),
      constraint "something begins within an hour" check (per_hour >= 1)
    )`.execute(db)
  await sql`comment on table rotation_limit is
    'How many rotations go on at a time, and begin within an hour, on a target or in a safe; of neither: in all. Null: nobody has said.'`.execute(
    db,
  )
  await sql`create unique index "a place has one limit" on rotation_limit (coalesce(safe_id, target_id, ''))`.execute(
    db,
  )
  await sql`create index "runs that have begun" on rotation_run (begun_at) where begun_at is not null`.execute(
    db,
  )
  await sql`grant select, insert, update on rotation_limit to tagout_vault`.execute(db)
}
