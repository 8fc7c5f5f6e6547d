import { currentCredential } from '../accounts/account.ts'
import type { BreakGlassDoubt } from '../contract.ts'
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

type Named = { readonly id: Row<'account'>['id']; readonly name: string }

/**
 * The credential that a session gets: the current one, or of a rotation in doubt the one that its target is likeliest to take.
 * Where it is known to take neither, none is sent: it would count against the lock-out. Who broke the glass (by `glass`)
 * gets both all the same, one after the other.
 */
export async function usableCredential(
  tx: Tx,
  account: Named,
  glass?: Glass,
): Promise<Outcome<Row<'credential'> | undefined>> {
  const current = await currentCredential(tx.db, tx.guard, account.id)
  const run = await openRunOf(tx, account.id)
  if (run === undefined || run.kind === 'verify' || !isInDoubt(run.phase)) return done(current)
  if (run.phase === 'unknown') {
    const [first] = glass === undefined ? [] : await bothOf(tx, run, glass)
    return first === undefined
      ? refuse(
          'conflict',
          `nobody knows which password or key of ${account.name} its machine takes: a rotation ended in doubt`,
          `set one on the machine and give it to Tagout with tagout account secret ${account.name}; or see tagout rotation show ${run.id}`,
        )
      : done(await credentialOf(tx, run, first.version))
  }
  if (run.believes !== 'candidate') return done(current)
  return done(await credentialOf(tx, run, run.version))
}

/** The grant of a break-glass. */
type Glass = Pick<Row<'access_grant'>, 'id'>

/**
 * The two credentials of which nobody knows which its machine takes, in the order in which a broken glass sends them: the
 * new one, and then, once the machine has refused that, the one before; and so on with each that is refused.
 */
export async function doubtOf(
  tx: Pick<Tx, 'db' | 'guard'>,
  account: Row<'account'>['id'],
  glass: Glass,
): Promise<BreakGlassDoubt | null> {
  const run = await openRunOf(tx, account)
  if (run?.phase !== 'unknown' || run.kind === 'verify') return null
  return { rotation: run.id, order: await bothOf(tx, run, glass) }
}

async function bothOf(
  tx: Pick<Tx, 'db'>,
  run: Pick<Run, 'version' | 'from_version'>,
  glass: Glass,
): Promise<BreakGlassDoubt['order']> {
  const both: BreakGlassDoubt['order'] = [
    ...(run.version === null ? [] : [{ version: run.version, is: 'new' as const }]),
    ...(run.from_version === null ? [] : [{ version: run.from_version, is: 'before' as const }]),
  ]
  const { refused } = await tx.db
    .selectFrom('session')
    .select((eb) => eb.fn.countAll<number>().as('refused'))
    .where('grant_id', '=', glass.id)
    .where((eb) =>
      eb.or([
        eb('end_reason', '=', 'target refused the credential'),
        // VNC does not tell a refused password from a machine that is away.
        eb.and([eb('protocol', '=', 'vnc'), eb('end_reason', '=', 'target unreachable')]),
      ]),
    )
    .executeTakeFirstOrThrow()
  return Number(refused) % 2 === 0 ? both : both.toReversed()
}
