import type { Account } from '../accounts/account.ts'
import { readAccount } from '../accounts/account.ts'
import { accessFacts, grantFacts, requestedGrants } from '../access/facts.ts'
import { quorumsAt } from '../access/limits.ts'
import { machineFinder } from '../access/machine.ts'
import { readPolicy } from '../access/policy.ts'
import { standingAccounts } from '../access/standing.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Subject } from '../policy/access-rule.ts'
import type { AccessFacts } from '../policy/session.ts'
import { checked, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { companyFacts, representationOf } from '../vendors/standing.ts'
import type { Call } from '../world.ts'

export const unknownTarget = refuse(
  'forbidden',
  'there is no such target, or no grant lets you connect to it',
  'check the name, or ask for a grant',
)

/**
 * The account meant, its row locked, with the user's own grants on it (a rule's are the rule's). Left out, it is the one account of the target on
 * which the user holds a grant that has not ended, or that a rule lets them use.
 */
export async function chooseAccount(
  tx: Tx,
  user: Row<'app_user'>,
  subject: Subject,
  target: Row<'target'>,
  login: string | undefined,
): Promise<Outcome<{ readonly account: Account; readonly grants: readonly Row<'access_grant'>[] }>> {
  let bound = tx.db
    .selectFrom('binding')
    .innerJoin('account', 'account.id', 'binding.account_id')
    .select(['account.id', 'account.login', 'account.target_id'])
    .where('binding.target_id', '=', target.id)
    .where('account.removed_at', 'is', null)
  if (login !== undefined) bound = bound.where('account.login', '=', login)
  const candidates = await bound.execute()
  if (candidates.length === 0) return unknownTarget
  const grants = checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('rule', 'is', null)
      .where(
        'account_id',
        'in',
        candidates.map((account) => account.id),
      )
      .forShare()
      .execute(),
  )
  const present = grants.filter((grant) => grant.revoked_at === null && grant.not_after > tx.now)
  const ids = candidates.map((account) => account.id)
  const standing = await standingAccounts(tx.db, tx.guard, subject, ids, target)
  const now = [...present.map((grant) => grant.account_id), ...standing.map((account) => account.id)]
  const meant = new Set(now.length > 0 ? now : grants.map((grant) => grant.account_id))
  const named = candidates.filter((account) => meant.has(account.id))
  const own = named.filter((account) => account.target_id === target.id)
  // Two accounts of one login can be bound to a target; its own comes first.
  const choice = login !== undefined && own.length > 0 ? own : named
  const [first] = choice
  if (first === undefined) return unknownTarget
  if (choice.length > 1)
    return refuse(
      'invalid',
      `say which account of ${target.name}: ${choice.map((account) => account.login).join(', ')}`,
      `connect as ${user.name}@${first.login}@${target.name}`,
    )
  const account = await readAccount(tx.db, tx.guard, first.id as AccountId, 'update', target)
  if (account === undefined || account.removed_at !== null) return unknownTarget
  return done({ account, grants: grants.filter((grant) => grant.account_id === account.id) })
}

type Way = {
  readonly user: Row<'app_user'>
  readonly target: Row<'target'>
  readonly subject: Subject
  readonly account: Account
  readonly grants: readonly Row<'access_grant'>[]
  readonly source: string
  /** See `Proof`. */
  readonly factorAt: number | null
}

/** What decides whether somebody may use an account on a target now. Whoever applies another policy waits for this transaction. */
export async function accessAt(
  tx: Tx,
  call: Call,
  { user, target, subject, account, grants, source, factorAt }: Way,
): Promise<Omit<AccessFacts, 'wants' | 'forward'>> {
  const company = await representationOf(tx.db, tx.guard, user)
  // Shared: whoever applies another policy waits for this transaction, and then looks at its session.
  const policy = await readPolicy(tx.db, tx.guard, 'share')
  const machineAt = await machineFinder(tx.db, tx.guard, policy)
  const quorums = await quorumsAt(tx, policy, user, account, target)
  const requested = await requestedGrants(tx.db, tx.guard, policy, grants, quorums)
  return accessFacts(
    policy,
    user,
    subject,
    machineAt(account, target),
    grants.map((one) => grantFacts(one, requested)),
    { now: tx.now.getTime(), source, factorAt },
    call.world.settings.longestSessionSeconds,
    company === undefined ? null : companyFacts(company),
  )
}
