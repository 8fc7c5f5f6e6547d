import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table policy (
      id text not null,
      version integer not null,
      body text not null,
      digest text not null,
      applied_by text not null,
      applied_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a policy has an id" primary key (id),
      constraint "there is one policy" check (id = 'policy')
    )`.execute(db)
  await sql`comment on column policy.body is
    'Canonical JSON: the document, and the ids that its names stood for.'`.execute(db)
  // A grant that a rule of the policy made. Null: a person gave it.
  await sql`alter table access_grant add column rule text`.execute(db)
  await sql`grant select, insert, update on policy to tagout_vault`.execute(db)
}
