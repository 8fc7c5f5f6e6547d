import { newId, type RotationId, type SessionId, type TargetId } from '../kernel/id.ts'
import { reallyAgo } from '../steady-clock.ts'
import type { Tx } from '../transaction.ts'

/** After so many refused logins within so many seconds a target locks a user out. */
export type LockOut = { readonly refused: number; readonly seconds: number }

/** Of a target of which nothing is known: the narrowest that is usual. */
export const usualLockOut: LockOut = { refused: 5, seconds: 900 }

export type Budget = {
  /** Logins that may be refused within the time: two under what locks out. */
  readonly of: number
  readonly left: number
  /** When there is room for one; null: there is, or there never is. */
  readonly roomAt: Date | null
}

type Clocked = Pick<Tx, 'db' | 'now' | 'skippedSince'>

type At = { readonly target: TargetId; readonly login: string }

/**
 * How many logins at a target may still be refused. Each that sent a secret, or may have, counts until its time is over,
 * unless it was let in: of whichever job or session it was.
 *
 * SECURITY: the target counts by its own clock. Time that ours skipped has not passed there.
 */
export async function budgetOf(tx: Clocked, at: At, lockOut: LockOut): Promise<Budget> {
  const of = Math.max(0, lockOut.refused - 2)
  const rows = await tx.db
    .selectFrom('login_place')
    .select('at')
    .where('target_id', '=', at.target)
    .where('login', '=', at.login)
    .where('verdict', '<>', 'accepted')
    .where('at', '>', reallyAgo(lockOut.seconds * 1000, tx))
    .orderBy('at')
    .execute()
  const left = Math.max(0, of - rows.length)
  // The earliest of those that must have gone before there is room.
  const first = rows[rows.length - of]
  const roomAt =
    left > 0 || first === undefined
      ? null
      : new Date(first.at.getTime() + lockOut.seconds * 1000 + tx.skippedSince(first.at))
  return { of, left, roomAt }
}

type Of = { readonly run: RotationId; readonly generation: number } | { readonly session: SessionId }

/** Takes a place, before a secret leaves. The caller holds the account's row, and has looked that there is room. */
export async function takePlace(tx: Tx, at: At, of: Of): Promise<void> {
  await tx.db
    .insertInto('login_place')
    .values({
      id: newId('lgp', tx.now.getTime()),
      target_id: at.target,
      login: at.login,
      at: tx.now,
      run_id: 'run' in of ? of.run : null,
      generation: 'run' in of ? of.generation : null,
      session_id: 'session' in of ? of.session : null,
      verdict: 'pending',
    })
    .execute()
}

/** Says what came of a login. `untried`: no secret had left, and its place is free again. */
export async function settlePlace(
  tx: Tx,
  of: Of,
  verdict: 'accepted' | 'rejected' | 'pending' | 'untried',
): Promise<void> {
  if (verdict === 'pending') return
  if (verdict === 'untried') {
    const query = tx.db.deleteFrom('login_place').where('verdict', '=', 'pending')
    await ('run' in of
      ? query.where('run_id', '=', of.run).where('generation', '=', of.generation)
      : query.where('session_id', '=', of.session)
    ).execute()
    return
  }
  const query = tx.db.updateTable('login_place').set({ verdict }).where('verdict', '=', 'pending')
  await ('run' in of
    ? query.where('run_id', '=', of.run).where('generation', '=', of.generation)
    : query.where('session_id', '=', of.session)
  ).execute()
}

/** Forgets places that no lock-out counts any more. */
export async function forgetPlaces(tx: Tx): Promise<void> {
  await tx.db
    .deleteFrom('login_place')
    .where('at', '<', reallyAgo(2 * 86_400_000, tx))
    .execute()
}
