import type { CloseOutView } from '../contract.ts'
import { findUser } from '../identity/user.ts'
import type { SafeId, SessionId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, type World } from '../world.ts'

/*
 * What somebody says that they did, after a check-out of an account: one form for all sessions under one lease.
 */

/** Sessions of one user in one safe that are looked back at. */
const lookBack = 50

/**
 * Asks a session's user what was done, where the safe wants that and they are not asked about this check-out already.
 * A sealed vault writes no guarded row: who ended then is not asked.
 */
export async function askToCloseOut(tx: Tx, world: World, session: Row<'session'>): Promise<void> {
  if (world.vault.isSealed || session.state !== 'live') return
  const safe = await readSafe(tx, session.safe_id)
  if (safe === undefined || safe.close_out === null) return
  // Whoever was taken off cannot sign in to answer.
  if ((await findUser(tx.db, tx.guard, session.user_id))?.state === 'disabled') return
  const open = await tx.db
    .selectFrom('close_out')
    .selectAll()
    .where('lease_id', '=', session.lease_id)
    .where('filled_at', 'is', null)
    .executeTakeFirst()
  if (checkedOne(tx.guard, 'close_out', open) !== undefined) return
  await insertGuarded(tx, 'close_out', {
    session_id: session.id,
    lease_id: session.lease_id,
    user_id: session.user_id,
    account_id: session.account_id,
    safe_id: session.safe_id,
    opened_at: tx.now,
    filled_at: null,
    result: null,
    done: null,
    left_behind: null,
    work_order: null,
  })
  await tx.audit({ kind: 'close-out.asked', ...refOf(session), actor: { kind: 'vault' } })
}

function refOf(session: Row<'session'>) {
  return {
    session: session.id,
    recording: session.recording_id,
    userName: session.user_name,
    accountName: session.account_name,
  }
}

/**
 * Refuses to somebody who owes a close-out in a safe that requires them.
 *
 * SECURITY: a form that the vault wrote and that is gone was taken away by somebody else: that is a fault, never a way in.
 */
export async function owesNothing(tx: Tx, user: UserId, safeId: SafeId): Promise<Outcome<null>> {
  const safe = await readSafe(tx, safeId)
  if (safe?.close_out !== 'required') return done(null)
  const [owed] = await readOwed(tx, user, safeId)
  if (owed === undefined) return done(null)
  const { account_name: account } = await sessionOf(tx, owed)
  const at = utcMinute(owed.opened_at)
  return refuse(
    'conflict',
    `you have not said what you did on ${account}, in the session that ended ${at}`,
    `do so in the console, under Close-outs, or with tagout session close-out ${owed.session_id}`,
  )
}

async function readSafe(tx: Tx, id: SafeId): Promise<Row<'safe'> | undefined> {
  return checkedOne(
    tx.guard,
    'safe',
    await tx.db.selectFrom('safe').selectAll().where('id', '=', id).executeTakeFirst(),
  )
}

function sessionOf(tx: Tx, row: Row<'close_out'>): Promise<Row<'session'>> {
  return tx.db.selectFrom('session').selectAll().where('id', '=', row.session_id).executeTakeFirstOrThrow()
}

/** The open forms of a user in a safe, oldest first, and proof that none of their latest sessions lost its own. */
async function readOwed(tx: Tx, user: UserId, safe: SafeId): Promise<readonly Row<'close_out'>[]> {
  const sessions = await tx.db
    .selectFrom('session')
    .select('id')
    .where('user_id', '=', user)
    .where('safe_id', '=', safe)
    .orderBy('id', 'desc')
    .limit(lookBack)
    .execute()
  const latest = sessions.map(({ id }) => id)
  const rows = checked(
    tx.guard,
    'close_out',
    await tx.db
      .selectFrom('close_out')
      .selectAll()
      .where('user_id', '=', user)
      .where('safe_id', '=', safe)
      .where((eb) =>
        eb.or([
          eb('filled_at', 'is', null),
          ...(latest.length === 0 ? [] : [eb('session_id', 'in', latest)]),
        ]),
      )
      .orderBy('opened_at')
      .execute(),
  )
  const known = new Set(rows.map((row) => row.session_id))
  for (const id of latest) if (!known.has(id)) tx.guard.checkAbsent('close_out', { session_id: id })
  return rows.filter((row) => row.filled_at === null)
}

/** Says what was done. Once: what was said stays. */
export const closeoutFill: Handler<'closeout.fill'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = checkedOne(
      tx.guard,
      'close_out',
      await tx.db
        .selectFrom('close_out')
        .selectAll()
        .where('session_id', '=', input.session)
        .forUpdate()
        .executeTakeFirst(),
    )
    if (row === undefined) return noForm(input.session)
    if (row.filled_at !== null)
      return refuse('conflict', 'this was closed out already', 'what was said stays: write to your approver')
    await updateGuarded(tx, 'close_out', row, {
      filled_at: tx.now,
      result: input.result,
      done: input.done,
      left_behind: input.left ?? null,
      work_order: input.workOrder ?? null,
    })
    const session = await sessionOf(tx, row)
    if (input.workOrder !== undefined && !session.work_orders.includes(input.workOrder))
      await tx.db
        .updateTable('session')
        .set({ work_orders: [...session.work_orders, input.workOrder] })
        .where('id', '=', session.id)
        .execute()
    await tx.audit({
      kind: 'close-out.filled',
      result: input.result,
      done: input.done,
      ...(input.left === undefined ? {} : { left: input.left }),
      ...(input.workOrder === undefined ? {} : { workOrder: input.workOrder }),
      ...refOf(session),
      ...by(call),
    })
    return done(null)
  })

const noForm = (session: SessionId): Outcome<never> =>
  refuse(
    'not_found',
    `nobody asks what was done in session ${session}`,
    'tagout session close-outs lists them',
  )

export const closeoutShow: Handler<'closeout.show'> = async (call, { session }) => {
  const [found] = await read(call, (query) => query.where('close_out.session_id', '=', session))
  return found === undefined ? noForm(session) : done(found)
}

/** One's own, those of safes where one approves or supervises; all of them for who sees all. */
export const closeoutList: Handler<'closeout.list'> = async (call, input) => {
  const sight = await sightOf(call)
  const safes = sight.all ? [] : sight.safesWith('approve', 'supervise')
  return done(
    await read(call, (query) => {
      const some =
        input.open === true
          ? query.where('filled_at', 'is', null).where('app_user.state', '<>', 'disabled')
          : query
      if (sight.all) return some
      return some.where((eb) =>
        eb.or([
          eb('close_out.user_id', '=', sight.user),
          ...(safes.length === 0 ? [] : [eb('close_out.safe_id', 'in', safes)]),
        ]),
      )
    }),
  )
}

function forms(world: World) {
  return world.vault.database
    .selectFrom('close_out')
    .innerJoin('session', 'session.id', 'close_out.session_id')
    .innerJoin('safe', 'safe.id', 'close_out.safe_id')
    .innerJoin('app_user', 'app_user.id', 'close_out.user_id')
    .selectAll('close_out')
    .select([
      'session.user_name',
      'session.account_name',
      'session.recording_id',
      'safe.close_out as wanted',
      'app_user.state as user_state',
    ])
    .orderBy('close_out.opened_at', 'desc')
    .limit(1_000)
}

async function read(
  { world }: Pick<Call, 'world'>,
  those: (query: ReturnType<typeof forms>) => ReturnType<typeof forms>,
): Promise<readonly CloseOutView[]> {
  const rows = await those(forms(world)).execute()
  checked(world.vault.guard, 'close_out', rows)
  return rows.map((row) => ({
    session: row.session_id,
    recording: row.recording_id,
    user: row.user_name,
    account: row.account_name,
    askedAt: row.opened_at.toISOString(),
    isRequired: row.filled_at === null && row.wanted === 'required' && row.user_state !== 'disabled',
    filled:
      row.filled_at === null || row.result === null
        ? null
        : {
            at: row.filled_at.toISOString(),
            result: row.result,
            done: row.done ?? '',
            left: row.left_behind,
            workOrder: row.work_order,
          },
  }))
}
