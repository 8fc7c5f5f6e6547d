import { type LegacyAlgorithm, legacyAlgorithms } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, type Input, nameOf } from '../world.ts'
import { findTarget, legacyOf, showTarget } from './target.ts'

/** Nobody excuses a machine for longer than this: then somebody looks at it again. */
const longestDays = 366
const day = 24 * 3600_000

/** The columns of a target that is spoken with in modern algorithms alone. */
export const noLegacy = {
  legacy: null,
  legacy_reason: null,
  legacy_until: null,
  legacy_by: null,
  legacy_at: null,
} as const

type Allowed = {
  readonly algorithms: readonly LegacyAlgorithm[]
  readonly reason: string
  readonly until: Date
}

/**
 * Allows a target the old algorithms that it has nothing instead of: with a reason, and for a time. An empty list takes
 * them back. Sessions that run go on as they are.
 */
export const targetLegacy: Handler<'target.legacy'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await findTarget(tx.db, tx.guard, input.target, 'update')
    if (row === undefined) return notFound('target', input.target)
    const target = { target: row.id, targetName: row.name }
    const wanted = wantedOf(input, tx.now)
    if (!wanted.ok) return wanted
    const allowed = wanted.value
    if (allowed === null) {
      if (legacyOf(row) === undefined)
        return refuse(
          'conflict',
          `the target ${row.name} is allowed no old algorithms`,
          'there is nothing to take back',
        )
      const after = await updateGuarded(tx, 'target', row, noLegacy)
      await tx.audit({ kind: 'target.legacy-ended', ...target, ...by(call) })
      return done(await showTarget(tx.db, tx.guard, after, tx.now))
    }
    const after = await updateGuarded(tx, 'target', row, {
      legacy: allowed.algorithms,
      legacy_reason: allowed.reason,
      legacy_until: allowed.until,
      legacy_by: nameOf(call),
      legacy_at: tx.now,
    })
    await tx.audit({
      kind: 'target.legacy-allowed',
      algorithms: allowed.algorithms,
      until: allowed.until.toISOString(),
      reason: allowed.reason,
      ...target,
      ...by(call),
    })
    return done(await showTarget(tx.db, tx.guard, after, tx.now))
  })

function wantedOf(input: Input<'target.legacy'>, now: Date): Outcome<Allowed | null> {
  const { algorithms, until, forSeconds } = input
  if (algorithms.length === 0) return done(null)
  const reason = input.reason?.trim() ?? ''
  if (reason === '')
    return refuse('invalid', 'reason: this is missing', 'write why the machine cannot be updated')
  if ((until === undefined) === (forSeconds === undefined))
    return refuse('invalid', 'until: say either until when or for how long', 'give one of the two')
  const end = until === undefined ? new Date(now.getTime() + (forSeconds ?? 0) * 1000) : new Date(until)
  if (end <= now) return refuse('invalid', 'until: this lies in the past', 'choose a later day')
  if (end.getTime() - now.getTime() > longestDays * day)
    return refuse('invalid', 'until: a year at most', 'choose an earlier day, and renew it then')
  // In one order and each once, so that two lists can be compared by eye.
  return done({ algorithms: legacyAlgorithms.filter((one) => algorithms.includes(one)), reason, until: end })
}
