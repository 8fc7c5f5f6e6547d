import { sql } from 'kysely'
import type { DestructionView, DueRecording } from '../contract.ts'
import { mostDestroyed } from '../contract.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { readPeople, samePerson } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { sha256 } from '../kernel/digest.ts'
import { canonicalBytes, toHex } from '../kernel/encoding.ts'
import { type DestructionId, newId, type RecordingId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { activeWith, notify } from '../notifications/notify.ts'
import { notFound } from '../not-found.ts'
import { checkedWhole, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, userOf } from '../world.ts'
import { heldCondition, holdsInForce, holdsOn } from './holds.ts'
import { type Kept, keptUntil, lockRetention, readRetention } from './kept.ts'

type Candidate = Pick<
  Row<'session'>,
  'id' | 'recording_id' | 'user_id' | 'safe_id' | 'user_name' | 'account_name' | 'started_at' | 'ended_at'
> & { readonly size_bytes: number }

const columns = [
  'session.id',
  'session.recording_id',
  'session.user_id',
  'session.safe_id',
  'session.user_name',
  'session.account_name',
  'session.started_at',
  'session.ended_at',
  'recording.size_bytes',
] as const

/** What is past its time, that nothing holds, and that nobody has asked about: the oldest first. */
export const destructionDue: Handler<'destruction.due'> = async (call, { safe, limit = mostDestroyed }) =>
  transact(call.world, async (tx) => {
    const only = safe === undefined ? undefined : await findSafe(tx.db, tx.guard, safe)
    if (safe !== undefined && only === undefined) return notFound('safe', safe)
    const { safes, of } = await readRetention(tx.db, tx.guard)
    const held = heldCondition(await holdsInForce(tx.db, tx.guard))
    const asked = await askedAlready(tx)
    const days = safes.flatMap(({ id }) => {
      const kept = of(id).days
      return kept === null || (only !== undefined && only.id !== id) ? [] : [{ id, kept }]
    })
    if (days.length === 0) return done({ recordings: [], more: false })
    const rows = await tx.db
      .selectFrom('session')
      .innerJoin('recording', 'recording.session_id', 'session.id')
      .select(columns)
      .where('session.state', '=', 'ended')
      .where((expressions) =>
        expressions.or(
          days.map(({ id, kept }) =>
            expressions.and([
              expressions('session.safe_id', '=', id),
              expressions('session.ended_at', '<', new Date(tx.now.getTime() - kept * 24 * 3600_000)),
            ]),
          ),
        ),
      )
      .where(sql<boolean>`not (${held})`)
      .where(sql<boolean>`not (session.recording_id = any(${[...asked]}::text[]))`)
      .orderBy('session.ended_at')
      .limit(limit + 1)
      .execute()
    const names = new Map<string, string>(safes.map(({ id, name }) => [id, name]))
    return done({
      recordings: rows.slice(0, limit).map((row) => show(row, of(row.safe_id), names.get(row.safe_id) ?? '')),
      more: rows.length > limit,
    })
  })

function show(row: Candidate, kept: Kept, safe: string): DueRecording {
  const endedAt = row.ended_at ?? row.started_at
  return {
    id: row.recording_id,
    user: row.user_name,
    account: row.account_name,
    safe,
    startedAt: row.started_at.toISOString(),
    endedAt: endedAt.toISOString(),
    sizeBytes: row.size_bytes,
    retentionClass: kept.name,
    dueAt: (keptUntil(kept, endedAt) ?? endedAt).toISOString(),
  }
}

/** Recordings that a request waits for, or that were destroyed. */
async function askedAlready(tx: Tx): Promise<ReadonlySet<string>> {
  const open = (await allDestructions(tx)).filter(({ state }) => state !== 'withdrawn')
  return new Set(open.flatMap(({ recordings }) => recordings))
}

async function allDestructions(tx: Tx): Promise<readonly Row<'destruction'>[]> {
  const query = tx.db.selectFrom('destruction').selectAll().orderBy('id', 'desc')
  return checkedWhole(tx.guard, 'destruction', await query.execute())
}

const digestOf = async (recordings: readonly string[]) =>
  toHex(await sha256(canonicalBytes([...recordings].sort())))

/** Asks for recordings to be destroyed. Nothing happens before somebody else says so. */
export const destructionAsk: Handler<'destruction.ask'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    await lockRetention(tx.db)
    const recordings = [...new Set(input.recordings)].sort()
    const asked = await askedAlready(tx)
    const twice = recordings.find((one) => asked.has(one))
    if (twice !== undefined)
      return refuse(
        'conflict',
        `${twice} is asked for already, or destroyed`,
        'see: tagout destruction list --all',
      )
    const due = await dueOnly(tx, call, recordings)
    if (!due.ok) return due
    const { id, name } = userOf(call)
    const row = await insertGuarded(tx, 'destruction', {
      id: newId('dst', tx.now.getTime()),
      recordings,
      digest: await digestOf(recordings),
      reason: input.reason,
      asked_by: id,
      asked_by_name: name,
      asked_at: tx.now,
      state: 'open',
      closed_by_name: null,
      closed_at: null,
    })
    await tx.audit({
      kind: 'destruction.asked',
      destruction: row.id,
      recordings,
      digest: row.digest,
      reason: row.reason,
      ...by(call),
    })
    await notify(
      tx,
      { kind: 'destruction.asked', destruction: row.id, user: name, recordings: recordings.length },
      async () => (await activeWith(tx, ['admin', 'auditor'])).filter((one) => one !== id),
    )
    return done(view(row, 0))
  })

/**
 * Has recordings destroyed that somebody else asked for. From here on a recorder does it, and nobody takes it back.
 *
 * SECURITY: two different people, of whom one is an auditor, and neither is whom a recording shows. That they are due and that
 * nothing holds them is looked at again, of each.
 */
export const destructionApprove: Handler<'destruction.approve'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const found = await findOpen(tx, input.destruction)
    if (!found.ok) return found
    const row = found.value
    const second = await isSecond(tx, call, row)
    if (!second.ok) return second
    if (row.digest !== input.digest || (await digestOf(row.recordings)) !== row.digest)
      return refuse('conflict', 'digest: these are not the recordings that are asked for', 'look at it again')
    const due = await dueOnly(tx, call, row.recordings as readonly RecordingId[])
    if (!due.ok) return due
    for (const { recording, kept, endedAt } of due.value)
      await insertGuarded(tx, 'tombstone', {
        recording_id: recording,
        destruction_id: row.id,
        retention_class: kept.name,
        due_at: keptUntil(kept, endedAt) ?? endedAt,
        approved_at: tx.now,
        content: null,
        signature: null,
        signed_at: null,
        destroyed_at: null,
      })
    const after = await updateGuarded(tx, 'destruction', row, {
      state: 'approved',
      closed_by_name: nameOf(call),
      closed_at: tx.now,
    })
    await tx.audit({
      kind: 'destruction.approved',
      destruction: row.id,
      recordings: row.recordings,
      digest: row.digest,
      askedBy: row.asked_by_name,
      ...by(call),
    })
    await tellDecided(tx, call, row, 'approved')
    return done(view(after, 0))
  })

/** Whoever asked for it, and every auditor, hear what became of it. */
async function tellDecided(
  tx: Tx,
  call: Call,
  row: Row<'destruction'>,
  verdict: 'approved' | 'withdrawn',
): Promise<void> {
  const { id: destruction, asked_by_name: user, recordings } = row
  const about = { destruction, user, recordings: recordings.length, verdict, by: nameOf(call) }
  await notify(tx, { kind: 'destruction.decided', ...about }, async () => [
    row.asked_by as UserId,
    ...(await activeWith(tx, ['auditor'])),
  ])
}

/** Whether whoever asks may say yes to what another has asked for. */
async function isSecond(tx: Tx, call: Call, row: Row<'destruction'>): Promise<Outcome<null>> {
  const { id, roles } = userOf(call)
  const another = 'ask another administrator or auditor'
  if (row.asked_by === id)
    return refuse('forbidden', 'you have asked for it, and another person approves it', another)
  const people = await readPeople(tx.db, tx.guard, [row.asked_by, id])
  const [first, second] = [people.get(row.asked_by), people.get(id)]
  const alias = first === undefined || second === undefined ? undefined : samePerson(first, second)
  if (alias !== undefined)
    return refuse(
      'forbidden',
      `you have asked for it yourself as ${row.asked_by_name}, who is you: ${alias}`,
      another,
    )
  const asker = await findUser(tx.db, tx.guard, row.asked_by)
  if (asker === undefined || asker.state !== 'active')
    return refuse('conflict', `${row.asked_by_name} is no user any more`, 'have it asked for again')
  return roles.includes('auditor') || asker.roles.includes('auditor')
    ? done(null)
    : refuse('forbidden', 'one of the two must be an auditor', 'ask an auditor to approve it')
}

export const destructionWithdraw: Handler<'destruction.withdraw'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const found = await findOpen(tx, input.destruction)
    if (!found.ok) return found
    const after = await updateGuarded(tx, 'destruction', found.value, {
      state: 'withdrawn',
      closed_by_name: nameOf(call),
      closed_at: tx.now,
    })
    await tx.audit({
      kind: 'destruction.withdrawn',
      destruction: after.id,
      askedBy: after.asked_by_name,
      ...by(call),
    })
    await tellDecided(tx, call, after, 'withdrawn')
    return done(view(after, 0))
  })

export const destructionList: Handler<'destruction.list'> = async (call, { state }) =>
  transact(call.world, async (tx) => {
    const rows = (await allDestructions(tx)).filter((row) => state === 'all' || row.state !== 'withdrawn')
    const gone = await tx.db
      .selectFrom('tombstone')
      .select(['destruction_id', (eb) => eb.fn.countAll<string>().as('gone')])
      .where('destroyed_at', 'is not', null)
      .groupBy('destruction_id')
      .execute()
    const counted = new Map(gone.map((one) => [one.destruction_id, Number(one.gone)]))
    const views = rows.map((row) => view(row, counted.get(row.id) ?? 0))
    return done(state === 'all' ? views : views.filter((one) => one.state !== 'done'))
  })

async function findOpen(tx: Tx, id: DestructionId): Promise<Outcome<Row<'destruction'>>> {
  await lockRetention(tx.db)
  const row = (await allDestructions(tx)).find((one) => one.id === id)
  if (row === undefined) return notFound('destruction', id)
  return row.state === 'open'
    ? done(row)
    : refuse('conflict', `this is ${row.state} already`, 'see: tagout destruction list --all')
}

/** Those recordings, if each of them is due, held by nothing, and of neither of the two. */
async function dueOnly(
  tx: Tx,
  call: Call,
  recordings: readonly RecordingId[],
): Promise<
  Outcome<readonly { readonly recording: RecordingId; readonly kept: Kept; readonly endedAt: Date }[]>
> {
  const { of } = await readRetention(tx.db, tx.guard)
  const holds = await holdsInForce(tx.db, tx.guard)
  const rows = await tx.db
    .selectFrom('session')
    .innerJoin('recording', 'recording.session_id', 'session.id')
    .select(columns)
    .where('session.recording_id', 'in', recordings)
    .execute()
  const people = await readPeople(tx.db, tx.guard, [
    userOf(call).id,
    ...rows.map(({ user_id }) => user_id as UserId),
  ])
  const self = people.get(userOf(call).id)
  const found: { recording: RecordingId; kept: Kept; endedAt: Date }[] = []
  for (const recording of recordings) {
    const row = rows.find((one) => one.recording_id === recording)
    if (row === undefined) return notFound('recording', recording)
    if (row.ended_at === null)
      return refuse('conflict', `the session of ${recording} is still going on`, 'leave it out')
    const kept = of(row.safe_id)
    const until = keptUntil(kept, row.ended_at)
    if (until === null || until > tx.now)
      return refuse(
        'conflict',
        `${recording} is kept ${until === null ? 'for good' : `until ${until.toISOString()}`} (${kept.name})`,
        'leave it out; see what is due: tagout destruction due',
      )
    const [hold] = holdsOn(holds, row)
    if (hold !== undefined)
      return refuse('conflict', `a legal hold is on ${recording}: ${hold.matter}`, 'leave it out')
    const shown = people.get(row.user_id as UserId)
    if (self === undefined || shown === undefined || samePerson(self, shown) !== undefined)
      return refuse('forbidden', `${recording} is of a session of your own`, 'two others have it destroyed')
    found.push({ recording, kept, endedAt: row.ended_at })
  }
  return done(found)
}

function view(row: Row<'destruction'>, destroyed: number): DestructionView {
  const { state, recordings } = row
  return {
    id: row.id,
    state: state === 'approved' && destroyed === recordings.length ? 'done' : state,
    reason: row.reason,
    askedBy: row.asked_by_name,
    askedAt: row.asked_at.toISOString(),
    closed: row.closed_at === null ? null : { by: row.closed_by_name ?? '', at: row.closed_at.toISOString() },
    recordings: recordings as readonly RecordingId[],
    destroyed,
    digest: row.digest,
  }
}
