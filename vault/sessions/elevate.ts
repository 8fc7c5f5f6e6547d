import { holdToLimits } from '../access/limits.ts'
import { readAccount } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { takeField } from '../accounts/credential.ts'
import { elevationOf } from '../accounts/elevation.ts'
import type { ElevationKind } from '../contract.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { usableCredential } from '../rotation/interlock.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import type { LiveSession } from './live.ts'
import { circumstancesOf, grantOf, otherHolder, takeTurn, whyFrozen } from './release.ts'
import { readStarted, refOf, sessionOf } from './start.ts'

/**
 * Releases the secret with which a session is elevated, for one act of its user: sealed to the session's own key, which
 * this process was shown when the session started.
 *
 * INVARIANT: the audit entry commits before anything leaves. SECURITY: that it goes to a prompt without echo is the
 * recorder's to see; that the grant allows it, that the target is the right one, and how often, is decided here.
 */
export const sessionElevate: Handler<'session.elevate'> = async (call, input) => {
  const { world } = call
  const found = sessionOf(world, call.peer, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null) return refuse('expired', session.cut.message, 'open another session')
  const frozen = whyFrozen(session)
  if (frozen !== undefined) return frozen
  const { boxKey } = session
  if (boxKey === null || !session.connected)
    return refuse('conflict', 'the vault has no key of this session any more', 'connect again')
  // Noted before the first await: of two calls at once, one gets past here.
  const turn = takeTurn(session.elevations, world.vault.clock().getTime())
  if (turn === undefined)
    return refuse('rate_limited', 'this session was elevated a moment ago, or too often', 'try again later')
  session.elevations = turn

  const released = await transact(world, (tx) => elevate(tx, world, session))
  if (!released.ok) return released
  const { kind, secretAccount, credential } = released.value
  using secret = await takeField(world, secretAccount, credential, 'password')
  // Whoever cut or froze the session meanwhile did so before anything left.
  if (session.cut !== null) return refuse('expired', 'this session was ended', 'open another session')
  const frozenSince = whyFrozen(session)
  if (frozenSince !== undefined) return frozenSince
  return done({ kind, sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64') })
}

type Released = {
  readonly kind: ElevationKind
  readonly secretAccount: Row<'account'>
  readonly credential: Row<'credential'>
}

async function elevate(tx: Tx, world: World, session: LiveSession): Promise<Outcome<Released>> {
  const row = await tx.db
    .selectFrom('session')
    .select(['target_id', 'source'])
    .where('id', '=', session.id)
    .where('state', '=', 'live')
    .executeTakeFirst()
  if (row === undefined) return refuse('conflict', 'this session is not live', 'connect again')
  const started = await readStarted(tx, session, row.target_id)
  if (!started.ok) return started
  const grant = await grantOf(tx, session)
  if (grant?.actions.includes('elevate') !== true)
    return refuse('forbidden', 'your grant does not allow elevation', 'ask for a grant that allows elevate')
  const { user, account, target: at } = session
  const circumstances = circumstancesOf(world, session, tx.now)
  const use = { user, account, target: at, does: ['elevate'], allowed: 'elevate' } as const
  const held = await holdToLimits(tx, use, circumstances)
  if (!held.ok) return held
  const elevation = await elevationOf(tx.db, tx.guard, session.account)
  if (elevation === undefined)
    return refuse('conflict', 'this account is not elevated any more', 'ask an administrator')
  // SECURITY: who is elevated works as the other account: what limits its use is no less in the way here.
  const other = {
    user,
    account: elevation.secret_account_id,
    target: at,
    does: ['elevate', 'shell'],
  } as const
  const heldThere =
    elevation.secret_account_id === account ? held : await holdToLimits(tx, other, circumstances)
  if (!heldThere.ok) return heldThere
  const target = await findTarget(tx.db, tx.guard, row.target_id)
  const secretAccount = await readAccount(tx.db, tx.guard, elevation.secret_account_id, 'read', target)
  const usable = secretAccount === undefined ? done(undefined) : await usableCredential(tx, secretAccount)
  if (!usable.ok) return usable
  const credential = usable.value
  if (
    target === undefined ||
    secretAccount === undefined ||
    secretAccount.removed_at !== null ||
    credential?.kind !== 'password'
  )
    return refuse('conflict', 'the secret of this elevation is gone', 'ask an administrator')
  if (!(await isBoundTo(tx, secretAccount, target)))
    return refuse(
      'not_pinned',
      'the secret of this elevation is not bound to this machine',
      'ask an administrator',
    )
  const holder = await otherHolder(tx, secretAccount, session)
  if (holder !== undefined)
    return refuse('held', `the user ${holder} holds ${secretAccount.name} exclusively`, 'ask them, or wait')
  await tx.audit({
    kind: 'session.elevated',
    elevation: elevation.kind,
    secretAccount: secretAccount.id,
    secretAccountName: secretAccount.name,
    version: credential.version,
    ...refOf(session),
    actor: { kind: 'user', id: session.user, name: session.userName },
    source: row.source,
  })
  return done({ kind: elevation.kind, secretAccount, credential })
}
