import { machineFinder } from '../access/machine.ts'
import { readPolicy } from '../access/policy.ts'
import { readSubject } from '../access/subject.ts'
import { readAccount } from '../accounts/account.ts'
import { readPeople, samePerson } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { limitingRules, ruleAt } from '../policy/access-rule.ts'
import { findTarget } from '../targets/target.ts'
import type { UserId } from '../kernel/id.ts'
import { isDatabaseAway } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import type { LiveSession } from './live.ts'
import { refOf } from './start.ts'
import type { Watching } from './watch.ts'

/** Of which groups somebody must watch a session, and whom to call for that; null: the policy does not say. */
export type Supervisors = { readonly groups: readonly string[]; readonly contact: string | null }

const nobodyWanted: Supervisors = { groups: [], contact: null }

/** Who must watch a session, as the policy says now; or must where another `user` types in it. */
export async function supervisorsOf(
  tx: Tx,
  session: LiveSession,
  who: UserId = session.user,
): Promise<Supervisors> {
  const policy = await readPolicy(tx.db, tx.guard)
  if (policy.rules.length === 0) return nobodyWanted
  const user = await findUser(tx.db, tx.guard, who)
  const target = await findTarget(tx.db, tx.guard, session.target)
  const account = await readAccount(tx.db, tx.guard, session.account, 'read', target)
  if (user === undefined || account === undefined || target === undefined) return nobodyWanted
  const now = tx.now.getTime()
  const machineAt = await machineFinder(tx.db, tx.guard, policy)
  const subject = await readSubject(tx.db, tx.guard, user)
  const limits = limitingRules(policy, subject, machineAt(account, target))
  return supervisorsIn(limits.map((rule) => ruleAt(policy, rule, { now })))
}

/** The groups that rules want somebody of, each once, and the first contact that one of these rules names. */
export function supervisorsIn(
  limits: readonly { readonly supervisors: string | null; readonly contact: string | null }[],
): Supervisors {
  const wanting = limits.filter(({ supervisors }) => supervisors !== null)
  return {
    groups: [...new Set(wanting.flatMap(({ supervisors }) => supervisors ?? []))].sort(),
    contact: wanting.find(({ contact }) => contact !== null)?.contact ?? null,
  }
}

/**
 * Of which groups nobody watches whom the policy wants where `hands` types in the session in its user's place.
 *
 * SECURITY: nobody is their own supervisor: who types counts for nothing here, and nor does the session's user.
 */
export async function missingBeside(
  tx: Tx,
  world: World,
  session: LiveSession,
  hands: UserId,
): Promise<readonly string[]> {
  const { groups: wanted } = await supervisorsOf(tx, session, hands)
  if (wanted.length === 0) return []
  const { groups } = await readPolicy(tx.db, tx.guard)
  const watching = watchersFor(world, session)
  const people = await readPeople(tx.db, tx.guard, [hands, ...watching.map(({ user }) => user)])
  const own = people.get(hands)
  const others = watching.filter(({ user }) => {
    const one = people.get(user)
    return own !== undefined && one !== undefined && samePerson(own, one) === undefined
  })
  return wanted.filter((group) => !others.some(({ user }) => groups.get(group)?.has(user) === true))
}

/** Who watches a session and may act on it, its own user never. */
function watchersFor(world: World, session: LiveSession): readonly Watching[] {
  return [...world.watches.values()].filter(
    (one) => one.session === session.id && one.user !== session.user && one.isActive,
  )
}

type There = {
  /** The groups of whom nobody watches now. */
  readonly missing: readonly string[]
  /** Who watches of a group. */
  readonly of: (group: string) => string | undefined
}

/**
 * Who supervises the session now. Its own user supervises nothing, nor does who may only look on.
 *
 * SECURITY: where the policy cannot be read, nobody is known to supervise.
 */
async function whoIsThere(world: World, session: LiveSession): Promise<There> {
  const { supervisors } = session
  const nobody: There = { missing: supervisors, of: () => undefined }
  const watching = watchersFor(world, session)
  if (supervisors.length === 0 || watching.length === 0) return nobody
  try {
    const { groups } = await readPolicy(world.vault.database, world.vault.guard)
    const of = (group: string) => watching.find(({ user }) => groups.get(group)?.has(user) === true)?.name
    return { missing: supervisors.filter((group) => of(group) === undefined), of }
  } catch (error) {
    if (!isDatabaseAway(error)) world.onFault('presence', error)
    return nobody
  }
}

/**
 * Looks who is there: holds the session's input where a supervisor is missing, and lets it go on once one of each
 * group watches. `by` came or went. One look at a session after the other: two at once would both find the change, and
 * write it down twice.
 *
 * SECURITY: it is held before that is written down, and goes on only afterwards.
 */
export function lookWhoIsThere(world: World, session: LiveSession, by: string): Promise<void> {
  const look = (looks.get(session) ?? Promise.resolve()).then(() => lookOnce(world, session, by))
  looks.set(
    session,
    look.catch(() => undefined),
  )
  return look
}

/** The last look at each session. */
const looks = new WeakMap<LiveSession, Promise<void>>()

async function lookOnce(world: World, session: LiveSession, by: string): Promise<void> {
  const before = session.missing
  const { missing, of } = await whoIsThere(world, session)
  if (missing.join() === before.join()) return
  const isLess = missing.every((group) => before.includes(group))
  // Whoever looks first, by chance each second, it is the supervisor who lets it go on.
  const came = before.filter((group) => !missing.includes(group)).map(of)
  const who = (isLess ? came.find((name) => name !== undefined) : undefined) ?? by
  if (!isLess) await world.live.await(session, missing, who)
  await world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'session.presence', missing, by: who, ...refOf(session), actor: { kind: 'vault' } }),
  )
  // Somebody may have left while it was written down.
  if (isLess) await world.live.await(session, (await whoIsThere(world, session)).missing, who)
}
