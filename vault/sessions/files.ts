import { heldUntil } from '../access/limits.ts'
import { readAccount } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { takeField } from '../accounts/credential.ts'
import { filesOf, isSameMachine } from '../accounts/files.ts'
import { type Action, carriesFiles, fileActions } from '../contract.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { settlePlace } from '../rotation/budget.ts'
import { usableCredential } from '../rotation/interlock.ts'
import { takeSessionPlace } from '../rotation/session-logins.ts'
import type { Row } from '../rows.ts'
import { beforeSwitches } from '../switches/switches.ts'
import { findTarget, legacyOf, pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { handsOff } from './hold.ts'
import type { LiveSession } from './live.ts'
import { circumstancesOf, grantOf, otherHolder, takeTurn, whyFrozen } from './release.ts'
import { readStarted, refOf, sessionOf } from './start.ts'

/**
 * Releases the credential of the account by whose login files go beside a session's desktop: sealed to the session's own
 * key, or, of a key, the leave to have one login signed.
 *
 * INVARIANT: the audit entry commits before anything leaves. SECURITY: the desktop's grant allows it and its machine is the
 * same; whatever limits the use of that account for the same acts, or holds it, stands in the way here too.
 */
export const sessionFiles: Handler<'session.files'> = async (call, input) => {
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
  const now = world.vault.clock().getTime()
  const moments = takeTurn(session.files?.moments ?? [], now)
  if (moments === undefined)
    return refuse('rate_limited', 'the files were opened a moment ago, or too often', 'try again later')
  session.files = { account: session.account, moments, at: 0, signatures: 0 }

  const released = await transact(world, (tx) => release(tx, world, session))
  if (!released.ok) return released
  const { account, name, credential, target, ways, until } = released.value
  session.files = { account: account.id, moments, at: now, signatures: 0 }
  const legacy = legacyOf(target)
  const place = {
    target: {
      name: target.name,
      host: target.host,
      port: target.port,
      pins: pinsOf(target).map(({ type, fingerprint }) => ({ type, fingerprint })),
      legacy:
        legacy === undefined ? null : { algorithms: legacy.algorithms, until: legacy.until.toISOString() },
    },
    account: { name, login: account.login },
    ways,
    secondsLeft: Math.max(0, Math.floor((until - now) / 1000)),
  }
  if (credential.kind === 'ssh-key')
    return done({
      ...place,
      credential: { kind: 'ssh-key' as const, publicKey: credential.public_key ?? '' },
    })
  using secret = await takeField(world, account, credential, 'password')
  // Whoever cut or froze the session meanwhile did so before anything left.
  if (session.cut !== null) return refuse('expired', 'this session was ended', 'open another session')
  const frozenSince = whyFrozen(session)
  if (frozenSince !== undefined) return frozenSince
  const sealed = Buffer.from(sealToBox(boxKey, secret)).toString('base64')
  return done({ ...place, credential: { kind: 'password' as const, sealed } })
}

type Released = {
  readonly account: Row<'account'>
  readonly name: string
  readonly credential: Row<'credential'>
  readonly target: Row<'target'>
  /** In which of the ways files go, and until when. */
  readonly ways: readonly Action[]
  readonly until: number
}

async function release(tx: Tx, world: World, session: LiveSession): Promise<Outcome<Released>> {
  const row = await tx.db
    .selectFrom('session')
    .select(['target_id', 'source', 'break_glass_id'])
    .where('id', '=', session.id)
    .where('state', '=', 'live')
    .executeTakeFirst()
  if (row === undefined) return refuse('conflict', 'this session is not live', 'connect again')
  const read = await readFiles(tx, world, session, row.target_id)
  if (!read.ok) return read
  const { account, name, credential, target } = read.value
  const place = await takeSessionPlace(tx, {
    session: session.id,
    account: { id: account.id, login: account.login, name },
    target,
    breaksGlass: row.break_glass_id !== null,
  })
  if (!place.ok) return place
  await tx.audit({
    kind: 'session.files-opened',
    filesAccount: account.id,
    filesAccountName: name,
    version: credential.version,
    ...refOf(session),
    actor: { kind: 'user', id: session.user, name: session.userName },
    source: row.source,
  })
  return read
}

/** What the release of that credential depends on, as it is now. */
export async function readFiles(
  tx: Tx,
  world: World,
  session: LiveSession,
  desktop: Row<'target'>['id'],
): Promise<Outcome<Released>> {
  const started = await readStarted(tx, session, desktop)
  if (!started.ok) return started
  const grant = await grantOf(tx, session)
  if (grant === undefined || !carriesFiles(grant.actions))
    return refuse(
      'forbidden',
      'your grant lets no files go beside this desktop',
      'ask for a grant that allows sftp-read or sftp-write',
    )
  const link = await filesOf(tx.db, tx.guard, started.value.account, started.value.target)
  const account = link === undefined ? undefined : await readAccount(tx.db, tx.guard, link.account)
  const target = account === undefined ? undefined : await findTarget(tx.db, tx.guard, account.target_id)
  if (link === undefined || account === undefined || target === undefined)
    return refuse(
      'conflict',
      'no account carries the files of this desktop as it is now',
      'ask whoever manages the account: tagout account files',
    )
  const { name } = link
  if (target.protocol !== 'ssh' || !isSameMachine(started.value.target, target))
    return refuse(
      'conflict',
      `${target.name} is not the machine of this desktop any more`,
      'ask whoever manages the account: tagout account files',
    )
  if (!(await isBoundTo(tx, account, target)))
    return refuse(
      'not_pinned',
      `the address or host key of ${target.name} changed and ${name} is not bound to it again`,
      'ask an administrator to check the target',
    )
  // SECURITY: each way is held to its own limits, of the desktop and of the account; a way that stays shut is the recorder's to
  // refuse, and files are opened where one is free.
  const circumstances = circumstancesOf(world, session, tx.now)
  const { user, account: own, target: at } = session
  const ways: Action[] = []
  let until = session.endsAt
  let closed: Outcome<never> | undefined
  for (const does of fileActions.filter((action) => grant.actions.includes(action))) {
    const here = await heldUntil(
      tx,
      { user, account: own, target: at, does: [does], allowed: does },
      circumstances,
    )
    const there = await heldUntil(
      tx,
      { user, account: account.id, target: target.id, does: [does] },
      circumstances,
    )
    if (!here.ok) closed ??= here
    else if (!there.ok) closed ??= there
    else {
      ways.push(does)
      until = Math.min(until, here.value, there.value)
    }
  }
  if (ways.length === 0 && closed !== undefined) return closed
  const on = await beforeSwitches(tx, world, account.safe_id)
  if (!on.ok) return on
  const free = await handsOff(tx, world, { user, account: account.id, target }, session.id)
  if (!free.ok) return free
  const usable = await usableCredential(tx, { id: account.id, name })
  if (!usable.ok) return usable
  const credential = usable.value
  if (credential === undefined)
    return refuse('conflict', `${name} has no credential in the vault`, 'ask an administrator')
  const holder = await otherHolder(tx, account, session)
  if (holder !== undefined)
    return refuse('held', `the user ${holder} holds ${name} exclusively`, 'ask them, or wait')
  const legacy = legacyOf(target)
  if (legacy !== undefined && legacy.until <= tx.now)
    return refuse(
      'expired',
      `${target.name} was allowed old algorithms for a time that is over`,
      'ask an administrator to update the machine, or to renew it with tagout target legacy',
    )
  return done({ account, name, credential, target, ways, until })
}

/** What came of the login for the files: its place among those that could lock the account out is settled. */
export const sessionFilesLogin: Handler<'session.files-login'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.files === null || session.files.at === 0)
    return refuse('conflict', 'no files were opened in this session', 'ask session.files first')
  // The login is over: nothing more is signed for it.
  session.files = { ...session.files, at: 0 }
  await world.vault.inTransaction((tx) => settlePlace(tx, { session: session.id }, input.verdict))
  return done(null)
}
