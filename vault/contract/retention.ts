import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { freshCode, id, line, nameText, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { type HeldKind, heldKinds } from './words.ts'

/** What can be asked about how long recordings are kept, and what keeps them longer. */

/** The class of safes that name none. Nobody has to set it: until then they keep all for good. */
export const standardRetention = 'standard'

export type RetentionClassView = {
  readonly name: string
  /** Null: for good. */
  readonly days: number | null
  readonly reason: string
  /** Null: nobody has set it yet. */
  readonly set: { readonly by: string; readonly at: string } | null
  readonly safes: readonly string[]
  readonly recordings: number
  /** Of them, whose time is over and that nothing holds. */
  readonly due: number
}

export type RetentionView = {
  /** No class is shorter; null: nobody has said so. */
  readonly floor: {
    readonly days: number
    /** The law or the contract that asks for it. */
    readonly basis: string
    readonly by: string
    readonly at: string
  } | null
  readonly classes: readonly RetentionClassView[]
}

export type LegalHoldView = {
  readonly id: Id<'lho'>
  readonly on: { readonly kind: HeldKind; readonly id: string; readonly name: string }
  readonly matter: string
  readonly reason: string
  readonly placedBy: string
  readonly placedAt: string
  /** Who wants it lifted; it takes somebody else. */
  readonly lift: { readonly by: string; readonly reason: string; readonly at: string } | null
  readonly lifted: { readonly by: string; readonly at: string } | null
  readonly recordings: number
}

/** How long one recording is kept, and what holds it. */
export type Keeping = {
  readonly retentionClass: string
  /** Null: for good, or it goes on still. */
  readonly until: string | null
  readonly holds: readonly { readonly id: Id<'lho'>; readonly on: HeldKind; readonly matter: string }[]
}

const days = z.int().min(1, 'a day at least').max(36_500, 'a hundred years at most')
const why = z.string().trim().min(1, 'say why').max(500)
const shortens = z.boolean().optional()

export const retentionVerbs = {
  /** The classes, which safes have them, and how many recordings are past their time. */
  'retention.list': verb(people, nothing),
  /**
   * Makes a class, or says that it keeps for another time; null: for good. `shortens` confirms that what is recorded already is
   * kept for less than was said until now.
   */
  'retention.set': verb(
    people,
    z.strictObject({
      retentionClass: nameText,
      days: days.nullable(),
      reason: why,
      shortens,
      totpCode: freshCode,
    }),
  ),
  /** Takes a class away that no safe has. */
  'retention.remove': verb(people, z.strictObject({ retentionClass: nameText, totpCode: freshCode })),
  /** Says for how long all is kept at least. The machine's administrator alone says less than before. */
  'retention.floor': verb(
    people,
    z.strictObject({
      days: z.int().min(0).max(36_500, 'a hundred years at most'),
      basis: z.string().trim().min(1, 'name the law or the contract').max(500),
      totpCode: freshCode,
    }),
  ),
  /** Gives a safe another class. */
  'safe.retention': verb(
    people,
    z.strictObject({
      safe: reference,
      retentionClass: nameText,
      reason: why,
      shortens,
      totpCode: freshCode,
    }),
  ),
  'legalhold.list': verb(people, z.strictObject({ state: z.enum(['in force', 'all']).optional() })),
  /** Keeps recordings from being destroyed until two people lift it. */
  'legalhold.place': verb(
    people,
    z.strictObject({
      kind: z.enum(heldKinds),
      /** An id, or the name of a person or a safe. */
      of: reference,
      matter: line(200),
      reason: why,
    }),
  ),
  /** Asks for a hold to be lifted; asked by somebody else after that, lifts it. */
  'legalhold.lift': verb(
    ['user'],
    z.strictObject({ legalHold: id('lho'), reason: why, totpCode: freshCode }),
  ),
  /** Says no to who wants it lifted, or takes it back. */
  'legalhold.keep': verb(people, z.strictObject({ legalHold: id('lho') })),
} as const satisfies Record<string, Verb>

export type RetentionAnswers = {
  'retention.list': RetentionView
  'retention.set': RetentionView
  'retention.remove': RetentionView
  'retention.floor': RetentionView
  'safe.retention': RetentionView
  'legalhold.list': readonly LegalHoldView[]
  'legalhold.place': LegalHoldView
  'legalhold.lift': LegalHoldView
  'legalhold.keep': LegalHoldView
}
