import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table access_grant add column forwards text[]`.execute(db)
  await sql`comment on column access_grant.forwards is
    'Where forwarding may go: host:port, what is recorded, connections at a time, megabytes in all or -.'`.execute(
    db,
  )
  await sql`
    alter table session
      add column forward_to text,
      add column forward_connections integer,
      add column forward_bytes_up bigint,
      add column forward_bytes_down bigint`.execute(db)
  await sql`comment on column session.forward_to is 'host:port, where the session is a forwarding'`.execute(
    db,
  )
}
