import type { PolicyChange, PolicyPlan, PolicyView } from '../contract.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import {
  compilePolicy,
  concernsUser,
  concernsResource,
  type Policy,
  type PolicyIds,
} from '../policy/access-rule.ts'
import { emptyPolicy, type PolicyDocument } from '../policy/document.ts'
import { checked, insertGuarded, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf, type World } from '../world.ts'
import { encodePolicy, policyDigest, policyOf, readPolicyRow, type StoredPolicy } from './policy.ts'
import { resolvePolicy } from './resolve.ts'
import { revisitSessions } from './revisit.ts'

/** How many pairs of user and account a plan names at the most; it counts all of them. */
const mostNamed = 200

export const policyShow: Handler<'policy.show'> = async (call) => {
  const { database, guard } = call.world.vault
  const row = await readPolicyRow(database, guard)
  const view: PolicyView =
    row === undefined
      ? { version: 0, digest: null, appliedBy: null, appliedAt: null, document: emptyPolicy }
      : {
          version: row.version,
          digest: row.digest,
          appliedBy: row.applied_by,
          appliedAt: row.applied_at.toISOString(),
          document: policyOf(row).document,
        }
  return done(view)
}

/** Says what a document would change, and for whom. Changes nothing. */
export const policyPlan: Handler<'policy.plan'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await readPolicyRow(tx.db, tx.guard)
    const planned = await plan(tx, policyOf(row), row?.digest ?? null, input.document)
    return planned.ok ? done(planned.value.plan) : planned
  })

/**
 * Puts a policy in force, whole, in place of the one that it was planned against. What no longer lets in is revoked in
 * the same transaction, and sessions that the new one does not let go on end within three seconds.
 */
export const policyApply: Handler<'policy.apply'> = async (call, input) => {
  const applied = await transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await readPolicyRow(tx.db, tx.guard, 'update')
    if ((row?.digest ?? null) !== input.expected)
      return refuse(
        'conflict',
        'another policy was applied meanwhile',
        'plan again, and look at what it changes now',
      )
    const planned = await plan(tx, policyOf(row), row?.digest ?? null, input.document)
    if (!planned.ok) return planned
    const { plan: change, ids } = planned.value
    const values = {
      id: 'policy',
      version: (row?.version ?? 0) + 1,
      body: encodePolicy({ document: input.document, ids }),
      digest: change.digest,
      applied_by: nameOf(call),
      applied_at: tx.now,
    }
    if (row === undefined) await insertGuarded(tx, 'policy', values)
    else await updateGuarded(tx, 'policy', row, values)
    await revokeOfRules(tx, compilePolicy(input.document, ids))
    await tx.audit({
      kind: 'policy.applied',
      version: values.version,
      digest: change.digest,
      changes: change.changes.map(({ what, name, change: how }) => `${what} ${name} ${how}`),
      ...by(call),
    })
    tx.afterCommit(() => revisit(call.world))
    return done({ version: values.version, ...change })
  })
  return applied
}

function revisit(world: World): void {
  revisitSessions(world).catch((error: unknown) => world.onFault('policy', error))
}

type Planned = { readonly plan: PolicyPlan; readonly ids: PolicyIds }

async function plan(
  tx: Tx,
  present: Policy,
  from: string | null,
  document: PolicyDocument,
): Promise<Outcome<Planned>> {
  const ids = await resolvePolicy(tx.db, tx.guard, document)
  if (!ids.ok) return ids
  const wanted = compilePolicy(document, ids.value)
  const people = await peopleAndAccounts(tx)
  const before = standingPairs(present, people)
  const after = standingPairs(wanted, people)
  const missing = (these: ReadonlySet<string>, those: ReadonlySet<string>) =>
    [...these].filter((pair) => !those.has(pair)).sort()
  const named = (pairs: readonly string[]) => ({
    total: pairs.length,
    pairs: pairs.slice(0, mostNamed).map((pair) => {
      const [user = '', account = ''] = pair.split(' ')
      return { user, account }
    }),
  })
  return done({
    ids: ids.value,
    plan: {
      from,
      digest: await policyDigest(document),
      changes: changesOf(present.document, document),
      gains: named(missing(after, before)),
      loses: named(missing(before, after)),
    },
  })
}

function changesOf(before: PolicyDocument, after: PolicyDocument): readonly PolicyChange[] {
  const compare = (
    what: PolicyChange['what'],
    old: ReadonlyMap<string, unknown>,
    now: ReadonlyMap<string, unknown>,
  ): readonly PolicyChange[] => [
    ...[...old.keys()]
      .filter((name) => !now.has(name))
      .map((name) => ({ what, name, change: 'removed' as const })),
    ...[...now].flatMap(([name, value]): PolicyChange[] => {
      if (!old.has(name)) return [{ what, name, change: 'added' }]
      return isSame(old.get(name), value) ? [] : [{ what, name, change: 'changed' }]
    }),
  ]
  const rules = (document: PolicyDocument) => new Map(document.rules.map((rule) => [rule.name, rule]))
  return [
    ...compare(
      'group',
      new Map(Object.entries(before.groups ?? {})),
      new Map(Object.entries(after.groups ?? {})),
    ),
    ...compare(
      'calendar',
      new Map(Object.entries(before.calendars ?? {})),
      new Map(Object.entries(after.calendars ?? {})),
    ),
    ...compare('rule', rules(before), rules(after)),
  ]
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson(one as StoredPolicy) === canonicalJson(other as StoredPolicy)
}

type People = Awaited<ReturnType<typeof peopleAndAccounts>>

async function peopleAndAccounts(tx: Tx) {
  const users = checked(tx.guard, 'app_user', await tx.db.selectFrom('app_user').selectAll().execute())
  const accounts = checked(
    tx.guard,
    'account',
    await tx.db.selectFrom('account').selectAll().where('removed_at', 'is', null).execute(),
  )
  const targets = new Map(
    checked(tx.guard, 'target', await tx.db.selectFrom('target').selectAll().execute()).map((row) => [
      row.id,
      row,
    ]),
  )
  return {
    users: users.filter((user) => user.state !== 'disabled' && !user.roles.includes('auditor')),
    accounts: accounts.flatMap((account) => {
      const target = targets.get(account.target_id)
      if (target === undefined) return []
      const resource = {
        safe: account.safe_id,
        target: account.target_id,
        account: account.id,
        protocol: target.protocol,
      }
      return [{ name: `${target.name}/${account.login}`, resource }]
    }),
  }
}

/** Who may use what by rules, at some time: `user account` each. Neither holds a space. */
function standingPairs(policy: Policy, { users, accounts }: People): ReadonlySet<string> {
  const pairs = new Set<string>()
  for (const rule of policy.rules.filter(({ document }) => document.effect === 'allow')) {
    const concerned = users.filter((user) => concernsUser(policy, rule, { user: user.id, roles: user.roles }))
    for (const account of accounts.filter(({ resource }) => concernsResource(rule, resource)))
      for (const user of concerned) pairs.add(`${user.name} ${account.name}`)
  }
  return pairs
}

/** Takes back the grants of rules that are no more. */
async function revokeOfRules(tx: Tx, policy: Policy): Promise<void> {
  const names = policy.rules.flatMap(({ document }) => (document.effect === 'allow' ? [document.name] : []))
  let query = tx.db
    .selectFrom('access_grant')
    .selectAll()
    .where('rule', 'is not', null)
    .where('revoked_at', 'is', null)
    .forUpdate()
  if (names.length > 0) query = query.where('rule', 'not in', names)
  for (const grant of checked(tx.guard, 'access_grant', await query.execute()))
    await updateGuarded(tx, 'access_grant', grant, { revoked_at: tx.now })
}
