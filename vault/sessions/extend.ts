import type { Kysely } from 'kysely'
import { verdictFinder } from '../access/revisit.ts'
import { readPolicy } from '../access/policy.ts'
import type { Database } from '../db/tables.ts'
import { idTime } from '../kernel/id.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'
import { legacyOf } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call } from '../world.ts'
import type { LiveSession } from './live.ts'
import { refOf } from './start.ts'

type Db = Kysely<Database>

/**
 * Moves the end of the sessions that end with a grant, which ended at `was` until now. What else ends a session goes on
 * ending it: the longest session of grant and policy, hours, a target's excuse, the lease. The worker is told after the
 * commit, and again until it answers; a vault that dies before that leaves the session its old end or takes it up.
 */
export async function extendSessions(
  tx: Tx,
  call: Call,
  grant: Row<'access_grant'>,
  was: Date,
): Promise<void> {
  const { live } = call.world
  const sessions = live.where(
    (one) => one.grant === grant.id && one.cut === null && one.isVetted && one.endsAt === was.getTime(),
  )
  const endOf = await furthestFinder(tx.db, tx.guard, grant, sessions, was, tx.now)
  for (const session of sessions) {
    const end = await endOf(session)
    if (end <= was.getTime()) continue
    const ends_at = new Date(end)
    const row = await tx.db
      .updateTable('session')
      .set({ ends_at })
      .where('id', '=', session.id)
      .where('state', '<>', 'ended')
      .returning('id')
      .executeTakeFirst()
    if (row === undefined) continue
    // What was checked out until the grant's end is held on for the session.
    await tx.db
      .updateTable('lease')
      .set({ until: (eb) => eb.fn<Date>('greatest', ['until', eb.val(ends_at)]) })
      .where('id', '=', session.lease)
      .where('explicit', '=', true)
      .where('until', '>=', was)
      .where('ended_at', 'is', null)
      .execute()
    await tx.audit({
      kind: 'session.extended',
      grant: grant.id,
      endsAt: ends_at.toISOString(),
      ...refOf(session),
      ...by(call),
    })
    tx.afterCommit(() => {
      // What ended it sooner meanwhile stands.
      if (session.endsAt === was.getTime()) live.extend(session, end)
    })
  }
}

/** Says until when sessions of a grant can go on at most (ms), whatever was asked; -Infinity: not at all. */
async function furthestFinder(
  db: Db,
  checker: Checker,
  grant: Row<'access_grant'>,
  sessions: readonly LiveSession[],
  was: Date,
  now: Date,
): Promise<(session: LiveSession) => Promise<number>> {
  if (sessions.length === 0) return () => Promise.resolve(Number.NEGATIVE_INFINITY)
  const policy = await readPolicy(db, checker)
  const verdictOf = await verdictFinder(db, checker, policy, sessions, now.getTime())
  return async (session) => {
    const verdict = verdictOf(session)
    if ('why' in verdict) return Number.NEGATIVE_INFINITY
    const query = db.selectFrom('target').selectAll().where('id', '=', session.target)
    const target = checkedOne(checker, 'target', await query.executeTakeFirst())
    const lease = await db
      .selectFrom('lease')
      .select(['explicit', 'until', 'ended_at'])
      .where('id', '=', session.lease)
      .executeTakeFirst()
    if (target === undefined || lease === undefined || lease.ended_at !== null)
      return Number.NEGATIVE_INFINITY
    const isHeldOn = lease.explicit && lease.until?.getTime() === was.getTime()
    return Math.min(
      grant.not_after.getTime(),
      idTime(session.id) + grant.max_session_seconds * 1000,
      legacyOf(target)?.until.getTime() ?? Number.POSITIVE_INFINITY,
      lease.until === null || isHeldOn ? Number.POSITIVE_INFINITY : lease.until.getTime(),
      verdict.endsAt,
      // A limit of one act that ended it no sooner than the grant did let the session do that act: it ends it now.
      ...verdict.actEnds.filter((end) => end >= was.getTime()),
    )
  }
}

/**
 * Until when a session that was found in the table can go on, where its grant was extended: its worker may not know
 * yet. Undefined: the grant has the end that its worker was told at the beginning, or an earlier one.
 */
export async function extendedUntil(
  db: Db,
  checker: Checker,
  session: LiveSession,
  grant: Row<'access_grant'>,
  now: Date,
): Promise<number | undefined> {
  const rows = checked(
    checker,
    'access_request',
    await db
      .selectFrom('access_request')
      .selectAll()
      .where('extends_grant', '=', grant.id)
      .where('state', '=', 'approved')
      .where('closed_at', '>=', new Date(idTime(session.id)))
      .orderBy('closed_at')
      .execute(),
  )
  const was = rows[0]?.not_before
  if (was === undefined || was === null) return undefined
  const endOf = await furthestFinder(db, checker, grant, [session], was, now)
  return Math.max(was.getTime(), await endOf(session))
}
