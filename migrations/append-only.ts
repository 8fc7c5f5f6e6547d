import { type Kysely, sql } from 'kysely'

/**
 * Makes `table` append-only: the planes' roles get `select` and `insert` at most, and a trigger refuses the rest to
 * everybody, the owner included. A superuser can still go round it: that is what signatures are for.
 */
export async function makeAppendOnly(
  db: Kysely<unknown>,
  table: string,
  role = 'tagout_vault',
): Promise<void> {
  await sql`
    create or replace function refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'insufficient_privilege';
    end $$`.execute(db)
  await sql`
    create trigger ${sql.id(`${table} is append-only`)}
      before update or delete or truncate on ${sql.table(table)}
      for each statement execute function refuse_change()`.execute(db)
  await sql`revoke all on ${sql.table(table)} from ${sql.id(role)}`.execute(db)
  await sql`grant select, insert on ${sql.table(table)} to ${sql.id(role)}`.execute(db)
}
