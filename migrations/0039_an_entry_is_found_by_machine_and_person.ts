import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table audit_index (
      seq bigint not null,
      at timestamptz not null,
      kind text not null,
      actor text,
      person text,
      target text,
      account text,
      company text,
      safe text,
      session text,
      grant_id text,
      request text,
      constraint "an entry is found under one row" primary key (seq)
    )`.execute(db)
  await sql`comment on table audit_index is
    'What an entry of the log is about, for searching: made from its bytes, checked against them when read, made anew at any time.'`.execute(
    db,
  )
  // Of the checkpoints of recordings there is one every five seconds: they are found by nothing but their number.
  for (const column of ['actor', 'person', 'target', 'company', 'safe'])
    await sql`
      create index ${sql.id(`entries by ${column}`)} on audit_index (${sql.ref(column)}, at, seq)
        where ${sql.ref(column)} is not null and kind <> 'session.checkpoint'`.execute(db)
  await sql`create index "entries by session" on audit_index (session, at, seq)
    where session is not null and kind <> 'session.checkpoint'`.execute(db)
  await sql`create index "entries by kind" on audit_index (kind, at, seq)
    where kind <> 'session.checkpoint'`.execute(db)
  await sql`create index "entries by time" on audit_index (at, seq)
    where kind <> 'session.checkpoint'`.execute(db)
  await sql`create index "entries by grant" on audit_index (grant_id)
    where grant_id is not null and kind <> 'session.opened'`.execute(db)
  await sql`create index "entries by request" on audit_index (request)
    where request is not null`.execute(db)
  // Not append-only as the log is: what is made from it can be made anew.
  await sql`grant select, insert, delete on audit_index to tagout_vault`.execute(db)
}
