import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table session
    add column safe_name text,
    add column company_name text,
    add column zone text,
    add column let_in_by text[] not null default '{}',
    add column work_orders text[] not null default '{}'`.execute(db)
  await sql`comment on column session.company_name is 'Whose representative the user was then; null: nobody’s.'`.execute(
    db,
  )
  await sql`comment on column session.zone is 'Where the target stood then, in the words of the policy; null: nowhere named.'`.execute(
    db,
  )
  await sql`comment on column session.let_in_by is
    'Who gave the grant or approved its request; nobody where the policy did, or the user themselves.'`.execute(
    db,
  )
  await sql`comment on column session.work_orders is 'That of the request, and what the close-out names.'`.execute(
    db,
  )
  // Sessions from before are told with the names that hold today: what they were then, the audit log alone knows.
  await sql`
    update session set
      safe_name = (select name from safe where safe.id = session.safe_id),
      company_name = (select company.name from representative
        join company on company.id = representative.company_id where representative.user_id = session.user_id),
      zone = (select target.zone from target where target.id = session.target_id),
      let_in_by = coalesce(
        (select array_agg(app_user.name order by approval.created_at) from access_request
          join approval on approval.request_id = access_request.id and approval.verdict = 'approve'
          join app_user on app_user.id = approval.user_id
          where access_request.grant_id = session.grant_id and access_request.extends_grant is null),
        (select array[granted_by] from access_grant where access_grant.id = session.grant_id and rule is null
          and session.break_glass_id is null
          and not exists (select from access_request where access_request.grant_id = session.grant_id)),
        '{}'),
      work_orders = (select coalesce(array_agg(distinct named), '{}') from (
        select work_order as named from access_request where access_request.grant_id = session.grant_id
        union select work_order from close_out where close_out.session_id = session.id) as orders
        where named is not null)`.execute(db)
  for (const column of ['user_name', 'target_name', 'account_name', 'company_name', 'zone', 'safe_name'])
    await sql`create index ${sql.id(`sessions by ${column}`)}
      on session (lower(${sql.id(column)}), started_at desc, id desc)`.execute(db)
  await sql`
    create table recording_review (
      recording_id text not null,
      user_id text not null,
      user_name text not null,
      note text not null,
      reviewed_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an auditor reviews a recording once" primary key (recording_id, user_id),
      constraint "a review is of a recording" foreign key (recording_id) references recording (id),
      constraint "a review is an auditor's" foreign key (user_id) references app_user (id)
    )`.execute(db)
  await sql`comment on table recording_review is 'That an auditor has looked at a recording, and what they say of it.'`.execute(
    db,
  )
  await sql`
    create table saved_filter (
      user_id text not null,
      name text not null,
      asked text not null,
      saved_at timestamptz not null,
      constraint "a user's filter has a name of its own" primary key (user_id, name),
      constraint "a filter is a user's" foreign key (user_id) references app_user (id)
    )`.execute(db)
  await sql`comment on table saved_filter is 'What a user looks for often: canonical JSON of what recording.find is asked.'`.execute(
    db,
  )
  await sql`grant select, insert on recording_review to tagout_vault`.execute(db)
  await sql`grant select, insert, update, delete on saved_filter to tagout_vault`.execute(db)
  await sql`grant update (work_orders) on session to tagout_vault`.execute(db)
}
