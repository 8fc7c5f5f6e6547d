import type { Decision, Facts, Principal } from './facts.ts'
import { mayHold, whoNeverConnects } from './roles.ts'
import { type Reason, type Rule, rules } from './rules.ts'

const forbidden: Decision = {
  kind: 'deny',
  code: 'forbidden',
  why: 'there is no such thing, or you may not do this',
  next: 'ask an administrator of this installation',
}

const termsFirst: Decision = {
  kind: 'deny',
  code: 'forbidden',
  why: 'you have not accepted the terms of your company yet',
  next: 'sign in to the console, read them and accept them',
}

/**
 * Decides whether a principal may do a verb. Pure: no clock, no database.
 *
 * INVARIANT: the default is to deny; only a row of `rules` allows.
 */
export function decide(facts: Facts): Decision {
  const rule: Rule | undefined = Object.hasOwn(rules, facts.verb) ? rules[facts.verb] : undefined
  if (rule === undefined) return forbidden
  const state = decideState(facts, rule)
  if (state !== undefined) return state
  if (!isAllowed(facts, rule)) return forbidden
  const { principal, relation } = facts
  // SECURITY: somebody with two accounts is one person. Told only to who might do it otherwise.
  if (rule.notOwn === true && relation.alias !== undefined)
    return {
      kind: 'deny',
      code: 'forbidden',
      why: `this is your own, by another user who is you: ${relation.alias}`,
      next: 'another person must do it; where it is not you, an administrator changes the mail address or says so: tagout user same-person',
    }
  return principal.kind === 'user' && principal.owesTerms === true && rule.beforeTerms === undefined
    ? termsFirst
    : { kind: 'allow' }
}

function decideState(facts: Facts, rule: Rule): Decision | undefined {
  if (facts.vault === 'uninitialised' && rule.whenUninitialised === undefined)
    return {
      kind: 'deny',
      code: 'not_initialised',
      why: 'this vault is not initialised',
      next: 'run npm start, or tagout init, on the machine it runs on',
    }
  if (facts.vault === 'sealed' && rule.whenSealed === undefined)
    return {
      kind: 'deny',
      code: 'sealed',
      why: 'the vault is sealed: nothing can be opened',
      next: 'have the machine administrator run tagout unseal',
    }
  if (facts.verb === 'vault.initialise' && facts.vault !== 'uninitialised')
    return { kind: 'deny', code: 'conflict', why: 'this vault is initialised already' }
  if (facts.verb === 'vault.unseal' && facts.vault === 'open')
    return { kind: 'deny', code: 'conflict', why: 'the vault is not sealed' }
  return undefined
}

function isAllowed(facts: Facts, rule: Rule): boolean {
  const { principal } = facts
  switch (principal.kind) {
    case 'local':
      return rule.local === true
    case 'anyone':
      return rule.anyone === true
    case 'recorder':
      return rule.recorder === true
    case 'rotation':
      return rule.rotation === true
    case 'service':
      return rule.service !== undefined && principal.scopes.includes(rule.service)
    case 'user':
      return isUserAllowed(facts, rule, principal)
  }
}

function isUserAllowed(facts: Facts, rule: Rule, user: Principal & { readonly kind: 'user' }): boolean {
  if (user.login.kind === 'replay' && rule.replay === undefined) return false
  if (rule.notOwn === true && facts.relation.own) return false
  if (rule.user === undefined) return false
  return rule.user.some((reason) => holds(reason, facts, user))
}

/** What somebody must be able to hold for a rule of the policy to let them do the same. */
const ruledAs = { reveal: 'reveal', watch: 'observe' } as const

function holds(reason: Reason, facts: Facts, user: Principal & { readonly kind: 'user' }): boolean {
  const { relation } = facts
  if (reason === 'own') return relation.own
  if (reason === 'granted') return relation.granted && whoNeverConnects(user.roles) === undefined
  if (reason === 'signed in' || reason === 'filtered') return true
  if ('role' in reason) return user.roles.includes(reason.role)
  if ('rule' in reason)
    return mayHold(user.roles, ruledAs[reason.rule]) && relation.ruled.includes(reason.rule)
  return mayHold(user.roles, reason.permission) && relation.permissions.includes(reason.permission)
}
