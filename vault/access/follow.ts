import { sql } from 'kysely'
import type { TargetId } from '../kernel/id.ts'
import { type MarkedTargets, markKinds } from '../policy/access-rule.ts'
import { type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { encodePolicy, readPolicyRow, storedIn } from './policy.ts'
import { carries } from './resolve.ts'
import { revisitSoon } from './revisit.ts'

/** Waits for whoever applies a policy or marks a target. Call it before either reads what the other writes. */
export async function lockMarks(tx: Tx): Promise<void> {
  // The first policy has no row to be locked yet.
  await sql`select pg_advisory_xact_lock(hashtext('tagout policy marks'))`.execute(tx.db)
}

/**
 * Has the policy in force follow the tags and the zone of a target, which was added or changed in this transaction.
 *
 * SECURITY: where a policy is changed by two people, no one person loosens it by a tag: what lets nobody else in and
 * what limits counts at once, the rest when it is applied the next time.
 */
export async function followMarks(tx: Tx, world: World, target: Row<'target'>): Promise<void> {
  const row = await readPolicyRow(tx.db, tx.guard, 'update')
  if (row === undefined) return
  const { document, ids } = storedIn(row)
  const byTwo = document.applyBy === 'two'
  const marks = {
    allow: followed(ids.marks.allow, target, { adds: !byTwo, removes: true }),
    limit: followed(ids.marks.limit, target, { adds: true, removes: !byTwo }),
  }
  const body = encodePolicy({ document, ids: { ...ids, marks } })
  if (body === row.body) return
  await updateGuarded(tx, 'policy', row, { body })
  tx.afterCommit(() => revisitSoon(world))
}

function followed(
  marked: MarkedTargets,
  target: Row<'target'>,
  may: { readonly adds: boolean; readonly removes: boolean },
): MarkedTargets {
  const [tags, zones] = markKinds.map((kind) =>
    Object.fromEntries(
      Object.entries(marked[kind]).map(([mark, ids]): [string, readonly TargetId[]] => {
        const is = carries(target, kind, mark)
        const was = ids.includes(target.id)
        if (is && !was && may.adds) return [mark, [...ids, target.id].sort()]
        return [mark, was && !is && may.removes ? ids.filter((id) => id !== target.id) : ids]
      }),
    ),
  )
  return { tags: tags ?? {}, zones: zones ?? {} }
}
