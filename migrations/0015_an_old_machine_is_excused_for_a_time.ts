import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Guarded columns without a value are left out of a row's MAC: rows that are there keep theirs.
  await sql`
    alter table target
      add column legacy text[],
      add column legacy_reason text,
      add column legacy_until timestamptz,
      add column legacy_by text,
      add column legacy_at timestamptz,
      add constraint "old algorithms are allowed with a reason, by somebody, until a day" check (
        (legacy is null) = (legacy_reason is null) and (legacy is null) = (legacy_until is null)
        and (legacy is null) = (legacy_by is null) and (legacy is null) = (legacy_at is null))`.execute(db)
}
