import type { Account } from '../accounts/account.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { ruleActions } from '../contract/words.ts'
import { decideLimits, endOf } from '../policy/session.ts'
import type { Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { Call } from '../world.ts'
import { requestedGrants } from './facts.ts'
import { machineFinder } from './machine.ts'
import { readPolicy } from './policy.ts'
import { factsOf, isUse } from './standing.ts'
import { readSubject } from './subject.ts'

/**
 * How long somebody may hold an account that they check out now, by these grants of theirs, which hold now, and by the
 * policy.
 */
export async function mayHold(
  tx: Tx,
  call: Call,
  user: Row<'app_user'>,
  account: Account,
  grants: readonly Row<'access_grant'>[],
): Promise<Outcome<{ readonly until: Date; readonly exclusive: boolean }>> {
  const now = tx.now.getTime()
  const policy = await readPolicy(tx.db, tx.guard, 'share')
  const machineAt = await machineFinder(tx.db, tx.guard, policy)
  const circumstances = { now, ...(call.source === undefined ? {} : { source: call.source }) }
  const subject = await readSubject(tx.db, tx.guard, user)
  const said = factsOf(policy, subject, machineAt(account), circumstances)
  const { limits } = said
  // Who may see a secret, or watch, holds no account by that.
  const { protocol } = account.target
  const allowing = said.allowing.filter(({ actions }) => actions.some((action) => isUse(action, protocol)))
  // A limit of some acts alone, as of uploads, keeps nobody from holding the account.
  const whole = limits.filter((limit) => ruleActions.every((action) => limit.actions.includes(action)))
  const denial = decideLimits(whole)
  if (denial !== undefined) return refuse(denial.code, denial.why, denial.next)
  const needsApproval = whole.some((limit) => limit.needsApproval)
  const requested = await requestedGrants(tx.db, tx.guard, policy, grants)
  const given = needsApproval ? grants.filter((grant) => requested.has(grant.id)) : grants
  const open = needsApproval ? [] : allowing.filter((rule) => rule.unmet === null)
  if (given.length === 0 && open.length === 0) {
    const { unmet, contact = null } = allowing.find((rule) => rule.unmet !== null) ?? {}
    const why = unmet ?? 'there is no such account, or no grant lets you use it'
    return refuse('forbidden', why, contact === null ? 'ask for a grant' : `ask ${contact}`)
  }
  const longest = call.world.settings.longestSessionSeconds
  const ways = [
    ...given.map((grant) => ({ end: grant.not_after.getTime(), exclusive: grant.mode === 'exclusive' })),
    ...open.map((rule) => ({
      end: endOf({ ...rule, longestSeconds: rule.longestSeconds ?? longest }, now),
      exclusive: rule.exclusive,
    })),
  ]
  const end = Math.min(Math.max(...ways.map((way) => way.end)), ...whole.map((limit) => endOf(limit, now)))
  return done({
    until: new Date(end),
    exclusive: ways.every((way) => way.exclusive) || whole.some((limit) => limit.exclusive),
  })
}
