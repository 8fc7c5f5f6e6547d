import { z } from 'zod'
import { type Id, isId } from '../kernel/id.ts'
import { forwardRecords } from './words.ts'

/** What inputs are made of. Bytes travel as base64 text, moments as ISO 8601 in UTC, durations in whole seconds. */

/** Names of users, safes, targets and accounts: no `@ : / %`, no white space, nothing that looks like an option. */
export const nameText = z
  .string()
  .regex(/^[a-z0-9_][a-z0-9._-]{0,62}$/i, 'use 1 to 63 letters, digits, dots, dashes or underscores')

/** Login names on targets are the target's business, but they travel in `user@account@target`. */
export const loginName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\s@:/%\p{C}]+$/u, 'a login name holds no spaces, control characters or any of @ : / %')

/**
 * A mail address in the form that mail servers give people: letters, digits and signs of ASCII, one @, a domain.
 * SECURITY: nothing in it begins a line, a quotation or an option.
 */
export const mailAddress = z
  .string()
  .max(254)
  .regex(
    /^[a-z0-9!#$%&'*+/=?^_{|}~][a-z0-9.!#$%&'*+/=?^_{|}~-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i,
    'not a mail address: write it as name@example.com',
  )

export const base64 = z
  .string()
  .max(3_000_000)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'not base64')

export const moment = z.iso.datetime({ offset: true })

export const seconds = z
  .int()
  .min(1, 'a second at least')
  .max(366 * 24 * 3600, 'a year at most')

export const id = <Kind extends string>(kind: Kind) =>
  z.custom<Id<Kind>>(
    (value) => typeof value === 'string' && isId(kind, value),
    `not an id of the form ${kind}_…`,
  )

/** A thing named by its id or its name (`press-3/engineer` for an account). */
export const reference = z.string().min(1).max(160)

export const mailDomain = z.string().min(1).max(253)

export const termsText = z.string().trim().min(1, 'leave it out where there are none').max(40_000)

export const reason = z.string().max(500).optional()

export const base64url = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/, 'not base64url')

/** What a passkey signed, as the browser gives it, all in base64url; `nonce` is the vault's, which its challenge holds. */
export const passkeyProof = z.strictObject({
  nonce: base64url(100),
  credential: base64url(1400),
  clientDataJSON: base64url(4000),
  authenticatorData: base64url(4000),
  signature: base64url(2000),
})

export type PasskeyProof = z.output<typeof passkeyProof>

/** A code of the authenticator, a recovery code, or a proof by a passkey: what ends a sign-in. */
export const signInCode = z.union([z.string().max(16), passkeyProof])

export type SignInCode = z.output<typeof signInCode>

/**
 * A code of the asking person's authenticator that was not used before, or a proof by a passkey, made for this act
 * alone. The machine's administrator gives none.
 */
export const freshCode = z.union([z.string().max(16), passkeyProof]).optional()

export type FreshCode = z.output<typeof freshCode>

/** Text without line breaks or other control characters. */
export const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{C}]*$/u, 'one line of text')

export const certificates = z
  .string()
  .max(64_000)
  .regex(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/,
    'not a certificate in PEM: -----BEGIN CERTIFICATE-----',
  )

/** Where forwarding may go. */
export const forwards = z
  .array(
    z.strictObject({
      host: z.string().min(1).max(253),
      port: z.int().min(1).max(65_535),
      record: z.enum(forwardRecords).optional(),
      connections: z.int().min(1).max(64).optional(),
      megabytes: z.int().min(1).max(1_000_000).optional(),
    }),
  )
  .min(1)
  .max(32)

/** Who asks. `local` is the machine's administrator through the admin door, `rotation` the worker that speaks with targets. */
export type Door = 'local' | 'user' | 'anyone' | 'recorder' | 'rotation' | 'api'

export type Verb = { readonly door: readonly Door[]; readonly input: z.ZodType }

export const verb = <Input extends z.ZodType>(door: readonly Door[], input: Input) => ({ door, input })

export const people: readonly Door[] = ['local', 'user']

export const nothing = z.strictObject({})

/** Take a database that is older than the vault remembers: a backup was restored. Audited. */
export const acceptRollback = z.boolean().optional()

/** A sealed secret as the console or CLI sends it: `crypto_box_seal` to the intake key over `sealedPayload`. */
export const sealed = base64

/** Says only what would happen, or proves that it can, and changes nothing. */
export const rehearse = z.boolean().optional()
