import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table plant_switch (
      id text not null,
      name text not null,
      safes text[] not null,
      act text not null,
      input text,
      stops_at boolean,
      state text not null,
      changed_at timestamptz not null,
      called_at timestamptz,
      added_by text not null,
      added_at timestamptz not null,
      removed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a plant switch has an id" primary key (id),
      constraint "a plant switch freezes or terminates" check (act in ('freeze', 'terminate')),
      constraint "a plant switch lets work go on, stops it, or is lost" check (state in ('run', 'stop', 'lost')),
      constraint "a plant switch that is read says what stops" check ((input is null) = (stops_at is null))
    )`.execute(db)
  await sql`create unique index "plant switches have names of their own"
    on plant_switch (lower(name)) where removed_at is null`.execute(db)
  await sql`comment on column plant_switch.input is
    'Where its input is read (modbus://…). Null: it calls, with a signature.'`.execute(db)
  await sql`comment on column plant_switch.called_at is 'The moment that its last call named: no call is taken twice.'`.execute(
    db,
  )
  await sql`grant select, insert, update on plant_switch to tagout_vault`.execute(db)
}
