import { readAccount } from '../accounts/account.ts'
import { findUser } from '../identity/user.ts'
import type { AccountId, TargetId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type Circumstances, ruleAt, rulesFor } from '../policy/access-rule.ts'
import type { RuleAction } from '../policy/document.ts'
import { decideLimits } from '../policy/session.ts'
import { findTarget } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { readPolicy } from './policy.ts'
import { resourceOf, subjectOf } from './standing.ts'

type Use = {
  readonly user: UserId
  readonly account: AccountId
  readonly target?: TargetId
  readonly does: RuleAction
}

/**
 * Refuses an act on an account that the limits of the policy stand against now. Who may do it otherwise is for the
 * caller to have decided. A `needsApproval` limits ways in, not what is done within one.
 */
export async function holdToLimits(tx: Tx, use: Use, circumstances: Circumstances): Promise<Outcome<null>> {
  const policy = await readPolicy(tx.db, tx.guard)
  if (policy.rules.length === 0) return done(null)
  const user = await findUser(tx.db, tx.guard, use.user)
  const account = await readAccount(tx.db, tx.guard, use.account)
  const target = use.target === undefined ? account?.target : await findTarget(tx.db, tx.guard, use.target)
  if (user === undefined || account === undefined || target === undefined)
    return refuse('forbidden', 'there is no such account, or you may not use it')
  const limits = rulesFor(policy, 'limit', subjectOf(user), resourceOf(account, target))
    .map((rule) => ruleAt(policy, rule, circumstances))
    .filter((limit) => limit.actions.includes(use.does))
  const denial = decideLimits(limits)
  return denial === undefined ? done(null) : refuse(denial.code, denial.why, denial.next)
}
