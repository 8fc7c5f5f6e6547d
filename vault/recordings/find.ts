import { type Kysely, sql, type SqlBool } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { RecordingFound } from '../contract.ts'
import { isId, type RecordingId, type SessionId } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, type Row } from '../rows.ts'
import { readTombstones } from '../retention/tombstones.ts'
import { readKeeping } from '../retention/holds.ts'
import { type Sight, sightOf } from '../safes/sight.ts'
import { shownState, viewRecording } from '../sessions/view.ts'
import { marksOf } from '../risk/verbs.ts'
import type { Call, Handler, Input, World } from '../world.ts'

const listedAtOnce = 200

export type Asked = Omit<Input<'recording.find'>, 'after' | 'limit'>
type Place = { readonly at: Date; readonly session: SessionId }
type Condition = ReturnType<typeof sql<SqlBool>>

/** Recordings by who, where, when, by whose leave and what became of them: the newest first, page by page. */
export const recordingFind: Handler<'recording.find'> = async (call, input) => {
  const { after, limit = listedAtOnce, ...asked } = input
  const sight = await sightOf(call)
  // SECURITY: who reviews whom, and what is marked, is for those who see everything; and a vendor learns no name, by trying either.
  const triesReviews =
    asked.reviewed !== undefined || asked.reviewer !== undefined || asked.risk !== undefined
  if (!sight.all && (triesReviews || (sight.isVendor && asked.approver !== undefined)))
    return done({ recordings: [], next: null })
  const from = placeOf(after)
  const where = [...conditionsOf(selfOf(call), asked), ...seen(sight)]
  const { database } = call.world.vault
  const rows = await recorded(database)
    .where(all([...where, ...behind(from)]))
    .orderBy('session.started_at', 'desc')
    .orderBy('session.id', 'desc')
    .limit(limit + 1)
    .execute()
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const to = rows.length > limit && last !== undefined ? { at: last.started_at, session: last.id } : undefined
  if (asked.reviewed === 'no') await lookAtReviews(call, asked, sight, from, to)
  const found = await withReviews(call.world, page)
  return done({
    recordings: sight.all
      ? found
      : found.map((one) => ({
          ...one,
          reviews: [],
          marks: [],
          keeping: null,
          destroyed: null,
          ...(sight.isVendor ? { letInBy: [] } : {}),
        })),
    next: to === undefined ? null : `${to.at.toISOString()}/${to.session}`,
  })
}

const selfOf = ({ principal }: Call) => (principal.kind === 'user' ? principal.id : '')

export function recorded(db: Kysely<Database>) {
  return db
    .selectFrom('session')
    .innerJoin('recording', 'recording.session_id', 'session.id')
    .selectAll('session')
    .select([shownState, 'recording.size_bytes'])
}

type Recorded = Awaited<ReturnType<ReturnType<typeof recorded>['executeTakeFirstOrThrow']>>

/** One recording as it is found, with its reviews. */
export async function foundRecording(world: World, id: RecordingId): Promise<RecordingFound | undefined> {
  const row = await recorded(world.vault.database).where('recording.id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : (await withReviews(world, [row]))[0]
}

async function withReviews(world: World, rows: readonly Recorded[]): Promise<readonly RecordingFound[]> {
  const reviews =
    rows.length === 0
      ? []
      : checked(
          world.vault.guard,
          'recording_review',
          await world.vault.database
            .selectFrom('recording_review')
            .selectAll()
            .where(
              'recording_id',
              'in',
              rows.map((row) => row.recording_id),
            )
            .orderBy('reviewed_at')
            .execute(),
        )
  const marks = await marksOf(
    world,
    rows.map(({ id }) => id),
  )
  const byRecording = Map.groupBy(reviews, (review) => review.recording_id)
  const keeping = rows.length === 0 ? undefined : await readKeeping(world)
  const gone = await readTombstones(
    world.vault.database,
    world.vault.guard,
    rows.map((row) => row.recording_id),
  )
  return rows.map((row) => ({
    ...viewRecording(row),
    safe: row.safe_name,
    company: row.company_name,
    zone: row.zone,
    letInBy: row.let_in_by,
    workOrders: row.work_orders,
    reviews: (byRecording.get(row.recording_id) ?? []).map((review) => ({
      by: review.user_name,
      at: review.reviewed_at.toISOString(),
      note: review.note,
    })),
    marks: marks.get(row.id) ?? [],
    keeping: keeping?.(row) ?? null,
    destroyed: gone.get(row.recording_id) ?? null,
  }))
}

export function all(conditions: readonly Condition[]): Condition {
  return sql<SqlBool>`${sql.join([sql`true`, ...conditions], sql` and `)}`
}

/** What may be seen: all, or one's own and those of safes where one approves. */
function seen(sight: Sight): readonly Condition[] {
  if (sight.all) return []
  const safes = sight.safesWith('approve')
  return [sql`(session.user_id = ${sight.user} or session.safe_id = any(${safes}::text[]))`]
}

/** What holds of the recordings that are asked for; `self` asks. */
export function conditionsOf(self: string, asked: Asked): readonly Condition[] {
  const reviewedBy = (condition: Condition): Condition =>
    sql`exists (select from recording_review where recording_id = recording.id and ${condition})`
  const parts: readonly (Condition | undefined)[] = [
    named('user_name', asked.person),
    named('company_name', asked.company),
    named('target_name', asked.target),
    named('account_name', asked.account),
    named('zone', asked.zone),
    named('safe_name', asked.safe),
    oneOf('let_in_by', asked.approver),
    oneOf('work_orders', asked.workOrder),
    asked.endReason === undefined ? undefined : sql`session.end_reason = ${asked.endReason}`,
    asked.state === undefined ? undefined : sql`${shownState.expression} = ${asked.state}`,
    asked.session === undefined ? undefined : sql`session.id = ${asked.session}`,
    asked.since === undefined
      ? undefined
      : sql`coalesce(session.ended_at, 'infinity') >= ${new Date(asked.since)}`,
    asked.until === undefined ? undefined : sql`session.started_at < ${new Date(asked.until)}`,
    asked.reviewed === 'yes' ? reviewedBy(sql`true`) : undefined,
    asked.reviewed === 'mine' ? reviewedBy(sql`user_id = ${self}`) : undefined,
    asked.reviewed === 'no' ? sql`not ${reviewedBy(sql`true`)}` : undefined,
    asked.reviewer === undefined ? undefined : reviewedBy(sql`lower(user_name) = lower(${asked.reviewer})`),
    asked.risk === undefined ? undefined : markedBy(asked.risk),
  ]
  return parts.filter((part) => part !== undefined)
}

function markedBy(risk: NonNullable<Asked['risk']>): Condition {
  const which = risk === 'any' ? sql`true` : risk === 'open' ? sql`reviewed_at is null` : sql`rule = ${risk}`
  return sql`exists (select from risk_mark where session_id = session.id and ${which})`
}

function named(
  column: 'user_name' | 'company_name' | 'target_name' | 'account_name' | 'zone' | 'safe_name',
  name: string | undefined,
): Condition | undefined {
  return name === undefined ? undefined : sql`lower(${sql.ref(`session.${column}`)}) = lower(${name})`
}

function oneOf(column: 'let_in_by' | 'work_orders', name: string | undefined): Condition | undefined {
  return name === undefined
    ? undefined
    : sql`exists (select from unnest(${sql.ref(`session.${column}`)}) as one where lower(one) = lower(${name}))`
}

function behind(place: Place | undefined): readonly Condition[] {
  return place === undefined ? [] : [sql`(session.started_at, session.id) < (${place.at}, ${place.session})`]
}

/**
 * SECURITY: whoever writes a row into the table of reviews could take a recording out of what is still to be looked at. The
 * reviews that kept recordings out of this page are checked like those that are shown.
 */
async function lookAtReviews(
  call: Call,
  asked: Asked,
  sight: Sight,
  from: Place | undefined,
  to: Place | undefined,
): Promise<void> {
  const { reviewed: _, ...others } = asked
  const until =
    to === undefined ? [] : [sql<SqlBool>`(session.started_at, session.id) > (${to.at}, ${to.session})`]
  const rows = await call.world.vault.database
    .selectFrom('recording_review')
    .innerJoin('recording', 'recording.id', 'recording_review.recording_id')
    .innerJoin('session', 'session.id', 'recording.session_id')
    .selectAll('recording_review')
    .where(all([...conditionsOf(selfOf(call), others), ...seen(sight), ...behind(from), ...until]))
    .execute()
  checked(call.world.vault.guard, 'recording_review', rows as readonly Row<'recording_review'>[])
}

function placeOf(text: string | undefined): Place | undefined {
  const [at, session] = text?.split('/') ?? []
  return at === undefined || session === undefined || !isId('ses', session)
    ? undefined
    : { at: new Date(at), session }
}

/** SECURITY: only those who see everything are told who reviewed it, and what holds it. */
export const recordingShow: Handler<'recording.show'> = async (call, { recording }) => {
  const found = await foundRecording(call.world, recording)
  if (found === undefined) return notFound('recording', recording)
  const sight = await sightOf(call)
  if (sight.all) return done(found)
  const letInBy = sight.isVendor ? [] : found.letInBy
  return done({ ...found, reviews: [], marks: [], keeping: null, destroyed: null, letInBy })
}
