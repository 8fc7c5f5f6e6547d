import type { Kysely } from 'kysely'
import type { Account } from '../accounts/account.ts'
import { forwardsOf } from '../checkout/forward.ts'
import type { Database } from '../db/tables.ts'
import type { Circumstances, Policy } from '../policy/access-rule.ts'
import type { AccessFacts, CompanyFacts, GrantFacts } from '../policy/session.ts'
import { type Checker, checked, type Row } from '../rows.ts'
import { factsOf, resourceOf, subjectOf } from './standing.ts'

type Db = Kysely<Database>

/** Those of some grants that were asked for and approved; none, where no rule of the policy wants to know. */
export async function requestedGrants(
  db: Db,
  checker: Checker,
  policy: Policy,
  grants: readonly Row<'access_grant'>[],
): Promise<ReadonlySet<string | null>> {
  const isWanted = policy.rules.some(
    ({ document }) => document.effect === 'limit' && document.approvals !== undefined,
  )
  if (!isWanted || grants.length === 0) return new Set()
  const ids = grants.map((grant) => grant.id)
  const rows = await db.selectFrom('access_request').selectAll().where('grant_id', 'in', ids).execute()
  const requests = checked(checker, 'access_request', rows)
  return new Set(requests.filter(({ state }) => state === 'approved').map((request) => request.grant_id))
}

/** A grant as what decides of it. */
export function grantFacts(grant: Row<'access_grant'>, requested: ReadonlySet<string | null>): GrantFacts {
  return {
    actions: grant.actions,
    notBefore: grant.not_before.getTime(),
    notAfter: grant.not_after.getTime(),
    revoked: grant.revoked_at !== null,
    maxSessionSeconds: grant.max_session_seconds,
    mode: grant.mode,
    forwards: forwardsOf(grant),
    requested: requested.has(grant.id),
  }
}

/** What decides whether a user may use an account: who they are, their grants, and what the policy says. */
export function accessFacts(
  policy: Policy,
  user: Row<'app_user'>,
  account: Account,
  target: Row<'target'>,
  grants: readonly GrantFacts[],
  circumstances: Circumstances,
  longestSeconds: number,
  company: CompanyFacts | null,
): Omit<AccessFacts, 'wants' | 'forward'> {
  const said = factsOf(policy, subjectOf(user), resourceOf(account, target), circumstances)
  return {
    now: circumstances.now,
    user: {
      state: user.state === 'enrolling' ? 'active' : user.state,
      isAuditor: user.roles.includes('auditor'),
    },
    company,
    grants,
    allowing: said.allowing.map((rule) => ({
      ...rule,
      longestSeconds: rule.longestSeconds ?? longestSeconds,
    })),
    limits: said.limits,
  }
}
