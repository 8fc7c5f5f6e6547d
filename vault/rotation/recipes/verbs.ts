import { createHash } from 'node:crypto'
import type { RecipeView } from '../../contract.ts'
import { newId } from '../../kernel/id.ts'
import { done, refuse } from '../../kernel/outcome.ts'
import { notFound } from '../../not-found.ts'
import { insertGuarded, updateGuarded } from '../../rows.ts'
import { transact } from '../../transact.ts'
import type { Tx } from '../../transaction.ts'
import { by, type Handler, nameOf } from '../../world.ts'
import { builtIn } from './built-in.ts'
import { connectorOfFormat, findingsOf, parseRecipe, referenceOf } from './recipe.ts'
import { allRecipes, type KnownRecipe, recipeNamed } from './stored.ts'

type Reads = Pick<Tx, 'db'>

/** How many accounts are rotated by each recipe. */
async function usesOf({ db }: Reads): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('account_rotation')
    .innerJoin('account', 'account.id', 'account_rotation.account_id')
    .select((eb) => ['account_rotation.recipe', eb.fn.countAll<string>().as('accounts')])
    .where('account_rotation.recipe', 'is not', null)
    .where('account.removed_at', 'is', null)
    .groupBy('account_rotation.recipe')
    .execute()
  return new Map(rows.map(({ recipe, accounts }) => [recipe ?? '', Number(accounts)]))
}

function show({ recipe, row }: KnownRecipe, uses: ReadonlyMap<string, number>): RecipeView {
  const { name, version, title, notes, tried, profile, protocols } = recipe
  return {
    ...{ name, version, title, notes, tried, profile, protocols },
    connector: connectorOfFormat[recipe.format],
    findings: findingsOf(recipe),
    accounts: uses.get(referenceOf(recipe)) ?? 0,
    addedBy: row?.added_by ?? null,
    addedAt: row?.added_at.toISOString() ?? null,
  }
}

export const rotationRecipes: Handler<'rotation.recipes'> = async ({ world }) => {
  const { database, guard } = world.vault
  const uses = await usesOf({ db: database } as Reads)
  return done((await allRecipes(database, guard)).map((known) => show(known, uses)))
}

export const rotationRecipeShow: Handler<'rotation.recipe.show'> = async ({ world }, input) => {
  const { database, guard } = world.vault
  const known = await recipeNamed(database, guard, input.recipe)
  if (known === undefined) return notFound('recipe', input.recipe)
  const uses = await usesOf({ db: database } as Reads)
  return done({ ...show(known, uses), document: known.document })
}

/** Adds a recipe, or another version of one. What uses an earlier version goes on with that. */
export const rotationRecipeAdd: Handler<'rotation.recipe.add'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const parsed = parseRecipe(input.document)
    if (!parsed.ok) return parsed
    const recipe = parsed.value
    if ([...builtIn.values()].some(({ name }) => name === recipe.name))
      return refuse(
        'conflict',
        `document: name: ${recipe.name} is a recipe that Tagout comes with`,
        'give yours another name',
      )
    const [latest] = await tx.db
      .selectFrom('rotation_recipe')
      .select('version')
      .where('name', '=', recipe.name)
      .orderBy('version', 'desc')
      .limit(1)
      .execute()
    if (latest !== undefined && latest.version >= recipe.version)
      return refuse(
        'conflict',
        `document: version: there is, or was, a ${referenceOf({ ...recipe, version: latest.version })}`,
        `give it the version ${latest.version + 1}`,
      )
    const row = await insertGuarded(tx, 'rotation_recipe', {
      ...{ id: newId('rcp', tx.now.getTime()), name: recipe.name, version: recipe.version },
      ...{ document: input.document, added_by: nameOf(call), added_at: tx.now },
      ...{ removed_by: null, removed_at: null },
    })
    await tx.audit({
      kind: 'rotation.recipe-added',
      recipe: referenceOf(recipe),
      digest: createHash('sha256').update(input.document).digest('hex'),
      ...by(call),
    })
    return done(show({ recipe, document: input.document, row }, await usesOf(tx)))
  })

/** Takes a recipe away that no account is rotated by. */
export const rotationRecipeRemove: Handler<'rotation.recipe.remove'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const known = await recipeNamed(tx.db, tx.guard, input.recipe)
    if (known === undefined) return notFound('recipe', input.recipe)
    const reference = referenceOf(known.recipe)
    if (known.row === null)
      return refuse('conflict', `${reference} is a recipe that Tagout comes with`, 'nothing is to be done')
    const uses = (await usesOf(tx)).get(reference) ?? 0
    if (uses > 0)
      return refuse(
        'conflict',
        `${uses} accounts are rotated by ${reference}`,
        'name another for them first: tagout account rotation set … --recipe',
      )
    await updateGuarded(tx, 'rotation_recipe', known.row, { removed_by: nameOf(call), removed_at: tx.now })
    await tx.audit({ kind: 'rotation.recipe-removed', recipe: reference, ...by(call) })
    return done(null)
  })
