import type { Obstacle } from '../contract.ts'
import { checked } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { isInDoubt } from './phases.ts'
import type { Run } from './run.ts'

/** Runs of one batch that are under way at a time, after the first of them has gone well. */
const abreast = 5
const againMs = 5_000

/**
 * What a run of a batch waits for: the canary, which is its first, and then for room. `stop`: one of the batch has failed, or
 * nobody knows what its target takes, and no other is begun.
 */
export async function batchObstacle(tx: Tx, run: Run): Promise<Obstacle | 'stop' | undefined> {
  if (run.batch === null || run.place === null) return undefined
  const others = checked(
    tx.guard,
    'rotation_run',
    await tx.db.selectFrom('rotation_run').selectAll().where('batch', '=', run.batch).execute(),
  ).filter(({ id }) => id !== run.id)
  if (others.some(({ phase }) => phase === 'failed' || phase === 'unknown')) return 'stop'
  const until = new Date(tx.now.getTime() + againMs).toISOString()
  const waits = (why: string): Obstacle => ({ kind: 'batch', why, next: 'it begins by itself', until })
  const canary = others.find(({ place }) => place === 0)
  if (run.place > 0 && canary !== undefined && canary.phase !== 'done') {
    if (canary.ended_at !== null) return 'stop'
    return waits('the first of its batch has not gone well yet')
  }
  const underWay = others.filter(({ phase, ended_at }) => ended_at === null && isInDoubt(phase)).length
  return underWay < abreast ? undefined : waits(`${underWay} of its batch are under way`)
}
