import type { Kysely } from 'kysely'
import type { PolicyChange, PolicyPlan, PolicyView, VerbAnswer } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { directoryMembers } from '../directory/groups.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { distinctPeople, inOrder, type PersonFacts, readPeople, samePerson } from '../identity/same-person.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { isId, type PolicyRequestId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { activeWith, adminsOf, notify } from '../notifications/notify.ts'
import {
  compilePolicy,
  concernsUser,
  concernsResource,
  type markKinds,
  type Policy,
  type PolicyIds,
  ruleAt,
  type Resource,
  type Subject,
} from '../policy/access-rule.ts'
import { emptyPolicy, type PolicyDocument } from '../policy/document.ts'
import { whoNeverConnects } from '../policy/roles.ts'
import { type Checker, checked, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, type World } from '../world.ts'
import { lockMarks } from './follow.ts'
import { encodePolicy, inEffect, policyDigest, policyOf, readPolicyRow, type StoredPolicy } from './policy.ts'
import { resolvePolicy } from './resolve.ts'
import { covers, revisitSoon } from './revisit.ts'
import { readSubjects } from './subject.ts'
import { touchedRequests, touchedSessions } from './touched.ts'

/** How many pairs of user and account a plan names at the most; it counts all of them. */
const mostNamed = 200

export const policyShow: Handler<'policy.show'> = async (call) => {
  const { database, guard } = call.world.vault
  const row = await readPolicyRow(database, guard)
  const view: PolicyView =
    row === undefined
      ? {
          version: 0,
          digest: null,
          appliedBy: null,
          appliedAt: null,
          document: emptyPolicy,
          fromDirectories: [],
        }
      : {
          version: row.version,
          digest: row.digest,
          appliedBy: row.applied_by,
          appliedAt: row.applied_at.toISOString(),
          document: policyOf(row).document,
          fromDirectories: await namedMembers(database, guard, policyOf(row)),
        }
  return done(view)
}

/** Whom directories put into the groups of a policy, by names. */
async function namedMembers(
  db: Kysely<Database>,
  checker: Checker,
  { document: { groups } }: Policy,
): Promise<PolicyView['fromDirectories']> {
  const members = await directoryMembers(db, checker, groups)
  const ids = [...new Set([...members.values()].flat())]
  if (ids.length === 0) return []
  const users = checked(
    checker,
    'app_user',
    await db.selectFrom('app_user').selectAll().where('id', 'in', ids).orderBy('name').execute(),
  )
  return Object.keys(groups ?? {}).flatMap((group) => {
    const theirs = members.get(group.toLowerCase()) ?? []
    const names = users.filter(({ id }) => theirs.includes(id)).map(({ name }) => name)
    return names.length === 0 ? [] : [{ group, users: names }]
  })
}

/** Says what a document would change, and for whom. Changes nothing. */
export const policyPlan: Handler<'policy.plan'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await readPolicyRow(tx.db, tx.guard)
    const planned = await plan(tx, call.world, row, input.document)
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
    await lockMarks(tx)
    const row = await readPolicyRow(tx.db, tx.guard, 'update')
    if ((row?.digest ?? null) !== input.expected)
      return refuse(
        'conflict',
        'another policy was applied meanwhile',
        'plan again, and look at what it changes now',
      )
    const alone = await mayApplyAlone(tx, call, policyOf(row).document)
    if (!alone.ok) return alone
    const planned = await plan(tx, call.world, row, input.document)
    if (!planned.ok) return planned
    const put = await putInForce(tx, call, row, input.document, planned.value, { alone: alone.value })
    if (alone.value) {
      const { version, changes } = put
      const about = { kind: 'policy.alone', user: nameOf(call), version, changes: changes.length } as const
      await notify(tx, about, await activeWith(tx, ['admin', 'security-officer']))
    }
    return done(put)
  })
  return applied
}

/**
 * Where it takes two people to change the policy, one alone does not. The machine's administrator does where there is
 * no second administrator who could approve: an installation of one is not locked out of its own policy.
 */
async function mayApplyAlone(tx: Tx, call: Call, { applyBy }: PolicyDocument): Promise<Outcome<boolean>> {
  if (applyBy !== 'two') return done(false)
  const admins = await administrators(tx)
  if (call.principal.kind === 'local' && admins < 2) return done(true)
  return refuse(
    'conflict',
    'this policy is changed by two people',
    admins < 2
      ? 'add a second administrator, or have the machine administrator apply it: tagout policy apply --alone'
      : 'ask for it, and have another administrator approve it: tagout policy apply asks',
  )
}

/**
 * Who could change the policy now, beside `but`.
 *
 * SECURITY: somebody's second user is not another person, here as where it is approved: else one person with two users
 * would be led to a policy that nobody can change any more.
 */
export async function administratorsBeside(tx: Tx, but?: string): Promise<readonly PersonFacts[]> {
  const ids = await adminsOf(tx)
  const asker = but !== undefined && isId('usr', but) ? [but] : []
  const people = await readPeople(tx.db, tx.guard, [...asker, ...ids])
  const [own] = inOrder(people, asker)
  return inOrder(people, ids).filter(
    (one) => one.id !== but && (own === undefined || samePerson(own, one) === undefined),
  )
}

/** How many people could change the policy now. */
async function administrators(tx: Tx): Promise<number> {
  return distinctPeople(await administratorsBeside(tx)).length
}

/** Writes a policy in place of another. `how`: the machine's administrator alone, or who asked for it before. */
export async function putInForce(
  tx: Tx,
  call: Call,
  row: Row<'policy'> | undefined,
  document: PolicyDocument,
  { plan: change, ids }: Planned,
  how: { readonly alone?: boolean; readonly request?: PolicyRequestId; readonly askedBy?: string },
): Promise<VerbAnswer<'policy.apply'>> {
  const values = {
    id: 'policy',
    version: (row?.version ?? 0) + 1,
    body: encodePolicy({ document, ids }),
    digest: change.digest,
    applied_by: how.askedBy === undefined ? nameOf(call) : `${how.askedBy}, ${nameOf(call)}`,
    applied_at: tx.now,
  }
  if (row === undefined) await insertGuarded(tx, 'policy', values)
  else await updateGuarded(tx, 'policy', row, values)
  await revokeOfRules(tx, compilePolicy(document, ids))
  await tx.audit({
    kind: 'policy.applied',
    version: values.version,
    digest: change.digest,
    changes: change.changes.map(({ what, name, change: made }) => `${what} ${name} ${made}`),
    ...(how.alone === true ? { alone: true } : {}),
    ...(how.request === undefined ? {} : { request: how.request, askedBy: how.askedBy ?? '' }),
    ...by(call),
  })
  tx.afterCommit(() => revisitSoon(call.world))
  return { version: values.version, ...change }
}

export type Planned = { readonly plan: PolicyPlan; readonly ids: PolicyIds }

/** What a document would change, and for whom, in place of the policy of a row. */
export async function plan(
  tx: Tx,
  world: World,
  row: Row<'policy'> | undefined,
  document: PolicyDocument,
): Promise<Outcome<Planned>> {
  const ids = await resolvePolicy(tx.db, tx.guard, document)
  if (!ids.ok) return ids
  const present = await inEffect(tx.db, tx.guard, policyOf(row))
  if (document.applyBy === 'two' && present.document.applyBy !== 'two') {
    const admins = await administrators(tx)
    if (admins < 2)
      return refuse(
        'invalid',
        `document: applyBy: ${admins === 1 ? 'there is 1 administrator' : 'there are no administrators'}, so nobody could approve what another asks for`,
        'add a second administrator first',
      )
  }
  const wanted = await inEffect(tx.db, tx.guard, compilePolicy(document, ids.value))
  const people = await peopleAndAccounts(tx)
  return done({
    ids: ids.value,
    plan: {
      from: row?.digest ?? null,
      digest: await policyDigest(document),
      changes: [...changesOf(present.document, document), ...renamed(present.ids, ids.value)],
      gains: pairsOnlyIn(wanted, present, people),
      loses: pairsOnlyIn(present, wanted, people),
      sessions: await touchedSessions(tx, world, wanted),
      requests: await touchedRequests(tx, present, wanted),
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
  const byHow = ({ applyBy, contact }: PolicyDocument) =>
    new Map(Object.entries({ applyBy, contact }).filter(([, value]) => value !== undefined))
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
    ...compare('policy', byHow(before), byHow(after)),
  ]
}

/** Names that stand for another thing than when the present policy was applied. */
function renamed(before: PolicyIds, now: PolicyIds): readonly PolicyChange[] {
  const kinds = [
    ['user', before.users, now.users],
    ['safe', before.safes, now.safes],
    ['target', before.targets, now.targets],
    ['account', before.accounts, now.accounts],
    ['company', before.companies, now.companies],
  ] as const
  const named = kinds.flatMap(([what, old, ids]) =>
    Object.entries<string>(ids)
      .filter(([name, id]) => Object.hasOwn(old, name) && old[name] !== id)
      .map(([name]): PolicyChange => ({ what, name, change: 'changed' })),
  )
  return [...named, ...markedAnew('tags', before, now), ...markedAnew('zones', before, now)]
}

/** Tags and zones that stand for other targets than they do in the present policy, of the same effect. */
function markedAnew(
  kind: (typeof markKinds)[number],
  before: PolicyIds,
  now: PolicyIds,
): readonly PolicyChange[] {
  const isOther = (effect: 'allow' | 'limit', name: string) => {
    const [old, ids] = [before.marks[effect][kind][name], now.marks[effect][kind][name]]
    return old !== undefined && ids !== undefined && old.join() !== ids.join()
  }
  const names = new Set([...Object.keys(now.marks.allow[kind]), ...Object.keys(now.marks.limit[kind])])
  return [...names]
    .filter((name) => isOther('allow', name) || isOther('limit', name))
    .map((name) => ({ what: kind === 'tags' ? 'tag' : 'zone', name, change: 'changed' }))
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson(one as StoredPolicy) === canonicalJson(other as StoredPolicy)
}

type People = {
  readonly users: readonly { readonly name: string; readonly subject: Subject }[]
  readonly accounts: readonly { readonly name: string; readonly resource: Resource }[]
}

async function peopleAndAccounts(tx: Tx): Promise<People> {
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
  const subjectOf = await readSubjects(tx.db, tx.guard, users)
  return {
    users: users
      .filter((user) => user.state !== 'disabled' && whoNeverConnects(user.roles) === undefined)
      .map((user) => ({ name: user.name, subject: subjectOf(user) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    accounts: accounts
      .flatMap((account) => {
        const target = targets.get(account.target_id)
        if (target === undefined) return []
        const resource = {
          safe: account.safe_id,
          target: account.target_id,
          account: account.id,
          protocol: target.protocol,
        }
        return [{ name: `${target.name}/${account.login}`, resource }]
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/**
 * Who may use what by rules, at some time, under one policy and not under the other: how many pairs, and the first.
 * A plant has hundreds of people and thousands of accounts: pairs are counted by people whom the same rules concern.
 */
export function pairsOnlyIn(policy: Policy, other: Policy, { users, accounts }: People): PolicyPlan['gains'] {
  const reachOf = reachFinder(policy, accounts)
  const otherReachOf = reachFinder(other, accounts)
  const known = new Map<string, readonly number[]>()
  let total = 0
  const pairs: { user: string; account: string }[] = []
  for (const user of users) {
    const one = reachOf(user)
    const two = otherReachOf(user)
    const key = `${one.key} | ${two.key}`
    const only = known.get(key) ?? differenceOf(one.reach(), two.reach())
    known.set(key, only)
    total += only.length
    for (const at of only.slice(0, mostNamed - pairs.length))
      pairs.push({ user: user.name, account: accounts[at]?.name ?? '' })
  }
  return { total, pairs }
}

/** For each user: which rules let them in, and by those the places of accounts that they reach. */
function reachFinder(policy: Policy, accounts: People['accounts']) {
  const rules = policy.rules.filter(({ document }) => document.effect === 'allow')
  const byRule = new Map<number, readonly number[]>()
  const reachOfRule = (at: number) => {
    const found =
      byRule.get(at) ??
      accounts.flatMap(({ resource }, place) => {
        const rule = rules[at]
        return rule !== undefined && concernsResource(rule, resource) ? [place] : []
      })
    byRule.set(at, found)
    return found
  }
  return ({ subject }: People['users'][number]) => {
    const concerning = rules.flatMap((rule, at) => (concernsUser(policy, rule, subject) ? [at] : []))
    return { key: concerning.join(), reach: () => new Set(concerning.flatMap((at) => reachOfRule(at))) }
  }
}

function differenceOf(these: ReadonlySet<number>, those: ReadonlySet<number>): readonly number[] {
  return [...these].filter((place) => !those.has(place)).sort((a, b) => a - b)
}

/** Takes back the grants of rules that are no more, or let people do less now. */
async function revokeOfRules(tx: Tx, policy: Policy): Promise<void> {
  const rules = new Map(
    policy.rules
      .filter(({ document }) => document.effect === 'allow')
      .map((rule) => [rule.document.name, ruleAt(policy, rule, { now: tx.now.getTime() })]),
  )
  const query = tx.db
    .selectFrom('access_grant')
    .selectAll()
    .where('rule', 'is not', null)
    .where('revoked_at', 'is', null)
    .forUpdate()
  for (const grant of checked(tx.guard, 'access_grant', await query.execute())) {
    const rule = rules.get(grant.rule ?? '')
    if (rule === undefined || !covers(rule, grant))
      await updateGuarded(tx, 'access_grant', grant, { revoked_at: tx.now })
  }
}
