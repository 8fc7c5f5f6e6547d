import { z } from 'zod'
import type { OidcSettings } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { World } from '../world.ts'
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
const testAnswer = z.union([z.object({ ok: z.literal(true) }), failed])
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
    : refuse('unavailable', `the provider ${row.name} names an address that is not behind TLS`, askThem)
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

/** Reads what a provider says of itself. */
export async function testOidc(world: World, row: Directory, settings: OidcSettings): Promise<Outcome<null>> {
  const answer = await ask(world, row, settings, { do: 'test' }, testAnswer)
  return answer.ok ? done(null) : answer
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
    return refuse('unavailable', `the provider ${row.name} answered something that is no answer`, askThem)
  const answer = parsed.data as T | Failed
  return 'why' in answer ? whyText(row.name, answer) : done(answer as Extract<T, { ok: true }>)
}

const askThem = 'have an administrator look: tagout directory test NAME'

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
        'have an administrator find out why; if it was renewed on purpose: tagout directory change-oidc NAME --ca FILE',
      )
    case 'metadata':
      return refuse(
        'unavailable',
        `what the provider ${name} says of itself does not fit its issuer${code}`,
        'have an administrator compare the issuer, sign for sign: tagout directory show NAME',
      )
    case 'client':
      return refuse(
        'unavailable',
        `the provider ${name} does not know this console, or not by the secret that was entered${code}`,
        'have an administrator compare client and secret: tagout directory change-oidc NAME --anew',
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
        askThem,
      )
  }
}
