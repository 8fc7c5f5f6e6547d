import { type Kysely, sql } from 'kysely'

// How a machine is logged in to where its protocol leaves that open: RDP and Telnet.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table target add column desktop text`.execute(db)
  await sql`comment on column target.desktop is
    'Canonical JSON: how it is logged in to, where its protocol leaves that open; null: as usual.'`.execute(
    db,
  )
}
