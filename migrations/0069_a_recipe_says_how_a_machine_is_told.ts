import { type Kysely, sql } from 'kysely'

// How machines of a kind are told to take another credential, as data.
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table rotation_recipe (
      id text not null,
      name text not null,
      version integer not null,
      document text not null,
      added_by text not null,
      added_at timestamptz not null,
      removed_by text,
      removed_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a recipe has an id" primary key (id),
      constraint "a version of a recipe is added once" unique (name, version),
      constraint "somebody removes a recipe at a moment" check ((removed_by is null) = (removed_at is null))
    )`.execute(db)
  await sql`comment on table rotation_recipe is
    'Recipes that somebody added to those that Tagout comes with. One that was removed keeps its name and version.'`.execute(
    db,
  )
  await sql`grant select, insert, update on rotation_recipe to tagout_vault`.execute(db)
  await sql`alter table account_rotation add column recipe text`.execute(db)
  await sql`comment on column account_rotation.recipe is
    'Name and version of the recipe that the connector follows; null: it follows none.'`.execute(db)
}
