import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table api_token (
      id text not null,
      service text not null,
      scopes text[] not null,
      networks text[] not null,
      token_hash bytea not null,
      added_by text not null,
      added_at timestamptz not null,
      expires_at timestamptz not null,
      revoked_at timestamptz,
      last_used_at timestamptz,
      last_source text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a token has an id" primary key (id),
      constraint "a token is known once" unique (token_hash),
      constraint "a token ends within a year" check (expires_at <= added_at + interval '366 days'),
      constraint "a token is for something" check (cardinality(scopes) > 0)
    )`.execute(db)
  await sql`comment on table api_token is 'Of services: programs that read, and are no users.'`.execute(db)
  await sql`comment on column api_token.networks is 'Empty: from everywhere.'`.execute(db)
  await sql`grant select, insert on api_token to tagout_vault`.execute(db)
  await sql`grant update (revoked_at, last_used_at, last_source, epoch, mac) on api_token to tagout_vault`.execute(
    db,
  )
}
