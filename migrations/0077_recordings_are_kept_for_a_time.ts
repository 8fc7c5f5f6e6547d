import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table retention_class (
      name text not null,
      days int,
      reason text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a class of retention has a name of its own" primary key (name),
      constraint "recordings are kept for a day at least" check (days between 1 and 36500)
    )`.execute(db)
  await sql`comment on table retention_class is 'For how many days the recordings of some safes are kept; null: for good.'`.execute(
    db,
  )
  await sql`
    create table retention_floor (
      id text not null,
      days int not null,
      basis text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "there is one least retention" primary key (id),
      constraint "there is no other least retention" check (id = 'floor'),
      constraint "the least retention is none or more" check (days between 0 and 36500)
    )`.execute(db)
  await sql`comment on table retention_floor is 'For how many days every recording is kept at least, by which law or contract.'`.execute(
    db,
  )
  await sql`
    create table legal_hold (
      id text not null,
      of_kind text not null,
      of_id text not null,
      of_name text not null,
      matter text not null,
      reason text not null,
      placed_by text not null,
      placed_by_name text not null,
      placed_at timestamptz not null,
      lift_by text,
      lift_by_name text,
      lift_reason text,
      lift_asked_at timestamptz,
      lifted_by_name text,
      lifted_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a legal hold has an id of its own" primary key (id),
      constraint "a legal hold is on something known"
        check (of_kind in ('recording', 'session', 'person', 'safe')),
      constraint "a lift is asked for by somebody, with a reason" check (
        (lift_by is null) = (lift_asked_at is null) and (lift_by is null) = (lift_reason is null)
        and (lift_by is null) = (lift_by_name is null)),
      constraint "two lift a legal hold" check (lifted_at is null or (lift_by is not null and lifted_by_name is not null))
    )`.execute(db)
  await sql`comment on table legal_hold is
    'Recordings that are not destroyed, whatever their age: of one, of a session, a person or a safe.'`.execute(
    db,
  )
  await sql`alter table safe add column retention_class text,
    add constraint "a safe's recordings are kept as a class says" foreign key (retention_class) references retention_class (name)`.execute(
    db,
  )
  await sql`comment on column safe.retention_class is 'Null: that of the class standard.'`.execute(db)
  await sql`grant update (retention_class) on safe to tagout_vault`.execute(db)
  await sql`grant select, insert, update, delete on retention_class to tagout_vault`.execute(db)
  await sql`grant select, insert, update on retention_floor to tagout_vault`.execute(db)
  await sql`grant select, insert, update on legal_hold to tagout_vault`.execute(db)
}
