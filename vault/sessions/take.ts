import { holdToLimits } from '../access/limits.ts'
import { type Action, isDesktop } from '../contract.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import type { UserId, WatchId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import { checkedOne, insertGuarded, updateGuarded } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, userOf, type World } from '../world.ts'
import { findLive, lockFreeze } from './freeze.ts'
import { handsOff } from './hold.ts'
import { missingBeside } from './presence.ts'
import type { LiveSession } from './live.ts'
import { refOf } from './start.ts'
import { showSession } from './view.ts'

/*
 * Take-over: somebody who watches a live session types in its user's place.
 *
 * INVARIANT: it is a freeze, and hands beside it. The freeze is a guarded row like any other, and outlives whatever becomes of
 * the watch, its worker and this process: a session that was taken over is given back by a person, or stays frozen.
 */

/** Who has taken a session over, by which of their watches. `isOver`: they type no more, and that is not written down yet. */
export type Taken = {
  readonly watch: WatchId
  readonly user: UserId
  readonly name: string
  readonly isOver: boolean
}

/** Takes a session over that the asker watches. Before anything that they type goes on, its user's input is held. */
export const sessionTake: Handler<'session.take'> = async (call, input) => {
  const { world } = call
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  const asking = userOf(call)
  const watching = world.watches.get(input.watch)
  // SECURITY: the keys come over the watch: it must be theirs, of this login, and of this session.
  if (watching?.session !== session.id || watching.user !== asking.id || watching.login !== asking.login.id)
    return refuse('conflict', 'you do not watch this session', 'watch it, and take it over from there')
  const obstacle = obstacleOf(session)
  if (obstacle !== undefined) return obstacle
  // Of two at once one takes it: there is no waiting between the look above and this.
  session.isBeingTaken = true
  try {
    const reason = input.reason ?? ''
    const { freeze: before } = session
    const taken: Taken = { watch: input.watch, user: asking.id, name: asking.name, isOver: false }
    let told: Promise<void> | undefined
    const outcome = await transact(world, async (tx) => {
      const code = await takeFreshCode(tx, call, input.totpCode)
      if (!code.ok) return code
      const limits = await mayType(tx, world, session, asking.id, call.source ?? '', tx.now.getTime())
      if (!limits.ok) return limits
      await freezeRow(tx, session, asking.name, takenReason(reason))
      // SECURITY: whoever froze it meanwhile meant whoever types in it.
      if (session.freeze !== before)
        return refuse('conflict', 'this session was frozen meanwhile', 'look at it again')
      await tx.audit({ kind: 'session.taken', watch: input.watch, reason, ...refOf(session), ...by(call) })
      tx.afterCommit(() => {
        session.taken = taken
        const freeze = { by: asking.name, reason: takenReason(reason), at: tx.now.toISOString() }
        told = world.live.freeze(session, freeze, asking.name)
      })
      return done(null)
    })
    if (!outcome.ok) return outcome
    await told
    // Who left while it was written down has it no more, nor who lost a supervisor of their own.
    if (!world.watches.has(input.watch)) await loseTaken(world, session, 'left')
    else if (!(await mayTypeOn(world, session))) await loseTaken(world, session, 'not allowed any more')
    return await showSession(call, session.id)
  } finally {
    session.isBeingTaken = false
  }
}

function takenReason(reason: string): string {
  return reason === '' ? 'taken over' : `taken over: ${reason}`
}

/** Why nobody can take a session over now, or undefined. */
function obstacleOf(session: LiveSession): Outcome<never> | undefined {
  if (session.cut !== null || !session.connected)
    return refuse(
      'conflict',
      'there is nothing to take over yet, or any more',
      'look at the list of sessions',
    )
  if (session.forward !== null)
    return refuse('conflict', 'a forwarding has nothing to type into', 'freeze or terminate it')
  if (session.taken !== null)
    return refuse(
      'conflict',
      `${whoText(session.taken.name)} has taken this session over`,
      'ask them to give it back, or freeze it',
    )
  if (session.isBeingTaken)
    return refuse('conflict', 'somebody is taking this session over', 'look again in a moment')
  if (session.stop !== null)
    return refuse(
      'held',
      `the plant switch ${session.stop} holds this session: nobody types in it`,
      'have it turned on at the plant',
    )
  if (session.missing.length > 0)
    return refuse(
      'held',
      `this session waits for a supervisor of ${session.missing.join(', ')}`,
      'it can be taken over when one watches it',
    )
  return undefined
}

/**
 * May somebody who may supervise type in a session now?
 *
 * SECURITY: as if they connected: holds on them, and what the policy limits there, stand against them too.
 */
async function mayType(
  tx: Tx,
  world: World,
  session: LiveSession,
  user: UserId,
  source: string,
  factorAt: number,
): Promise<Outcome<null>> {
  const target = await findTarget(tx.db, tx.guard, session.target)
  if (target === undefined) return refuse('conflict', 'the target of this session is gone')
  const held = await handsOff(tx, world, { user, account: session.account, target })
  if (!held.ok) return held
  const does = isDesktop(target.protocol) ? 'interact' : 'shell'
  // SECURITY: whoever takes a session over that only looks would do what nobody let its user do.
  if (does === 'interact' && !(await isLetIn(tx, session, does)))
    return refuse('conflict', 'this session only looks at its desktop', 'freeze or terminate it')
  const use = { user, account: session.account, target: session.target, does: [does] } as const
  const limits = await holdToLimits(
    tx,
    { ...use, allowed: does },
    { now: tx.now.getTime(), source, factorAt },
  )
  if (!limits.ok) return limits
  const missing = await missingBeside(tx, world, session, user)
  return missing.length === 0
    ? done(null)
    : refuse(
        'held',
        `the policy wants somebody of ${missing.join(' and one of ')} to watch whoever types here, and nobody supervises themselves`,
        'have another of them watch this session, and take it over then; or freeze or terminate it',
      )
}

async function isLetIn(tx: Tx, session: LiveSession, action: Action): Promise<boolean> {
  const grant = checkedOne(
    tx.guard,
    'access_grant',
    await tx.db.selectFrom('access_grant').selectAll().where('id', '=', session.grant).executeTakeFirst(),
  )
  return grant?.actions.includes(action) === true
}

/** Does nothing stand any more against what somebody types who has taken a session over? */
export async function mayTypeOn(world: World, session: LiveSession): Promise<boolean> {
  const { taken } = session
  const watching = taken === null ? undefined : world.watches.get(taken.watch)
  if (taken === null || watching === undefined) return false
  return world.vault.inTransaction(async (tx) => {
    const now = tx.now.getTime()
    return (await mayType(tx, world, session, taken.user, watching.source, now)).ok
  })
}

async function freezeRow(tx: Tx, session: LiveSession, name: string, reason: string): Promise<void> {
  const row = await lockFreeze(tx, session.id)
  const values = { frozen: true, by_name: name, reason, at: tx.now }
  if (row === undefined) await insertGuarded(tx, 'session_freeze', { session_id: session.id, ...values })
  else await updateGuarded(tx, 'session_freeze', row, values)
}

/** Gives a session back to its user, who goes on. Only who has it does. */
export const sessionGiveBack: Handler<'session.giveBack'> = async (call, input) => {
  const { world } = call
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  const { taken } = session
  if (taken === null || taken.user !== userOf(call).id || taken.isOver)
    return refuse('conflict', 'you have not taken this session over', 'unfreeze it, where it is frozen')
  let told: Promise<void> | undefined
  const outcome = await transact(world, async (tx) => {
    const row = await lockFreeze(tx, session.id)
    if (row === undefined || session.taken !== taken)
      return refuse('conflict', 'this session was taken from you meanwhile', 'look at it again')
    const name = nameOf(call)
    await updateGuarded(tx, 'session_freeze', row, { frozen: false, by_name: name, reason: '', at: tx.now })
    await tx.audit({ kind: 'session.given-back', watch: taken.watch, ...refOf(session), ...by(call) })
    tx.afterCommit(() => {
      session.taken = null
      told = world.live.freeze(session, null, name)
    })
    return done(null)
  })
  if (!outcome.ok) return outcome
  await told
  return showSession(call, session.id)
}

/** Why somebody who had taken a session over has it no more. */
export type Lost = 'left' | 'not allowed any more' | 'frozen by another'

/**
 * Takes a session from who had taken it over. It stays frozen until somebody lets it go on; `order` is of who freezes it.
 *
 * SECURITY: what they type reaches nothing before that is written down; said again, it is written down where that failed.
 */
export async function loseTaken(
  world: World,
  session: LiveSession,
  why: Lost,
  order?: { readonly call: Call; readonly reason: string },
): Promise<void> {
  const { taken } = session
  if (taken === null) return
  const over: Taken = { ...taken, isOver: true }
  session.taken = over
  session.freezeTold = false
  await world.live.tell(session)
  const name = order === undefined ? taken.name : nameOf(order.call)
  const reason = order === undefined ? `taken over, then ${why}` : order.reason
  await world.vault.inTransaction(async (tx) => {
    if (session.taken !== over) return
    await freezeRow(tx, session, name, reason)
    const ref = refOf(session)
    await tx.audit({
      kind: 'session.take-ended',
      watch: taken.watch,
      by: taken.name,
      why,
      ...ref,
      actor: { kind: 'vault' },
    })
    if (order !== undefined) await tx.audit({ kind: 'session.frozen', reason, ...ref, ...by(order.call) })
    tx.afterCommit(() => {
      session.taken = null
      void world.live.freeze(session, { by: name, reason, at: tx.now.toISOString() }, name)
    })
  })
}
