import { z } from 'zod'
import { base64url, certificates, line, nameText, nothing, signInCode, type Verb, verb } from './shapes.ts'
import type { LoginView } from './users.ts'

/** What can be asked about sign-ins at a provider of OpenID Connect. */

const claimName = z.string().regex(/^[A-Za-z0-9_:/.-]{1,200}$/, 'not the name of a claim')

const acrValues = z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'not an acr value')).max(10)

export const oidcSettings = z.strictObject({
  kind: z.literal('oidc'),
  /** As the provider writes it, sign for sign. */
  issuer: z
    .string()
    .max(300)
    .regex(/^https:\/\/[^\s?#@]+$/, 'write it as https://login.plant.example/realms/plant')
    .refine((text) => URL.canParse(text), 'not an address'),
  clientId: line(200),
  /** PEM: of the CA that signed the provider's certificate; null: one of those that every browser trusts. */
  certificates: certificates.nullable(),
  /** Where people reach the console: https://gateway.plant.example. Nobody is sent back to anywhere else. */
  console: z
    .string()
    .max(300)
    .regex(
      /^(https:\/\/[a-z0-9.-]+|http:\/\/(localhost|127\.0\.0\.1))(:[0-9]{1,5})?$/,
      'write it as https://gateway.plant.example, with its port, in small letters',
    ),
  /** In which claims of the ID token the groups and the name of a person are. */
  groupsClaim: claimName,
  loginClaim: claimName,
  /** Asked for beside `openid`. */
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, 'not a scope')).max(10),
  /** One of them is asked for and has to be there: how the person was asked there. Empty: however they were. */
  acrValues,
  /** How long ago they may have been asked there; null: however long. */
  maxAgeSeconds: z
    .int()
    .min(60)
    .max(30 * 24 * 3600)
    .nullable(),
  /**
   * What takes a fresh code takes besides, of whoever is of this provider: that it asked them no longer ago than this,
   * and as one of these values says (empty: however it likes). Null: the code alone.
   */
  stepUp: z
    .strictObject({
      withinSeconds: z
        .int()
        .min(60)
        .max(12 * 3600),
      acrValues,
    })
    .nullable()
    .default(null),
  /** For so long after a sign-in there, an SSH key of theirs is good: the provider says nothing of who has left. */
  keysSeconds: z
    .int()
    .min(600)
    .max(30 * 24 * 3600),
})
export type OidcSettings = z.output<typeof oidcSettings>

/** What a browser comes back from a provider with. `browser`: what it was given to keep when it left. */
const comingBack = {
  state: base64url(100),
  browser: base64url(100),
  code: z.string().min(1).max(4000).optional(),
  iss: z.string().max(300).optional(),
  error: z.string().max(200).optional(),
}

export const oidcVerbs = {
  /** At which providers people sign in. */
  'login.providers': verb(['anyone'], nothing),
  /** Begins a sign-in there. `origin`: how the browser reached the console. */
  'login.leave': verb(
    ['anyone'],
    z.strictObject({ directory: nameText, origin: z.string().max(300), source: z.string().max(100) }),
  ),
  /** What the provider sent the browser back with, within five minutes. */
  'login.return': verb(['anyone'], z.strictObject({ ...comingBack, source: z.string().max(100) })),
  /**
   * Ends it with a second factor of ours: what the provider proved is half of a sign-in. A passkey signs the arrival, with
   * a nonce of `login.challenge`.
   */
  'login.finish': verb(
    ['anyone'],
    z.strictObject({
      arrival: base64url(100),
      totpCode: signInCode,
      source: z.string().max(100),
    }),
  ),
  /** Sends whoever asks to their provider, which has to ask them anew. */
  'login.stepUp': verb(['user'], z.strictObject({ origin: z.string().max(300) })),
  /** What it sent them back with: it has to be them, asked since they left, within five minutes. */
  'login.stepUpReturn': verb(['user'], z.strictObject(comingBack)),
} as const satisfies Record<string, Verb>

export type OidcAnswers = {
  'login.providers': readonly { readonly name: string }[]
  /** `browser` goes into a cookie, for the way back. */
  'login.leave': { readonly url: string; readonly browser: string }
  'login.return': {
    readonly arrival: string
    readonly name: string
    readonly directory: string
    /** They have no second factor yet: their link goes on with it. */
    readonly isEnrolling: boolean
  }
  'login.finish': LoginView
  'login.stepUp': { readonly url: string; readonly browser: string }
  'login.stepUpReturn': { readonly directory: string }
}
