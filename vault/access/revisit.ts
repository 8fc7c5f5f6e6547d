import { checked } from '../rows.ts'
import { type Policy, ruleAt, rulesFor } from '../policy/access-rule.ts'
import { ruleActions } from '../policy/document.ts'
import { endOf } from '../policy/session.ts'
import type { World } from '../world.ts'
import { lookWhoIsThere, supervisorsIn } from '../sessions/presence.ts'
import { readPolicyRow, policyOf } from './policy.ts'
import { subjectOf } from './standing.ts'

/** Milliseconds between two looks at all live sessions, and for how long after a change they are looked at each second. */
const lookEvery = 10_000
const lookCloselyFor = 5_000

type Looked = { version: number; changedAt: number; at: number }
const looked = new WeakMap<World, Looked>()

/**
 * Holds the live sessions against the policy as it is now: what it does not let go on ends, what it ends sooner ends
 * sooner. Called each second; it looks when the policy has changed, and now and then.
 *
 * How somebody came in (network, second factor) was decided when they did, and is not asked again.
 */
export async function revisitSessions(world: World): Promise<void> {
  const { vault, live } = world
  if (vault.isSealed) return
  const sessions = live.where((session) => session.cut === null)
  if (sessions.length === 0) return
  const row = await readPolicyRow(vault.database, vault.guard)
  const now = vault.clock().getTime()
  const before = looked.get(world)
  const version = row?.version ?? 0
  const state: Looked =
    before?.version === version ? before : { version, changedAt: before === undefined ? 0 : now, at: 0 }
  looked.set(world, state)
  if (now - state.changedAt > lookCloselyFor && now - state.at < lookEvery) return
  state.at = now
  const policy = policyOf(row)
  if (row === undefined) return

  const accounts = checked(
    vault.guard,
    'account',
    await vault.database
      .selectFrom('account')
      .selectAll()
      .where('id', 'in', [...new Set(sessions.map(({ account }) => account))])
      .execute(),
  )
  const users = checked(
    vault.guard,
    'app_user',
    await vault.database
      .selectFrom('app_user')
      .selectAll()
      .where('id', 'in', [...new Set(sessions.map(({ user }) => user))])
      .execute(),
  )
  const rules = new Map(
    checked(
      vault.guard,
      'access_grant',
      await vault.database
        .selectFrom('access_grant')
        .selectAll()
        .where('id', 'in', [...new Set(sessions.map(({ grant }) => grant))])
        .where('rule', 'is not', null)
        .execute(),
    ).map((grant) => [grant.id, grant.rule]),
  )
  for (const session of sessions) {
    const account = accounts.find(({ id }) => id === session.account)
    const user = users.find(({ id }) => id === session.user)
    if (account === undefined || user === undefined) continue
    const resource = { safe: account.safe_id, target: session.target, account: account.id, protocol: 'ssh' }
    const verdict = lookAt(policy, subjectOf(user), resource, rules.get(session.grant) ?? null, now)
    if (typeof verdict === 'number') {
      session.endsAt = Math.min(session.endsAt, verdict)
      const limits = rulesFor(policy, 'limit', subjectOf(user), resource)
      session.supervisors = supervisorsIn(limits.map((rule) => ruleAt(policy, rule, { now })))
      await lookWhoIsThere(world, session, 'policy')
    } else live.cut(session, { reason: 'grant revoked', message: verdict.why })
  }
}

/** Until when a session may go on, or why not. */
function lookAt(
  policy: Policy,
  subject: Parameters<typeof rulesFor>[2],
  resource: Parameters<typeof rulesFor>[3],
  /** The rule that let it in; null: a grant did. */
  rule: string | null,
  now: number,
): number | { readonly why: string } {
  const limits = rulesFor(policy, 'limit', subject, resource).filter(
    // A limit of some acts alone, as of uploads, is held to where they begin.
    ({ document }) => document.actions === undefined || document.actions.length === ruleActions.length,
  )
  const by = rulesFor(policy, 'allow', subject, resource).filter(({ document }) => document.name === rule)
  if (rule !== null && by.length === 0) return { why: `the rule “${rule}” of the policy lets you in no more` }
  const facts = [...limits, ...by].map((one) => ruleAt(policy, one, { now }))
  const closed = facts.find(({ unmet }) => unmet !== null)
  if (closed !== undefined) return { why: closed.unmet ?? '' }
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...facts.map((one) => endOf({ ...one, longestSeconds: null }, now)),
  )
}
