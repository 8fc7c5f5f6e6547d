import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { Row } from '../rows.ts'
import type { World } from '../world.ts'
import type { BegunFacts, EndedFacts } from './rules.ts'

type Session = Row<'session'>

/** Recordings of an account that say what is usual there. */
const compared = 20
/** Acts of a session that were refused and are read from the log at most. */
const mostRefused = 200

/** What an `event` of a session must hold to be something that was refused to its user. */
const refusals: readonly string[] = [
  'refused channel',
  'forwarding refused',
  'elevation refused',
  'type-in refused',
  'clipboard refused',
  'files refused',
]

/** What is known of a session when it has begun: from the table of sessions, of those before it. */
export async function begunFacts(db: Kysely<Database>, session: Session): Promise<BegunFacts> {
  const there = await earlier(db, session)
    .select((eb) => eb.fn.countAll<string>().as('sessions'))
    .where('target_id', '=', session.target_id)
    .executeTakeFirst()
  const last = await earlier(db, session)
    .select(['started_at', 'ended_at'])
    .orderBy('started_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return {
    user: session.user_name,
    account: session.account_name,
    target: session.target_name,
    company: session.company_name,
    startedAt: session.started_at.getTime(),
    reached: session.released_at !== null,
    earlierThere: Number(there?.sessions ?? 0),
    lastAnywhere: last === undefined ? null : (last.ended_at ?? last.started_at).getTime(),
  }
}

/** Sessions of the same user before this one for which a credential left. */
function earlier(db: Kysely<Database>, session: Session) {
  return db
    .selectFrom('session')
    .where('user_id', '=', session.user_id)
    .where('started_at', '<', session.started_at)
    .where('released_at', 'is not', null)
}

/** What is known of it when it has ended: its recording, those before it, and what the log says was refused. */
export async function endedFacts(world: World, session: Session): Promise<EndedFacts> {
  const { database } = world.vault
  const recording = await database
    .selectFrom('recording')
    .select(['state', 'size_bytes'])
    .where('id', '=', session.recording_id)
    .executeTakeFirstOrThrow()
  const { rows: before } = await sql<{ size_bytes: string }>`
    select recording.size_bytes from session join recording on recording.session_id = session.id
      where session.account_id = ${session.account_id} and session.started_at < ${session.started_at}
        and session.released_at is not null and recording.state = 'complete'
      order by session.started_at desc limit ${compared}`.execute(database)
  return {
    ...(await begunFacts(database, session)),
    endReason: session.end_reason,
    recording: recording.state,
    bytes: Number(recording.size_bytes),
    earlierBytes: before.map(({ size_bytes }) => Number(size_bytes)),
    refused: await refusedIn(world, session),
  }
}

/** What was refused to the user of a session, as entries of the log say that the vault vouches for. */
async function refusedIn(world: World, session: Session): Promise<readonly string[]> {
  const { entries } = await world.vault.findAudit({
    session: session.id,
    kinds: ['session.event'],
    limit: mostRefused,
  })
  return entries
    .filter(({ unproven }) => !unproven)
    .map(({ entry }) => entry as { readonly event?: unknown; readonly detail?: unknown })
    .filter(({ event }) => typeof event === 'string' && refusals.includes(event))
    .map(({ event, detail }) => `${String(event)}: ${typeof detail === 'string' ? detail : ''}`)
    .reverse()
}
