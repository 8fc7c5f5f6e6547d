import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table access_request
      add column extends_grant text,
      add constraint "an extension is of a grant" foreign key (extends_grant) references access_grant (id),
      add constraint "an extension says when its grant ends" check (extends_grant is null or not_before is not null)`.execute(
    db,
  )
  await sql`comment on column access_request.extends_grant is
    'The grant that is to end for_seconds later than at not_before. Null: a grant of its own comes of the request.'`.execute(
    db,
  )
  await sql`create index "extensions of a grant" on access_request (extends_grant)
    where extends_grant is not null`.execute(db)
}
