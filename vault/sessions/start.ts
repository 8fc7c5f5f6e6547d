import { readAccount } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { isOfGlass } from '../breakglass/view.ts'
import { takeField } from '../accounts/credential.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { findUser } from '../identity/user.ts'
import type { SessionId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Peer } from '../kernel/rpc.ts'
import { checkedOne, type Row } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { usableCredential } from '../rotation/interlock.ts'
import { takeSessionPlace } from '../rotation/session-logins.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, Input, World } from '../world.ts'
import { refuseCompany, representationOf } from '../vendors/standing.ts'
import { beforeSwitches } from '../switches/switches.ts'
import { handsOff } from './hold.ts'
import type { LiveSession } from './live.ts'

/** A session that this worker carries, or a refusal. */
export function sessionOf(world: World, peer: Peer, id: SessionId): Outcome<LiveSession> {
  const session = world.live.get(id)
  if (session === undefined)
    return refuse('not_found', 'there is no such session, or it has ended', 'end it here too')
  if (session.peer !== peer)
    return refuse('forbidden', 'another worker carries this session', 'claim it with recorder.hello')
  return done(session)
}

/**
 * Starts a session whose recording's header is durable, and releases its credential.
 *
 * INVARIANT: the audit entry commits before anything leaves. SECURITY: it leaves once, sealed to the session's own
 * key, and only for a session that this very process has opened: a row alone starts nothing.
 */
export const sessionStart: Handler<'session.start'> = async (call, input) => {
  const { world } = call
  const found = sessionOf(world, call.peer, input.session)
  if (!found.ok) return found
  const session = found.value
  const sizes = [input.headerHash, input.publicKey, input.boxKey].map(
    (text) => Buffer.from(text, 'base64').length,
  )
  if (sizes.some((size) => size !== 32))
    return refuse('invalid', 'headerHash, publicKey and boxKey: each has 32 bytes')
  if (session.openedAt === null || session.releasedAt !== null)
    return refuse('conflict', 'the credential of this session has left already', 'open another session')
  if (session.cut !== null) return refuse('expired', session.cut.message, 'open another session')
  // Taken before the first await: of two calls at once, one gets past here.
  session.releasedAt = world.vault.clock().getTime()

  const started = await transact(world, (tx) => start(tx, world, session, input))
  if (!started.ok) {
    session.releasedAt = null
    return started
  }
  session.started = true
  session.boxKey = Buffer.from(input.boxKey, 'base64')
  const { account, credential } = started.value
  world.rotation.injected.put(session.id, credential.version)
  if (credential.kind === 'ssh-key') return done({ kind: 'ssh-key' as const })
  using secret = await takeField(world, account, credential, 'password')
  const sealed = sealToBox(Buffer.from(input.boxKey, 'base64'), secret)
  return done({ kind: 'password' as const, sealed: Buffer.from(sealed).toString('base64') })
}

type Started = {
  readonly account: Row<'account'>
  readonly credential: Row<'credential'>
  readonly target: Row<'target'>
}

async function start(
  tx: Tx,
  world: World,
  session: LiveSession,
  input: Input<'session.start'>,
): Promise<Outcome<Started>> {
  const row = await tx.db
    .selectFrom('session')
    .selectAll()
    .where('id', '=', session.id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined || row.state !== 'opening' || row.released_at !== null)
    return refuse('conflict', 'this session was started before', 'open another session')
  // Seconds may have passed since it was opened: what decided then is looked at once more.
  const again = await readReleasable(tx, world, session, row.target_id)
  if (!again.ok) return again
  const { account, target } = again.value
  const place = await takeSessionPlace(tx, {
    session: session.id,
    account: { id: account.id, login: account.login, name: session.accountName },
    target,
    breaksGlass: row.break_glass_id !== null,
  })
  if (!place.ok) return place
  await tx.db
    .updateTable('session')
    .set({
      released_at: tx.now,
      header_hash: Buffer.from(input.headerHash, 'base64'),
      public_key: Buffer.from(input.publicKey, 'base64'),
    })
    .where('id', '=', session.id)
    .execute()
  await tx.audit({
    kind: 'session.started',
    headerHash: input.headerHash,
    publicKey: input.publicKey,
    ...refOf(session),
    actor: { kind: 'user', id: session.user, name: session.userName },
    source: row.source,
  })
  return again
}

/** What the release of its credential to a session that is not connected yet depends on, as it is now. */
export async function readReleasable(
  tx: Tx,
  world: World,
  session: LiveSession,
  target: Row<'target'>['id'],
): Promise<Outcome<Started>> {
  const again = await readStarted(tx, session, target)
  if (!again.ok) return again
  // SECURITY: somebody may have been told to keep their hands off while they connected. Frozen itself, it begins so.
  const { user, account } = session
  const on = await beforeSwitches(tx, world, session.safe)
  if (!on.ok) return on
  const free = await handsOff(tx, world, { user, account, target: again.value.target }, session.id)
  return free.ok ? again : free
}

const changed = refuse('conflict', 'the account was changed while you connected', 'connect again')

/** What a release depends on, as it is now. */
export async function readStarted(
  tx: Tx,
  session: LiveSession,
  target: Row<'target'>['id'],
): Promise<Outcome<Started>> {
  const gone = refuse('expired', 'your grant was taken back while you connected', 'ask for a new grant')
  const grant = checkedOne(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('id', '=', session.grant)
      .forShare()
      .executeTakeFirst(),
  )
  if (grant === undefined || grant.revoked_at !== null || grant.not_after <= tx.now) return gone
  if (grant.user_id !== session.user || grant.account_id !== session.account) return gone
  const user = await findUser(tx.db, tx.guard, session.user)
  if (user === undefined || user.state === 'disabled') return gone
  const barred = refuseCompany(await representationOf(tx.db, tx.guard, user), tx.now)
  if (barred !== undefined) return barred
  const to = await findTarget(tx.db, tx.guard, target)
  const account = await readAccount(tx.db, tx.guard, session.account, 'read', to)
  if (account === undefined || account.removed_at !== null || to === undefined) return changed
  const usable = await usableCredential(tx, account, isOfGlass(grant) ? grant : undefined)
  if (!usable.ok) return usable
  const credential = usable.value
  if (credential === undefined) return changed
  if (!(await isBoundTo(tx, account, to)))
    return refuse('not_pinned', 'the target was changed while you connected', 'connect again')
  return done({ account, credential, target: to })
}

/** The names of a session in audit entries. */
export function refOf(session: LiveSession) {
  return {
    session: session.id,
    recording: session.recording,
    userName: session.userName,
    accountName: session.accountName,
  }
}
