import { Fault } from '../../kernel/fault.ts'
import { done, type Outcome, refuse } from '../../kernel/outcome.ts'
import { cliFindings, cliNeedsEnable, type CliRecipe, cliRecipe } from './cli-recipe.ts'

/** A recipe of any format. */
export type Recipe = CliRecipe

/** Bytes of a recipe. */
export const mostRecipe = 32 * 1024

/** Which connector follows recipes of a format. */
export const connectorOfFormat: Readonly<Record<Recipe['format'], string>> = {
  'tagout/network-cli/1': 'network-cli',
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
  const parsed = cliRecipe.safeParse(given)
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
export function readCliRecipe(text: string | undefined): CliRecipe {
  const parsed = parseRecipe(text ?? '')
  if (!parsed.ok) throw new Fault('configuration', 'a step was given without a recipe that can be followed')
  return parsed.value
}

/** Does it ask for the password of an elevation? */
export function needsEnable(recipe: Recipe): boolean {
  return cliNeedsEnable(recipe)
}

/** What people who choose it must know. */
export function findingsOf(recipe: Recipe): readonly string[] {
  return cliFindings(recipe)
}
