import { z } from 'zod'
import { allowedActions, type PolicyDocument, policyDocument } from '../policy/document.ts'
import { freshCode, moment, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { type Action } from './words.ts'

/** What can be asked about the policy. */

export type PolicyView = {
  /** 0: none was applied yet, and grants alone let in. */
  readonly version: number
  /** SHA-256 of the document, in hex. */
  readonly digest: string | null
  readonly appliedBy: string | null
  readonly appliedAt: string | null
  readonly document: PolicyDocument
}

export type PolicyChange = {
  /** A user, target, account or tag: its name, which stands as it is, means another one now. */
  readonly what:
    | 'rule'
    | 'group'
    | 'calendar'
    | 'user'
    | 'safe'
    | 'target'
    | 'account'
    | 'company'
    | 'tag'
    | 'zone'
    /** How many people it takes to change the policy. */
    | 'policy'
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
}

/** Pairs of user and account: all are counted, some named. */
type Pairs = {
  readonly total: number
  readonly pairs: readonly { readonly user: string; readonly account: string }[]
}

export type PolicyPlan = {
  /** The digest of the policy that it was planned against; null: none was applied yet. */
  readonly from: string | null
  readonly digest: string
  readonly changes: readonly PolicyChange[]
  /** Who could use what by rules, at some time, and could not before. */
  readonly gains: Pairs
  readonly loses: Pairs
}

export type PolicyAnswer = {
  readonly allowed: boolean
  /** As the user would read it. */
  readonly sentence: string
  readonly next: string | null
  readonly endsAt: string | null
  readonly exclusive: boolean
  /** Everything that was looked at: grants, rules, and what a target needs. */
  readonly steps: readonly {
    readonly what: string // grant grt_…, rule line-3, target
    readonly effect: 'allows' | 'limits' | 'nothing'
    readonly holds: boolean
    readonly text: string
  }[]
}

export type ReachView = {
  readonly user: string
  readonly account: string
  /** Where they could use it: its own target, or another that it is bound to. */
  readonly target: string
  readonly actions: readonly Action[]
  /** What lets in: grants and rules. */
  readonly by: readonly string[]
  /** When the longest session that began then would end. */
  readonly until: string
  readonly exclusive: boolean
}

export const policyVerbs = {
  'policy.show': verb(people, nothing),
  /** What a policy would change, for whom. */
  'policy.plan': verb(people, z.strictObject({ document: policyDocument })),
  /** Puts a policy in force in place of the one whose digest is `expected` (null: none was applied before). */
  'policy.apply': verb(
    people,
    z.strictObject({
      document: policyDocument,
      expected: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'not a digest: 64 hex digits')
        .nullable(),
      totpCode: freshCode,
    }),
  ),
  /** May this user do this with this account, at this moment (default: now), and why? */
  'policy.explain': verb(
    people,
    z.strictObject({
      user: reference,
      account: reference,
      action: z.enum(allowedActions).optional(), // default: shell
      /** With `forward`: where to. */
      forward: z.strictObject({ host: z.string().max(300), port: z.int().min(0).max(65_535) }).optional(),
      target: reference.optional(), // where it is used; left out: at the account's own
      at: moment.optional(),
      source: z.string().max(100).optional(), // the address they come from; left out: any that the rules want
    }),
  ),
  /** Who could use what at a moment: of a user, or of an account, a target or a safe. */
  'policy.reach': verb(
    people,
    z.strictObject({
      user: reference.optional(),
      account: reference.optional(),
      target: reference.optional(),
      safe: reference.optional(),
      at: moment.optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type PolicyAnswers = {
  'policy.show': PolicyView
  'policy.plan': PolicyPlan
  'policy.apply': PolicyPlan & { readonly version: number }
  'policy.explain': PolicyAnswer
  'policy.reach': readonly ReachView[]
}
