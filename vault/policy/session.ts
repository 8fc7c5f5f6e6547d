import type { Action, ForwardRule } from '../contract.ts'
import { findForward, forwardName } from '../checkout/forward.ts'

/** What is known of one grant when somebody wants to connect, moments in milliseconds. */
export type GrantFacts = {
  readonly actions: readonly Action[]
  readonly notBefore: number
  readonly notAfter: number
  readonly revoked: boolean
  readonly maxSessionSeconds: number
  readonly mode: 'shared' | 'exclusive'
  readonly forwards: readonly ForwardRule[]
}

export type SessionFacts = {
  readonly now: number
  readonly user: { readonly state: 'enrolling' | 'active' | 'disabled'; readonly isAuditor: boolean }
  readonly wants: Action
  /** Where a forwarding goes, as its user spelled it. */
  readonly forward?: { readonly host: string; readonly port: number }
  readonly grants: readonly GrantFacts[]
  readonly pins: number
  readonly isBound: boolean
  readonly hasCredential: boolean
  readonly auditors: number
  /** When the target's old algorithms stop being allowed; null where it needs none. */
  readonly legacyUntil: number | null
}

export type SessionDecision =
  | { readonly kind: 'allow'; readonly grant: number; readonly endsAt: number }
  | {
      readonly kind: 'deny'
      readonly code: 'forbidden' | 'expired' | 'not_pinned' | 'no_auditors' | 'conflict'
      readonly why: string
      readonly next: string
    }

const unknown = {
  kind: 'deny',
  code: 'forbidden',
  why: 'there is no such target, or no grant lets you connect to it',
  next: 'check the name, or ask for a grant',
} as const satisfies SessionDecision

/**
 * Decides whether a user may connect now, and by which grant (the one that lets the session run longest).
 * Pure. A target that is unknown and one that is not granted are told apart by nobody: see `unknown`.
 */
export function decideSession(facts: SessionFacts): SessionDecision {
  if (facts.user.state !== 'active' || facts.user.isAuditor) return unknown
  const live = facts.grants
    .map((grant, index) => ({ grant, index }))
    .filter(({ grant }) => !grant.revoked && grant.notAfter > facts.now)
  if (live.length === 0) {
    const past = facts.grants.filter((grant) => !grant.revoked).map((grant) => grant.notAfter)
    return past.length === 0
      ? unknown
      : {
          kind: 'deny',
          code: 'expired',
          why: `your grant ended at ${at(Math.max(...past))}`,
          next: 'ask for a new grant',
        }
  }
  const begun = live.filter(({ grant }) => grant.notBefore <= facts.now)
  if (begun.length === 0) {
    const first = Math.min(...live.map(({ grant }) => grant.notBefore))
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `your grant begins at ${at(first)}`,
      next: 'come back then, or ask for an earlier grant',
    }
  }
  const fitting = begun.filter(({ grant }) => grant.actions.includes(facts.wants))
  if (fitting.length === 0)
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `your grant does not allow ${facts.wants}`,
      next: `ask for a grant that allows ${facts.wants}`,
    }
  const reaching = fitting.filter(({ grant }) => reaches(grant, facts))
  if (reaching.length === 0)
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `your grant does not allow forwarding to ${facts.forward === undefined ? 'nowhere' : forwardName(facts.forward)}`,
      next: 'ask for a grant that names this destination',
    }
  const obstacle = decideObstacle(facts)
  if (obstacle !== undefined) return obstacle

  const last = facts.legacyUntil ?? Number.POSITIVE_INFINITY
  const ends = (grant: GrantFacts) =>
    Math.min(grant.notAfter, facts.now + grant.maxSessionSeconds * 1000, last)
  const best = reaching.reduce((a, b) => (ends(b.grant) > ends(a.grant) ? b : a))
  return { kind: 'allow', grant: best.index, endsAt: ends(best.grant) }
}

function reaches(grant: GrantFacts, { wants, forward }: SessionFacts): boolean {
  if (wants !== 'forward') return forward === undefined
  return forward !== undefined && findForward(grant.forwards, forward.host, forward.port) !== undefined
}

function decideObstacle(facts: SessionFacts): SessionDecision | undefined {
  if (facts.pins === 0)
    return {
      kind: 'deny',
      code: 'not_pinned',
      why: 'the host key of this target is not approved yet',
      next: 'ask an administrator to run tagout target pin',
    }
  if (!facts.isBound)
    return {
      kind: 'deny',
      code: 'not_pinned',
      why: 'the address or host key of this target changed and the account is not bound to it again',
      next: 'ask an administrator to check the target, then run tagout account bind or tagout account secret',
    }
  if (!facts.hasCredential)
    return {
      kind: 'deny',
      code: 'conflict',
      why: 'this account has no credential in the vault',
      next: 'ask an administrator to run tagout account secret',
    }
  if (facts.legacyUntil !== null && facts.legacyUntil <= facts.now)
    return {
      kind: 'deny',
      code: 'expired',
      why: `this target was allowed old algorithms until ${at(facts.legacyUntil)}, and nobody has renewed that`,
      next: 'ask an administrator to update the machine, or to renew it with tagout target legacy',
    }
  if (facts.auditors === 0)
    return {
      kind: 'deny',
      code: 'no_auditors',
      why: 'nobody could ever replay this session: there is no auditor yet',
      next: 'have the machine administrator run tagout auditor add',
    }
  return undefined
}

function at(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
