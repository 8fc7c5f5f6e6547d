import { readPolicy } from '../access/policy.ts'
import { standingAccounts } from '../access/standing.ts'
import { readSubject } from '../access/subject.ts'
import { type AccessView, opensSessions } from '../contract.ts'
import { findAccount } from '../accounts/account.ts'
import { findUser } from '../identity/user.ts'
import type { AccountId } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type AccessRule, type RuleFacts, ruleAt } from '../policy/access-rule.ts'
import { isOfSession } from '../policy/session.ts'
import { checked } from '../rows.ts'
import { transact } from '../transact.ts'
import { type Call, type Handler, userOf } from '../world.ts'
import { viewGrant } from './grant.ts'
import { sessionsUnder, viewLease } from './lease.ts'

/** What the asking user may use now, or will: with who holds it, so that nobody has to try to find out. */
export const accessList: Handler<'access.list'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const user = await findUser(database, guard, userOf(call).id)
  if (user === undefined) return done([])
  const rows = await database
    .selectFrom('access_grant')
    .innerJoin('account', 'account.id', 'access_grant.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('access_grant')
    .select(['account.login', 'target.name as target_name'])
    .where('access_grant.user_id', '=', user.id)
    .where('access_grant.rule', 'is', null)
    .where('access_grant.revoked_at', 'is', null)
    .where('access_grant.not_after', '>', clock())
    .where('account.removed_at', 'is', null)
    .orderBy('access_grant.not_after')
    .limit(10_000)
    .execute()
  checked(guard, 'access_grant', rows)
  const subject = await readSubject(database, guard, user)
  const standing = await standingAccounts(database, guard, subject)
  const policy = await readPolicy(database, guard)
  const accounts = [...new Set([...rows.map((row) => row.account_id), ...standing.map(({ id }) => id)])]
  if (accounts.length === 0) return done([])
  const [held, favourites, used] = await Promise.all([
    holdersOf(call, accounts),
    database.selectFrom('favourite').select('account_id').where('user_id', '=', user.id).execute(),
    database
      .selectFrom('session')
      .select((eb) => ['account_id', eb.fn.max('started_at').as('at')])
      .where('user_id', '=', user.id)
      .where('account_id', 'in', accounts)
      .groupBy('account_id')
      .execute(),
  ])
  const sessions = await sessionsUnder(
    database,
    held.filter((lease) => lease.user_id === user.id).map(({ id }) => id),
  )
  const circumstances = {
    now: clock().getTime(),
    ...(call.source === undefined ? {} : { source: call.source }),
  }
  const grantsOf = Map.groupBy(rows, (row) => row.account_id)
  const leasesOf = Map.groupBy(held, (lease) => lease.account_id)
  const standingOf = new Map(standing.map((one) => [one.id, one]))
  const usedAt = new Map(used.map((row) => [row.account_id, row.at]))
  const favourite = new Set(favourites.map((row) => row.account_id))
  const factsOf = new Map<AccessRule, AccessView['rules'][number]>()
  const viewOf = (rule: AccessRule) => {
    const view = factsOf.get(rule) ?? viewRule(ruleAt(policy, rule, circumstances))
    factsOf.set(rule, view)
    return view
  }
  const views = accounts.map((account): AccessView => {
    const grants = grantsOf.get(account) ?? []
    const byRule = standingOf.get(account)
    const name = byRule?.name ?? `${grants[0]?.target_name ?? ''}/${grants[0]?.login ?? ''}`
    const leases = leasesOf.get(account) ?? []
    const own = leases.find((lease) => lease.user_id === user.id)
    return {
      account: name,
      grants: grants.map((grant) => viewGrant(grant, user.name, name, clock())),
      rules: (byRule?.rules ?? []).map(viewOf).map(
        // Nobody is offered what such a target has not.
        (rule) => (byRule === undefined || opensSessions(byRule.protocol) ? rule : { ...rule, actions: [] }),
      ),
      favourite: favourite.has(account),
      lastUsedAt: usedAt.get(account)?.toISOString() ?? null,
      lease: own === undefined ? null : viewLease(own, name, user.name, sessions.get(own.id) ?? 0),
      // SECURITY: who comes from outside does not see who else is there.
      others: (user.roles.includes('vendor') ? [] : leases)
        .filter((lease) => lease.user_id !== user.id)
        .map(({ holder, exclusive, until }) => ({
          user: holder,
          exclusive,
          until: until?.toISOString() ?? null,
        })),
    }
  })
  return done(views.sort((a, b) => (a.account < b.account ? -1 : 1)))
}

function viewRule(rule: RuleFacts): AccessView['rules'][number] {
  return {
    name: rule.name,
    actions: rule.actions.filter(isOfSession),
    unmet: rule.unmet,
    exclusive: rule.exclusive,
    until: rule.until === null ? null : new Date(rule.until).toISOString(),
    contact: rule.contact,
  }
}

function holdersOf(call: Call, accounts: readonly AccountId[]) {
  return call.world.vault.database
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .selectAll('lease')
    .select('app_user.name as holder')
    .where('lease.ended_at', 'is', null)
    .where('lease.account_id', 'in', accounts)
    .orderBy('lease.exclusive', 'desc')
    .orderBy('lease.since')
    .execute()
}

/** Marks an account as one that the user wants to find first, or no longer. It decides nothing, and is not audited. */
export const favouriteSet: Handler<'favourite.set'> = async (call, input) => {
  const user = userOf(call).id
  return transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account)
    if (account === undefined) return notFound('account', input.account)
    if (input.favourite)
      await tx.db
        .insertInto('favourite')
        .values({ user_id: user, account_id: account.id, since: tx.now })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    else
      await tx.db
        .deleteFrom('favourite')
        .where('user_id', '=', user)
        .where('account_id', '=', account.id)
        .execute()
    return done(null)
  })
}
