import type { Kysely } from 'kysely'
import type { Account } from '../accounts/account.ts'
import type { Obstacle, RotationLimit } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { count } from '../kernel/count.ts'
import { newId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checked, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { sightOf } from '../safes/sight.ts'
import { findTarget } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { restingPhases } from './phases.ts'
import type { Run } from './run.ts'

/** How many rotations go on at a time and begin within an hour: on a target, in a safe, in all. */
type Limit = Row<'rotation_limit'>

const hourMs = 3_600_000
/** What waits for room looks again at the latest after this: what was before it may have gone. */
const mostMs = 600_000
/** What goes on and is not heard of for so long makes room: its machine may be away for hours. */
const lostMs = 60_000

/** All limits, checked. They are few: one for each place that has one. */
async function allLimits(db: Kysely<Database>, checker: Checker): Promise<readonly Limit[]> {
  const rows = await db.selectFrom('rotation_limit').selectAll().orderBy('id').execute()
  // SECURITY: a limit is not forgotten because somebody took it out of the table.
  checker.checkWhole('rotation_limit', rows)
  return checked(checker, 'rotation_limit', rows)
}

/**
 * What a rotation waits for where it would be one too many. `run`: it is to begin, and others that would begin at the same
 * moment wait until this transaction is over.
 */
export async function tooMany(tx: Tx, account: Account, run: Run | null): Promise<Obstacle | undefined> {
  const limits = (await allLimits(tx.db, tx.guard)).filter(
    ({ safe_id, target_id, abreast, per_hour }) =>
      (abreast !== null || per_hour !== null) &&
      (safe_id === null || safe_id === account.safe_id) &&
      (target_id === null || target_id === account.target_id),
  )
  if (limits.length === 0) return undefined
  if (run !== null)
    await tx.db
      .selectFrom('rotation_limit')
      .select('id')
      .where(
        'id',
        'in',
        limits.map(({ id }) => id),
      )
      .orderBy('id')
      .forUpdate()
      .execute()
  const found: Obstacle[] = []
  for (const limit of limits) {
    const place =
      limit.target_id !== null ? `on ${account.target.name}` : limit.safe_id === null ? '' : 'in its safe'
    found.push(...(await waitsFor(tx, limit, place, run)))
  }
  return found.toSorted((a, b) => Date.parse(b.until ?? '') - Date.parse(a.until ?? ''))[0]
}

async function waitsFor(tx: Tx, limit: Limit, place: string, run: Run | null): Promise<readonly Obstacle[]> {
  const where = place === '' ? '' : ` ${place}`
  const obstacle = (why: string, at: number): Obstacle => ({
    kind: 'limit',
    why,
    next: 'it begins by itself when there is room: tagout rotation limits',
    until: new Date(run === null ? at : Math.min(at, tx.now.getTime() + mostMs)).toISOString(),
  })
  const found: Obstacle[] = []
  if (limit.abreast !== null) {
    const { going } = await runsAt(tx, limit)
      .select((eb) => eb.fn.countAll<string>().as('going'))
      .where('rotation_run.begun_at', 'is not', null)
      .where('rotation_run.ended_at', 'is', null)
      .where('rotation_run.phase', 'not in', restingPhases)
      .where((eb) =>
        eb.or([
          eb('rotation_run.step_until', '>', tx.now),
          eb('rotation_run.due_at', '<', new Date(tx.now.getTime() + lostMs)),
        ]),
      )
      .executeTakeFirstOrThrow()
    if (Number(going) >= limit.abreast)
      found.push(
        obstacle(
          `no more than ${count(limit.abreast, 'rotation')} may go on at a time${where}`,
          tx.now.getTime() + 2_000,
        ),
      )
  }
  if (limit.per_hour !== null) {
    const begun = await runsAt(tx, limit)
      .select('rotation_run.begun_at')
      .where('rotation_run.begun_at', '>', new Date(tx.now.getTime() - hourMs))
      .orderBy('rotation_run.begun_at', 'desc')
      .limit(limit.per_hour)
      .execute()
    const [first, ...others] = begun.map(({ begun_at }) => begun_at?.getTime() ?? 0).toReversed()
    if (first !== undefined && begun.length >= limit.per_hour) {
      const before = await waitingBefore(tx, limit, run)
      const turn = [first, ...others][before % limit.per_hour] ?? first
      found.push(
        obstacle(
          `no more than ${count(limit.per_hour, 'rotation')} may begin within an hour${where}`,
          turn + hourMs * (1 + Math.floor(before / limit.per_hour)),
        ),
      )
    }
  }
  return found
}

/** Rotations of a place. */
function runsAt(tx: Pick<Tx, 'db'>, { safe_id, target_id }: Limit) {
  const all = tx.db
    .selectFrom('rotation_run')
    .innerJoin('account', 'account.id', 'rotation_run.account_id')
    .where('rotation_run.kind', '=', 'rotate')
  if (target_id !== null) return all.where('rotation_run.target_id', '=', target_id)
  return safe_id === null ? all : all.where('account.safe_id', '=', safe_id)
}

/** Rotations that wait there and were asked for earlier: whose turn comes before. */
async function waitingBefore(tx: Tx, limit: Limit, run: Run | null): Promise<number> {
  const { before } = await runsAt(tx, limit)
    .select((eb) => eb.fn.countAll<string>().as('before'))
    .where('rotation_run.ended_at', 'is', null)
    .where('rotation_run.begun_at', 'is', null)
    .$if(run !== null, (query) => query.where('rotation_run.created_at', '<', run?.created_at ?? tx.now))
    .executeTakeFirstOrThrow()
  return Number(before)
}

/** Says how many rotations go on at a time and begin within an hour at a place; of neither: nothing is limited there. */
export const rotationLimit: Handler<'rotation.limit'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = input.safe === undefined ? null : await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe ?? '')
    const target =
      input.target === undefined ? null : await findTarget(tx.db, tx.guard, input.target, 'update')
    if (target === undefined) return notFound('target', input.target ?? '')
    if (safe !== null && target !== null)
      return refuse('invalid', 'target: a limit is of a safe or of a target', 'name one of them, or neither')
    const before = (await allLimits(tx.db, tx.guard)).find(
      (one) => one.safe_id === (safe?.id ?? null) && one.target_id === (target?.id ?? null),
    )
    const values = {
      ...{ safe_id: safe?.id ?? null, target_id: target?.id ?? null },
      ...{ abreast: input.abreast, per_hour: input.perHour, set_by: nameOf(call), set_at: tx.now },
    }
    const row =
      before === undefined
        ? await insertGuarded(tx, 'rotation_limit', { id: newId('rlm', tx.now.getTime()), ...values })
        : await updateGuarded(tx, 'rotation_limit', before, values)
    await tx.audit({
      kind: 'rotation.limited',
      ...(safe === null ? {} : { safe: safe.id, safeName: safe.name }),
      ...(target === null ? {} : { target: target.id, targetName: target.name }),
      abreast: input.abreast,
      perHour: input.perHour,
      ...by(call),
    })
    tx.afterCommit(() => call.world.rotation.wake())
    return done(show(row, safe?.name ?? null, target?.name ?? null))
  })

export const rotationLimits: Handler<'rotation.limits'> = async (call) => {
  const { database, guard } = call.world.vault
  const sight = await sightOf(call)
  const seen = sight.all ? undefined : sight.safesWith('manage', 'approve')
  const limits = await allLimits(database, guard)
  const safes = checked(guard, 'safe', await database.selectFrom('safe').selectAll().execute())
  const named = limits.flatMap(({ target_id }) => target_id ?? [])
  const targets =
    named.length === 0
      ? []
      : checked(
          guard,
          'target',
          await database.selectFrom('target').selectAll().where('id', 'in', named).execute(),
        )
  return done(
    limits.flatMap((row) => {
      if (row.abreast === null && row.per_hour === null) return []
      const target = targets.find(({ id }) => id === row.target_id)
      const safe = safes.find(({ id }) => id === row.safe_id)
      const of = target?.safe_id ?? safe?.id
      // What holds for all is shown to whoever looks after any safe.
      const isSeen = seen === undefined || (of === undefined ? seen.length > 0 : seen.includes(of))
      return isSeen ? [show(row, safe?.name ?? null, target?.name ?? null)] : []
    }),
  )
}

function show(row: Limit, safe: string | null, target: string | null): RotationLimit {
  const { abreast, per_hour: perHour, set_by: setBy, set_at } = row
  return { safe, target, abreast, perHour, setBy, setAt: set_at.toISOString() }
}
