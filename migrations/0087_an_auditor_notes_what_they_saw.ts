import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table recording_note (
      id text not null,
      recording_id text not null,
      user_id text not null,
      user_name text not null,
      sealed bytea not null,
      written_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a note has an id" primary key (id),
      constraint "a note is of a recording" foreign key (recording_id) references recording (id),
      constraint "a note is an auditor's" foreign key (user_id) references app_user (id)
    )`.execute(db)
  await sql`create index "notes by recording" on recording_note (recording_id, written_at)`.execute(db)
  await sql`comment on table recording_note is 'What an auditor noted at a moment of a recording, sealed by its key.'`.execute(
    db,
  )
  await sql`grant select, insert on recording_note to tagout_vault`.execute(db)
}
