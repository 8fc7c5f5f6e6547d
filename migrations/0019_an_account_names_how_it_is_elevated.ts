import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table elevation (
      account_id text not null,
      kind text not null,
      secret_account_id text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an account is elevated in one way" primary key (account_id),
      constraint "an elevation is of an account" foreign key (account_id) references account (id),
      constraint "an elevation uses the secret of an account" foreign key (secret_account_id) references account (id),
      constraint "an elevation is of a known kind" check (kind in ('sudo', 'su', 'enable'))
    )`.execute(db)
  await sql`comment on table elevation is
    'Whose secret is typed at the prompt of sudo, su or enable in sessions of an account.'`.execute(db)
  await sql`create index "elevations by a secret" on elevation (secret_account_id)`.execute(db)
  await sql`grant select, insert, update, delete on elevation to tagout_vault`.execute(db)
}
