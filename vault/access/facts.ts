import type { Kysely } from 'kysely'
import { breakGlassOf } from '../breakglass/view.ts'
import { forwardsOf } from '../checkout/forward.ts'
import type { Database } from '../db/tables.ts'
import { distinctPeople, inOrder, readPeople } from '../identity/same-person.ts'
import {
  type Circumstances,
  groupsOf,
  type Machine,
  type Policy,
  type Subject,
} from '../policy/access-rule.ts'
import { missingOf, type Quorum } from '../policy/approvals.ts'
import { whoNeverConnects } from '../policy/roles.ts'
import type { AccessFacts, CompanyFacts, GrantFacts } from '../policy/session.ts'
import { type Checker, checked, type Row } from '../rows.ts'
import { factsOf } from './standing.ts'

type Db = Kysely<Database>

/**
 * Those of some grants that were asked for and approved, or skip that by break-glass; none, where no rule of the policy
 * wants to know. `quorumsOf` says how many of which groups must have approved a grant beside: where its account is used
 * on a machine that it was bound to, which may have been afterwards.
 */
export async function requestedGrants(
  db: Db,
  checker: Checker,
  policy: Policy,
  grants: readonly Row<'access_grant'>[],
  quorumsOf: (grant: Row<'access_grant'>) => readonly Quorum[] = () => [],
): Promise<ReadonlySet<string | null>> {
  const isWanted = policy.rules.some(
    ({ document }) => document.effect === 'limit' && document.approvals !== undefined,
  )
  if (!isWanted || grants.length === 0) return new Set()
  const ids = grants.map((grant) => grant.id)
  // An extension gave a grant time, and let nobody in.
  const rows = await db
    .selectFrom('access_request')
    .selectAll()
    .where('grant_id', 'in', ids)
    .where('extends_grant', 'is', null)
    .execute()
  const requests = checked(checker, 'access_request', rows).filter(({ state }) => state === 'approved')
  const found = new Set<string | null>()
  for (const grant of grants) if ((await breakGlassOf(db, checker, grant)) !== undefined) found.add(grant.id)
  if (requests.length === 0) return found
  const asked = new Map(grants.map((grant) => [grant.id as string, quorumsOf(grant)]))
  const said = [...asked.values()].every((quorums) => quorums.length === 0)
    ? []
    : await approvalsOf(db, checker, requests)
  for (const { id, grant_id } of requests) {
    const approvers = said.filter((one) => one.request_id === id && one.verdict === 'approve')
    const ids = approvers.map((one) => one.user_id)
    const people = distinctPeople(inOrder(await readPeople(db, checker, ids), ids))
    const groups = people.map((one) => ({ groups: groupsOf(policy, one.id) }))
    if (missingOf(groups, asked.get(grant_id ?? '') ?? []).length === 0) found.add(grant_id)
  }
  return found
}

async function approvalsOf(db: Db, checker: Checker, requests: readonly Row<'access_request'>[]) {
  const ids = requests.map((request) => request.id)
  return checked(
    checker,
    'approval',
    await db.selectFrom('approval').selectAll().where('request_id', 'in', ids).execute(),
  )
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
  subject: Subject,
  machine: Machine,
  grants: readonly GrantFacts[],
  circumstances: Circumstances,
  longestSeconds: number,
  company: CompanyFacts | null,
): Omit<AccessFacts, 'wants' | 'forward'> {
  const said = factsOf(policy, subject, machine, circumstances)
  return {
    now: circumstances.now,
    user: {
      state: user.state === 'enrolling' ? 'active' : user.state,
      neverConnects: whoNeverConnects(user.roles) !== undefined,
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
