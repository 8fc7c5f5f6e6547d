import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table access_request (
      id text not null,
      user_id text not null,
      account_id text not null,
      actions text[] not null,
      forwards text[],
      mode text not null,
      not_before timestamptz,
      for_seconds integer not null,
      reason text not null,
      work_order text,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      state text not null,
      closed_at timestamptz,
      closed_by text,
      grant_id text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a request has an id" primary key (id),
      constraint "a request is a user's" foreign key (user_id) references app_user (id),
      constraint "a request is for an account" foreign key (account_id) references account (id),
      constraint "a request leads to a grant" foreign key (grant_id) references access_grant (id),
      constraint "a request is open, or ended in one of four ways"
        check (state in ('open', 'approved', 'denied', 'withdrawn', 'expired'))
    )`.execute(db)
  await sql`comment on column access_request.not_before is 'Null: from its approval on.'`.execute(db)
  await sql`create unique index "one open request of a user for an account"
    on access_request (user_id, account_id) where state = 'open'`.execute(db)
  await sql`create index "requests that may expire" on access_request (expires_at) where state = 'open'`.execute(
    db,
  )
  await sql`
    create table approval (
      id text not null,
      request_id text not null,
      user_id text not null,
      verdict text not null,
      note text not null,
      digest text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an approval has an id" primary key (id),
      constraint "a person says one thing about a request" unique (request_id, user_id),
      constraint "an approval is of a request" foreign key (request_id) references access_request (id),
      constraint "an approval is a user's" foreign key (user_id) references app_user (id),
      constraint "an approval says yes or no" check (verdict in ('approve', 'deny'))
    )`.execute(db)
  await sql`comment on column approval.digest is 'SHA-256 of what was asked, as the approver saw it.'`.execute(
    db,
  )
  // How many people must approve. Null: one.
  await sql`alter table safe add column approvals integer`.execute(db)
  await sql`grant select, insert, update on access_request to tagout_vault`.execute(db)
  await sql`grant select, insert on approval to tagout_vault`.execute(db)
  await sql`grant update (approvals) on safe to tagout_vault`.execute(db)
}
