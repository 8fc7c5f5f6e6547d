import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table rotation_run drop constraint "a run rotates or verifies"`.execute(db)
  await sql`alter table rotation_run add constraint "a run rotates, is done by people, or verifies"
    check (kind in ('rotate', 'assist', 'verify'))`.execute(db)
  await sql`
    create table rotation_task (
      id text not null,
      run_id text not null,
      account_id text not null,
      kind text not null,
      place text not null,
      state text not null,
      created_at timestamptz not null,
      due_at timestamptz not null,
      paused_until timestamptz,
      pause_reason text not null,
      changer_id text,
      session_id text,
      asked_at timestamptz,
      approver_id text,
      approved_at timestamptz,
      revealed_at timestamptz,
      made_by text,
      made_at timestamptz,
      note text not null,
      work_order text not null,
      evidence_name text not null,
      evidence_sha256 text not null,
      signer_id text,
      signed_at timestamptz,
      sign_note text not null,
      reminded_at timestamptz,
      escalated_at timestamptz,
      closed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a task has an id" primary key (id),
      constraint "a task is of a run" foreign key (run_id) references rotation_run (id),
      constraint "a task is of an account" foreign key (account_id) references account (id),
      constraint "a task is done by a user" foreign key (changer_id) references app_user (id),
      constraint "a reveal is approved by a user" foreign key (approver_id) references app_user (id),
      constraint "a change is signed by a user" foreign key (signer_id) references app_user (id),
      constraint "a task is of one of two kinds" check (kind in ('change', 'place')),
      constraint "a task has one of seven states"
        check (state in ('open', 'asked', 'approved', 'revealed', 'made', 'done', 'dropped')),
      constraint "nobody approves what they are shown" check (approver_id <> changer_id),
      constraint "nobody signs what they have changed" check (signer_id <> changer_id),
      constraint "who changes it does so in a session" check (state <> 'asked' or (changer_id is not null and session_id is not null)),
      constraint "two people stand behind what is shown"
        check (state not in ('approved', 'revealed') or (changer_id is not null and approver_id is not null)),
      constraint "a task that is over was closed" check ((closed_at is not null) = (state in ('done', 'dropped')))
    )`.execute(db)
  await sql`comment on table rotation_task is
    'What people do of a rotation: change the credential with the maker''s tool, or have another place take it. The task of the change has the id of its run.'`.execute(
    db,
  )
  await sql`create index "tasks of a run" on rotation_task (run_id)`.execute(db)
  await sql`create index "tasks of an account" on rotation_task (account_id, created_at desc)`.execute(db)
  await sql`create index "tasks that are open" on rotation_task (due_at) where closed_at is null`.execute(db)
  await sql`grant select, insert, update on rotation_task to tagout_vault`.execute(db)
}
