import { createHash } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import { elevationOf } from '../accounts/elevation.ts'
import { filesOf } from '../accounts/files.ts'
import { typeInsOf } from '../accounts/type-ins.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { encodeForward, findForward, forwardName, forwardsOf } from '../checkout/forward.ts'
import { isGlassBroken } from '../checkout/let-in.ts'
import { takeLease, catchHeld } from '../checkout/lease.ts'
import { breakGlassOf, isOfGlass } from '../breakglass/view.ts'
import { grantOfRule } from '../access/standing.ts'
import { readSubject } from '../access/subject.ts'
import { type Action, carriesFiles, identityOf, isDesktop, beginsSession, type Permit } from '../contract.ts'
import { readLinks } from '../identity/auditor.ts'
import { type Proof, readProof, watchProof } from '../identity/proof.ts'
import { canonicalBytes } from '../kernel/encoding.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, type Refusal, refuse } from '../kernel/outcome.ts'
import { decideSession, type SessionDecision } from '../policy/session.ts'
import { checkedOne, type Row } from '../rows.ts'
import { permittedMask } from '../targets/masked.ts'
import { desktopOf, findTarget, legacyOf, pinsOf } from '../targets/target.ts'
import { usableCredential } from '../rotation/interlock.ts'
import { needSessions } from '../targets/no-session.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Handler, Input, World } from '../world.ts'
import { lockPerson } from '../vendors/people.ts'
import { handsOff } from './hold.ts'
import { beforeSwitches, stopIn } from '../switches/switches.ts'
import { forwardRoom } from './forward-room.ts'
import { howLetIn } from './let-in.ts'
import { type Supervisors, supervisorsIn } from './presence.ts'
import type { LiveSession } from './live.ts'
import { accessAt, chooseAccount, unknownTarget } from './way-in.ts'
import type { Worker } from './workers.ts'

/** Milliseconds for which a session says that somebody else set its user's password, key or code. */
const setByOtherFor = 7 * 24 * 3600_000

/**
 * Decides whether somebody may connect, takes or joins the account's lease, and makes the session `opening`. Nothing
 * is released yet: that is `session.start`, when the recording's header is durable.
 */
export const sessionOpen: Handler<'session.open'> = async (call, input) => {
  const { world } = call
  const worker = world.workers.of(call.peer)
  if (worker === undefined || worker.worker !== input.worker)
    return refuse('conflict', 'this worker has not said hello', 'call recorder.hello first')
  const proof = readProof(world, input.proof, call.peer)
  if (proof === undefined)
    return refuse('unauthenticated', 'the proof is unknown, too old or another connection’s', 'log in again')

  const outcome = await catchHeld(() => transact(world, (tx) => open(tx, call, input, proof, worker)))
  if (!outcome.ok) await auditRefused(world, input, proof, outcome.refusal)
  return outcome
}

async function open(
  tx: Tx,
  call: Call,
  input: Input<'session.open'>,
  proof: Proof,
  worker: Worker,
): Promise<Outcome<Permit>> {
  // Shared: whoever takes the user or their company off waits for this transaction, and then finds its session.
  const user = await lockPerson(tx, proof.user, 'share')
  const target = await findTarget(tx.db, tx.guard, input.target)
  if (user === undefined || target === undefined) return unknownTarget
  const subject = await readSubject(tx.db, tx.guard, user)
  const chosen = await chooseAccount(tx, user, subject, target, input.account)
  if (!chosen.ok) return chosen
  const { account, grants } = chosen.value
  // Whoever has a grant learns how the target is spoken with; to everybody else it is not there.
  if (!beginsSession(input.wants, target.protocol)) return wrongProtocol(target)
  const isMeant =
    (proof.account === null || proof.account === account.id) &&
    (proof.target === null || proof.target === target.id)
  if (!isMeant)
    return refuse(
      'forbidden',
      'your ticket is for another account',
      'get a ticket for this one in the console',
    )

  const safe = checkedOne(
    tx.guard,
    'safe',
    await tx.db.selectFrom('safe').selectAll().where('id', '=', account.safe_id).executeTakeFirst(),
  )
  const plain = await usableCredential(tx, account)
  // Where nobody knows which credential is taken, a broken glass alone lets in.
  const mine = plain.ok ? grants : grants.filter(isOfGlass)
  const usable = plain.ok || mine.length === 0 ? plain : await usableCredential(tx, account, mine[0])
  if (!usable.ok) return usable
  const credential = usable.value
  const links = await readLinks(tx.db, tx.guard)
  const access = await accessAt(tx, call, {
    user,
    target,
    subject,
    account,
    grants: mine,
    source: input.source,
    factorAt: proof.factorAt,
  })
  const facts = {
    ...access,
    ...(plain.ok ? {} : { allowing: [] }),
    wants: input.wants,
    ...(input.forward === undefined ? {} : { forward: input.forward }),
    pins: pinsOf(target).length,
    // INVARIANT: no release without a binding of the account to the target as it is now.
    isBound: await isBoundTo(tx, account, target),
    hasCredential: credential !== undefined,
    auditors: links.length,
    legacyUntil: legacyOf(target)?.until.getTime() ?? null,
    ...(isDesktop(target.protocol)
      ? { isDesktop: true as const, shows: identityOf(target.protocol, desktopOf(target)) }
      : {}),
  } as const
  const decision = decideSession(facts)
  if (decision.kind === 'deny') return refuseDecision(decision)
  const rule = facts.allowing[decision.by.kind === 'rule' ? decision.by.index : -1]
  const grant = rule === undefined ? mine[decision.by.index] : await grantOfRule(tx, rule, user, account)
  if (grant === undefined || credential === undefined || safe === undefined) return unknownTarget

  const on = await beforeSwitches(tx, call.world, account.safe_id)
  if (!on.ok) return on
  const breakGlass = await breakGlassOf(tx.db, tx.guard, grant)
  const free = await handsOff(tx, call.world, { user: user.id, account: account.id, target })
  if (!free.ok) return free

  const destination =
    input.forward === undefined
      ? undefined
      : findForward(forwardsOf(grant), input.forward.host, input.forward.port)
  const forward = destination === undefined ? undefined : await forwardRoom(tx, grant.id, destination)
  if (forward?.ok === false) return forward

  const lease = await takeLease(
    tx,
    {
      account,
      user,
      exclusive: decision.exclusive,
      until: null,
      ...(breakGlass === undefined ? {} : { passesQueue: true }),
      // Also of who was let in otherwise: whichever grant was chosen.
      breaksGlass: await isGlassBroken(tx, grants),
    },
    { actor: { kind: 'user', id: user.id, name: user.name }, source: input.source },
  )
  if (!lease.ok) return lease
  // It was handed over a moment ago: two people are never connected to what one holds.
  if (lease.value.exclusive && (await hasOthersSessions(tx, user, account)))
    return refuse(
      'held',
      'the sessions of who handed this account over have not ended yet',
      'try again in a few seconds',
    )
  // A session does not outlive the lease that it runs under.
  const ends = Math.min(decision.endsAt, lease.value.until?.getTime() ?? Number.POSITIVE_INFINITY)
  if (ends <= tx.now.getTime())
    return refuse('expired', 'your check-out of this account has ended', 'check it out again')
  return keepSession(tx, call, input, worker, {
    proof,
    user,
    target,
    account,
    safe,
    grant,
    credential,
    lease: lease.value,
    links,
    forward: forward?.value,
    breakGlass,
    elevation: await elevationOf(tx.db, tx.guard, account.id),
    typeIns: await typeInsOf(tx.db, tx.guard, account, target),
    files: isDesktop(target.protocol) ? await filesOf(tx.db, tx.guard, account, target) : undefined,
    actions: decision.actions,
    supervisors: supervisorsIn(facts.limits),
    endsAt: new Date(ends),
    policyDigest: createHash('sha256').update(canonicalBytes(facts)).digest('hex'),
  })
}

async function hasOthersSessions(tx: Tx, user: Row<'app_user'>, account: Account): Promise<boolean> {
  const one = await tx.db
    .selectFrom('session')
    .select('id')
    .where('account_id', '=', account.id)
    .where('user_id', '<>', user.id)
    .where('state', '<>', 'ended')
    .executeTakeFirst()
  return one !== undefined
}

function wrongProtocol(target: Row<'target'>): Outcome<never> {
  const { name, protocol } = target
  const sessions = needSessions(target)
  if (!sessions.ok) return sessions
  return isDesktop(protocol)
    ? refuse('invalid', `${name} has a desktop, not a terminal`, 'open it from My access in the console')
    : refuse('invalid', `${name} has no desktop`, 'open a terminal from My access in the console, or use ssh')
}

function refuseDecision(decision: SessionDecision & { readonly kind: 'deny' }): Outcome<never> {
  return refuse(decision.code, decision.why, decision.next)
}

type Opened = {
  readonly proof: Proof
  readonly user: Row<'app_user'>
  readonly target: Row<'target'>
  readonly account: Account
  readonly safe: Row<'safe'>
  readonly grant: Row<'access_grant'>
  /** Those of the grant's that no limit keeps out of this session. */
  readonly actions: readonly Action[]
  readonly credential: Row<'credential'>
  readonly lease: Row<'lease'>
  readonly links: Permit['auditorLists']
  readonly breakGlass: Row<'break_glass'> | undefined
  readonly elevation: Row<'elevation'> | undefined
  readonly typeIns: NonNullable<Permit['typeIns']>
  readonly files: Permit['files'] | undefined
  readonly forward: Permit['forward'] | undefined
  /** Of whom somebody must watch before anything of the user's reaches the target. */
  readonly supervisors: Supervisors
  readonly endsAt: Date
  readonly policyDigest: string
}

async function keepSession(
  tx: Tx,
  call: Call,
  input: Input<'session.open'>,
  worker: Worker,
  opened: Opened,
): Promise<Outcome<Permit>> {
  const { world } = call
  const { proof, user, target, account, safe, grant, lease, endsAt, policyDigest, forward, supervisors } =
    opened
  const isProven = watchProof(world, input.proof)
  const session = newId('ses', tx.now.getTime())
  const recording = newId('rec', tx.now.getTime())
  const setByOther = user.credential_set_by_other_at
  await tx.db
    .insertInto('session')
    .values({
      id: session,
      recording_id: recording,
      user_id: user.id,
      account_id: account.id,
      target_id: target.id,
      safe_id: safe.id,
      grant_id: grant.id,
      lease_id: lease.id,
      user_name: user.name,
      account_name: account.name,
      target_name: target.name,
      protocol: target.protocol,
      source: input.source,
      node: worker.node,
      worker: worker.worker,
      state: 'opening',
      credential_set_by_other: setByOther !== null && tx.now.getTime() - setByOther.getTime() < setByOtherFor,
      policy_digest: policyDigest,
      started_at: tx.now,
      ends_at: endsAt,
      ended_at: null,
      end_reason: null,
      ended_by: null,
      ended_why: null,
      released_at: null,
      header_hash: null,
      public_key: null,
      forward_to: forward === undefined ? null : forwardName(forward),
      forward_connections: null,
      forward_bytes_up: null,
      forward_bytes_down: null,
      login_id: proof.login,
      break_glass_id: opened.breakGlass?.id ?? null,
      judged: 'no',
      safe_name: safe.name,
      zone: target.zone,
      ...(await howLetIn(tx, user, grant, opened.breakGlass !== undefined)),
    })
    .execute()
  await tx.db
    .insertInto('recording')
    .values({
      id: recording,
      session_id: session,
      state: 'recording',
      size_bytes: 0,
      root: null,
      checkpoint: null,
      checkpoint_at: null,
    })
    .execute()
  const setByOtherLately = setByOther !== null && tx.now.getTime() - setByOther.getTime() < setByOtherFor
  await tx.audit({
    kind: 'session.opened',
    session,
    recording,
    userName: user.name,
    accountName: account.name,
    targetName: target.name,
    grant: grant.id,
    lease: lease.id,
    policyDigest,
    endsAt: endsAt.toISOString(),
    ...(forward === undefined ? {} : { forward: encodeForward(forward) }),
    ...(setByOtherLately ? { credentialSetByOther: true } : {}),
    ...(opened.breakGlass === undefined ? {} : { breakGlass: opened.breakGlass.id }),
    actor: { kind: 'user', id: user.id, name: user.name },
    source: input.source,
  })
  tx.afterCommit(() => {
    const live: LiveSession = {
      id: session,
      recording,
      user: user.id,
      userName: user.name,
      account: account.id,
      accountName: account.name,
      target: target.id,
      safe: safe.id,
      grant: grant.id,
      lease: lease.id,
      node: worker.node,
      worker: worker.worker,
      key: proof.key,
      login: proof.login,
      source: input.source,
      factorAt: proof.factorAt,
      endsAt: endsAt.getTime(),
      isVetted: true,
      peer: call.peer,
      lostSince: null,
      openedAt: tx.now.getTime(),
      releasedAt: null,
      started: false,
      connected: false,
      signatures: 0,
      boxKey: null,
      elevations: [],
      typeIns: [],
      files: null,
      forward: forward === undefined ? null : { to: forwardName(forward), connections: forward.connections },
      forwarding: 0,
      cut: null,
      cutOrderedAt: 0,
      freeze: null,
      stop: stopIn(world, safe.id),
      supervisors: supervisors.groups,
      contact: supervisors.contact,
      taken: null,
      isBeingTaken: false,
      missing: supervisors.groups,
      missingSince: tx.now.getTime(),
      freezeBy: '',
      freezeTold: true,
      endTold: true,
    }
    world.live.add(live)
    // SECURITY: what took the proof back meanwhile did not find this session: it was not there yet.
    if (!isProven()) world.live.cut(live, { reason: 'terminated', message: 'your login was taken back' })
  })
  return done(permitOf(world, session, recording, input.source, tx.now, opened))
}

function permitOf(
  world: World,
  session: Permit['session'],
  recording: Permit['recording'],
  source: string,
  now: Date,
  opened: Opened,
): Permit {
  const { user, target, account, safe, grant, lease, credential } = opened
  const legacy = legacyOf(target)
  const desktop = desktopOf(target)
  const mask = permittedMask(target)
  return {
    session,
    recording,
    user: { id: user.id, name: user.name },
    account: { id: account.id, name: account.name, login: account.login },
    target: {
      id: target.id,
      name: target.name,
      protocol: target.protocol,
      host: target.host,
      port: target.port,
      pins: pinsOf(target).map(({ type, fingerprint }) => ({ type, fingerprint })),
      legacy:
        legacy === undefined ? null : { algorithms: legacy.algorithms, until: legacy.until.toISOString() },
      ...(desktop === null ? {} : { desktop }),
      ...(mask === undefined ? {} : { mask }),
      ...(target.file_megabytes === null ? {} : { fileMegabytes: target.file_megabytes }),
    },
    ...(opened.elevation === undefined
      ? {}
      : { elevation: { kind: opened.elevation.kind, isGranted: opened.actions.includes('elevate') } }),
    ...(opened.typeIns.length > 0 && opened.actions.includes('type-in') ? { typeIns: opened.typeIns } : {}),
    ...(opened.files !== undefined && carriesFiles(opened.actions) ? { files: opened.files } : {}),
    safe: { id: safe.id, name: safe.name },
    grant: grant.id,
    lease: lease.id,
    actions: opened.actions,
    ...(opened.forward === undefined ? {} : { forward: opened.forward }),
    ...(safe.close_out === null ? {} : { closeOut: safe.close_out }),
    ...(opened.breakGlass === undefined
      ? {}
      : { breakGlass: { id: opened.breakGlass.id, reason: opened.breakGlass.reason } }),
    inputPolicy: safe.input_policy,
    startedAt: now.toISOString(),
    endsAt: opened.endsAt.toISOString(),
    policyDigest: opened.policyDigest,
    quotaBytes: world.settings.quotaBytes,
    source,
    auditorLists: opened.links,
    auditCheckpoint: world.vault.auditCheckpoint,
    credential:
      credential.kind === 'ssh-key' && credential.public_key !== null
        ? { kind: 'ssh-key', publicKey: credential.public_key }
        : { kind: 'password' },
  }
}

async function auditRefused(
  world: World,
  input: Input<'session.open'>,
  proof: Proof,
  refusal: Refusal,
): Promise<void> {
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'session.refused',
      userName: proof.name,
      target: input.target,
      account: input.account ?? '',
      code: refusal.code,
      why: refusal.message,
      actor: { kind: 'user', id: proof.user, name: proof.name },
      source: input.source,
    }),
  )
}
