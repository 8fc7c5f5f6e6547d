import type { Action, ForwardRule } from '../contract.ts'
import { findForward, forwardName } from '../checkout/forward.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import type { RuleFacts } from './access-rule.ts'
import { releasingActions, type RuleAction } from '../contract/words.ts'

/** What is known of one grant when somebody wants to connect, moments in milliseconds. */
export type GrantFacts = {
  readonly actions: readonly Action[]
  readonly notBefore: number
  readonly notAfter: number
  readonly revoked: boolean
  readonly maxSessionSeconds: number
  readonly mode: 'shared' | 'exclusive'
  readonly forwards: readonly ForwardRule[]
  /** It was asked for and approved, not given by one person. */
  readonly requested: boolean
}

/** What is known of a representative's company. */
export type CompanyFacts = {
  readonly name: string
  readonly contractEndsAt: number
  readonly isOff: boolean
  readonly owesTerms: boolean
}

/** What decides whether somebody may use something at all. */
export type AccessFacts = {
  readonly now: number
  readonly user: { readonly state: 'enrolling' | 'active' | 'disabled'; readonly neverConnects: boolean }
  /** The company that the user represents; null for everybody else. */
  readonly company: CompanyFacts | null
  readonly wants: Action
  /** Where a forwarding goes, as its user spelled it. */
  readonly forward?: { readonly host: string; readonly port: number }
  readonly grants: readonly GrantFacts[]
  /** Rules that let this user use this account without a grant. */
  readonly allowing: readonly RuleFacts[]
  /** Rules that hold for whoever uses it, by whatever they were let in. */
  readonly limits: readonly RuleFacts[]
}

/** With what the target needs. */
export type SessionFacts = AccessFacts & {
  readonly pins: number
  readonly isBound: boolean
  readonly hasCredential: boolean
  readonly auditors: number
  /** When the target's old algorithms stop being allowed; null where it needs none. */
  readonly legacyUntil: number | null
  /** It is a desktop; missing otherwise. */
  readonly isDesktop?: true
  /** What tells it from another machine; missing: a host key. */
  readonly shows?: 'host key' | 'certificate' | 'nothing'
}

/** By what somebody is let in: the place in `grants`, or in `allowing`. */
export type LetInBy = { readonly kind: 'grant' | 'rule'; readonly index: number }

export type SessionDecision =
  | {
      readonly kind: 'allow'
      readonly by: LetInBy
      readonly endsAt: number
      readonly exclusive: boolean
      /** What may be done in the session: what lets in allows it, and no limit wants more than the session has. */
      readonly actions: readonly Action[]
    }
  | Denial

type Denial = {
  readonly kind: 'deny'
  readonly code: 'forbidden' | 'stale_factor' | 'expired' | 'not_pinned' | 'no_auditors' | 'conflict'
  readonly why: string
  readonly next: string
}

const unknown = {
  kind: 'deny',
  code: 'forbidden',
  why: 'there is no such target, or no grant lets you connect to it',
  next: 'check the name, or ask for a grant',
} as const satisfies Denial

/** Does a refusal say no more than it would of what is not there? */
export function isUnknown({ why }: { readonly why: string }): boolean {
  return why === unknown.why
}

/** What lets in, until when, and whether nobody else may be in. */
type Way = {
  readonly by: LetInBy
  readonly endsAt: number
  readonly exclusive: boolean
  readonly requested: boolean
  readonly actions: readonly Action[]
}

/**
 * Decides whether a user may connect now, and by which grant or rule (the one that lets the session run longest).
 * Pure. A target that is unknown and one that is not granted are told apart by nobody: see `unknown`.
 */
export function decideSession(facts: SessionFacts): SessionDecision {
  const access = decideAccess(facts)
  if (access.kind === 'deny') return access
  const obstacle = decideObstacle(facts)
  if (obstacle !== undefined) return obstacle
  return { ...access, endsAt: Math.min(access.endsAt, facts.legacyUntil ?? Number.POSITIVE_INFINITY) }
}

/** The same, whatever the target lacks: who may use what. */
export function decideAccess(facts: AccessFacts): SessionDecision {
  if (facts.user.state !== 'active' || facts.user.neverConnects) return unknown
  const stop = facts.company === null ? undefined : decideCompany(facts.company, facts.now)
  if (stop !== undefined) return stop
  const granted = grantedWays(facts)
  const ways = [...('kind' in granted ? [] : granted), ...standingWays(facts)]
  if (ways.length === 0) return 'kind' in granted ? closedRule(facts, granted) : unknown
  const limits = facts.limits.filter((limit) => limit.actions.includes(facts.wants))
  const limited = decideLimits(limits)
  if (limited !== undefined) return limited
  const approved = limits.some((limit) => limit.needsApproval) ? ways.filter((way) => way.requested) : ways
  if (approved.length === 0) return askFirst(limits)
  const best = approved.reduce((a, b) => (b.endsAt > a.endsAt ? b : a))
  return { kind: 'allow', by: best.by, ...sessionOf(facts, best) }
}

/**
 * What a session comes to that somebody is let into by a way.
 *
 * SECURITY: a connection does more than what it was opened for. What a limit stands against, or would end sooner, keep
 * to one person or have approved, is not done in a session that was opened for something else. Elevation and type-in
 * are asked for each time, and held to their time then. Files are read and written in one go, so that limits of either hold for both.
 */
function sessionOf(
  { limits, now, wants, company }: AccessFacts,
  way: Way,
): { readonly endsAt: number; readonly exclusive: boolean; readonly actions: readonly Action[] } {
  const limitsOf = (action: Action) => limits.filter((limit) => limit.actions.includes(action))
  const open = way.actions.filter((action) =>
    limitsOf(action).every((limit) => limit.unmet === null && (!limit.needsApproval || way.requested)),
  )
  const together: readonly Action[] =
    wants === 'sftp-read' && open.includes('sftp-write') ? ['sftp-read', 'sftp-write'] : [wants]
  const over = together.flatMap(limitsOf)
  const contractEndsAt = company?.contractEndsAt ?? Number.POSITIVE_INFINITY
  const endsAt = Math.min(way.endsAt, contractEndsAt, ...over.map((limit) => endOf(limit, now)))
  const exclusive = way.exclusive || over.some((limit) => limit.exclusive)
  const actions = open.filter((action) =>
    limitsOf(action).every(
      (limit) =>
        (releasingActions.includes(action) || endOf(limit, now) >= endsAt) && (exclusive || !limit.exclusive),
    ),
  )
  return { endsAt, exclusive, actions }
}

/** What limits of the policy make of an act that is allowed otherwise; undefined: nothing stands against it. */
export function decideLimits(limits: readonly RuleFacts[]): Denial | undefined {
  const all = limits.filter((limit) => limit.unmet !== null)
  // Nobody is asked for a code that would not let them in.
  const broken = all.find((limit) => limit.isStale !== true) ?? all[0]
  return broken === undefined ? undefined : unmetRule(broken)
}

/** When a rule that holds ends a session that begins now. */
export function endOf(rule: Pick<RuleFacts, 'until' | 'longestSeconds'>, now: number): number {
  const longest = rule.longestSeconds === null ? Number.POSITIVE_INFINITY : now + rule.longestSeconds * 1000
  return Math.min(rule.until ?? Number.POSITIVE_INFINITY, longest)
}

/** Is it an act of a session? To see a secret and to watch others are none. */
export function isOfSession(action: RuleAction): action is Action {
  return action !== 'reveal' && action !== 'watch'
}

/** The rules that let somebody do an act now. */
export function standingRules(allowing: readonly RuleFacts[], wants: RuleAction): readonly RuleFacts[] {
  return allowing.filter((rule) => rule.unmet === null && rule.actions.includes(wants))
}

function standingWays(facts: AccessFacts): readonly Way[] {
  const { allowing, wants, now } = facts
  return standingRules(allowing, wants)
    .filter((rule) => reaches(rule, facts))
    .map((rule) => ({
      by: { kind: 'rule', index: allowing.indexOf(rule) },
      endsAt: endOf(rule, now),
      exclusive: rule.exclusive,
      requested: false,
      actions: rule.actions.filter(isOfSession),
    }))
}

/** Whom a rule would let in at another time, or from elsewhere, is told so. */
function closedRule(facts: AccessFacts, otherwise: Denial): Denial {
  const { allowing, wants, forward } = facts
  const isPast = otherwise.code === 'expired' || otherwise.why === unknown.why
  const meant = allowing.filter((rule) => rule.actions.includes(wants))
  // The other way round: what a code opens is said first.
  const closed = meant.find((rule) => rule.isStale === true) ?? meant.find((rule) => rule.unmet !== null)
  if (!isPast || meant.length === 0) return otherwise
  if (closed !== undefined) return unmetRule(closed)
  const [{ name, contact } = { name: '', contact: null }] = meant
  return {
    kind: 'deny',
    code: 'forbidden',
    why: `the rule “${name}” does not allow forwarding to ${forward === undefined ? 'nowhere' : forwardName(forward)}`,
    next: contact === null ? 'ask for a grant that names this destination' : `ask ${contact}`,
  }
}

/** Where somebody may show a second factor anew. */
const showAnew =
  'give a fresh code when the console asks for it, or connect by SSH again, which asks for it too'

function unmetRule({ unmet, contact, isStale }: RuleFacts): Denial {
  if (isStale === true) return { kind: 'deny', code: 'stale_factor', why: unmet ?? '', next: showAnew }
  return {
    kind: 'deny',
    code: 'forbidden',
    why: unmet ?? '',
    next: contact === null ? 'come back when it does, or ask an administrator' : `ask ${contact}`,
  }
}

/** What a limit says to somebody who was not approved. */
export function askFirst(limits: readonly RuleFacts[]): Denial {
  const { name = '', contact = null } = limits.find((one) => one.needsApproval) ?? {}
  return {
    kind: 'deny',
    code: 'forbidden',
    why: `the rule “${name}” lets in only who asked and was approved`,
    next:
      contact === null ? 'request access in the console' : `request access in the console, or ask ${contact}`,
  }
}

function grantedWays(facts: AccessFacts): readonly Way[] | Denial {
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
          why: `your grant ended at ${utcMinute(Math.max(...past))}`,
          next: 'ask for a new grant',
        }
  }
  const begun = live.filter(({ grant }) => grant.notBefore <= facts.now)
  if (begun.length === 0) {
    const first = Math.min(...live.map(({ grant }) => grant.notBefore))
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `your grant begins at ${utcMinute(first)}`,
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
  return reaching.map(({ grant, index }) => ({
    by: { kind: 'grant', index },
    endsAt: Math.min(grant.notAfter, facts.now + grant.maxSessionSeconds * 1000),
    exclusive: grant.mode === 'exclusive',
    requested: grant.requested,
    actions: grant.actions,
  }))
}

/**
 * Why a representative can do nothing now, or undefined. Pure.
 *
 * INVARIANT: after the end of the contract nothing opens, whatever grants and rules say.
 */
export function decideCompany(company: CompanyFacts, now: number): Denial | undefined {
  if (company.isOff)
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `${company.name} no longer works here`,
      next: 'ask whoever you worked with in the plant',
    }
  if (company.contractEndsAt <= now)
    return {
      kind: 'deny',
      code: 'expired',
      why: `the contract of ${company.name} ended at ${utcMinute(company.contractEndsAt)}`,
      next: 'ask whoever you work with in the plant to have it renewed',
    }
  if (company.owesTerms)
    return {
      kind: 'deny',
      code: 'forbidden',
      why: 'you have not accepted the terms of your company yet',
      next: 'sign in to the console, read them and accept them',
    }
  return undefined
}

function reaches(grant: Pick<GrantFacts, 'forwards'>, { wants, forward }: AccessFacts): boolean {
  if (wants !== 'forward') return forward === undefined
  return forward !== undefined && findForward(grant.forwards, forward.host, forward.port) !== undefined
}

function decideObstacle(facts: SessionFacts): Denial | undefined {
  if (facts.pins === 0 && facts.shows === 'nothing')
    return {
      kind: 'deny',
      code: 'not_pinned',
      why: 'nobody has approved yet that the identity of this desktop cannot be verified',
      next: 'ask an administrator to run tagout target pin … --unverified',
    }
  if (facts.pins === 0 && facts.shows === 'certificate')
    return {
      kind: 'deny',
      code: 'not_pinned',
      why: 'the certificate of this target is not approved yet',
      next: 'ask an administrator to run tagout target pin',
    }
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
      why: `this target was allowed old algorithms until ${utcMinute(facts.legacyUntil)}, and nobody has renewed that`,
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
