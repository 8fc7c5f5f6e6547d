import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import type { DirectoryKind } from './directories.ts'
import {
  base64,
  base64url,
  freshCode,
  id,
  mailAddress,
  nameText,
  nothing,
  passkeyProof,
  people,
  reference,
  sealed,
  signInCode,
  type Verb,
  verb,
} from './shapes.ts'
import { type OffboardingView, type TermsView } from './vendors.ts'
import { type Role, roles } from './words.ts'

/** What can be asked about users, their proofs and their logins. */

/** What a user is written to about: everything that concerns them, or what concerns security alone. */
export const noticeChoices = ['all', 'security'] as const

export type NoticeChoice = (typeof noticeChoices)[number]

export type MailView = { readonly address: string; readonly notices: NoticeChoice }

export type UserView = {
  readonly id: Id<'usr'>
  readonly name: string
  readonly roles: readonly Role[]
  readonly state: 'enrolling' | 'active' | 'disabled'
  readonly hasPassword: boolean
  readonly hasTotp: boolean
  readonly keys: number
  readonly passkeys: number
  /** How many recovery codes are left. */
  readonly recoveryCodes: number
  readonly mail: MailView | null
  readonly createdAt: string
  readonly lastLoginAt: string | null
  /** The company that they represent; missing for everybody else. */
  readonly company?: string
  /** The directory that knows them: it checks their password. Missing for everybody else. */
  readonly directory?: string
  /** Other users who are the same person, and why. Missing in lists, and where there are none. */
  readonly alsoIs?: readonly { readonly user: string; readonly why: string }[]
  /** When its contract ends. Missing in lists. */
  readonly contractEndsAt?: string
  /** Its terms were not accepted: nothing else is answered before they are. */
  readonly owesTerms?: true
}

export type Enrolment = { readonly token: string; readonly path: string; readonly expiresAt: string }

export type UserKeyView = {
  readonly id: Id<'key'>
  readonly type: string
  readonly fingerprint: string
  readonly comment: string
  readonly createdAt: string
}

export type LoginView = {
  readonly token: string
  readonly user: UserView
  readonly expiresAt: string
}

export type PasskeyView = {
  readonly id: Id<'pky'>
  readonly name: string
  /** The name of the console at which it was made: it is good there alone. */
  readonly site: string
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

/** What a browser asks an authenticator with. */
export type PasskeyAsk = {
  readonly nonce: string
  readonly passkeys: readonly { readonly credential: string; readonly site: string }[]
}

/** Recovery codes, a JSON array of texts sealed to the box key of whoever asked. They are shown this once. */
export type RecoveryCodes = { readonly sealedRecoveryCodes: string }

export type LoginListing = {
  readonly id: Id<'lgn'>
  readonly user: string
  readonly source: string
  readonly createdAt: string
  /** When something was last asked with it, to 20 s. */
  readonly lastSeenAt: string
  readonly expiresAt: string
  /** It ends after so many seconds in which nothing is asked with it. */
  readonly idleSeconds: number
  /** Until it ends whatever is asked: no two clocks need agree. */
  readonly secondsLeft: number
  /** Is it the one that asks? */
  readonly isOwn: boolean
}

export const usersVerbs = {
  'user.add': verb(
    people,
    z.strictObject({ name: nameText, roles: z.array(z.enum(roles)).min(1).max(5), totpCode: freshCode }),
  ),
  'user.list': verb(people, nothing),
  'user.show': verb(people, z.strictObject({ user: reference })),
  'user.roles': verb(
    people,
    z.strictObject({
      user: reference,
      roles: z.array(z.enum(roles)).min(1).max(5),
      totpCode: freshCode, // where a role is added
    }),
  ),
  /** `evenLast`: the last active administrator too, which the machine's administrator alone may. */
  'user.disable': verb(people, z.strictObject({ user: reference, evenLast: z.boolean().optional() })),
  'user.enable': verb(people, z.strictObject({ user: reference })),
  /** A new one-time link; resets password and TOTP when used. */
  'user.enrol': verb(people, z.strictObject({ user: reference, totpCode: freshCode })),
  /** Where a user is written to; null takes the address away. `notices` stays as it is where it is not given. */
  'user.mail': verb(
    people,
    z.strictObject({
      user: reference,
      address: mailAddress.nullable(),
      notices: z.enum(noticeChoices).optional(),
      totpCode: freshCode,
    }),
  ),
  /** Says that a user is the same person as another; null: as nobody else. What takes two people takes two persons. */
  'user.samePerson': verb(
    people,
    z.strictObject({ user: reference, as: reference.nullable(), totpCode: freshCode }),
  ),
  'user.key.add': verb(
    people,
    z.strictObject({ user: reference, publicKey: z.string().max(16_384), totpCode: freshCode }),
  ),
  'user.key.list': verb(people, z.strictObject({ user: reference })),
  'user.key.remove': verb(people, z.strictObject({ user: reference, key: id('key') })),
  /**
   * Takes a user off for good: sessions, logins, grants, requests, leases, memberships and keys end, and what they have
   * seen is due to be rotated.
   */
  'user.off': verb(people, z.strictObject({ user: reference, reason: z.string().trim().min(1).max(500) })),
  /** `boxKey`: the asking client's one-time X25519 key, to which a new second factor comes sealed: of several the last one counts. */
  'enrolment.begin': verb(
    ['anyone'],
    z.strictObject({ token: z.string().max(200), boxKey: base64, source: z.string().max(100) }),
  ),
  'enrolment.finish': verb(
    ['anyone'],
    z.strictObject({
      token: z.string().max(200),
      /** Left out by who is of a provider of OpenID Connect: they have signed in there (`login.return`). */
      sealedPassword: sealed.optional(),
      arrival: base64url(100).optional(),
      totpCode: z.string().max(16),
      termsDigest: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(), // of the terms that were shown
      /** The asking client's one-time X25519 key, to which recovery codes come sealed. Without it none are made. */
      boxKey: base64.optional(),
      source: z.string().max(100),
    }),
  ),
  /** Makes ten new recovery codes; those before are good no longer. */
  'user.renewCodes': verb(['user'], z.strictObject({ boxKey: base64, totpCode: freshCode })),
  'login.start': verb(
    ['anyone'],
    z.strictObject({
      name: z.string().max(100),
      sealedPassword: sealed,
      /** A passkey signs name and sealed password, with a nonce of `login.challenge`. */
      totpCode: signInCode,
      source: z.string().max(100),
    }),
  ),
  /** Begins a sign-in by a passkey, which answers `login.passkey` within 60 s. */
  'login.challenge': verb(['anyone'], nothing),
  'login.passkey': verb(['anyone'], z.strictObject({ proof: passkeyProof, source: z.string().max(100) })),
  /** Begins a proof by a passkey in place of a fresh code: good for one act of this login, within 60 s. */
  'passkey.challenge': verb(['user'], nothing),
  'passkey.begin': verb(['user'], nothing),
  'passkey.add': verb(
    ['user'],
    z.strictObject({
      nonce: base64url(100),
      name: z.string().trim().min(1, 'give it a name').max(60),
      credential: base64url(1400),
      clientDataJSON: base64url(4000),
      attestationObject: base64url(16_000),
      totpCode: freshCode,
    }),
  ),
  'passkey.list': verb(people, z.strictObject({ user: reference })),
  'passkey.remove': verb(people, z.strictObject({ user: reference, passkey: id('pky') })),
  'login.who': verb(['user'], nothing),
  /** Shows a second factor, for nothing but a rule of the policy that wants it young. */
  'login.confirm': verb(['user'], z.strictObject({ totpCode: freshCode })),
  'login.end': verb(['user'], nothing),
  'login.list': verb(people, nothing),
  'login.revoke': verb(people, z.strictObject({ login: id('lgn') })),
  /** Ends all logins of a user but the one that asks. */
  'login.revokeAll': verb(people, z.strictObject({ user: reference })),
  /** A token that lets the machine's administrator read recordings' ciphertext from the recorder (list, verify). */
  'login.local': verb(['local'], nothing),
} as const satisfies Record<string, Verb>

export type UsersAnswers = {
  'user.add': { readonly user: UserView; readonly enrolment: Enrolment }
  'user.list': readonly UserView[]
  'user.show': UserView
  'user.roles': UserView
  'user.disable': UserView
  'user.enable': UserView
  'user.enrol': Enrolment
  'user.mail': UserView
  'user.samePerson': UserView
  'user.key.add': UserKeyView
  'user.key.list': readonly UserKeyView[]
  'user.key.remove': null
  'user.off': OffboardingView
  'enrolment.begin': {
    readonly name: string
    /** The directory whose password is asked for; null: they choose one. */
    readonly directory: { readonly name: string; readonly kind: DirectoryKind } | null
    /** What a representative has to accept with it. */
    readonly terms: TermsView | null
    /** `crypto_box_seal` of the JSON `{ secret, uri }` (base32, `otpauth:`), as base64. */
    readonly sealedTotp: string
    readonly expiresAt: string
  }
  'enrolment.finish': LoginView & Partial<RecoveryCodes>
  'user.renewCodes': RecoveryCodes & { readonly user: UserView }
  'login.start': LoginView
  'login.challenge': { readonly nonce: string }
  'login.passkey': LoginView
  'passkey.challenge': PasskeyAsk
  'passkey.begin': PasskeyAsk & { readonly handle: string }
  'passkey.add': PasskeyView
  'passkey.list': readonly PasskeyView[]
  'passkey.remove': null
  'login.who': UserView
  'login.confirm': null
  'login.end': null
  'login.list': readonly LoginListing[]
  'login.revoke': null
  'login.revokeAll': { readonly revoked: number }
  'login.local': { readonly token: string; readonly expiresAt: string }
}
