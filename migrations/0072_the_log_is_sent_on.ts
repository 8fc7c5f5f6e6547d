import { type Kysely, sql } from 'kysely'

// Receivers elsewhere get the entries of the audit log as they are made: the log itself is what waits for them.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table siem_receiver (
      id text not null,
      name text not null,
      address text not null,
      format text not null,
      certificates text,
      set_by text not null,
      set_at timestamptz not null,
      ended_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      through_seq bigint not null,
      told_seq bigint,
      told_at timestamptz,
      attempts integer not null default 0,
      next_at timestamptz not null,
      error text,
      failing_since timestamptz,
      is_over boolean not null default false,
      constraint "a receiver has an id" primary key (id),
      constraint "a receiver gets the log in a form that there is"
        check (format in ('rfc5424', 'cef', 'ocsf', 'json'))
    )`.execute(db)
  await sql`create unique index "a receiver has a name of its own" on siem_receiver (lower(name))
    where ended_at is null`.execute(db)
  await sql`comment on table siem_receiver is
    'Where entries of the audit log are sent. Up to through_seq they were told; told_seq is the last that was told.'`.execute(
    db,
  )
  await sql`comment on column siem_receiver.is_over is
    'It was taken off, and has been told so or was away for too long.'`.execute(db)
  await sql`grant select, insert, update on siem_receiver to tagout_vault`.execute(db)
}
