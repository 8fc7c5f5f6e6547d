import { z } from 'zod'
import type { PolicyRequestId, RequestId, SessionId } from '../kernel/id.ts'
import { type PolicyDocument, policyDocument } from '../policy/document.ts'
import { freshCode, id, moment, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { type Action, allowedActions } from './words.ts'

/** What can be asked about the policy. */

export type PolicyView = {
  /** 0: none was applied yet, and grants alone let in. */
  readonly version: number
  /** SHA-256 of the document, in hex. */
  readonly digest: string | null
  readonly appliedBy: string | null
  readonly appliedAt: string | null
  readonly document: PolicyDocument
  /** Whom directories put into its groups beside: groups with nobody are left out. */
  readonly fromDirectories: readonly { readonly group: string; readonly users: readonly string[] }[]
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
  /** Running sessions that would not go on as they are. */
  readonly sessions: readonly {
    readonly session: SessionId
    readonly user: string
    readonly account: string
    readonly change: 'ends' | 'ends sooner' | 'waits'
    readonly why: string
    readonly endsAt: string | null
  }[]
  /** Open requests of which more would be wanted. */
  readonly requests: readonly {
    readonly request: RequestId
    readonly user: string
    readonly account: string
    readonly why: string
  }[]
}

/** A policy that somebody asks for, where it takes two people to change it. */
export type PolicyRequestView = {
  readonly id: PolicyRequestId
  readonly digest: string
  /** What is approved: SHA-256 of the document, what its names stand for, and the policy that it takes the place of. */
  readonly means: string
  readonly askedBy: string
  readonly askedAt: string
  readonly expiresAt: string
  /** `stale`: another policy was applied meanwhile. */
  readonly state: 'open' | 'applied' | 'withdrawn' | 'expired' | 'stale'
  readonly closedAt: string | null
  readonly closedBy: string | null
  readonly mayApprove: boolean
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
  /** What lets in: grants, rules, or `break-glass`, by which they let themselves in. */
  readonly by: readonly string[]
  /** What is asked of them beside, in words: who let them in by a grant, and what rules want of their sessions. */
  readonly conditions: readonly string[]
  /** When the longest session that began then would end. */
  readonly until: string
  readonly exclusive: boolean
}

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'not a digest: 64 hex digits')

export const policyVerbs = {
  'policy.show': verb(people, nothing),
  /** What a policy would change, for whom. */
  'policy.plan': verb(people, z.strictObject({ document: policyDocument })),
  /** Puts a policy in force in place of the one whose digest is `expected` (null: none was applied before). */
  'policy.apply': verb(
    people,
    z.strictObject({
      document: policyDocument,
      expected: digest.nullable(),
      totpCode: freshCode,
    }),
  ),
  /** Asks for a policy where it takes two people to change it: another administrator approves it. */
  'policy.ask': verb(
    people,
    z.strictObject({ document: policyDocument, expected: digest, totpCode: freshCode }),
  ),
  'policy.requests': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })), // default: open
  'policy.request': verb(people, z.strictObject({ request: id('plr') })),
  /** Puts it in force; `means` of what was looked at. */
  'policy.approve': verb(
    ['user'],
    z.strictObject({ request: id('plr'), means: digest, totpCode: freshCode }),
  ),
  'policy.withdraw': verb(people, z.strictObject({ request: id('plr') })),
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
  /** Who could use what at a moment: of a user or all people of a company, or of an account, a target or a safe. */
  'policy.reach': verb(
    people,
    z.strictObject({
      user: reference.optional(),
      company: reference.optional(),
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
  'policy.ask': PolicyRequestView & { readonly plan: PolicyPlan }
  'policy.requests': readonly PolicyRequestView[]
  'policy.request': PolicyRequestView & {
    readonly document: PolicyDocument
    /** What it would change now; null: it is not open, or cannot be applied any more (`fault`). */
    readonly plan: PolicyPlan | null
    readonly fault: string | null
  }
  'policy.approve': PolicyPlan & { readonly version: number }
  'policy.withdraw': PolicyRequestView
  'policy.explain': PolicyAnswer
  'policy.reach': readonly ReachView[]
}
