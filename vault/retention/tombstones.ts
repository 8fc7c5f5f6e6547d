import { type Kysely, sql } from 'kysely'
import type { Destroyed, Tombstone } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { certificateOf } from '../evidence/verbs.ts'
import { evidenceKey, signEvidence } from '../evidence/key.ts'
import { canonicalJson, toBase64 } from '../kernel/encoding.ts'
import type { RecordingId, SessionId } from '../kernel/id.ts'
import { activeWith, notify } from '../notifications/notify.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { holdsInForce, holdsOn } from './holds.ts'
import { lockRetention } from './kept.ts'
import { type Checker, checked, checkedOne, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, type World } from '../world.ts'

type Db = Kysely<Database>

/** What is left of some recordings, by their ids; those that nobody had destroyed are missing. */
export async function readTombstones(
  db: Db,
  checker: Checker,
  recordings: readonly RecordingId[],
): Promise<ReadonlyMap<RecordingId, Destroyed>> {
  if (recordings.length === 0) return new Map()
  const rows = checked(
    checker,
    'tombstone',
    await db.selectFrom('tombstone').selectAll().where('recording_id', 'in', recordings).execute(),
  )
  const known = new Set<RecordingId>(rows.map((row) => row.recording_id))
  // SECURITY: one that was taken away would leave a recording that is missing, and nobody to have said so.
  for (const recording_id of recordings)
    if (!known.has(recording_id)) checker.checkAbsent('tombstone', { recording_id })
  if (rows.length === 0) return new Map()
  const asked = checked(
    checker,
    'destruction',
    await db
      .selectFrom('destruction')
      .selectAll()
      .where(
        'id',
        'in',
        rows.map((row) => row.destruction_id),
      )
      .execute(),
  )
  const byId = new Map(asked.map((row) => [row.id, row]))
  return new Map(
    rows.flatMap((row) => {
      const of = byId.get(row.destruction_id)
      if (of === undefined) checker.checkAbsent('destruction', { id: row.destruction_id })
      return of === undefined ? [] : [[row.recording_id, shown(row, of)]]
    }),
  )
}

function shown(row: Row<'tombstone'>, of: Row<'destruction'>): Destroyed {
  return {
    destruction: of.id,
    at: row.destroyed_at?.toISOString() ?? null,
    askedBy: of.asked_by_name,
    approvedBy: of.closed_by_name ?? '',
    reason: of.reason,
    retentionClass: row.retention_class,
  }
}

/** Says that a recording is not there any more because two people said so; undefined: it is. */
export async function refuseDestroyed(
  db: Db,
  checker: Checker,
  recording: RecordingId,
): Promise<Outcome<never> | undefined> {
  const gone = (await readTombstones(db, checker, [recording])).get(recording)
  return gone === undefined
    ? undefined
    : refuse('conflict', destroyedText(gone), 'its tombstone is in the audit log')
}

/** `this recording was destroyed on 2026-12-01 by ann and paula …` */
export function destroyedText({ at, askedBy, approvedBy, reason, retentionClass }: Destroyed): string {
  const when = at === null ? 'is being destroyed' : `was destroyed on ${at.slice(0, 10)}`
  return `this recording ${when} by ${askedBy} and ${approvedBy} (class ${retentionClass}): ${reason}`
}

export const destructionTake: Handler<'destruction.take'> = async ({ world }) => {
  const { database, guard } = world.vault
  const rows = checked(
    guard,
    'tombstone',
    await database
      .selectFrom('tombstone')
      .selectAll()
      .where('destroyed_at', 'is', null)
      .orderBy('recording_id')
      .limit(100)
      .execute(),
  )
  const started = await startsOf(
    database,
    rows.map((row) => row.recording_id),
  )
  return done(
    rows.map((row) => ({
      recording: row.recording_id,
      startedAt: (started.get(row.recording_id) ?? row.approved_at).toISOString(),
      tombstone: tombstoneOf(row),
    })),
  )
}

async function startsOf(db: Db, recordings: readonly RecordingId[]): Promise<ReadonlyMap<string, Date>> {
  if (recordings.length === 0) return new Map()
  const rows = await db
    .selectFrom('session')
    .select(['recording_id', 'started_at'])
    .where('recording_id', 'in', recordings)
    .execute()
  return new Map(rows.map((row) => [row.recording_id, row.started_at]))
}

function tombstoneOf({ content, signature }: Row<'tombstone'>): Tombstone | null {
  return content === null || signature === null ? null : { content, signature }
}

/**
 * Signs what is left of a recording, and writes it into the log, before anything of it is destroyed.
 *
 * INVARIANT: a recorder destroys nothing whose tombstone is not durable: a crash leaves the whole recording, or this.
 */
export const destructionSign: Handler<'destruction.sign'> = async (call, { recording, found }) => {
  const { world } = call
  const certificate = await certificateOf(world)
  const key = evidenceKey(world.vault.purposeKey('evidence-sign'))
  return transact(world, async (tx) => {
    await lockRetention(tx.db)
    const row = await lockTombstone(tx, recording)
    if (row === undefined) return refuse('forbidden', 'nobody has this recording destroyed')
    const known = tombstoneOf(row)
    if (known !== null) return done(known)
    const of = checkedOne(
      tx.guard,
      'destruction',
      await tx.db
        .selectFrom('destruction')
        .selectAll()
        .where('id', '=', row.destruction_id)
        .executeTakeFirst(),
    )
    if (of?.state !== 'approved') return refuse('forbidden', 'nobody has this recording destroyed')
    const session = await tx.db
      .selectFrom('session')
      .selectAll()
      .where('recording_id', '=', recording)
      .executeTakeFirstOrThrow()
    // One that was placed since it was approved is in time as long as nothing is signed.
    const [hold] = holdsOn(await holdsInForce(tx.db, tx.guard), session)
    if (hold !== undefined) return refuse('conflict', `a legal hold is on ${recording}: ${hold.matter}`)
    const content = canonicalJson({
      form: 'tagout-tombstone',
      version: 1,
      recording,
      session: session.id,
      user: session.user_name,
      account: session.account_name,
      startedAt: session.started_at.toISOString(),
      endedAt: session.ended_at?.toISOString() ?? '',
      retentionClass: row.retention_class,
      dueAt: row.due_at.toISOString(),
      destruction: of.id,
      reason: of.reason,
      askedBy: of.asked_by_name,
      askedAt: of.asked_at.toISOString(),
      approvedBy: of.closed_by_name ?? '',
      approvedAt: row.approved_at.toISOString(),
      signedAt: tx.now.toISOString(),
      // What was there: null where somebody had taken the file away before.
      file: found,
    })
    const signature = toBase64(signEvidence(key, certificate, Buffer.from(content), tx.now))
    await updateGuarded(tx, 'tombstone', row, { content, signature, signed_at: tx.now })
    await tx.audit({
      kind: 'recording.tombstone',
      recording,
      ...about(session),
      destruction: of.id,
      askedBy: of.asked_by_name,
      approvedBy: of.closed_by_name ?? '',
      content,
      signature,
      ...by(call),
    })
    return done({ content, signature })
  })
}

const about = (session: {
  readonly id: SessionId
  readonly user_name: string
  readonly account_name: string
}) => ({
  session: session.id,
  userName: session.user_name,
  accountName: session.account_name,
})

export const destructionDone: Handler<'destruction.done'> = async (call, { recording }) =>
  transact(call.world, async (tx) => {
    const row = await lockTombstone(tx, recording)
    if (row === undefined || row.content === null)
      return refuse('forbidden', 'this recording has no tombstone')
    if (row.destroyed_at !== null) return done(null)
    const session = await tx.db
      .selectFrom('session')
      .select(['id', 'user_name', 'account_name'])
      .where('recording_id', '=', recording)
      .executeTakeFirstOrThrow()
    await updateGuarded(tx, 'tombstone', row, { destroyed_at: tx.now })
    await tx.audit({
      kind: 'recording.destroyed',
      recording,
      ...about(session),
      destruction: row.destruction_id,
      ...by(call),
    })
    return done(null)
  })

async function lockTombstone(tx: Tx, recording: RecordingId): Promise<Row<'tombstone'> | undefined> {
  const query = tx.db.selectFrom('tombstone').selectAll().where('recording_id', '=', recording).forUpdate()
  const row = checkedOne(tx.guard, 'tombstone', await query.executeTakeFirst())
  if (row === undefined) tx.guard.checkAbsent('tombstone', { recording_id: recording })
  return row
}

/**
 * Which recordings a recorder must have: of each session that the log says has started. What the log knows and the table of
 * recordings does not is told to the log.
 */
export const recordingExpected: Handler<'recording.expected'> = async ({ world }, { after, limit }) => {
  const { database, guard } = world.vault
  if (after === undefined) await tellLostRows(world)
  const { rows } = await sql<{
    id: SessionId
    recording_id: RecordingId
    started_at: Date
    missing_since: Date | null
  }>`
    select session.id, session.recording_id, session.started_at, recording.missing_since
    from session join recording on recording.session_id = session.id
    where session.state = 'ended' and session.id > ${after ?? ''}
      and exists (select from audit_index where audit_index.session = session.id and audit_index.kind = 'session.started')
    order by session.id limit ${limit}`.execute(database)
  const gone = await readTombstones(
    database,
    guard,
    rows.map((row) => row.recording_id),
  )
  return done({
    recordings: rows.flatMap((row) => {
      const tombstone = gone.get(row.recording_id)
      const is =
        tombstone === undefined ? (row.missing_since === null ? 'kept' : 'missing') : ('destroyed' as const)
      // One that is being destroyed may be there or not.
      return tombstone !== undefined && tombstone.at === null
        ? []
        : [{ recording: row.recording_id, startedAt: row.started_at.toISOString(), is } as const]
    }),
    next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
  })
}

/** Sessions that the log knows, and whose rows somebody took out of the tables: each is told once. */
async function tellLostRows({ vault }: World): Promise<void> {
  const { rows } = await sql<{ session: SessionId }>`
    select distinct session from audit_index as started
    where kind = 'session.started' and session is not null
      and not exists (select from session join recording on recording.session_id = session.id
        where session.id = started.session)
      and not exists (select from audit_index as told
        where told.session = started.session and told.kind = 'recording.row-missing')
    order by session limit 100`.execute(vault.database)
  if (rows.length > 0)
    await vault.inTransaction(async (tx) => {
      for (const { session } of rows)
        await tx.audit({ kind: 'recording.row-missing', session, actor: { kind: 'vault' } })
    })
}

/** Writes down that the files of recordings are gone although nobody had them destroyed, or that they are back. */
export const recordingMissing: Handler<'recording.missing'> = async (call, { missing, back }) =>
  transact(call.world, async (tx) => {
    for (const [recordings, kind] of [
      [missing, 'recording.missing'],
      [back, 'recording.found-again'],
    ] as const) {
      const gone = await readTombstones(tx.db, tx.guard, recordings)
      const told: { recording: RecordingId; user: string; account: string }[] = []
      for (const recording of recordings) {
        if (gone.has(recording)) continue
        const session = await tx.db
          .selectFrom('session')
          .innerJoin('recording', 'recording.session_id', 'session.id')
          .select(['session.id', 'user_name', 'account_name', 'recording.missing_since'])
          .where('recording.id', '=', recording)
          .executeTakeFirst()
        const isNew = (session?.missing_since === null) === (kind === 'recording.missing')
        if (session === undefined || !isNew) continue
        await tx.db
          .updateTable('recording')
          .set({ missing_since: kind === 'recording.missing' ? tx.now : null })
          .where('id', '=', recording)
          .execute()
        await tx.audit({ kind, recording, ...about(session), ...by(call) })
        told.push({ recording, user: session.user_name, account: session.account_name })
      }
      const [first] = told
      if (first !== undefined)
        await notify(tx, { kind, recordings: told.length, ...first }, () =>
          activeWith(tx, ['admin', 'security-officer', 'auditor']),
        )
    }
    return done(null)
  })
