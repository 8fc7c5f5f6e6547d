import type { Id, PolicyRequestId } from '../kernel/id.ts'

/**
 * What a notification says: ids, names, numbers and moments, and nothing that a person wrote at length. Reasons stay in
 * the console: mail lies about in clear, and what somebody types may be more than they meant to show.
 */
export type About =
  | {
      readonly kind: 'request.asked'
      readonly request: Id<'req'>
      readonly user: string
      readonly account: string
      readonly safe: string
      readonly forSeconds: number
      /** The grant that is to end so much later. */
      readonly extends?: Id<'grt'>
      readonly expiresAt: string
    }
  | {
      readonly kind: 'request.unanswered'
      readonly request: Id<'req'>
      readonly user: string
      readonly account: string
      readonly safe: string
      readonly minutes: number
      readonly expiresAt: string
    }
  | {
      readonly kind: 'request.decided'
      readonly request: Id<'req'>
      readonly user: string
      readonly account: string
      readonly verdict: 'approved' | 'denied'
      readonly by: string
    }
  | {
      readonly kind: 'request.expired' | 'request.withdrawn'
      readonly request: Id<'req'>
      readonly user: string
      readonly account: string
    }
  /** A policy that takes two people to change: by whom it was asked for, and in how many parts it changes. */
  | {
      readonly kind: 'policy.asked'
      readonly policyRequest: PolicyRequestId
      readonly user: string
      readonly changes: number
      readonly expiresAt: string
    }
  | {
      readonly kind: 'policy.unanswered'
      readonly policyRequest: PolicyRequestId
      readonly user: string
      readonly hours: number
      readonly expiresAt: string
    }
  | {
      readonly kind: 'policy.decided'
      readonly policyRequest: PolicyRequestId
      readonly user: string
      readonly verdict: 'applied' | 'withdrawn'
      readonly by: string
    }
  /** It takes two, and the machine’s administrator did it alone: there was no second administrator. */
  | {
      readonly kind: 'policy.alone'
      readonly user: string
      readonly version: number
      readonly changes: number
    }
  | { readonly kind: 'policy.expired'; readonly policyRequest: PolicyRequestId; readonly user: string }
  | {
      readonly kind: 'session.started'
      readonly session: Id<'ses'>
      readonly user: string
      readonly account: string
    }
  | {
      readonly kind: 'session.ended'
      readonly session: Id<'ses'>
      readonly user: string
      readonly account: string
      readonly how: string
    }
  | {
      readonly kind: 'session.terminated'
      readonly session: Id<'ses'>
      readonly user: string
      readonly account: string
      readonly by: string
      /** Until when the user is held off the target; null: they are not. */
      readonly holdUntil: string | null
    }
  | {
      readonly kind: 'hold.placed'
      readonly session: Id<'ses'>
      readonly user: string
      readonly account: string
      readonly by: string
      readonly holdUntil: string
    }
  | {
      readonly kind: 'lease.taken-back'
      readonly lease: Id<'lse'>
      readonly user: string
      readonly account: string
      readonly by: string
    }
  | {
      readonly kind: 'lease.kept'
      readonly user: string
      readonly account: string
      readonly until: string
    }
  | { readonly kind: 'lease.passed-over'; readonly user: string; readonly account: string }
  | {
      readonly kind: 'handover.offered'
      readonly handOver: Id<'hov'>
      readonly user: string
      readonly account: string
      readonly to: string
      readonly expiresAt: string
    }
  | {
      readonly kind: 'handover.ended'
      readonly handOver: Id<'hov'>
      readonly user: string
      readonly account: string
      readonly to: string
      readonly how: 'accepted' | 'declined' | 'expired'
    }
  | {
      readonly kind: 'breakglass.opened'
      readonly breakGlass: Id<'bgl'>
      readonly user: string
      readonly account: string
      readonly safe: string
      readonly until: string
    }
  | {
      readonly kind: 'breakglass.reviewed'
      readonly breakGlass: Id<'bgl'>
      readonly user: string
      readonly account: string
      readonly by: string
    }
  | {
      readonly kind: 'company.contract-ends'
      readonly company: string
      readonly contractEndsAt: string
      /** At most so many days are left; 0: it has ended. */
      readonly days: number
    }
  | { readonly kind: 'user.mail-changed'; readonly user: string; readonly by: string }
  | { readonly kind: 'user.link-made' | 'user.key-added'; readonly user: string; readonly by: string }
  | { readonly kind: 'user.codes-renewed' | 'user.passkey-added'; readonly user: string }
  /** A recovery code signed somebody in; `left`: how many are unused. */
  | { readonly kind: 'user.code-used'; readonly user: string; readonly left: number }
  /** A rotation that needs a person, or a verification that found drift. */
  | {
      readonly kind: 'rotation.stuck' | 'rotation.drift'
      readonly rotation: Id<'rot'>
      readonly account: string
      readonly phase: string
    }
  /** Somebody says that a secret is known to whom it should not be. */
  | { readonly kind: 'rotation.leaked'; readonly account: string; readonly by: string }
  /** A task of rotation: opened, somebody asks to see its secret, due soon, overdue. `place` is empty for the change itself. */
  | {
      readonly kind:
        | 'rotation.task-opened'
        | 'rotation.task-asked'
        | 'rotation.task-due'
        | 'rotation.task-overdue'
      readonly task: Id<'rtk'>
      readonly account: string
      readonly place: string
      readonly dueAt: string
    }
  /** An access review: people are asked, the day comes, the day has passed. */
  | {
      readonly kind: 'campaign.asked' | 'campaign.due' | 'campaign.overdue'
      readonly campaign: Id<'cam'>
      readonly name: string
      readonly dueAt: string
    }
  /** Recordings are to be destroyed, which takes two; the second said so, or it was withdrawn. */
  | {
      readonly kind: 'destruction.asked'
      readonly destruction: Id<'dst'>
      readonly user: string
      readonly recordings: number
    }
  | {
      readonly kind: 'destruction.decided'
      readonly destruction: Id<'dst'>
      readonly user: string
      readonly recordings: number
      readonly verdict: 'approved' | 'withdrawn'
      readonly by: string
    }
  /** Files of recordings are gone although nobody had them destroyed, or they are back; `recording`: one of them. */
  | {
      readonly kind: 'recording.missing' | 'recording.found-again'
      readonly recordings: number
      readonly recording: Id<'rec'>
      readonly user: string
      readonly account: string
    }
  | { readonly kind: 'test'; readonly by: string }

export type AboutKind = About['kind']

/** What concerns security: nobody switches it off. */
const security: ReadonlySet<AboutKind> = new Set([
  'session.terminated',
  'hold.placed',
  'lease.taken-back',
  'breakglass.opened',
  'breakglass.reviewed',
  'policy.asked',
  'policy.unanswered',
  'policy.decided',
  'policy.alone',
  'destruction.asked',
  'destruction.decided',
  'recording.missing',
  'recording.found-again',
  'rotation.stuck',
  'rotation.drift',
  'rotation.task-overdue',
  'rotation.leaked',
  'user.mail-changed',
  'user.link-made',
  'user.key-added',
  'user.codes-renewed',
  'user.passkey-added',
  'user.code-used',
  'test',
])

export function concernsSecurity(kind: AboutKind): boolean {
  return security.has(kind)
}
