import type { Kysely } from 'kysely'
import { encodeForward } from '../checkout/forward.ts'
import { type Action, clipboardActions, beginsSession, type Protocol, releasingActions } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { Fault, isForged } from '../kernel/fault.ts'
import { idTime } from '../kernel/id.ts'
import {
  allowingRules,
  limitingRules,
  type Machine,
  type Policy,
  type RuleFacts,
  ruleAt,
  type Subject,
} from '../policy/access-rule.ts'
import { askFirst, endOf } from '../policy/session.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'
import type { LiveSession } from '../sessions/live.ts'
import { lookWhoIsThere, type Supervisors, supervisorsIn } from '../sessions/presence.ts'
import type { World } from '../world.ts'
import { requestedGrants } from './facts.ts'
import { type MachineOf, machineFinder } from './machine.ts'
import { readSubject } from './subject.ts'
import { inEffect, policyOf, readPolicyRow } from './policy.ts'

/** Milliseconds between two looks at all live sessions, and for how long after a change they are looked at each second. */
const lookEvery = 10_000
const lookCloselyFor = 5_000

type Looked = { body: string; changedAt: number; at: number }
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
  // Its version too: between two looks it may have changed and changed back, and somebody come in meanwhile.
  const body = `${row?.version ?? 0} ${row?.body ?? ''}`
  const state: Looked =
    before?.body === body ? before : { body, changedAt: before === undefined ? 0 : now, at: 0 }
  looked.set(world, state)
  if (now - state.changedAt > lookCloselyFor && now - state.at < lookEvery) return
  state.at = now
  if (row === undefined) return
  const policy = await inEffect(vault.database, vault.guard, policyOf(row))

  const verdictOf = await verdictFinder(vault.database, vault.guard, policy, sessions, now)
  for (const session of sessions) {
    try {
      const verdict = verdictOf(session)
      if ('endsAt' in verdict) {
        session.endsAt = Math.min(session.endsAt, verdict.endsAt)
        session.supervisors = verdict.supervisors.groups
        session.contact = verdict.supervisors.contact
        await lookWhoIsThere(world, session, 'policy')
      } else live.cut(session, { reason: 'grant revoked', message: verdict.why })
    } catch (error) {
      // SECURITY: a session that rests on a forged row ends; the others are looked at all the same.
      if (!isForged(error)) throw error
      world.onFault('session', error)
      live.cut(session, { reason: 'terminated', message: 'your session was terminated' })
    }
  }
}

/**
 * What the policy asks has changed beside its text: somebody's role or group, a machine's address. Live sessions are held
 * against it at once, and for some seconds. Call it once the change has committed.
 */
export function revisitSoon(world: World): void {
  const before = looked.get(world)
  if (before !== undefined) before.changedAt = world.vault.clock().getTime()
  revisitSessions(world).catch((error: unknown) => world.onFault('policy', error))
}

/** Says what a policy makes of each of some live sessions. What is found throws where the session rests on a forged row. */
export async function verdictFinder(
  db: Kysely<Database>,
  checker: Checker,
  policy: Policy,
  sessions: readonly LiveSession[],
  now: number,
): Promise<(session: LiveSession) => Verdict> {
  const rows = await readRows(db, sessions)
  const machineAt = await machineFinder(db, checker, policy)
  const grants = [...rows.grants.values()].filter((grant) => isWhole(checker, 'access_grant', grant))
  const requested = await requestedGrants(db, checker, policy, grants)
  const subjects = new Map<string, Subject | Fault>()
  for (const user of rows.users.values()) subjects.set(user.id, await subjectOrFault(db, checker, user))
  const subjectOf = ({ id }: Row<'app_user'>) => {
    const found = subjects.get(id)
    if (found === undefined || found instanceof Fault) throw found ?? new TypeError('a user was read')
    return found
  }
  return (session) =>
    lookAt(policy, session, factsOf(checker, rows, machineAt, subjectOf, session), requested, now)
}

/** SECURITY: one forged row keeps nobody else's session from being looked at. */
async function subjectOrFault(
  db: Kysely<Database>,
  checker: Checker,
  user: Row<'app_user'>,
): Promise<Subject | Fault> {
  try {
    return await readSubject(db, checker, user)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}

type Rows = {
  readonly accounts: ReadonlyMap<string, Row<'account'>>
  readonly users: ReadonlyMap<string, Row<'app_user'>>
  readonly targets: ReadonlyMap<string, Row<'target'>>
  readonly grants: ReadonlyMap<string, Row<'access_grant'>>
}

/** The rows that sessions rest on, not checked yet. */
async function readRows(database: Kysely<Database>, sessions: readonly LiveSession[]): Promise<Rows> {
  const all = <T>(of: (session: LiveSession) => T) => [...new Set(sessions.map(of))]
  const byId = <T extends { readonly id: string }>(rows: readonly T[]) =>
    new Map(rows.map((row) => [row.id as string, row]))
  const accounts = await database
    .selectFrom('account')
    .selectAll()
    .where(
      'id',
      'in',
      all(({ account }) => account),
    )
    .execute()
  const targets = [...new Set([...all(({ target }) => target), ...accounts.map((row) => row.target_id)])]
  return {
    accounts: byId(accounts),
    users: byId(
      await database
        .selectFrom('app_user')
        .selectAll()
        .where(
          'id',
          'in',
          all(({ user }) => user),
        )
        .execute(),
    ),
    targets: byId(await database.selectFrom('target').selectAll().where('id', 'in', targets).execute()),
    grants: byId(
      await database
        .selectFrom('access_grant')
        .selectAll()
        .where(
          'id',
          'in',
          all(({ grant }) => grant),
        )
        .execute(),
    ),
  }
}

function isWhole<Table extends 'access_grant'>(checker: Checker, table: Table, row: Row<Table>): boolean {
  try {
    checked(checker, table, [row])
    return true
  } catch {
    return false
  }
}

type Facts = {
  readonly subject: Subject
  readonly machine: Machine
  readonly grant: Row<'access_grant'>
  readonly protocol: Protocol
}

/** What decides of a session, checked; undefined where a row that nobody ever deletes is gone. */
function factsOf(
  checker: Checker,
  rows: Rows,
  machineAt: MachineOf,
  subjectOf: (user: Row<'app_user'>) => Subject,
  session: LiveSession,
): Facts | undefined {
  const account = checkedOne(checker, 'account', rows.accounts.get(session.account))
  const user = checkedOne(checker, 'app_user', rows.users.get(session.user))
  const target = checkedOne(checker, 'target', rows.targets.get(session.target))
  const own = checkedOne(checker, 'target', rows.targets.get(account?.target_id ?? ''))
  const grant = checkedOne(checker, 'access_grant', rows.grants.get(session.grant))
  if (
    account === undefined ||
    user === undefined ||
    target === undefined ||
    own === undefined ||
    grant === undefined
  )
    return undefined
  const named = { ...account, target: own, name: `${own.name}/${account.login}` }
  return { subject: subjectOf(user), machine: machineAt(named, target), grant, protocol: target.protocol }
}

export type Verdict =
  | {
      readonly endsAt: number
      readonly supervisors: Supervisors
      /** When limits of some of its acts, that hold now, would end a session that does those. */
      readonly actEnds: readonly number[]
    }
  | { readonly why: string }

/** Until when a session may go on and who must watch it, or why it may not. */
function lookAt(
  policy: Policy,
  session: LiveSession,
  facts: Facts | undefined,
  requested: ReadonlySet<string | null>,
  now: number,
): Verdict {
  if (facts === undefined) return { why: 'your session was terminated' }
  const { subject, machine, grant, protocol } = facts
  // A limit of some acts alone, as of uploads, is held to where they begin: it ends a session that can do nothing else.
  const acts: readonly Action[] =
    session.forward === null
      ? grant.actions.filter((action) => isOpening(action) && beginsSession(action, protocol))
      : ['forward']
  const concerning = limitingRules(policy, subject, machine).map((rule) => ruleAt(policy, rule, { now }))
  const limits = concerning.filter((limit) => acts.every((action) => limit.actions.includes(action)))
  const by = allowingRules(policy, subject, machine)
    .filter(({ document }) => document.name === grant.rule)
    .map((rule) => ruleAt(policy, rule, { now }))
  if (grant.rule !== null && by.length === 0)
    return { why: `the rule “${grant.rule}” of the policy lets you in no more` }
  if (grant.rule !== null && (grant.revoked_at !== null || !by.some((rule) => covers(rule, grant))))
    return { why: `the rule “${grant.rule}” of the policy lets you do less now` }
  const over = [...limits, ...by]
  const closed = over.find(({ unmet }) => unmet !== null)
  if (closed !== undefined) return { why: closed.unmet ?? '' }
  const asks = limits.filter((limit) => limit.needsApproval)
  if (asks.length > 0 && !requested.has(grant.id)) return askFirst(asks)
  // The longest session counts from its beginning, which its id says.
  const began = idTime(session.id)
  const ends = over.flatMap((one) => [
    one.until ?? Number.POSITIVE_INFINITY,
    endOf({ ...one, until: null }, began),
  ])
  // What releases a secret is asked for each time, and held to its time then.
  const does =
    session.forward === null ? grant.actions.filter((action) => !releasingActions.includes(action)) : acts
  const some = concerning.filter(
    ({ unmet, actions }) => unmet === null && does.some((action) => actions.includes(action)),
  )
  return {
    endsAt: Math.min(Number.POSITIVE_INFINITY, ...ends),
    supervisors: supervisorsIn(concerning),
    actEnds: some.flatMap((one) => [
      one.until ?? Number.POSITIVE_INFINITY,
      endOf({ ...one, until: null }, began),
    ]),
  }
}

/** Does a rule let people do all that a grant which it made lets them? */
export function covers(
  rule: Pick<RuleFacts, 'actions' | 'forwards'>,
  grant: Pick<Row<'access_grant'>, 'actions' | 'forwards'>,
): boolean {
  const forwards = rule.forwards.map(encodeForward)
  return (
    grant.actions.every((action) => rule.actions.includes(action)) &&
    (grant.forwards ?? []).every((forward) => forwards.includes(forward))
  )
}

/** Is it one that a session can be opened for? Who looks at a desktop has nothing else that stands without that. */
function isOpening(action: Action): boolean {
  return !releasingActions.includes(action) && action !== 'forward' && !clipboardActions.includes(action)
}
