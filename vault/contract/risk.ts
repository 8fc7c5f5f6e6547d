import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { clock, isZone, weekdays } from '../policy/document.ts'
import { id, line, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { type RiskFinding, riskFindings, type RiskRule, riskRules } from './words.ts'

/** What can be asked about marks: what was out of the ordinary, why, and what somebody found who looked. */

const settings = {
  /** Rules that mark nothing. */
  off: z.array(z.enum(riskRules)).max(riskRules.length),
  /** Ordinary hours: on these days, from and until, by the clock of the zone. */
  zone: z.string().max(60).refine(isZone, 'write a time zone like Europe/Berlin or UTC'),
  days: z.array(z.enum(weekdays)).min(1, 'name one day at least').max(7),
  from: clock,
  until: clock,
  /** Whose sessions outside of these hours are marked. */
  hoursOf: z.enum(['vendors', 'everybody']),
  /** Days without a session after which a vendor is dormant. */
  dormantDays: z.int().min(1).max(3650),
  /** So many times the middle of earlier recordings of an account is a spike, from so many bytes on. */
  spikeTimes: z.int().min(2).max(1000),
  spikeBytes: z.int().min(1).max(1e12),
}

const settingsShape = z.strictObject(settings)

/** By what sessions and secrets are marked. */
export type RiskSettings = z.output<typeof settingsShape>

export type RiskFact = { readonly name: string; readonly value: string }

/** Something out of the ordinary, as a rule found it. */
export type RiskMark = {
  readonly id: Id<'rsk'>
  readonly rule: RiskRule
  /** One sentence. */
  readonly why: string
  readonly facts: readonly RiskFact[]
  readonly user: string
  readonly account: string
  readonly session: Id<'ses'> | null
  readonly recording: Id<'rec'> | null
  readonly exposure: Id<'exp'> | null
  /** When it happened, and when it was found. */
  readonly at: string
  readonly foundAt: string
  readonly review: {
    readonly by: string
    readonly at: string
    readonly finding: RiskFinding
    readonly note: string
  } | null
}

export const riskVerbs = {
  /** Marks, the newest first: those that nobody has reviewed, unless more is asked for. */
  'risk.list': verb(
    people,
    z.strictObject({
      state: z.enum(['open', 'reviewed', 'all']).optional(),
      rule: z.enum(riskRules).optional(),
      person: reference.optional(),
      session: id('ses').optional(),
      mark: id('rsk').optional(),
      /** The last one of the page before. */
      after: id('rsk').optional(),
      limit: z.int().min(1).max(1_000).optional(),
    }),
  ),
  /** Says what came of a mark, and signs for it. Once; never of what one did oneself. */
  'risk.review': verb(
    ['user'],
    z.strictObject({
      mark: id('rsk'),
      finding: z.enum(riskFindings),
      note: z.string().trim().min(1, 'say what you found').max(2_000),
    }),
  ),
  'risk.settings': verb(people, nothing),
  /** Changes what is given. What was marked stays. */
  'risk.set': verb(people, settingsShape.partial().extend({ reason: line(500) })),
} as const satisfies Record<string, Verb>

export type RiskAnswers = {
  'risk.list': { readonly marks: readonly RiskMark[]; readonly more: boolean; readonly open: number }
  'risk.review': RiskMark
  'risk.settings': RiskSettings
  'risk.set': RiskSettings
}
