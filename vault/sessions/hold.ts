import type { HoldView } from '../contract.ts'
import { type HoldId, newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, type World } from '../world.ts'
import type { LiveSession } from './live.ts'

/** The holds that this process made. */
export type Holds = Map<HoldId, Pick<Row<'hold'>, 'id' | 'user_id' | 'target_id' | 'until'>>

/** Keeps the user of a session off its target for a while. */
export async function holdOff(
  tx: Tx,
  call: Call,
  session: LiveSession,
  order: { readonly seconds: number; readonly reason: string },
): Promise<Row<'hold'> | undefined> {
  const row = await tx.db
    .selectFrom('session')
    .select(['target_id', 'safe_id'])
    .where('id', '=', session.id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const hold = await insertGuarded(tx, 'hold', {
    id: newId('hld', tx.now.getTime()),
    user_id: session.user,
    target_id: row.target_id,
    safe_id: row.safe_id,
    session_id: session.id,
    reason: order.reason,
    held_by: nameOf(call),
    created_at: tx.now,
    until: new Date(tx.now.getTime() + order.seconds * 1000),
    released_at: null,
  })
  tx.afterCommit(() => {
    const { holds } = call.world
    for (const [id, { until }] of holds) if (until <= tx.now) holds.delete(id)
    holds.set(hold.id, hold)
  })
  return hold
}

/**
 * Why a user may not connect to a target now, or nothing.
 *
 * SECURITY: a hold that this process made and that is not in the table was taken away by somebody else: that is a
 * fault, never a way in.
 */
export async function heldOff(
  tx: Tx,
  world: World,
  user: Row<'app_user'>,
  target: Row<'target'>,
): Promise<Outcome<null>> {
  const rows = checked(
    tx.guard,
    'hold',
    await tx.db
      .selectFrom('hold')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('target_id', '=', target.id)
      .execute(),
  )
  const found = new Set(rows.map((row) => row.id))
  for (const hold of world.holds.values())
    if (hold.user_id === user.id && hold.target_id === target.id && !found.has(hold.id))
      tx.guard.checkAbsent('hold', { id: hold.id })
  const [last] = rows
    .filter((row) => row.released_at === null && row.until > tx.now)
    .sort((a, b) => b.until.getTime() - a.until.getTime())
  if (last === undefined) return done(null)
  const until = `${last.until.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const why = last.reason === '' ? '' : ` (${last.reason})`
  return refuse(
    'held',
    `${last.held_by} holds you off ${target.name} until ${until}${why}`,
    `ask ${last.held_by} to release it`,
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
    const safes = sight.safesWith('approve')
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
