import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Not guarded: it keeps people from being reminded twice.
  await sql`alter table policy_request
    add column reminded_at timestamptz,
    drop constraint "a request for a policy is open or closed",
    add constraint "a request for a policy is open or closed" check
      (state in ('open', 'applied', 'withdrawn', 'expired') and (state = 'open') = (closed_at is null))`.execute(
    db,
  )
}
