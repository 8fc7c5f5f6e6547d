import { z } from 'zod'
import type { DirectoryFinding, OidcSettings } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { World } from '../world.ts'
import { certificateFinding } from './certificate.ts'
import type { OidcAsking } from './oidc-speak.ts'
import { openSecretOf } from './secret.ts'

/** Seconds that a provider has to answer, all that it is asked for one step together. */
const stepSeconds = 20

const failed = z.object({
  ok: z.literal(false),
  why: z.enum(['away', 'tls', 'metadata', 'client', 'code', 'token', 'failed']).catch('failed'),
  detail: z
    .string()
    .max(100)
    .regex(/^[A-Za-z_ ]*$/)
    .catch(''),
})
type Failed = z.output<typeof failed>
const names = z.array(z.string().max(200)).max(40)
const testAnswer = z.union([
  z.object({
    ok: z.literal(true),
    certificateUntil: z.string().max(60).nullable(),
    keys: z.int().min(0),
    algorithms: names,
    takesPkce: z.boolean().nullable(),
    unknownAcr: names.nullable(),
    unknownScopes: names.nullable(),
    knowsClient: z.boolean().nullable(),
  }),
  failed,
])
const beginAnswer = z.union([z.object({ ok: z.literal(true), url: z.url().max(8000) }), failed])
const claims = z.looseObject({
  iss: z.string().max(300),
  aud: z.union([z.string().max(300), z.array(z.string().max(300)).max(20)]),
  azp: z.string().max(300).optional(),
  // OpenID Connect Core §2: 255 signs of ASCII at most.
  sub: z.string().regex(/^[\x20-\x7e]{1,255}$/),
  nonce: z.string().max(200),
  acr: z.string().max(300).optional(),
  auth_time: z.number().optional(),
})
export type OidcClaims = z.output<typeof claims>
const exchangeAnswer = z.union([z.object({ ok: z.literal(true), claims }), failed])

type Directory = Row<'directory'>

/** Where the console receives who comes back. */
export function redirectUriOf(settings: OidcSettings): string {
  return `${settings.console}/sign-in/return`
}

/** Where a browser is sent to sign in. */
export async function beginOidc(
  world: World,
  row: Directory,
  settings: OidcSettings,
  what: {
    readonly state: string
    readonly nonce: string
    readonly challenge: string
    readonly asking: OidcAsking
  },
): Promise<Outcome<string>> {
  const answer = await ask(world, row, settings, { do: 'begin', ...what }, beginAnswer)
  if (!answer.ok) return answer
  // SECURITY: a browser goes there.
  return new URL(answer.value.url).protocol === 'https:'
    ? done(answer.value.url)
    : refuse(
        'unavailable',
        `the provider ${row.name} names an address that is not behind TLS`,
        askThem(row.name),
      )
}

/** Exchanges what a browser came back with. What the ID token says was verified by who speaks with the provider. */
export async function exchangeOidc(
  world: World,
  row: Directory,
  settings: OidcSettings,
  what: {
    readonly code: string
    readonly iss: string | null
    readonly state: string
    readonly nonce: string
    readonly verifier: string
    readonly maxAge: number | null
  },
): Promise<Outcome<OidcClaims>> {
  const answer = await ask(world, row, settings, { do: 'exchange', ...what }, exchangeAnswer)
  return answer.ok ? done(answer.value.claims) : answer
}

/** Reads what a provider says of itself, and what somebody should look at of it. */
export async function testOidc(
  world: World,
  row: Directory,
  settings: OidcSettings,
): Promise<Outcome<readonly DirectoryFinding[]>> {
  const answer = await ask(world, row, settings, { do: 'test' }, testAnswer)
  if (!answer.ok) return answer
  const { keys, algorithms, takesPkce, unknownAcr, unknownScopes, knowsClient } = answer.value
  // SECURITY: names that reach a screen are of our own settings.
  const ours = new Set([...settings.acrValues, ...(settings.stepUp?.acrValues ?? []), ...settings.scopes])
  const lacks = (what: string, unknown: readonly string[] | null) => {
    const listed = (unknown ?? []).filter((one) => ours.has(one))
    return listed.length === 0 ? [] : [`does not name the ${what} ${listed.join(', ')}`]
  }
  const faults = [
    ...(takesPkce === false ? ['does not say that it takes PKCE by S256'] : []),
    ...lacks('acr value', unknownAcr),
    ...lacks('scope', unknownScopes),
  ]
  const signs = algorithms.filter((one) => /^[A-Za-z0-9]{1,10}$/.test(one)).join(', ')
  return done([
    {
      about: 'discovery',
      fine: faults.length === 0,
      says:
        faults.length === 0 ? `it is ${settings.issuer}, as it writes itself` : `it ${faults.join('; it ')}`,
    },
    {
      about: 'keys',
      fine: keys > 0 && signs !== '',
      says:
        signs === ''
          ? 'it names no way to sign ID tokens that is believed here'
          : `it has ${keys} ${keys === 1 ? 'key' : 'keys'}, and signs by ${signs}`,
    },
    certificateFinding(answer.value.certificateUntil, world.vault.clock()),
    {
      about: 'client',
      fine: knowsClient === true,
      says:
        knowsClient === true
          ? `it knows the client ${settings.clientId}, by its secret`
          : `it does not say whether it knows the client ${settings.clientId}: sign in once`,
    },
  ])
}

/** SECURITY: what came is a stranger's: it has this shape, or is a refusal. */
async function ask<T extends { readonly ok: boolean }>(
  world: World,
  row: Directory,
  settings: OidcSettings,
  question: Readonly<Record<string, unknown>>,
  shape: z.ZodType<T>,
): Promise<Outcome<Extract<T, { ok: true }>>> {
  const secret = openSecretOf(world, row)
  const whole = { speak: 'oidc', settings, secret, redirectUri: redirectUriOf(settings), ...question }
  const said = await world.directories.ask(row.id, whole, stepSeconds)
  if (!said.ok) return said
  const parsed = shape.safeParse(said.value)
  if (!parsed.success)
    return refuse(
      'unavailable',
      `the provider ${row.name} answered something that is no answer`,
      askThem(row.name),
    )
  const answer = parsed.data as T | Failed
  return 'why' in answer ? whyText(row.name, answer) : done(answer as Extract<T, { ok: true }>)
}

const askThem = (name: string) => `have an administrator look: tagout directory test ${name}`

function whyText(name: string, { why, detail }: Failed): Outcome<never> {
  const code = detail === '' ? '' : ` (${detail})`
  switch (why) {
    case 'away':
      return refuse(
        'unavailable',
        `the provider ${name} cannot be reached${code}`,
        'try again in a moment; local users sign in as ever',
      )
    case 'tls':
      return refuse(
        'unavailable',
        `the provider ${name} shows a certificate that nothing vouches for${code}`,
        `have an administrator find out why; if it was renewed on purpose: tagout directory change-oidc ${name} --ca FILE`,
      )
    case 'metadata':
      return refuse(
        'unavailable',
        `what the provider ${name} says of itself does not fit its issuer${code}`,
        `have an administrator compare the issuer, sign for sign: tagout directory show ${name}`,
      )
    case 'client':
      return refuse(
        'unavailable',
        `the provider ${name} does not know this console, or not by the secret that was entered${code}`,
        `have an administrator compare client and secret: tagout directory change-oidc ${name} --anew`,
      )
    case 'code':
      return refuse(
        'unauthenticated',
        `the provider ${name} does not take back what it sent you with${code}`,
        'begin your sign-in anew',
      )
    case 'token':
      return refuse(
        'unauthenticated',
        `what the provider ${name} says of you is not proven${code}`,
        'begin your sign-in anew; if it stays so, tell an administrator',
      )
    case 'failed':
      return refuse(
        'unavailable',
        `the provider ${name} does not answer as a provider should${code}`,
        askThem(name),
      )
  }
}
