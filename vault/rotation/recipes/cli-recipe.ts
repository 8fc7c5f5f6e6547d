import { z } from 'zod'
import { patternFault } from './pattern.ts'
import { recipeHead, headFindings } from './recipe-head.ts'

/** How a machine with a command line is told to take another password. docs/rotation-recipes.md is the format for people. */

/** Names that a line may hold, and which of them are secrets. */
export const places = ['login', 'current', 'candidate', 'enable'] as const
export type Place = (typeof places)[number]
export const secretPlaces: readonly Place[] = ['current', 'candidate', 'enable']

const shown = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$/, 'ASCII that can be seen, on one line')
const pattern = shown.superRefine((text, context) => {
  const fault = patternFault(text)
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
})
const patterns = z.array(pattern).min(1).max(8)

const step = z.strictObject({
  /** The line that is entered; Enter follows it. `{login}`, `{current}`, `{candidate}` and `{enable}` are filled in. */
  send: z
    .string()
    .max(200)
    .regex(/^[\x20-\x7e]*$/, 'ASCII that can be seen, on one line'),
  /** Only at one of these is it entered; missing: at whatever the step before it expected. */
  at: patterns.optional(),
  /** Where the machine does not stand at `at`, the step is left out. Without this, that ends it. */
  orSkip: z.literal(true).optional(),
  /** What the machine stops at when it has done it; missing: it is not waited for. */
  expect: patterns.optional(),
  /** Said anywhere in the answer, these mean that it did not take it. */
  refused: z.array(shown).max(20).optional(),
  /** What it must have said by then: a prompt alone says nothing. */
  says: shown.optional(),
  /** A secret stands on this line, and the machine shows it: people who choose the recipe are told. */
  echoes: z.literal(true).optional(),
  /** Seconds that the machine may take; 20 where nothing is said. */
  seconds: z.int().min(1).max(90).optional(),
})
export type CliStep = z.output<typeof step>

const section = z.array(step).max(20)

export const cliRecipe = z
  .strictObject({
    ...recipeHead,
    format: z.literal('tagout/network-cli/1'),
    protocols: z
      .array(z.enum(['ssh', 'telnet']))
      .min(1)
      .max(2),
    /** How a login of Telnet goes, where the target says nothing else. */
    telnet: z
      .strictObject({
        user: shown.optional(),
        password: shown.optional(),
        /** Said after the password, these mean that it was refused. */
        refused: z.array(shown).max(20).default([]),
      })
      .default({ refused: [] }),
    /** What it stops at when somebody has logged in. Where `{host}` stands, it says its name. */
    prompts: patterns,
    /** What it stops at within a long answer, and the key that has it go on. */
    pager: z.strictObject({ shows: shown, key: z.enum(['space', 'enter', 'q']) }).optional(),
    /** Said anywhere in any answer, these mean that it did not take it. */
    errors: z.array(shown).max(20).default([]),
    enter: section.default([]),
    change: section.min(1),
    /** Missing: what is changed is kept over a restart by itself. */
    persist: section.min(1).optional(),
    leave: section.default([]),
    /** Another account of the same machine can enter `change` for this one: it is then set right by one. */
    reconciles: z.boolean().default(false),
  })
  .superRefine((recipe, context) => {
    for (const [name, steps] of sectionsOf(recipe))
      for (const [index, one] of steps.entries())
        for (const fault of stepFaults(recipe, name, one))
          context.addIssue({ code: 'custom', path: [name, index], message: fault })
    const asks = recipe.change.flatMap(({ send }) => placesIn(send))
    if (!asks.includes('candidate'))
      context.addIssue({ code: 'custom', path: ['change'], message: '{candidate} is entered nowhere' })
    if (recipe.reconciles && asks.includes('current'))
      context.addIssue({
        code: 'custom',
        path: ['reconciles'],
        message: 'where {current} is asked for, no other account can enter it',
      })
  })
export type CliRecipe = z.output<typeof cliRecipe>

type Section = 'enter' | 'change' | 'persist' | 'leave'

function sectionsOf(
  recipe: {
    readonly [name in Section]?: readonly CliStep[] | undefined
  },
): readonly (readonly [Section, readonly CliStep[]])[] {
  return (['enter', 'change', 'persist', 'leave'] as const).map((name) => [name, recipe[name] ?? []])
}

/** The names that a line holds, in order. */
export function placesIn(send: string): readonly Place[] {
  return (send.match(/\{[^}]*\}/g) ?? []).flatMap((one) => places.find((name) => one === `{${name}}`) ?? [])
}

/**
 * SECURITY: a secret is entered where the machine shows nothing: alone on its line, at a prompt that is pinned letter by
 * letter. Where it stands on a line that the machine shows, the recipe says so, and it stands there as a word of its own.
 */
function* stepFaults(
  recipe: { readonly prompts: readonly string[] },
  name: Section,
  { send, at, orSkip, expect, says, echoes }: CliStep,
): Generator<string> {
  const named = send.match(/\{[^}]*\}/g) ?? []
  const known = placesIn(send)
  const secrets = known.filter((one) => secretPlaces.includes(one))
  if (named.length !== known.length)
    yield `send: the names are ${places.map((one) => `{${one}}`).join(', ')}, and nothing else in braces`
  if (orSkip === true && at === undefined) yield 'orSkip: a step that is left out says at what it is not'
  if (name !== 'leave' && expect === undefined) yield 'expect: say at what the machine stops'
  if (name !== 'change' && secrets.some((one) => one !== 'enable'))
    yield 'send: {current} and {candidate} are entered in change alone'
  if (name === 'leave' && secrets.length > 0) yield 'send: no secret is entered on leaving'
  if (says !== undefined && expect === undefined) yield 'says: nothing is waited for'
  if (secrets.length > 1) yield 'send: one secret on a line'
  if (named.some((one) => !` ${send} `.includes(` ${one} `)))
    yield 'send: a name is a word of its own, without quotes or other signs beside it'
  if (secrets.length === 0) {
    if (echoes === true) yield 'echoes: no secret stands on this line'
    return
  }
  if (echoes === true) {
    if (send === `{${secrets[0]}}`)
      yield 'echoes: a secret alone on its line is entered at a prompt without echo'
    return
  }
  if (send !== `{${secrets[0]}}`)
    yield 'send: a secret on a line with other words is shown by the machine: enter it alone, or say echoes'
  if (at === undefined) yield 'at: say letter by letter what the machine asks for the secret with'
  const loose = at?.find((one) => /\*|\{host\}/.test(one) || recipe.prompts.includes(one))
  if (loose !== undefined) yield 'at: a prompt for a secret is pinned letter by letter, and takes no commands'
}

/** What people who choose the recipe must know. */
export function cliFindings(recipe: CliRecipe): readonly string[] {
  const shownLines = sectionsOf(recipe)
    .flatMap(([, steps]) => steps)
    .filter(({ echoes }) => echoes === true)
    .map(({ send }) => send)
  return [
    ...headFindings(recipe),
    ...shownLines.map(
      (send) =>
        `the machine shows the secret on the line ${JSON.stringify(send)}: it may lie in its command log, its accounting and its configuration`,
    ),
    ...(recipe.protocols.includes('telnet') ? ['over Telnet all of it goes in clear'] : []),
  ]
}

/** Does it need the secret of the account's elevation? */
export function cliNeedsEnable(recipe: CliRecipe): boolean {
  return sectionsOf(recipe).some(([, steps]) => steps.some(({ send }) => placesIn(send).includes('enable')))
}
