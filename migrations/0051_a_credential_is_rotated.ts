import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table credential drop constraint "a credential is of a known state"`.execute(db)
  await sql`alter table credential add constraint "a credential is of a known state"
    check (state in ('candidate', 'current', 'retired', 'discarded'))`.execute(db)
  await sql`comment on column credential.state is
    'Discarded: a candidate that no target was seen to take. Kept, for a target may take it late.'`.execute(
    db,
  )
  await sql`
    create table account_rotation (
      account_id text not null,
      grade text not null,
      grade_reason text not null,
      connector text,
      profile text,
      max_age_days integer,
      calendar text,
      essential boolean not null,
      after_check_in boolean not null,
      after_reveal boolean not null,
      reconcile_account_id text,
      dependants text not null,
      lock_out_refused integer,
      lock_out_seconds integer,
      exempt_owner text,
      exempt_until timestamptz,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an account is rotated in one way" primary key (account_id),
      constraint "what is rotated is an account" foreign key (account_id) references account (id),
      constraint "an account is reconciled by another" foreign key (reconcile_account_id) references account (id),
      constraint "nothing reconciles itself" check (reconcile_account_id <> account_id),
      constraint "a grade is one of five" check (grade in ('G0', 'G1', 'G2', 'G3', 'G4')),
      constraint "a lock-out has a number and a time" check ((lock_out_refused is null) = (lock_out_seconds is null)),
      constraint "who is exempt has an owner and an end" check ((exempt_owner is null) = (exempt_until is null))
    )`.execute(db)
  await sql`comment on table account_rotation is 'How the credential of an account is changed. No row: nobody has said.'`.execute(
    db,
  )
  await sql`
    create table rotation_run (
      id text not null,
      account_id text not null,
      target_id text not null,
      kind text not null,
      cause text not null,
      asked_by text not null,
      reason text not null,
      despite_dependants boolean not null,
      batch text,
      place integer,
      connector text not null,
      version integer,
      from_version integer,
      created_at timestamptz not null,
      begun_at timestamptz,
      ended_at timestamptz,
      phase text not null,
      attempts integer not null,
      believes text not null,
      refused text[] not null,
      reconciled boolean not null,
      persisted boolean,
      why text not null,
      generation integer not null,
      due_at timestamptz not null,
      step_until timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a run has an id" primary key (id),
      constraint "a run is of an account" foreign key (account_id) references account (id),
      constraint "a run is on a target" foreign key (target_id) references target (id),
      constraint "a run rotates or verifies" check (kind in ('rotate', 'verify')),
      constraint "nothing is done to a target before the candidate is durable"
        check (kind = 'verify' or phase in ('waiting', 'cancelled') or version is not null),
      constraint "a run that is over does no step" check (ended_at is null or step_until is null),
      constraint "a place is in a batch" check ((batch is null) = (place is null))
    )`.execute(db)
  await sql`comment on table rotation_run is
    'What is true of a rotation. Jobs of the queue name a row and its generation, and nothing else.'`.execute(
    db,
  )
  await sql`create unique index "an account is rotated by one run at a time" on rotation_run (account_id)
    where ended_at is null`.execute(db)
  await sql`create index "runs that are due" on rotation_run (due_at) where ended_at is null`.execute(db)
  await sql`create index "runs of an account" on rotation_run (account_id, created_at desc)`.execute(db)
  await sql`create index "runs of a batch" on rotation_run (batch, place) where batch is not null`.execute(db)
  await sql`
    create table login_place (
      id text not null,
      target_id text not null,
      login text not null,
      at timestamptz not null,
      run_id text,
      generation integer,
      session_id text,
      verdict text not null,
      constraint "a place has an id" primary key (id),
      constraint "a place is of a run or a session" check ((run_id is null) <> (session_id is null)),
      constraint "a login has one of three verdicts" check (verdict in ('pending', 'accepted', 'rejected'))
    )`.execute(db)
  await sql`comment on table login_place is
    'Logins that sent a secret, taken before it left: what keeps all of them together below a lock-out.'`.execute(
    db,
  )
  await sql`create index "places at a target" on login_place (target_id, login, at)`.execute(db)
  await sql`
    create table rotation_hold (
      id text not null,
      safe_id text not null,
      reason text not null,
      held_by text not null,
      since timestamptz not null,
      until timestamptz,
      ended_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a hold of rotations has an id" primary key (id),
      constraint "a hold of rotations is on a safe" foreign key (safe_id) references safe (id)
    )`.execute(db)
  await sql`comment on table rotation_hold is 'Production runs: nothing of the safe is rotated by itself.'`.execute(
    db,
  )
  await sql`create unique index "a safe is held once" on rotation_hold (safe_id) where ended_at is null`.execute(
    db,
  )
  await sql`grant select, insert, update on account_rotation, rotation_run, rotation_hold to tagout_vault`.execute(
    db,
  )
  await sql`grant select, insert, update, delete on login_place to tagout_vault`.execute(db)
}
