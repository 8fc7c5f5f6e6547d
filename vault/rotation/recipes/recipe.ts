import { Fault } from '../../kernel/fault.ts'
import { done, type Outcome, refuse } from '../../kernel/outcome.ts'
import { z } from 'zod'
import { cliFindings, cliNeedsEnable, cliRecipe } from './cli-recipe.ts'
import { httpFindings, httpRecipe } from './http-recipe.ts'

const anyRecipe = z.discriminatedUnion('format', [cliRecipe, httpRecipe], {
  error: (issue) => (issue.code === 'invalid_union' ? 'it is none of a format that is known' : undefined),
})

/** A recipe of any format. */
export type Recipe = z.output<typeof anyRecipe>

/** Bytes of a recipe. */
export const mostRecipe = 32 * 1024

/** Which connector follows recipes of a format. */
export const connectorOfFormat: Readonly<Record<Recipe['format'], string>> = {
  'tagout/network-cli/1': 'network-cli',
  'tagout/http/1': 'http-recipe',
}

/** How accounts name a recipe: `cisco-ios@1`. */
export function referenceOf({ name, version }: Pick<Recipe, 'name' | 'version'>): string {
  return `${name}@${version}`
}

/** Reads a recipe as somebody gives one. */
export function parseRecipe(text: string): Outcome<Recipe> {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return refuse('invalid', 'document: this is no JSON', 'see docs/rotation-recipes.md')
  }
  const parsed = anyRecipe.safeParse(given)
  if (parsed.success) return done(parsed.data)
  const [issue] = parsed.error.issues
  const path = issue?.path.map(String).join('.') ?? ''
  return refuse(
    'invalid',
    `document: ${path === '' ? '' : `${path}: `}${issue?.message ?? 'it is no recipe'}`.slice(0, 400),
    'see docs/rotation-recipes.md',
  )
}

/** A recipe as the worker gets it: it was looked at when it was taken in, and is again. */
export function readRecipe<Format extends Recipe['format']>(
  format: Format,
  text: string | undefined,
): Extract<Recipe, { readonly format: Format }> {
  const parsed = parseRecipe(text ?? '')
  if (!parsed.ok || parsed.value.format !== format)
    throw new Fault('configuration', 'a step was given without a recipe that can be followed')
  return parsed.value as Extract<Recipe, { readonly format: Format }>
}

/** Does it ask for the password of an elevation? */
export function needsEnable(recipe: Recipe): boolean {
  return recipe.format === 'tagout/network-cli/1' && cliNeedsEnable(recipe)
}

/** What people who choose it must know. */
export function findingsOf(recipe: Recipe): readonly string[] {
  return recipe.format === 'tagout/network-cli/1' ? cliFindings(recipe) : httpFindings(recipe)
}
