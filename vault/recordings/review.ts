import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { mayRead } from '../release/authorise.ts'
import { insertGuarded } from '../rows.ts'
import { findRecording } from '../sessions/view.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'
import { foundRecording } from './find.ts'

/**
 * Keeps that an auditor has looked at a recording. Each may say so once; two of them may. That nobody reviews what they did
 * themselves is decided before.
 */
export const recordingReview: Handler<'recording.review'> = async (call, { recording, note }) => {
  const user = userOf(call)
  const session = await findRecording(call.world, recording)
  if (session === undefined) return notFound('recording', recording)
  // SECURITY: whoever may not replay it has not seen what is in it.
  if (!(await mayRead(call.world, user, session.safe_id)))
    return refuse('forbidden', 'you may not replay this recording', 'ask an auditor of its safe to review it')
  if (session.state !== 'ended')
    return refuse('conflict', 'this session is still going on', 'review its recording when it has ended')
  const kept = await transact(call.world, async (tx) => {
    const before = await tx.db
      .selectFrom('recording_review')
      .selectAll()
      .where('recording_id', '=', recording)
      .where('user_id', '=', user.id)
      .executeTakeFirst()
    if (before !== undefined) {
      tx.guard.check('recording_review', before)
      return refuse(
        'conflict',
        'you have reviewed this recording already',
        'another auditor may review it too',
      )
    }
    await insertGuarded(tx, 'recording_review', {
      recording_id: recording,
      user_id: user.id,
      user_name: user.name,
      note,
      reviewed_at: tx.now,
    })
    await tx.audit({
      kind: 'recording.reviewed',
      session: session.id,
      recording,
      userName: session.user_name,
      accountName: session.account_name,
      note,
      ...by(call),
    })
    return done(null)
  })
  if (!kept.ok) return kept
  const found = await foundRecording(call.world, recording)
  return found === undefined ? notFound('recording', recording) : done(found)
}
