import { z } from 'zod'
import { headFindings, recipeHead } from './recipe-head.ts'

/** How a machine with a web page or an API is told to take another password. docs/rotation-recipes.md is the format for people. */

/** Secrets that the body of a request may hold. `password`: what whoever logs in does so with. */
export const httpSecrets = ['password', 'current', 'candidate'] as const
export type HttpSecret = (typeof httpSecrets)[number]

/** The parts of a recipe. */
export const httpParts = ['enter', 'verify', 'change', 'persist', 'retire', 'leave'] as const
export type HttpPart = (typeof httpParts)[number]

/** What a part may fill in beside `{login}` and what was taken before. */
const secretsOf: Readonly<Record<HttpPart, readonly HttpSecret[]>> = {
  enter: ['password'],
  verify: ['password'],
  change: ['current', 'candidate'],
  persist: [],
  retire: [],
  leave: [],
}

const shown = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[\x20-\x7e]*$/, 'ASCII that can be seen, on one line')
const said = shown(200).min(1)
const named = z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'small letters, digits and -, 20 at most')
const status = z.array(z.int().min(200).max(599)).min(1).max(8)
const path = shown(400).regex(/^\/[^ #\\]*$/, 'it begins with /, without spaces, # and \\')
const headerName = z
  .string()
  .max(60)
  .regex(/^[a-z][a-z0-9-]*$/, 'small letters, digits and -')
const pointer = z
  .string()
  .max(200)
  .regex(/^(\/[\x20-\x7e]*)?$/, 'a JSON pointer: empty, or it begins with /')
const holds = z.strictObject({
  pointer,
  is: z.union([shown(200), z.number(), z.boolean(), z.null()]),
})

/** Any of these in an answer. */
const anyOf = z
  .strictObject({
    status: status.optional(),
    says: z.array(said).min(1).max(20).optional(),
    location: path.optional(),
    json: z.array(holds).min(1).max(8).optional(),
  })
  .refine((one) => Object.keys(one).length > 0, 'say by what it is known')
export type HttpSign = z.output<typeof anyOf>

const take = z.discriminatedUnion('from', [
  z.strictObject({ name: named, from: z.literal('json'), pointer }),
  z.strictObject({ name: named, from: z.literal('header'), header: headerName }),
  z.strictObject({ name: named, from: z.literal('cookie'), cookie: said.max(100) }),
  /** What stands between two texts, the first time that the first of them comes. */
  z.strictObject({ name: named, from: z.literal('text'), after: said, before: said }),
])
export type HttpTake = z.output<typeof take>

const step = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  path,
  headers: z.record(headerName, shown(400)).default({}),
  /** What is sent, as JSON: its texts are filled in. */
  json: z.json().optional(),
  /** What is sent, as a form. */
  form: z.record(shown(100).min(1), shown(1000)).optional(),
  /** All of these must hold. */
  expect: z.strictObject({
    status,
    says: said.optional(),
    location: path.optional(),
    json: z.array(holds).min(1).max(8).optional(),
  }),
  /** It did not let somebody in. */
  rejected: anyOf.optional(),
  /** It did not take the new password. */
  refused: anyOf.optional(),
  /** What of the answer is filled in later. */
  take: z.array(take).min(1).max(8).optional(),
  /** Seconds that it may take; 20 where nothing is said. */
  seconds: z.int().min(1).max(60).optional(),
})
export type HttpStep = z.output<typeof step>

const steps = z.array(step).min(1).max(10)

export const httpRecipe = z
  .strictObject({
    ...recipeHead,
    format: z.literal('tagout/http/1'),
    protocols: z.array(z.literal('https')).length(1).default(['https']),
    /** Each request proves who asks. Missing: `enter` logs in. */
    auth: z.enum(['basic', 'digest']).optional(),
    /** Logs in, or shows that one can. */
    enter: steps,
    /** What a fresh login is tried with beside that. */
    verify: steps.optional(),
    change: steps,
    /** Missing: what is changed is kept over a restart by itself. */
    persist: steps.optional(),
    /** After the promotion: ends what the old password had opened. */
    retire: steps.optional(),
    leave: steps.optional(),
    /** Another account of the same machine can ask for `change` for this one: it is then set right by one. */
    reconciles: z.boolean().default(false),
  })
  .superRefine((recipe, context) => {
    for (const [path, message] of faultsIn(recipe))
      context.addIssue({ code: 'custom', path: [...path], message })
  })
export type HttpRecipe = z.output<typeof httpRecipe>

type Parts = Pick<HttpRecipe, 'auth' | 'reconciles'> & {
  readonly [part in HttpPart]?: readonly HttpStep[] | undefined
}
type Found = readonly [path: readonly (string | number)[], message: string]

function* faultsIn(recipe: Parts): Generator<Found> {
  const entered = (recipe.enter ?? []).flatMap((one) => (one.take ?? []).map(({ name }) => name))
  for (const part of httpParts) {
    const known = new Set<string>(part === 'enter' ? [] : entered)
    for (const [index, one] of (recipe[part] ?? []).entries()) {
      for (const fault of stepFaults(recipe, part, one, known)) yield [[part, index], fault]
      for (const { name } of one.take ?? []) known.add(name)
    }
  }
  const { enter = [], verify = [], change = [] } = recipe
  const holders = change.map((one) => namesIn(one).includes('candidate'))
  if (!holders.includes(true)) yield [['change'], '{candidate} is sent nowhere']
  if (![...enter, ...verify].some(({ rejected }) => rejected !== undefined))
    yield [['enter'], 'say by what a refused login is known: rejected']
  if (recipe.auth === undefined && !enter.some((one) => namesIn(one).includes('password')))
    yield [['enter'], '{password} is sent nowhere, and there is no auth: nobody logs in']
  // The password of the requests after it would be the one before.
  if (recipe.auth !== undefined && holders.indexOf(true) !== change.length - 1)
    yield [['change'], 'with auth, nothing follows the request that holds {candidate}']
  if (recipe.auth !== undefined && recipe.leave !== undefined)
    yield [['leave'], 'with auth there is nothing to leave']
  if (recipe.reconciles && change.some((one) => namesIn(one).includes('current')))
    yield [['reconciles'], 'where {current} is asked for, no other account can send it']
}

/** Names that a header may not have: they are the connection's, or say who asks. */
const ownHeaders = new Set([
  ...['host', 'connection', 'content-length', 'content-type', 'transfer-encoding', 'te', 'trailer'],
  ...[
    'upgrade',
    'expect',
    'cookie',
    'keep-alive',
    'proxy-authorization',
    'proxy-connection',
    'accept-encoding',
  ],
])

/** SECURITY: a secret stands in a body, where no device writes it into its log as it does with paths. */
function* stepFaults(
  recipe: Parts,
  part: HttpPart,
  given: HttpStep,
  known: ReadonlySet<string>,
): Generator<string> {
  const { method, path: to, headers, json, form, expect, rejected, refused, take: takes } = given
  const outside = [to, ...Object.values(headers)]
  const inside = bodyTexts(given)
  for (const text of [...outside, ...inside])
    if (/[{}]/.test(text.replaceAll(/\{[a-z][a-z0-9-]*\}/g, ''))) yield 'a brace stands around a name alone'
  const mayBe: readonly string[] = ['login', ...secretsOf[part]]
  for (const name of [...outside, ...inside].flatMap(placesIn))
    if (!mayBe.includes(name) && !known.has(name))
      yield httpSecrets.some((one) => one === name)
        ? `{${name}} is not sent in ${part}`
        : `{${name}} is nothing that was taken before`
  if (outside.flatMap(placesIn).some((name) => isSecret(name)))
    yield 'a secret stands in a body, not in a path or a header'
  for (const name of Object.keys(headers))
    if (ownHeaders.has(name) || (name === 'authorization' && recipe.auth !== undefined))
      yield `headers: ${name} is not a recipe’s to say`
  if (json !== undefined && form !== undefined) yield 'it sends JSON or a form'
  if (method === 'GET' && (json !== undefined || form !== undefined)) yield 'GET sends nothing'
  if (json !== undefined && depthOf(json) > 8) yield 'json: it is nested too deeply'
  if (expect.status.some((code) => code >= 300 && code < 400) && expect.location === undefined)
    yield 'expect: where it redirects, say to which path (location)'
  if (rejected !== undefined && part !== 'enter' && part !== 'verify')
    yield 'rejected: a login is refused in enter and verify'
  if (refused !== undefined && part !== 'change') yield 'refused: a new password is refused in change'
  for (const { name } of takes ?? [])
    if (name === 'login' || isSecret(name)) yield `take: ${name} has a meaning already`
}

function isSecret(name: string): name is HttpSecret {
  return httpSecrets.some((one) => one === name)
}

/** The texts of a body that are filled in. */
function bodyTexts({ json, form }: Pick<HttpStep, 'json' | 'form'>): readonly string[] {
  return [...Object.values(form ?? {}), ...textsIn(json)]
}

function textsIn(value: HttpStep['json']): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsIn)
}

function depthOf(value: HttpStep['json']): number {
  return typeof value === 'object' && value !== null
    ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
    : 0
}

/** The names that a text holds, in order. */
export function placesIn(text: string): readonly string[] {
  return (text.match(/\{[a-z][a-z0-9-]*\}/g) ?? []).map((one) => one.slice(1, -1))
}

/** The names that a request holds. */
export function namesIn(given: HttpStep): readonly string[] {
  return [given.path, ...Object.values(given.headers), ...bodyTexts(given)].flatMap(placesIn)
}

/** Texts of a request in which a name stands among other words: it must be a word there. */
export function mixedIn(given: HttpStep): readonly string[] {
  return bodyTexts(given)
    .filter((text) => !/^\{[a-z][a-z0-9-]*\}$/.test(text))
    .flatMap(placesIn)
}

/** What people who choose the recipe must know. */
export function httpFindings(recipe: HttpRecipe): readonly string[] {
  const { enter, verify = [], auth } = recipe
  const proves = ({ expect, take: takes }: HttpStep) =>
    expect.says !== undefined ||
    expect.json !== undefined ||
    expect.location !== undefined ||
    takes !== undefined
  return [
    ...headFindings(recipe),
    ...([...enter, ...verify].some(proves)
      ? []
      : [
          'a login is believed by the status of the answer alone: see that the machine refuses a wrong password with another one',
        ]),
    ...(auth === 'digest'
      ? ['by digest the machine keeps what is as good as the password, often as MD5: have it long']
      : []),
  ]
}
