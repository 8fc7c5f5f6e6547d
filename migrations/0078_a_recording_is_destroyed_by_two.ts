import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table destruction (
      id text not null,
      recordings text[] not null,
      digest text not null,
      reason text not null,
      asked_by text not null,
      asked_by_name text not null,
      asked_at timestamptz not null,
      state text not null,
      closed_by_name text,
      closed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a destruction has an id of its own" primary key (id),
      constraint "a destruction waits, is approved or withdrawn" check (state in ('open', 'approved', 'withdrawn')),
      constraint "somebody closes a destruction" check (
        (state = 'open') = (closed_at is null) and (state = 'open') = (closed_by_name is null)),
      constraint "a destruction is asked for by a user" foreign key (asked_by) references app_user (id)
    )`.execute(db)
  await sql`comment on table destruction is 'Recordings past their time that somebody wants destroyed: another person says so, or nobody.'`.execute(
    db,
  )
  await sql`
    create table tombstone (
      recording_id text not null,
      destruction_id text not null,
      retention_class text not null,
      due_at timestamptz not null,
      approved_at timestamptz not null,
      content text,
      signature text,
      signed_at timestamptz,
      destroyed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a recording is destroyed once" primary key (recording_id),
      constraint "what is destroyed was approved" foreign key (destruction_id) references destruction (id),
      constraint "a tombstone is signed before the recording goes" check (
        (content is null) = (signature is null) and (content is null) = (signed_at is null)
        and (destroyed_at is null or content is not null))
    )`.execute(db)
  await sql`comment on table tombstone is
    'What is left of recordings that two people had destroyed. Without foreign key: it stays where the rows of the recording do not.'`.execute(
    db,
  )
  await sql`alter table recording add column missing_since timestamptz`.execute(db)
  await sql`comment on column recording.missing_since is
    'When a recorder said that its file is not there, although nobody had it destroyed.'`.execute(db)
  await sql`grant select, insert, update on destruction, tombstone to tagout_vault`.execute(db)
  await sql`grant update (missing_since) on recording to tagout_vault`.execute(db)
}
