import { type Account, readAccount } from '../accounts/account.ts'
import type { Action } from '../contract.ts'
import { findUser } from '../identity/user.ts'
import type { AccountId, TargetId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type Circumstances, limitingRules, type Policy, ruleAt, wantedOf } from '../policy/access-rule.ts'
import type { RuleAction } from '../contract/words.ts'
import { askFirst, decideLimits, endOf } from '../policy/session.ts'
import { checked, type Row } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { requestedGrants } from './facts.ts'
import { machineFinder } from './machine.ts'
import { readPolicy } from './policy.ts'
import { readSubject } from './subject.ts'

type Use = {
  readonly user: UserId
  readonly account: AccountId
  readonly target?: TargetId
  /** What is done; a limit of any of these holds. */
  readonly does: readonly RuleAction[]
  /** What a grant must allow to count where approval is wanted; left out: anything. */
  readonly allowed?: Action
}

/**
 * Refuses an act on an account that the limits of the policy stand against now. Who may do it otherwise is for the
 * caller to have decided.
 *
 * SECURITY: where only what was approved lets in, an act takes a grant that was asked for and approved, and holds.
 */
export async function holdToLimits(tx: Tx, use: Use, circumstances: Circumstances): Promise<Outcome<null>> {
  const held = await heldUntil(tx, use, circumstances)
  return held.ok ? done(null) : held
}

/** The same, of what goes on for a while: answers when a limit that holds now would end it, in milliseconds. */
export async function heldUntil(tx: Tx, use: Use, circumstances: Circumstances): Promise<Outcome<number>> {
  const policy = await readPolicy(tx.db, tx.guard)
  if (policy.rules.length === 0) return done(Number.POSITIVE_INFINITY)
  const user = await findUser(tx.db, tx.guard, use.user)
  const account = await readAccount(tx.db, tx.guard, use.account)
  const target = use.target === undefined ? account?.target : await findTarget(tx.db, tx.guard, use.target)
  if (user === undefined || account === undefined || target === undefined)
    return refuse('forbidden', 'there is no such account, or you may not use it')
  const machineAt = await machineFinder(tx.db, tx.guard, policy)
  const subject = await readSubject(tx.db, tx.guard, user)
  const limits = limitingRules(policy, subject, machineAt(account, target))
    .map((rule) => ruleAt(policy, rule, circumstances))
    .filter((limit) => limit.actions.some((action) => use.does.includes(action)))
  const denial = decideLimits(limits)
  if (denial !== undefined) return refuse(denial.code, denial.why, denial.next)
  const asks = limits.filter((limit) => limit.needsApproval)
  if (asks.length === 0 || (await isApproved(tx, policy, use, user, account, target)))
    return done(Math.min(Number.POSITIVE_INFINITY, ...limits.map((limit) => endOf(limit, circumstances.now))))
  const { code, why, next } = askFirst(asks)
  return refuse(code, why, next)
}

/** Does the user hold a grant on the account now that was asked for and approved? */
export async function isApproved(
  tx: Tx,
  policy: Policy,
  { allowed }: Pick<Use, 'allowed'>,
  user: Row<'app_user'>,
  account: Account,
  target = account.target,
): Promise<boolean> {
  const grants = checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('account_id', '=', account.id)
      .where('rule', 'is', null)
      .where('revoked_at', 'is', null)
      .where('not_before', '<=', tx.now)
      .where('not_after', '>', tx.now)
      .execute(),
  )
  const fitting = grants.filter((grant) => allowed === undefined || grant.actions.includes(allowed))
  const requested = await requestedGrants(
    tx.db,
    tx.guard,
    policy,
    fitting,
    await quorumsAt(tx, policy, user, account, target),
  )
  return requested.size > 0
}

/**
 * Whose approvals a grant must have to count on this target. An account is approved for where it can be used; where it
 * was bound to since, the approvals are looked at again.
 */
export async function quorumsAt(
  tx: Tx,
  policy: Policy,
  user: Row<'app_user'>,
  account: Account,
  target: Row<'target'>,
): Promise<Parameters<typeof requestedGrants>[4]> {
  if (target.id === account.target_id) return undefined
  const machineAt = await machineFinder(tx.db, tx.guard, policy)
  const machine = machineAt(account, target)
  const subject = await readSubject(tx.db, tx.guard, user)
  return ({ actions }) => wantedOf(policy, subject, [machine], actions).approvals
}
