import { holdToLimits } from '../access/limits.ts'
import { readAccount } from '../accounts/account.ts'
import { takeField } from '../accounts/credential.ts'
import { noteExposure } from '../accounts/exposure.ts'
import { typeInsOf } from '../accounts/type-ins.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { usableCredential } from '../rotation/interlock.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { circumstancesOf, grantOf, otherHolder, takeTurn, whyFrozen } from './release.ts'
import type { LiveSession } from './live.ts'
import { readStarted, refOf, sessionOf } from './start.ts'

/**
 * Releases the secret of a linked account, to be typed into a session's desktop, for one act of its user: sealed to the
 * session's own key.
 *
 * INVARIANT: the audit entry and the exposure commit before anything leaves. SECURITY: where the keys end up, only who
 * looks at the desktop can say: whoever has it typed counts as having seen it.
 */
export const sessionTypeIn: Handler<'session.type-in'> = async (call, input) => {
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
  const turn = takeTurn(session.typeIns, world.vault.clock().getTime())
  if (turn === undefined)
    return refuse('rate_limited', 'a secret was typed here a moment ago, or too often', 'try again later')
  session.typeIns = turn

  const released = await transact(world, (tx) => release(tx, world, session, input.account))
  if (!released.ok) return released
  const { secretAccount, credential, name } = released.value
  using secret = await takeField(world, secretAccount, credential, 'password')
  // Whoever cut or froze the session meanwhile did so before anything left.
  if (session.cut !== null) return refuse('expired', 'this session was ended', 'open another session')
  const frozenSince = whyFrozen(session)
  if (frozenSince !== undefined) return frozenSince
  return done({ name, sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64') })
}

type Released = {
  readonly secretAccount: Row<'account'>
  readonly credential: Row<'credential'>
  readonly name: string
}

async function release(
  tx: Tx,
  world: World,
  session: LiveSession,
  wanted: AccountId,
): Promise<Outcome<Released>> {
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
  // SECURITY: who only looks has nothing typed.
  if (grant?.actions.includes('type-in') !== true || !grant.actions.includes('interact'))
    return refuse(
      'forbidden',
      'your grant does not let secrets be typed here',
      'ask for a grant that allows type-in',
    )
  const { user, account, target: at } = session
  const circumstances = circumstancesOf(world, session, tx.now)
  const use = { user, account, target: at, does: ['type-in'], allowed: 'type-in' } as const
  const held = await holdToLimits(tx, use, circumstances)
  if (!held.ok) return held
  const target = await findTarget(tx.db, tx.guard, row.target_id)
  const links = target === undefined ? [] : await typeInsOf(tx.db, tx.guard, started.value.account, target)
  const link = links.find((one) => one.account === wanted)
  if (link === undefined)
    return refuse(
      'forbidden',
      'no such secret is linked to this desktop as it is now',
      'ask whoever manages the account: tagout account type-ins',
    )
  // SECURITY: what limits the use of the account whose secret it is stands in the way here too.
  const other = { user, account: wanted, does: ['type-in'] } as const
  const heldThere = await holdToLimits(tx, other, circumstances)
  if (!heldThere.ok) return heldThere
  const secretAccount = await readAccount(tx.db, tx.guard, wanted)
  const usable =
    secretAccount === undefined
      ? done(undefined)
      : await usableCredential(tx, { id: secretAccount.id, name: link.name })
  if (!usable.ok) return usable
  const credential = usable.value
  if (secretAccount === undefined || credential?.kind !== 'password')
    return refuse('conflict', `${link.name} has no password any more`, 'ask an administrator')
  const holder = await otherHolder(tx, secretAccount, session)
  if (holder !== undefined)
    return refuse('held', `the user ${holder} holds ${link.name} exclusively`, 'ask them, or wait')
  await noteExposure(
    tx,
    session.user,
    wanted,
    credential.version,
    `typed in on ${session.accountName}`,
    session.id,
  )
  await tx.audit({
    kind: 'session.typed-in',
    secretAccount: wanted,
    secretAccountName: link.name,
    version: credential.version,
    ...refOf(session),
    actor: { kind: 'user', id: session.user, name: session.userName },
    source: row.source,
  })
  return done({ secretAccount, credential, name: link.name })
}
