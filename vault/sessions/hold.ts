import type { HoldView } from '../contract.ts'
import { type AccountId, type HoldId, newId, type SessionId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { recordsOf } from '../targets/machine.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, type World } from '../world.ts'
import type { LiveSession } from './live.ts'

/** The holds that this process made. */
export type Holds = Map<HoldId, Pick<Row<'hold'>, 'id' | 'user_id' | 'target_id' | 'until'>>

/** Keeps the user of a session off its target for a while. */
export async function holdOff(
  tx: Tx,
  world: World,
  session: LiveSession,
  order: { readonly until: Date; readonly reason: string; readonly by: string },
): Promise<Row<'hold'> | undefined> {
  const row = await tx.db
    .selectFrom('session')
    .select('safe_id')
    .where('id', '=', session.id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const hold = await insertGuarded(tx, 'hold', {
    id: newId('hld', tx.now.getTime()),
    user_id: session.user,
    target_id: session.target,
    safe_id: row.safe_id,
    session_id: session.id,
    reason: order.reason,
    held_by: order.by,
    created_at: tx.now,
    until: order.until,
    released_at: null,
  })
  tx.afterCommit(() => {
    const { holds } = world
    for (const [id, { until }] of holds) if (until <= tx.now) holds.delete(id)
    holds.set(hold.id, hold)
  })
  return hold
}

/**
 * Keeps the user of a session that ends frozen off its target, for as long as the freeze would have lasted.
 *
 * SECURITY: a user who closes the connection, or whose machine or recorder does, is no nearer to the target than while
 * it was open: the freeze is lifted by those who may, and by time. A sealed vault writes no hold, and lets nobody in.
 */
export async function holdFrozen(
  tx: Tx,
  world: World,
  session: LiveSession,
): Promise<Row<'hold'> | undefined> {
  const { freeze, cut, endsAt } = session
  if (freeze === null || cut?.endsFreeze === true || endsAt <= tx.now.getTime() || world.vault.isSealed)
    return undefined
  const reason = freeze.reason === '' ? 'frozen' : freeze.reason
  return holdOff(tx, world, session, { until: new Date(endsAt), reason, by: freeze.by })
}

/**
 * Why a user may not connect to a target now, by a hold or by a session of theirs on it or on the account that is
 * frozen; or nothing. `but` is a session that does not count.
 *
 * SECURITY: a second connection is no way around the freeze of the first, nor is another account of the same machine, nor
 * another record of it.
 */
export async function handsOff(
  tx: Tx,
  world: World,
  to: {
    readonly user: UserId
    readonly account: AccountId
    readonly target: Machine
  },
  but?: SessionId,
): Promise<Outcome<null>> {
  const held = await heldOff(tx, world, to.user, to.target)
  if (!held.ok) return held
  const frozen = world.live.where((one) => one.user === to.user && one.freeze !== null && one.id !== but)
  const recordsAt = await recordsOf(
    tx.db,
    tx.guard,
    frozen.map(({ target }) => target),
  )
  const records = recordsAt(to.target)
  const first = frozen.find((one) => one.account === to.account || records.has(one.target))
  if (first === undefined || first.freeze === null) return done(null)
  return refuse(
    'held',
    `your session on ${first.accountName} is frozen by ${whoText(first.freeze.by)}`,
    'wait until it goes on, or ask them',
  )
}

type Machine = Pick<Row<'target'>, 'id' | 'name' | 'host' | 'port'>

/**
 * Why a user is held off a target now, or nothing.
 *
 * SECURITY: a hold that this process made and that is not in the table was taken away by somebody else: that is a
 * fault, never a way in.
 */
export async function heldOff(
  tx: Pick<Tx, 'db' | 'guard' | 'now'>,
  world: World,
  user: UserId,
  target: Machine,
): Promise<Outcome<null>> {
  const rows = checked(
    tx.guard,
    'hold',
    await tx.db.selectFrom('hold').selectAll().where('user_id', '=', user).execute(),
  )
  const found = new Set(rows.map((row) => row.id))
  for (const hold of world.holds.values())
    if (hold.user_id === user && !found.has(hold.id)) tx.guard.checkAbsent('hold', { id: hold.id })
  const current = rows.filter((row) => row.released_at === null && row.until > tx.now)
  const recordsAt = await recordsOf(
    tx.db,
    tx.guard,
    current.map((row) => row.target_id),
  )
  const records = recordsAt(target)
  const [last] = current
    .filter((row) => records.has(row.target_id))
    .sort((a, b) => b.until.getTime() - a.until.getTime())
  if (last === undefined) return done(null)
  const until = `${last.until.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const why = last.reason === '' ? '' : ` (${last.reason})`
  return refuse(
    'held',
    `you are held off ${target.name} until ${until} by ${whoText(last.held_by)}${why}`,
    `ask ${whoText(last.held_by)} to release it`,
  )
}

export const holdList: Handler<'hold.list'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database
    .selectFrom('hold')
    .innerJoin('app_user', 'app_user.id', 'hold.user_id')
    .innerJoin('target', 'target.id', 'hold.target_id')
    .selectAll('hold')
    .select(['app_user.name as user_name', 'target.name as target_name'])
    .where('hold.released_at', 'is', null)
    .where('hold.until', '>', clock())
    .orderBy('hold.id', 'desc')
    .limit(1_000)
  if (!sight.all) {
    const safes = sight.safesWith('approve', 'supervise')
    query = query.where((eb) =>
      eb.or([
        eb('hold.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('hold.safe_id', 'in', safes)]),
      ]),
    )
  }
  const rows = await query.execute()
  checked(guard, 'hold', rows)
  return done(rows.map((row) => viewHold(row, row.user_name, row.target_name)))
}

function viewHold(row: Row<'hold'>, user: string, target: string): HoldView {
  return {
    id: row.id,
    user,
    target,
    reason: row.reason,
    heldBy: row.held_by,
    createdAt: row.created_at.toISOString(),
    until: row.until.toISOString(),
  }
}

/** Lets a user connect again before their hold ends. */
export const holdRelease: Handler<'hold.release'> = async (call, { hold: id }) =>
  transact(call.world, async (tx) => {
    const hold = checkedOne(
      tx.guard,
      'hold',
      await tx.db.selectFrom('hold').selectAll().where('id', '=', id).forUpdate().executeTakeFirst(),
    )
    if (hold === undefined) return notFound('hold', id)
    if (hold.released_at !== null || hold.until <= tx.now)
      return refuse('conflict', 'this hold has ended already')
    const names = await tx.db
      .selectFrom('session')
      .select(['user_name', 'target_name'])
      .where('id', '=', hold.session_id)
      .executeTakeFirstOrThrow()
    await updateGuarded(tx, 'hold', hold, { released_at: tx.now })
    await tx.audit({
      kind: 'hold.released',
      hold: hold.id,
      userName: names.user_name,
      targetName: names.target_name,
      ...by(call),
    })
    return done(null)
  })
