import { type Kysely, sql } from 'kysely'

// The secrets of a safe, sealed to custodians who open them together when nothing of Tagout runs any more.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table emergency_kit (
      id text not null,
      safe_id text not null,
      custodians text not null,
      box_key bytea not null,
      prepared_by text not null,
      prepared_at timestamptz not null,
      confirmed_by text,
      confirmed_at timestamptz,
      ended_by text,
      ended_at timestamptz,
      taken_by text,
      taken_at timestamptz,
      drilled_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "an emergency kit has an id" primary key (id),
      constraint "an emergency kit is of a safe" foreign key (safe_id) references safe (id),
      constraint "somebody confirms at a moment" check ((confirmed_by is null) = (confirmed_at is null)),
      constraint "somebody ends at a moment" check ((ended_by is null) = (ended_at is null)),
      constraint "somebody takes at a moment" check ((taken_by is null) = (taken_at is null)),
      constraint "a kit is written once it is confirmed" check (taken_at is null or confirmed_at is not null)
    )`.execute(db)
  await sql`create unique index "a safe has one emergency kit" on emergency_kit (safe_id)
    where confirmed_at is not null and ended_at is null`.execute(db)
  await sql`create unique index "a safe has one kit that waits" on emergency_kit (safe_id)
    where confirmed_at is null and ended_at is null`.execute(db)
  await sql`comment on table emergency_kit is
    'Custodians who open the secrets of a safe together without Tagout; box_key is the public key to which they are sealed.'`.execute(
    db,
  )
  await sql`
    create table kit_opening (
      id text not null,
      kit_id text not null,
      made_at timestamptz not null,
      opened_at timestamptz not null,
      custodians text[] not null,
      reason text not null,
      reported_by text not null,
      reported_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an opening has an id" primary key (id),
      constraint "an opening is of a kit" foreign key (kit_id) references emergency_kit (id)
    )`.execute(db)
  await sql`comment on table kit_opening is
    'An emergency kit was opened: what was in it when it was made is to be rotated.'`.execute(db)
  await sql`grant select, insert, update on emergency_kit to tagout_vault`.execute(db)
  await sql`grant select, insert on kit_opening to tagout_vault`.execute(db)
}
