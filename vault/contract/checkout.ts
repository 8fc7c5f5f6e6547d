import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import {
  forwards,
  freshCode,
  id,
  moment,
  nothing,
  people,
  reason,
  reference,
  seconds,
  type Verb,
  verb,
} from './shapes.ts'
import { type Action, actions, type ForwardRule, requestStates, type Verdict, verdicts } from './words.ts'

/** What can be asked about grants, requests, leases and broken glass. */

export type GrantView = {
  readonly id: Id<'grt'>
  readonly user: string
  readonly account: string
  readonly actions: readonly Action[]
  /** Where the action `forward` may go. */
  readonly forwards: readonly ForwardRule[]
  readonly notBefore: string
  readonly notAfter: string
  readonly maxSessionSeconds: number
  readonly mode: 'shared' | 'exclusive'
  readonly reason: string
  readonly state: 'future' | 'active' | 'expired' | 'revoked'
  readonly grantedBy: string
  readonly createdAt: string
}

/** A person's wish for a grant, and what others said to it. */
export type RequestView = {
  readonly id: Id<'req'>
  readonly user: string
  readonly account: string
  readonly actions: readonly Action[]
  readonly forwards: readonly ForwardRule[]
  readonly mode: 'shared' | 'exclusive'
  /** Null: from its approval on. */
  readonly notBefore: string | null
  readonly forSeconds: number
  /** More time for a grant that there is: it ends at `notBefore` and is to end at `until`. Null: a grant of its own. */
  readonly extends: { readonly grant: Id<'grt'>; readonly until: string } | null
  readonly reason: string
  readonly workOrder: string | null
  readonly createdAt: string
  /** When nobody can approve it any more. */
  readonly expiresAt: string
  readonly state: (typeof requestStates)[number]
  /** Why the policy in force lets nobody approve it; null: it does, or it is not open. */
  readonly obstacle: string | null
  readonly closedAt: string | null
  readonly closedBy: string | null
  readonly grant: Id<'grt'> | null
  /** How many people must approve. */
  readonly approvalsNeeded: number
  /** Groups of the policy whose members must approve, among them; `missing`: how many have not. */
  readonly approvalsFrom: readonly {
    readonly group: string
    readonly count: number
    readonly missing: number
  }[]
  readonly approvals: readonly {
    readonly user: string
    readonly verdict: Verdict
    readonly note: string
    readonly at: string
  }[]
  /** SHA-256 of what is asked, in hex: an approval is of this. */
  readonly digest: string
  /** May the asking user decide it? */
  readonly mayDecide: boolean
}

export const breakGlassStates = ['running', 'ended', 'reviewed'] as const

/** That somebody let themselves in, without anybody's approval. */
/** A rotation ended in doubt: nobody knows which of the two the machine takes. */
export type BreakGlassDoubt = {
  readonly rotation: Id<'rot'>
  /** The next session is given the first; once the machine has refused that, the one after it the second. */
  readonly order: readonly { readonly version: number; readonly is: 'new' | 'before' }[]
}

export type BreakGlassView = {
  readonly id: Id<'bgl'>
  readonly user: string
  readonly account: string
  readonly safe: string
  readonly grant: Id<'grt'>
  readonly reason: string
  readonly openedAt: string
  readonly endsAt: string
  /** `ended`: it waits for its review. */
  readonly state: (typeof breakGlassStates)[number]
  readonly sessions: number
  /** Who was told at once. */
  readonly alarmed: readonly string[]
  readonly reviewedBy: string | null
  readonly reviewedAt: string | null
  readonly note: string | null
  /** By when the account's secret should be another one, and whether it is. */
  readonly secretDueAt: string
  readonly secretChanged: boolean
  /** May the asking user review it now? */
  readonly mayReview: boolean
  /** While it runs, of an account of which nobody knows which credential its machine takes. */
  readonly doubt: BreakGlassDoubt | null
}

export type LeaseView = {
  readonly id: Id<'lse'>
  readonly account: string
  readonly user: string
  readonly exclusive: boolean
  readonly explicit: boolean
  readonly since: string
  /** Null: until a minute after the last session. A moment that has passed: until the last session ends. */
  readonly until: string | null
  /** Sessions under it that have not ended. */
  readonly sessions: number
}

/** Somebody's place in the queue for an account that others hold. */
export type WaitView = {
  readonly id: Id<'wai'>
  readonly account: string
  readonly user: string
  /** Do they want it alone? */
  readonly exclusive: boolean
  readonly since: string
  /** Ends by itself then. */
  readonly until: string
  /** 1: the first. Null for who comes from outside, who is not told how many others there are. */
  readonly place: number | null
  /** It is their turn, and the account is kept for them until then; null: they wait. */
  readonly keptUntil: string | null
  /** Who holds the account; nobody is named to who comes from outside. */
  readonly heldBy: readonly Pick<LeaseView, 'user' | 'exclusive' | 'until'>[]
}
/** The holder of a lease wants somebody else to have it, who has not answered yet. */
export type HandOverView = {
  readonly id: Id<'hov'>
  readonly lease: Id<'lse'>
  readonly account: string
  readonly from: string
  readonly to: string
  readonly exclusive: boolean
  readonly createdAt: string
  readonly expiresAt: string
}
/** An account that the asking user may use now, or will. */
export type AccessView = {
  readonly account: string
  /** The user's own grants for it that have not ended, the one that ends first at the beginning. */
  readonly grants: readonly GrantView[]
  /** Rules of the policy that let the user use it without a grant. */
  readonly rules: readonly {
    readonly name: string
    readonly actions: readonly Action[]
    /** Why it does not now; null: it does. */
    readonly unmet: string | null
    readonly exclusive: boolean
    /** When it ends by itself; null: it does not, or it does not hold now. */
    readonly until: string | null
    readonly contact: string | null
  }[]
  readonly favourite: boolean
  /** When the user's last session began. */
  readonly lastUsedAt: string | null
  /** What the user holds of it. */
  readonly lease: LeaseView | null
  /** Who else holds it. */
  readonly others: readonly Pick<LeaseView, 'user' | 'exclusive' | 'until'>[]
}

export const checkoutVerbs = {
  'grant.add': verb(
    people,
    z.strictObject({
      user: reference,
      account: reference,
      actions: z.array(z.enum(actions)).min(1).max(actions.length),
      forwards: forwards.optional(), // with the action `forward`, and only with it
      notBefore: moment.optional(),
      notAfter: moment.optional(),
      forSeconds: seconds.optional(), // one of notAfter and forSeconds
      maxSessionSeconds: seconds.optional(),
      mode: z.enum(['shared', 'exclusive']).optional(),
      reason,
      totpCode: freshCode, // where a person grants to themself
    }),
  ),
  'grant.list': verb(people, z.strictObject({ user: reference.optional(), account: reference.optional() })),
  'grant.revoke': verb(people, z.strictObject({ grant: id('grt') })),
  /** Asks for a grant that others approve. Without `notBefore`: from the approval on. */
  'request.add': verb(
    ['user'],
    z.strictObject({
      account: reference,
      actions: z.array(z.enum(actions)).min(1).max(actions.length),
      forwards: forwards.optional(),
      mode: z.enum(['shared', 'exclusive']).optional(),
      notBefore: moment.optional(),
      forSeconds: z
        .int()
        .min(60, 'a minute at least')
        .max(31 * 24 * 3600, '31 days at most'),
      reason: z.string().trim().min(1, 'say why').max(500),
      workOrder: z.string().trim().min(1).max(100).optional(),
    }),
  ),
  /** Asks for a later end of one's own grant, and of the sessions that end with it. Others approve it, as any request. */
  'request.extend': verb(
    ['user'],
    z.strictObject({
      grant: id('grt'),
      until: moment,
      reason: z.string().trim().min(1, 'say why').max(500),
      workOrder: z.string().trim().min(1).max(100).optional(),
    }),
  ),
  'request.list': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })),
  'request.show': verb(people, z.strictObject({ request: id('req') })),
  'request.withdraw': verb(['user'], z.strictObject({ request: id('req') })),
  /** `digest`: of what was asked, as the approver saw it. Approving takes a fresh code. */
  'request.decide': verb(
    ['user'],
    z.strictObject({
      request: id('req'),
      verdict: z.enum(verdicts),
      digest: z.string().regex(/^[0-9a-f]{64}$/),
      note: z.string().max(500).optional(),
      totpCode: freshCode,
    }),
  ),
  /** Lets the asking user use an account at once, for the time of its safe. People are alarmed, and somebody reviews it. */
  'breakglass.open': verb(
    ['user'],
    z.strictObject({
      account: reference,
      reason: z.string().trim().min(1, 'say why').max(500),
      totpCode: freshCode,
    }),
  ),
  'breakglass.list': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })),
  /** Says what came of it, and ends the alarm: never by who opened it. */
  'breakglass.review': verb(
    ['user'],
    z.strictObject({
      breakGlass: id('bgl'),
      note: z.string().trim().min(1, 'say what came of it').max(1_000),
      totpCode: freshCode,
    }),
  ),
  'lease.checkOut': verb(
    ['user'],
    z.strictObject({ account: reference, exclusive: z.boolean(), forSeconds: seconds.optional() }),
  ),
  /** Of somebody else's lease with the reason, which the holder is told. */
  'lease.checkIn': verb(people, z.strictObject({ lease: id('lse'), reason })),
  'lease.list': verb(people, nothing),
  /** Joins the queue for an account that others hold. */
  'lease.wait': verb(['user'], z.strictObject({ account: reference, exclusive: z.boolean().optional() })),
  'lease.leave': verb(people, z.strictObject({ wait: id('wai') })),
  /** Who waits: oneself, and everybody for whoever sees who holds what. */
  'lease.queue': verb(people, nothing),
  /** Offers one's own lease to somebody who may use the account anyway. */
  'handover.offer': verb(['user'], z.strictObject({ lease: id('lse'), user: reference })),
  /** Takes what was offered: the account passes at once, and the sessions of who held it end. */
  'handover.accept': verb(['user'], z.strictObject({ handOver: id('hov'), totpCode: freshCode })),
  /** Declines it, or takes the offer back. */
  'handover.end': verb(['user'], z.strictObject({ handOver: id('hov') })),
  'handover.list': verb(people, nothing),
  /** The accounts that the asking user may use, who holds them, and which of them are favourites. */
  'access.list': verb(['user'], nothing),
  'favourite.set': verb(['user'], z.strictObject({ account: reference, favourite: z.boolean() })),
} as const satisfies Record<string, Verb>

export type CheckoutAnswers = {
  'grant.add': GrantView
  'grant.list': readonly GrantView[]
  'grant.revoke': GrantView
  'request.add': RequestView
  'request.extend': RequestView
  'request.list': readonly RequestView[]
  'request.show': RequestView
  'request.withdraw': RequestView
  'request.decide': RequestView
  'breakglass.open': BreakGlassView
  'breakglass.list': readonly BreakGlassView[]
  'breakglass.review': BreakGlassView
  'lease.checkOut': LeaseView
  'lease.checkIn': null
  'lease.list': readonly LeaseView[]
  'lease.wait': WaitView
  'lease.leave': null
  'lease.queue': readonly WaitView[]
  'handover.offer': HandOverView
  'handover.accept': LeaseView
  'handover.end': null
  'handover.list': readonly HandOverView[]
  'access.list': readonly AccessView[]
  'favourite.set': null
}
