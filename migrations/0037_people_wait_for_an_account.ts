import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create sequence lease_wait_place as integer maxvalue 2147483646 cycle`.execute(db)
  await sql`
    create table lease_wait (
      id text not null,
      account_id text not null,
      user_id text not null,
      exclusive boolean not null,
      place integer not null,
      since timestamptz not null,
      until timestamptz not null,
      kept_until timestamptz,
      ended_at timestamptz,
      ended_why text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a wait has an id" primary key (id),
      constraint "a wait is for an account" foreign key (account_id) references account (id),
      constraint "a wait is a user's" foreign key (user_id) references app_user (id),
      constraint "a wait that has ended says why" check ((ended_at is null) = (ended_why is null))
    )`.execute(db)
  await sql`comment on column lease_wait.place is
    'Who has the lesser place comes first. Taken from a sequence under the lock of the account.'`.execute(db)
  await sql`comment on column lease_wait.kept_until is
    'It is their turn, and the account is kept for them until then; null: somebody is before them.'`.execute(
    db,
  )
  await sql`create unique index "a user waits for an account once" on lease_wait (account_id, user_id)
    where ended_at is null`.execute(db)
  await sql`create unique index "nobody else waits at this place" on lease_wait (account_id, place)
    where ended_at is null`.execute(db)
  await sql`
    create table hand_over (
      id text not null,
      lease_id text not null,
      account_id text not null,
      from_user_id text not null,
      to_user_id text not null,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      state text not null,
      closed_at timestamptz,
      to_lease_id text,
      epoch bigint not null,
      mac bytea not null,
      constraint "a hand-over has an id" primary key (id),
      constraint "a hand-over is of a lease" foreign key (lease_id) references lease (id),
      constraint "a hand-over is of an account" foreign key (account_id) references account (id),
      constraint "a hand-over is by a user" foreign key (from_user_id) references app_user (id),
      constraint "a hand-over is to a user" foreign key (to_user_id) references app_user (id),
      constraint "nobody hands over to themself" check (from_user_id <> to_user_id),
      constraint "a hand-over leads to a lease" foreign key (to_lease_id) references lease (id),
      constraint "a hand-over is offered, or ended in one of four ways"
        check (state in ('offered', 'accepted', 'declined', 'withdrawn', 'expired'))
    )`.execute(db)
  await sql`create unique index "a lease is offered to one person at a time" on hand_over (lease_id)
    where state = 'offered'`.execute(db)
  await sql`grant select, insert, update on lease_wait, hand_over to tagout_vault`.execute(db)
  await sql`grant usage on sequence lease_wait_place to tagout_vault`.execute(db)
}
