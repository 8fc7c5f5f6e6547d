import type { EndReason } from '../contract.ts'
import type { SessionId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { budgetOf, settlePlace, takePlace } from './budget.ts'
import { advance, findRun, openRunOf } from './run.ts'
import { lockOutOf, settingsRow } from './settings.ts'

/** Sessions log in at the same targets: their logins count with those of rotations, and tell as much. */

type Login = {
  readonly session: SessionId
  readonly account: Pick<Row<'account'>, 'id' | 'login'> & { readonly name: string }
  readonly target: Row<'target'>
  readonly breaksGlass: boolean
}

/**
 * Takes a place for the login of a session, before its credential leaves. Of accounts of which somebody has said what locks
 * them out; who broke the glass is not kept waiting.
 */
export async function takeSessionPlace(tx: Tx, login: Login): Promise<Outcome<null>> {
  const lockOut = lockOutOf(await settingsRow(tx.db, tx.guard, login.account.id))
  if (lockOut === undefined) return done(null)
  const at = { target: login.target.id, login: login.account.login }
  const { left, roomAt } = await budgetOf(tx, at, lockOut)
  if (left === 0 && !login.breaksGlass)
    return refuse(
      'rate_limited',
      `${login.target.name} has refused ${login.account.name} so often that once more could lock it out`,
      `wait${roomAt === null ? '' : ` until ${roomAt.toISOString()}`}, or have its credential looked at`,
    )
  await takePlace(tx, at, { session: login.session })
  return done(null)
}

/** The target let a session in: that settles a rotation in doubt, as a login of ours would. */
export async function sessionLoggedIn(
  tx: Tx,
  world: World,
  session: SessionId,
  account: Row<'account'>['id'],
): Promise<void> {
  await settlePlace(tx, { session }, 'accepted')
  const version = world.rotation.injected.get(session)
  const open = version === undefined ? undefined : await openRunOf(tx, account)
  if (open === undefined || open.kind === 'verify' || open.step_until !== null) return
  await tx.db.selectFrom('account').select('id').where('id', '=', account).forNoKeyUpdate().execute()
  const run = await findRun(tx, open.id, 'update')
  if (run === undefined) return
  const which = run.version === version ? 'candidate' : run.from_version === version ? 'current' : undefined
  if (which !== undefined) await advance(tx, world, run, { kind: 'taken', which })
}

/** Ends of sessions of which the recorder says that nothing of a credential had gone to the target. */
const untried: readonly EndReason[] = ['target unreachable', 'target key changed']

/**
 * What came of the login of a session that is over. SECURITY: whoever hangs up before the target has answered may have had a
 * login refused: its place stays taken, else connecting and hanging up again would lock the account out.
 */
export async function sessionLoginEnded(
  tx: Tx,
  { id: session, protocol }: Pick<Row<'session'>, 'id' | 'protocol'>,
  reason: EndReason,
): Promise<void> {
  const verdict = reason === 'target refused the credential' ? 'rejected' : 'pending'
  // Of VNC nobody tells a machine that is away from one that refused the password.
  const isUntried = untried.includes(reason) && (protocol !== 'vnc' || reason === 'target key changed')
  await settlePlace(tx, { session }, isUntried ? 'untried' : verdict)
}
