import { currentCredential } from '../accounts/account.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { isInDoubt, restingPhases } from './phases.ts'
import { credentialOf, openRunOf, type Run, stepEndOf } from './run.ts'

/** What sessions and check-outs have to know of rotation: when they wait, and what they get while it is in doubt. */

/** Tries of a login without a verdict after which people are let to the machine again: it may be away for hours. */
const longDoubt = 2

/** Milliseconds by which the next step of a run may be late, or far off, while people wait for it. */
const patienceMs = 60_000

/**
 * Is a target being changed or asked just now?
 *
 * SECURITY: not while nobody comes for the next step, as the worker is dead, or while that has to wait for a lock-out: else
 * nobody, not even who breaks the glass, gets to the machine until then.
 */
function isUnderWay(tx: Tx, run: Run): boolean {
  const now = tx.now.getTime()
  const end = stepEndOf(tx, run)
  if (run.kind === 'verify' || !isInDoubt(run.phase)) return false
  // Who changes it by hand does so in a session; where it is unknown a person looks.
  if (restingPhases.includes(run.phase)) return false
  if (end !== undefined) return now - end.getTime() < patienceMs
  if (run.phase !== 'reconciling' && Math.abs(now - run.due_at.getTime()) > patienceMs) return false
  return run.phase === 'changing' || run.phase === 'reconciling' || run.attempts < longDoubt
}

/** Refuses an account while it is being rotated, and keeps a rotation from beginning until this transaction is over. */
export async function notRotating(
  tx: Tx,
  account: { readonly id: Row<'account'>['id']; readonly name: string },
): Promise<Outcome<null>> {
  await tx.db.selectFrom('account').select('id').where('id', '=', account.id).forShare().execute()
  const run = await openRunOf(tx, account.id)
  return run === undefined || !isUnderWay(tx, run)
    ? done(null)
    : refuse('held', `the account ${account.name} is being rotated`, 'try again in a minute')
}

/**
 * The credential that a session gets: the current one, or of a rotation in doubt the one that its target is likeliest to take.
 * Where it is known to take neither, none is sent: it would count against the lock-out.
 */
export async function usableCredential(
  tx: Tx,
  account: { readonly id: Row<'account'>['id']; readonly name: string },
): Promise<Outcome<Row<'credential'> | undefined>> {
  const current = await currentCredential(tx.db, tx.guard, account.id)
  const run = await openRunOf(tx, account.id)
  if (run === undefined || run.kind === 'verify' || !isInDoubt(run.phase)) return done(current)
  if (run.phase === 'unknown')
    return refuse(
      'conflict',
      `nobody knows which password or key of ${account.name} its machine takes: a rotation ended in doubt`,
      `set one on the machine and give it to Tagout with tagout account secret ${account.name}; or see tagout rotation show ${run.id}`,
    )
  if (run.believes !== 'candidate') return done(current)
  return done(await credentialOf(tx, run, run.version))
}
