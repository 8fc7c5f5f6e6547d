import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { people, type Verb, verb } from './shapes.ts'
import type { RiskRule } from './words.ts'

/** What can be asked about all of it together: figures over time, and what is going on. */

export type DashboardDay = {
  /** `2026-03-01`, of UTC. */
  readonly day: string
  /** Sessions that began, of the plant's own people and of vendors. */
  readonly own: number
  readonly vendors: number
  /** Of these: ended with a whole recording, with one that is not, and reviewed by an auditor. */
  readonly whole: number
  readonly broken: number
  readonly reviewed: number
  /** Secrets that somebody saw, and that were changed. */
  readonly seen: number
  readonly rotated: number
}

export type Dashboard = {
  readonly from: string
  readonly to: string
  /** Oldest first; every day has its place. */
  readonly days: readonly DashboardDay[]
  readonly marks: readonly { readonly rule: RiskRule; readonly open: number; readonly signed: number }[]
  /** Where most sessions were, and whose. */
  readonly machines: readonly {
    readonly machine: string
    readonly sessions: number
    readonly people: number
    readonly last: string
  }[]
  readonly people: readonly {
    readonly user: string
    readonly company: string | null
    readonly sessions: number
    readonly machines: number
    readonly last: string
  }[]
  /** Vendors whose sessions are going on. */
  readonly inside: readonly {
    readonly session: Id<'ses'>
    readonly user: string
    readonly company: string
    readonly account: string
    readonly startedAt: string
    readonly endsAt: string
  }[]
  /** How accounts stand now. */
  readonly secrets: {
    readonly accounts: number
    readonly overdue: number
    readonly exempt: number
    /** Nothing changes them, and nobody answers for that. */
    readonly unchanged: number
    /** Seen by somebody and the same still; and past their day. */
    readonly exposed: number
    readonly exposedOverdue: number
  }
}

export const dashboardVerbs = {
  'dashboard.show': verb(people, z.strictObject({ days: z.int().min(7).max(366).optional() })),
} as const satisfies Record<string, Verb>

export type DashboardAnswers = { 'dashboard.show': Dashboard }
