import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // What rules name a target by. Guarded columns without a value are left out of a row's MAC: rows keep theirs.
  await sql`
    alter table target
      add column tags text[],
      add column zone text`.execute(db)
  await sql`
    create table policy_request (
      id text not null,
      document text not null,
      digest text not null,
      expected text,
      means text not null,
      asked_by text not null,
      asked_by_name text not null,
      asked_at timestamptz not null,
      expires_at timestamptz not null,
      state text not null,
      closed_at timestamptz,
      closed_by text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a request for a policy has an id" primary key (id),
      constraint "a request for a policy is open or closed" check
        (state in ('open', 'applied', 'withdrawn') and (state = 'open') = (closed_at is null))
    )`.execute(db)
  await sql`comment on column policy_request.document is 'Canonical JSON: what is asked to be put in force.'`.execute(
    db,
  )
  await sql`comment on column policy_request.means is
    'SHA-256 of the document, what its names stood for, and the policy that it takes the place of.'`.execute(
    db,
  )
  await sql`create index "open requests for a policy" on policy_request (asked_at) where state = 'open'`.execute(
    db,
  )
  await sql`grant select, insert, update on policy_request to tagout_vault`.execute(db)
}
