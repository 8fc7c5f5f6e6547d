import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table campaign (
      id text not null,
      name text not null,
      due_at timestamptz not null,
      started_by text not null,
      started_at timestamptz not null,
      closed_by text,
      closed_at timestamptz,
      note text,
      epoch bigint not null,
      mac bytea not null,
      reminded_at timestamptz,
      escalated_at timestamptz,
      constraint "a campaign has an id" primary key (id),
      constraint "a campaign is signed off whole or not at all" check (num_nulls(closed_by, closed_at, note) in (0, 3))
    )`.execute(db)
  await sql`comment on table campaign is 'An access review: who still needs what, by when, and who signed it off.'`.execute(
    db,
  )
  await sql`
    create table campaign_item (
      id text not null,
      campaign_id text not null,
      user_id text not null,
      user_name text not null,
      safe_id text not null,
      what text not null,
      grant_id text,
      reviewer_id text not null,
      reviewer_name text not null,
      decision text,
      reason text,
      decided_by text,
      decided_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "an item has an id" primary key (id),
      constraint "an item is of a campaign" foreign key (campaign_id) references campaign (id),
      constraint "an item is about a user" foreign key (user_id) references app_user (id),
      constraint "an item is in a safe" foreign key (safe_id) references safe (id),
      constraint "an item's reviewer is a user" foreign key (reviewer_id) references app_user (id),
      constraint "a decision is one that there is" check (decision in ('keep', 'revoke')),
      constraint "an item is decided whole or not at all"
        check (num_nulls(decision, reason, decided_by, decided_at) in (0, 4))
    )`.execute(db)
  await sql`comment on table campaign_item is
    'One thing that somebody may: a grant, or their permissions on a safe, and whether they keep it.'`.execute(
    db,
  )
  await sql`create index "items of a campaign" on campaign_item (campaign_id)`.execute(db)
  await sql`create index "items that a reviewer has not decided" on campaign_item (reviewer_id) where decision is null`.execute(
    db,
  )
  await sql`grant select, insert, update on campaign, campaign_item to tagout_vault`.execute(db)
}
