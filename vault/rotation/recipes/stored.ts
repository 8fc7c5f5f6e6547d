import type { Kysely } from 'kysely'
import { Fault } from '../../kernel/fault.ts'
import type { Database } from '../../db/tables.ts'
import { type Checker, checked, type Row } from '../../rows.ts'
import { builtIn } from './built-in.ts'
import { parseRecipe, type Recipe, referenceOf } from './recipe.ts'

/** A recipe that can be chosen: one that Tagout comes with, or one that somebody added. */
export type KnownRecipe = {
  readonly recipe: Recipe
  readonly document: string
  /** Null: Tagout comes with it. */
  readonly row: Row<'rotation_recipe'> | null
}

/** All recipes that can be chosen, by name, the latest version of each first. */
export async function allRecipes(db: Kysely<Database>, checker: Checker): Promise<readonly KnownRecipe[]> {
  const rows = checked(
    checker,
    'rotation_recipe',
    await db.selectFrom('rotation_recipe').selectAll().where('removed_at', 'is', null).execute(),
  )
  const own = [...builtIn.values()].map((recipe) => ({
    ...{ recipe, document: `${JSON.stringify(recipe, undefined, 2)}\n`, row: null },
  }))
  return [...own, ...rows.map((row) => ({ recipe: recipeIn(row), document: row.document, row }))].toSorted(
    ({ recipe: a }, { recipe: b }) => (a.name === b.name ? b.version - a.version : a.name < b.name ? -1 : 1),
  )
}

function recipeIn(row: Row<'rotation_recipe'>): Recipe {
  const parsed = parseRecipe(row.document)
  if (!parsed.ok) throw new Fault('configuration', `the recipe ${referenceOf(row)} cannot be read any more`)
  return parsed.value
}

/** The recipe of a name, its latest version, or of a name and a version: `cisco-ios`, `cisco-ios@1`. */
export async function recipeNamed(
  db: Kysely<Database>,
  checker: Checker,
  reference: string,
): Promise<KnownRecipe | undefined> {
  const known = await allRecipes(db, checker)
  return known.find(({ recipe }) =>
    reference.includes('@') ? referenceOf(recipe) === reference : recipe.name === reference,
  )
}
