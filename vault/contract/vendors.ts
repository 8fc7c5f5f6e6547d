import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { type GrantView } from './checkout.ts'
import {
  freshCode,
  id,
  mailDomain,
  moment,
  nameText,
  nothing,
  people,
  reference,
  termsText,
  type Verb,
  verb,
} from './shapes.ts'
import { type Enrolment, type UserView } from './users.ts'

/** What can be asked about companies, their representatives, and who was taken off. */

/** What a representative agrees to. */
export type TermsView = {
  readonly company: string
  readonly text: string
  /** SHA-256 of the text, in hex: what is accepted is what was shown. */
  readonly digest: string
}

/** A text of a company's terms, the latest first, and who accepted it. */
export type TermsHistoryView = {
  readonly digest: string
  /** Null: it was replaced before texts were kept. */
  readonly text: string | null
  readonly since: string | null
  readonly isPresent: boolean
  readonly acceptances: readonly { readonly user: string; readonly at: string; readonly source: string }[]
}
export const companyStates = ['active', 'ended', 'off'] as const

export type CompanyView = {
  readonly id: Id<'cmp'>
  readonly name: string
  /** `ended`: its contract is over. `off`: it was taken off before. */
  readonly state: (typeof companyStates)[number]
  readonly contractEndsAt: string
  /** Who answers for it in the plant. */
  readonly sponsor: string
  /** Can the sponsor sign in? */
  readonly isSponsorActive: boolean
  readonly mailDomains: readonly string[]
  readonly hasTerms: boolean
  readonly representatives: number
  readonly offAt: string | null
  readonly createdAt: string
}

export type RepresentativeView = {
  readonly user: string
  readonly mail: string
  readonly state: UserView['state']
  readonly invitedBy: string
  readonly createdAt: string
  readonly lastLoginAt: string | null
  /** When they accepted the present terms; null: not yet, or there are none. */
  readonly termsAcceptedAt: string | null
}

export type CompanyDetail = CompanyView & {
  readonly terms: Omit<TermsView, 'company'> | null
  readonly people: readonly RepresentativeView[]
  /** Those that have not ended. */
  readonly grants: readonly GrantView[]
  readonly offboardings: readonly { readonly id: Id<'off'>; readonly at: string }[]
}

/** What taking a user or a company off has ended, and how long it took. */
export type OffboardingView = {
  readonly id: Id<'off'>
  /** One of the two. */
  readonly company: string | null
  readonly user: string | null
  readonly reason: string
  readonly by: string
  readonly at: string
  readonly people: readonly string[]
  readonly logins: number
  readonly sessions: readonly {
    readonly session: Id<'ses'>
    readonly user: string
    readonly account: string
    /** Null until the recorder says that it has ended. */
    readonly endedAt: string | null
    readonly endedAfterMs: number | null
  }[]
  readonly grants: readonly { readonly id: Id<'grt'>; readonly user: string; readonly account: string }[]
  readonly requests: readonly { readonly id: Id<'req'>; readonly user: string; readonly account: string }[]
  readonly leases: readonly { readonly id: Id<'lse'>; readonly user: string; readonly account: string }[]
  /** Secrets that they have seen and that have not been changed since then, when they were taken off. */
  readonly secrets: readonly {
    readonly account: string
    readonly version: number
    readonly user: string
    readonly dueAt: string
    /** When another version took its place; null: it is still to be rotated. */
    readonly rotatedAt: string | null
  }[]
}

export const vendorsVerbs = {
  'company.add': verb(
    people,
    z.strictObject({
      name: nameText,
      contractEndsAt: moment,
      sponsor: reference,
      mailDomains: z.array(mailDomain).min(1).max(20),
      terms: termsText.optional(),
      totpCode: freshCode,
    }),
  ),
  'company.list': verb(people, nothing),
  'company.show': verb(people, z.strictObject({ company: reference })),
  'company.change': verb(
    people,
    z.strictObject({
      company: reference,
      contractEndsAt: moment.optional(),
      sponsor: reference.optional(),
      mailDomains: z.array(mailDomain).min(1).max(20).optional(),
      terms: termsText.nullable().optional(), // null takes them away
      totpCode: freshCode,
    }),
  ),
  /** Adds a representative, who is a user with the role vendor, and their link. */
  'company.invite': verb(
    people,
    z.strictObject({ company: reference, name: nameText, mail: z.string().max(254), totpCode: freshCode }),
  ),
  /** Takes a company off with all its representatives. */
  'company.off': verb(
    people,
    z.strictObject({ company: reference, reason: z.string().trim().min(1).max(500) }),
  ),
  /** Lets a company be worked with again. Its people stay off until each is enabled. */
  'company.on': verb(people, z.strictObject({ company: reference, totpCode: freshCode })),
  'offboarding.list': verb(people, nothing),
  'offboarding.show': verb(people, z.strictObject({ offboarding: id('off') })),
  /** The terms of the asking user's own company, if they have to accept any. */
  /** What the company's people were shown to accept, in the course of time, and who accepted which. */
  'company.terms': verb(people, z.strictObject({ company: reference })),
  'terms.show': verb(['user'], nothing),
  'terms.accept': verb(['user'], z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/) })),
} as const satisfies Record<string, Verb>

export type VendorsAnswers = {
  'company.add': CompanyView
  'company.list': readonly CompanyView[]
  'company.show': CompanyDetail
  'company.change': CompanyView
  'company.invite': { readonly representative: RepresentativeView; readonly enrolment: Enrolment }
  'company.off': OffboardingView
  'company.on': CompanyView
  'offboarding.list': readonly OffboardingView[]
  'offboarding.show': OffboardingView
  'company.terms': readonly TermsHistoryView[]
  'terms.show': TermsView | null
  'terms.accept': UserView
}
