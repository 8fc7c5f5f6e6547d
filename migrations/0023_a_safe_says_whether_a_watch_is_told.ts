import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // The epoch and the MAC are of the row's present state; nothing else of a safe is ever changed.
  await sql`grant update (watch_notice, epoch, mac) on safe to tagout_vault`.execute(db)
}
