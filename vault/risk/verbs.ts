import { sql } from 'kysely'
import type { RiskFact, RiskMark } from '../contract.ts'
import { whySame } from '../identity/same-person.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import type { MarkId, SessionId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, type Input, nameOf, userOf, type World } from '../world.ts'
import { markRef } from './mark.ts'
import { readSettings, settingsId } from './settings.ts'

const listedAtOnce = 200

/** Marks, the newest first, and how many wait for a review in all. */
export const riskList: Handler<'risk.list'> = async (call, input) => {
  const limit = input.limit ?? listedAtOnce
  const rows = await matching(call.world, input)
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute()
  const { database } = call.world.vault
  const waiting = await database
    .selectFrom('risk_mark')
    .select((eb) => eb.fn.countAll<string>().as('marks'))
    .where('reviewed_at', 'is', null)
    .executeTakeFirst()
  return done({
    marks: await viewMarks(call.world, rows.slice(0, limit)),
    more: rows.length > limit,
    open: Number(waiting?.marks ?? 0),
  })
}

function matching(world: World, asked: Input<'risk.list'>) {
  let query = world.vault.database.selectFrom('risk_mark').selectAll()
  if (asked.mark !== undefined) return query.where('id', '=', asked.mark)
  const { state = 'open', rule, person, session, after } = asked
  if (state !== 'all') query = query.where('reviewed_at', state === 'open' ? 'is' : 'is not', null)
  if (rule !== undefined) query = query.where('rule', '=', rule)
  if (person !== undefined) query = query.where(sql<boolean>`lower(user_name) = lower(${person})`)
  if (session !== undefined) query = query.where('session_id', '=', session)
  return after === undefined ? query : query.where('id', '<', after)
}

/** Marks as people see them. Throws `Fault` where one is not what the vault wrote. */
async function viewMarks(world: World, rows: readonly Row<'risk_mark'>[]): Promise<readonly RiskMark[]> {
  if (rows.length === 0) return []
  checked(world.vault.guard, 'risk_mark', rows)
  const sessions = rows.flatMap(({ session_id }) => session_id ?? [])
  const recordings =
    sessions.length === 0
      ? []
      : await world.vault.database
          .selectFrom('session')
          .select(['id', 'recording_id'])
          .where('id', 'in', sessions)
          .execute()
  const recordingOf = new Map(recordings.map(({ id, recording_id }) => [id, recording_id]))
  return rows.map((row) => ({
    id: row.id,
    rule: row.rule,
    why: row.why,
    facts: JSON.parse(row.facts) as readonly RiskFact[],
    user: row.user_name,
    account: row.account_name,
    session: row.session_id,
    recording: row.session_id === null ? null : (recordingOf.get(row.session_id) ?? null),
    exposure: row.exposure_id,
    at: row.at.toISOString(),
    foundAt: row.found_at.toISOString(),
    review:
      row.reviewed_at === null
        ? null
        : {
            by: row.reviewer_name ?? '',
            at: row.reviewed_at.toISOString(),
            finding: row.finding ?? 'follow-up',
            note: row.note ?? '',
          },
  }))
}

/** The marks of some sessions, by session. */
export async function marksOf(
  world: World,
  sessions: readonly SessionId[],
): Promise<ReadonlyMap<SessionId | null, readonly RiskMark[]>> {
  if (sessions.length === 0) return new Map()
  const rows = await world.vault.database
    .selectFrom('risk_mark')
    .selectAll()
    .where('session_id', 'in', sessions)
    .orderBy('id')
    .execute()
  return Map.groupBy(await viewMarks(world, rows), ({ session }) => session)
}

/**
 * Signs for a mark. SECURITY: never by whose it is (`notOwn` in the rules, here, and in the table).
 */
export const riskReview: Handler<'risk.review'> = async (call, { mark, finding, note }) => {
  const user = userOf(call)
  const kept = await transact(call.world, async (tx) => {
    const found = await tx.db
      .selectFrom('risk_mark')
      .selectAll()
      .where('id', '=', mark)
      .forUpdate()
      .executeTakeFirst()
    const row = checkedOne(tx.guard, 'risk_mark', found)
    if (row === undefined) return notFound('mark', mark)
    if (row.user_id === user.id || (await whySame(tx.db, tx.guard, row.user_id, user.id)) !== undefined)
      return refuse('forbidden', 'you cannot review a mark of your own', 'somebody else must')
    if (row.reviewed_at !== null)
      return refuse(
        'conflict',
        `this mark was reviewed by ${row.reviewer_name ?? 'somebody'} already`,
        'tagout review show tells what they found',
      )
    await updateGuarded(tx, 'risk_mark', row, {
      reviewer_id: user.id,
      reviewer_name: user.name,
      reviewed_at: tx.now,
      finding,
      note,
    })
    await tx.audit({ kind: 'risk.reviewed', finding, note, ...markRef(row), ...by(call) })
    return done(null)
  })
  if (!kept.ok) return kept
  return one(call.world, mark)
}

async function one(world: World, mark: MarkId) {
  const rows = await world.vault.database.selectFrom('risk_mark').selectAll().where('id', '=', mark).execute()
  const [view] = await viewMarks(world, rows)
  return view === undefined ? notFound('mark', mark) : done(view)
}

export const riskSettings: Handler<'risk.settings'> = async ({ world }) =>
  done(await readSettings(world.vault.database, world.vault.guard))

/** Changes by what is marked from now on. What was marked stays. */
export const riskSet: Handler<'risk.set'> = async (call, { reason, ...given }) =>
  transact(call.world, async (tx) => {
    const before = await tx.db
      .selectFrom('risk_settings')
      .selectAll()
      .where('id', '=', settingsId)
      .forUpdate()
      .executeTakeFirst()
    const change = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const settings = { ...(await readSettings(tx.db, tx.guard)), ...change }
    const values = { settings: canonicalJson(settings), set_by: nameOf(call), set_at: tx.now }
    if (before === undefined) await insertGuarded(tx, 'risk_settings', { id: settingsId, ...values })
    else await updateGuarded(tx, 'risk_settings', before, values)
    await tx.audit({ kind: 'risk.settings-set', settings, reason, ...by(call) })
    return done(settings)
  })
