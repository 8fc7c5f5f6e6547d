import { fromBase64, toBase64 } from '../kernel/encoding.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { readableRecording } from '../release/authorise.ts'
import { checked, insertGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'

/** Notes on one recording at most: a list that somebody reads. */
const mostNotes = 1_000

export const recordingNotes: Handler<'recording.notes'> = async (call, { recording }) => {
  const session = await readableRecording(call, recording)
  if (!session.ok) return session
  const { database, guard } = call.world.vault
  const rows = checked(
    guard,
    'recording_note',
    await database
      .selectFrom('recording_note')
      .selectAll()
      .where('recording_id', '=', recording)
      .orderBy('written_at')
      .orderBy('id')
      .execute(),
  )
  return done(
    rows.map((row) => ({
      id: row.id,
      by: row.user_name,
      writtenAt: row.written_at.toISOString(),
      sealed: toBase64(row.sealed),
    })),
  )
}

/** Keeps what an auditor noted. SECURITY: sealed by a key that the vault has not; it tells by whom and when. */
export const recordingNote: Handler<'recording.note'> = async (call, { recording, note, sealed }) => {
  const found = await readableRecording(call, recording)
  if (!found.ok) return found
  const session = found.value
  const user = userOf(call)
  return transact(call.world, async (tx) => {
    const before = await tx.db
      .selectFrom('recording_note')
      .select(['id', 'recording_id'])
      .where((eb) => eb.or([eb('recording_id', '=', recording), eb('id', '=', note)]))
      .execute()
    if (before.some(({ id }) => id === note))
      return refuse('conflict', 'there is a note of this id already', 'write it again')
    if (before.length >= mostNotes)
      return refuse('conflict', `a recording has at most ${mostNotes} notes`, 'say the rest in your review')
    await insertGuarded(tx, 'recording_note', {
      id: note,
      recording_id: recording,
      user_id: user.id,
      user_name: user.name,
      sealed: fromBase64(sealed),
      written_at: tx.now,
    })
    await tx.audit({
      kind: 'recording.noted',
      session: session.id,
      recording,
      note,
      userName: session.user_name,
      accountName: session.account_name,
      ...by(call),
    })
    return done(null)
  })
}
