import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { base64, freshCode, id, moment, nameText, nothing, people, type Verb, verb } from './shapes.ts'

/** What can be asked about services: programs that read with a token, and are no users. */

/**
 * What a token may be for. Each is a named set of verbs that read (`service` in vault/policy/rules.ts); none of them
 * changes anything.
 */
export const serviceScopes = [
  'access.read',
  'audit.read',
  'inventory.read',
  'policy.read',
  'recordings.read',
  'sessions.read',
  'users.read',
] as const

export type ServiceScope = (typeof serviceScopes)[number]

/** Days for which a token is good at most. */
export const longestTokenDays = 366

export type TokenView = {
  readonly id: Id<'tok'>
  readonly service: string
  readonly scopes: readonly ServiceScope[]
  /** From where it may be used; empty: from everywhere. */
  readonly networks: readonly string[]
  readonly state: 'good' | 'expired' | 'revoked'
  readonly addedBy: string
  readonly addedAt: string
  readonly expiresAt: string
  readonly revokedAt: string | null
  /** When it was last used, to a minute, and from where. */
  readonly lastUsedAt: string | null
  readonly lastSource: string | null
}

export const servicesVerbs = {
  /** `boxKey`: the asking client's one-time X25519 key, to which the token comes sealed. */
  'token.add': verb(
    people,
    z.strictObject({
      service: nameText,
      scopes: z.array(z.enum(serviceScopes)).min(1).max(serviceScopes.length),
      networks: z.array(z.string().max(60)).max(20).optional(), // addresses, or networks as 10.0.3.0/24
      expiresAt: moment,
      boxKey: base64,
      totpCode: freshCode,
    }),
  ),
  'token.list': verb(people, nothing),
  'token.revoke': verb(people, z.strictObject({ token: id('tok') })),
} as const satisfies Record<string, Verb>

export type ServicesAnswers = {
  /** The token itself is shown this once. */
  'token.add': { readonly token: TokenView; readonly sealedToken: string }
  'token.list': readonly TokenView[]
  'token.revoke': TokenView
}
