import type { Kysely } from 'kysely'
import { type RetentionView, standardRetention } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { count } from '../kernel/count.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { heldCondition, holdsInForce } from './holds.ts'
import { atLeast, classNameOf, countKept, lockRetention, type Retention, readRetention } from './kept.ts'

async function view(db: Kysely<Database>, checker: Checker, now: Date): Promise<RetentionView> {
  const { classes, safes, floor, of } = await readRetention(db, checker)
  const held = heldCondition(await holdsInForce(db, checker))
  const counted = await countKept(db, safes, of, held, now)
  const unset = { name: standardRetention, days: null, reason: '', set_by: '', set_at: null }
  const isSet = classes.some(({ name }) => name === standardRetention)
  return {
    floor:
      floor === undefined
        ? null
        : { days: floor.days, basis: floor.basis, by: floor.set_by, at: floor.set_at.toISOString() },
    classes: [...(isSet ? [] : [unset]), ...classes].map(({ name, reason, set_by, set_at, days }) => {
      const own = safes.filter((safe) => classNameOf(safe) === name)
      const sum = (what: 'recordings' | 'due') =>
        own.reduce((total, { id }) => total + (counted.get(id)?.[what] ?? 0), 0)
      return {
        name,
        days: atLeast(days, floor?.days ?? 0),
        reason,
        set: set_at === null ? null : { by: set_by, at: set_at.toISOString() },
        safes: own.map((safe) => safe.name),
        recordings: sum('recordings'),
        due: sum('due'),
      }
    }),
  }
}

export const retentionList: Handler<'retention.list'> = async (call) =>
  transact(call.world, async (tx) => done(await view(tx.db, tx.guard, tx.now)))

const isShorter = (days: number | null, before: number | null) =>
  days !== null && (before === null || days < before)

/** What somebody has to say yes to first, where recordings are kept for less than was said until now. */
async function unconfirmed(
  tx: Tx,
  safes: readonly Row<'safe'>[],
  days: number | null,
): Promise<Outcome<never>> {
  const held = heldCondition(await holdsInForce(tx.db, tx.guard))
  const counted = [...(await countKept(tx.db, safes, () => ({ name: '', days }), held, tx.now)).values()]
  const [recordings, past] = [
    counted.reduce((sum, one) => sum + one.recordings, 0),
    counted.reduce((sum, one) => sum + one.past, 0),
  ]
  return refuse(
    'conflict',
    `this shortens how long ${count(recordings, 'recording')} in ${count(safes.length, 'safe')} are kept, to ${count(days ?? 0, 'day')}: ${past} of them are older than that`,
    'confirm that it shortens; nothing is destroyed by it before two people say so',
  )
}

/** Makes a class, or says that it keeps for another time. */
export const retentionSet: Handler<'retention.set'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const retention = await lockedRetention(tx)
    const { days, reason } = input
    const { floor, safes } = retention
    if (floor !== undefined && days !== null && days < floor.days)
      return refuse(
        'conflict',
        `days: ${count(floor.days, 'day')} is the least (${floor.basis})`,
        'say more; the machine administrator lowers the least: tagout retention floor',
      )
    const name = input.retentionClass.toLowerCase()
    const known = retention.classes.find((row) => row.name === name)
    const before = known?.days ?? null
    const own = safes.filter((safe) => classNameOf(safe) === name)
    const shortens =
      isShorter(days, atLeast(before, floor?.days ?? 0)) && (known !== undefined || own.length > 0)
    if (shortens && input.shortens !== true) return unconfirmed(tx, own, days)
    const row = { days, reason, set_by: nameOf(call), set_at: tx.now }
    if (known === undefined) await insertGuarded(tx, 'retention_class', { name, ...row })
    else await updateGuarded(tx, 'retention_class', known, row)
    await tx.audit({
      kind: 'retention.set',
      retentionClass: name,
      days,
      ...(known === undefined ? {} : { before }),
      shortens,
      reason,
      ...by(call),
    })
    return done(await view(tx.db, tx.guard, tx.now))
  })

/** Takes a class away that no safe has. */
export const retentionRemove: Handler<'retention.remove'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const { classes, safes } = await lockedRetention(tx)
    const name = input.retentionClass.toLowerCase()
    const known = classes.find((row) => row.name === name)
    if (name === standardRetention)
      return refuse('conflict', 'safes that name no class have this one', 'set it to another time instead')
    if (known === undefined) return notFound('retention class', name)
    const own = safes.filter((safe) => classNameOf(safe) === name)
    if (own.length > 0)
      return refuse(
        'conflict',
        `${own.map((safe) => safe.name).join(', ')} ${own.length === 1 ? 'has' : 'have'} this class`,
        'give them another first: tagout safe retention SAFE CLASS',
      )
    await deleteGuarded(tx, 'retention_class', known)
    await tx.audit({ kind: 'retention.removed', retentionClass: name, days: known.days, ...by(call) })
    return done(await view(tx.db, tx.guard, tx.now))
  })

/** Says for how long everything is kept at least, and by which law. It holds for classes that say less, too. */
export const retentionFloor: Handler<'retention.floor'> = async (call, { days, basis, totpCode }) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, totpCode)
    if (!code.ok) return code
    const { floor } = await lockedRetention(tx)
    const before = floor?.days ?? 0
    // SECURITY: who sets classes in the console does not take away what keeps them from setting them low.
    if (days < before && call.principal.kind !== 'local')
      return refuse(
        'forbidden',
        `the least is ${count(before, 'day')}, and the machine administrator alone lowers it`,
        `have them run: tagout retention floor ${days} --basis TEXT`,
      )
    const row = { days, basis, set_by: nameOf(call), set_at: tx.now }
    if (floor === undefined) await insertGuarded(tx, 'retention_floor', { id: 'floor', ...row })
    else await updateGuarded(tx, 'retention_floor', floor, row)
    await tx.audit({ kind: 'retention.floor-set', days, before, basis, ...by(call) })
    return done(await view(tx.db, tx.guard, tx.now))
  })

/** Gives a safe another class. What is recorded already is kept by it, too. */
export const safeRetention: Handler<'safe.retention'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const { classes, floor, of } = await lockedRetention(tx)
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const name = input.retentionClass.toLowerCase()
    const known = classes.find((row) => row.name === name)
    if (known === undefined && name !== standardRetention) return notFound('retention class', name)
    const before = of(safe.id)
    if (before.name === name)
      return refuse('conflict', `${safe.name} has this class already`, 'there is nothing to change')
    const days = atLeast(known?.days ?? null, floor?.days ?? 0)
    const shortens = isShorter(days, before.days)
    if (shortens && input.shortens !== true) return unconfirmed(tx, [safe], days)
    await updateGuarded(tx, 'safe', safe, { retention_class: name === standardRetention ? null : name })
    await tx.audit({
      kind: 'safe.retention-set',
      retentionClass: name,
      before: before.name,
      shortens,
      reason: input.reason,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await view(tx.db, tx.guard, tx.now))
  })

async function lockedRetention(tx: Tx): Promise<Retention> {
  await lockRetention(tx.db)
  return readRetention(tx.db, tx.guard)
}
