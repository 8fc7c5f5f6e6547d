import { askToCloseOut } from '../closeout/close-out.ts'
import { releaseLease } from '../checkout/lease.ts'
import type { EndReason, RecordingState } from '../contract.ts'
import type { SessionId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import type { Row } from '../rows.ts'
import { sessionLoginEnded } from '../rotation/session-logins.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf, type World } from '../world.ts'
import { notify } from '../notifications/notify.ts'
import { tellOfSession } from '../notifications/sessions.ts'
import { findLive } from './freeze.ts'
import { holdFrozen, holdOff } from './hold.ts'
import type { LiveSession } from './live.ts'
import { refOf } from './start.ts'
import { vet } from './vet.ts'

type Ending = {
  readonly reason: EndReason
  readonly recording: {
    readonly state: Exclude<RecordingState, 'recording'>
    readonly sizeBytes: number
    readonly root?: string | undefined
  }
}

/**
 * Closes a session and its recording. Said twice, it is done once; a recorder that finds out later what a crash has
 * left of a recording says so by the same verb.
 */
export const sessionEnd: Handler<'session.end'> = async ({ world, peer }, input) => {
  const live = world.live.get(input.session)
  if (live?.peer !== undefined && live.peer !== peer)
    return refuse('forbidden', 'another worker carries this session')
  // Found in the table a moment ago: was it frozen?
  if (live !== undefined) await vet(world, live)
  const outcome = await transact(world, async (tx) => {
    const row = await tx.db
      .selectFrom('session')
      .selectAll()
      .where('id', '=', input.session)
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined) return refuse('not_found', 'there is no such session')
    if (row.state === 'ended') return mend(tx, row, input)
    return close(tx, world, row, live, input)
  })
  if (outcome.ok) world.live.remove(input.session)
  return outcome
}

async function close(
  tx: Tx,
  world: World,
  row: Row<'session'>,
  live: LiveSession | undefined,
  ending: Ending,
): Promise<Outcome<null>> {
  await tx.db
    .updateTable('session')
    .set({ state: 'ended', ended_at: tx.now, end_reason: ending.reason })
    .where('id', '=', row.id)
    .execute()
  await closeRecording(tx, row, ending)
  await sessionLoginEnded(tx, row, ending.reason)
  await askToCloseOut(tx, world, row)
  const hold = live === undefined ? undefined : await holdFrozen(tx, world, live)
  await auditEnd(tx, row, ending, hold)
  await tellEnd(tx, world, row, ending, hold)
  await releaseLease(tx, row.lease_id)
  return done(null)
}

/**
 * A session that the vault had given up: what its recorder knows about the recording is better. The larger size is
 * kept, and `tampered` is taken back by nobody: no later word makes a recording shorter or cleaner than it was.
 */
async function mend(tx: Tx, row: Row<'session'>, ending: Ending): Promise<Outcome<null>> {
  if (row.end_reason !== 'recorder crashed') return done(null)
  const { numUpdatedRows } = await closeRecording(tx, row, ending)
  if (numUpdatedRows > 0n) await auditEnd(tx, row, { ...ending, reason: row.end_reason })
  return done(null)
}

async function closeRecording(tx: Tx, row: Row<'session'>, { recording }: Ending) {
  return tx.db
    .updateTable('recording')
    .set({
      state: recording.state,
      size_bytes: (eb) => eb.fn<number>('greatest', ['size_bytes', eb.val(recording.sizeBytes)]),
      ...(recording.root === undefined ? {} : { root: Buffer.from(recording.root, 'base64') }),
    })
    .where('id', '=', row.recording_id)
    .where('state', '<>', 'tampered')
    .where((eb) => eb.or([eb('state', '<>', recording.state), eb('size_bytes', '<', recording.sizeBytes)]))
    .executeTakeFirst()
}

async function auditEnd(
  tx: Tx,
  row: Row<'session'>,
  { reason, recording }: Ending,
  hold?: Row<'hold'>,
): Promise<void> {
  await tx.audit({
    kind: 'session.ended',
    reason,
    state: recording.state,
    sizeBytes: recording.sizeBytes,
    ...(recording.root === undefined ? {} : { root: recording.root }),
    ...(hold === undefined ? {} : { holdUntil: hold.until.toISOString() }),
    session: row.id,
    recording: row.recording_id,
    userName: row.user_name,
    accountName: row.account_name,
    actor: { kind: 'plane', plane: 'recorder' },
  })
}

/** Tells who is kept off the target by the end of a session, and the approvers where the safe wants that. */
async function tellEnd(
  tx: Tx,
  world: World,
  row: Row<'session'>,
  { reason }: Ending,
  hold?: Row<'hold'>,
): Promise<void> {
  const ref = { session: row.id, user: row.user_name, account: row.account_name }
  if (hold !== undefined)
    await notify(tx, { kind: 'hold.placed', ...ref, by: hold.held_by, holdUntil: hold.until.toISOString() }, [
      row.user_id,
    ])
  if (row.state === 'live')
    await tellOfSession(tx, world, row.safe_id, { kind: 'session.ended', ...ref, how: reason })
}

/** Gives up sessions whose worker is gone: they have ended, and their recordings are incomplete. */
export async function endLost(world: World, ids: readonly SessionId[]): Promise<void> {
  for (const id of ids) {
    await transact(world, async (tx) => {
      const row = await tx.db
        .selectFrom('session')
        .selectAll()
        .where('id', '=', id)
        .forUpdate()
        .executeTakeFirst()
      if (row === undefined || row.state === 'ended') return done(null)
      const recording = await tx.db
        .selectFrom('recording')
        .select('size_bytes')
        .where('id', '=', row.recording_id)
        .executeTakeFirst()
      return close(tx, world, row, world.live.get(id), {
        reason: 'recorder crashed',
        recording: { state: 'incomplete', sizeBytes: recording?.size_bytes ?? 0 },
      })
    })
    world.live.remove(id)
  }
}

/** Ends a live session on somebody's word, and keeps its user off the target where that is asked. */
export const sessionTerminate: Handler<'session.terminate'> = async (call, input) => {
  const { world } = call
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  const reason = input.reason ?? ''
  const { holdSeconds } = input
  const isOwn = call.principal.kind === 'user' && call.principal.id === session.user
  if (isOwn && holdSeconds !== undefined)
    return refuse('invalid', 'holdSeconds: this is your own session', 'terminate it without a hold')
  await world.vault.inTransaction(async (tx) => {
    const hold =
      holdSeconds === undefined
        ? undefined
        : await holdOff(tx, world, session, {
            until: new Date(tx.now.getTime() + holdSeconds * 1000),
            reason,
            by: nameOf(call),
          })
    await tx.db
      .updateTable('session')
      .set({ ended_by: nameOf(call), ended_why: reason })
      .where('id', '=', session.id)
      .where('ended_by', 'is', null)
      .execute()
    await tx.audit({
      kind: 'session.terminated',
      reason,
      ...(hold === undefined ? {} : { holdUntil: hold.until.toISOString() }),
      ...refOf(session),
      ...by(call),
    })
    if (!isOwn)
      await notify(
        tx,
        {
          kind: 'session.terminated',
          session: session.id,
          user: session.userName,
          account: session.accountName,
          by: nameOf(call),
          holdUntil: hold?.until.toISOString() ?? null,
        },
        [session.user],
      )
  })
  const told = `your session was terminated by ${whoText(nameOf(call))}`
  const message = reason === '' ? told : `${told}: ${reason}`
  // Nobody lifts a freeze by ending their own session.
  world.live.cut(session, { reason: 'terminated', message, endsFreeze: !isOwn })
  return done(null)
}
