import { sql } from 'kysely'
import { readPolicy } from '../access/policy.ts'
import { ruledFinder } from '../access/ruled.ts'
import { circumstancesOf } from '../relations.ts'
import { readSubject } from '../access/subject.ts'
import { readAccount } from '../accounts/account.ts'
import type { RecordingView, SessionView, ShownState } from '../contract.ts'
import type { RecordingId, SessionId } from '../kernel/id.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { mayHold } from '../policy/roles.ts'
import { readTombstones } from '../retention/tombstones.ts'
import type { Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { findTarget } from '../targets/target.ts'
import { heldBy } from './live.ts'
import { watchersOf } from './watch.ts'
import type { Call, Handler, World } from '../world.ts'

type Asking = Pick<Call, 'world' | 'principal'>
type Listed = Row<'session'> & { readonly checkpoint_at: Date | null }

/** How a session is shown to who asks. */
export function viewSession({ world, principal }: Asking, row: Listed): SessionView {
  const live = row.state === 'ended' ? undefined : world.live.get(row.id)
  const held = live === undefined ? null : heldBy(live)
  const at = live?.freeze?.at ?? new Date(live?.missingSince ?? 0).toISOString()
  return {
    id: row.id,
    recording: row.recording_id,
    user: row.user_name,
    account: row.account_name,
    target: row.target_name,
    protocol: row.protocol,
    grant: row.grant_id,
    source: row.source,
    state: held === null ? row.state : 'frozen',
    startedAt: row.started_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    lastActivityAt: row.checkpoint_at?.toISOString() ?? null,
    freeze:
      held === null
        ? null
        : { by: held.by, reason: held.reason, at, waits: held.waits, isHeld: live?.freezeTold === true },
    watchers:
      live === undefined
        ? []
        : watchersOf(world, row.id, principal.kind === 'user' && principal.id === row.user_id),
    endedBy: row.ended_by === null ? null : { by: row.ended_by, reason: row.ended_why ?? '' },
    takenBy: live?.taken?.isOver === false ? live.taken.name : null,
    endReason: row.end_reason,
    forward: viewForward(row),
    credentialSetByOther: row.credential_set_by_other,
    breakGlass: row.break_glass_id,
  }
}

function viewForward(row: Row<'session'>): SessionView['forward'] {
  if (row.forward_to === null) return null
  return {
    to: row.forward_to,
    connections: row.forward_connections,
    bytesUp: row.forward_bytes_up,
    bytesDown: row.forward_bytes_down,
  }
}

export type Recorded = Row<'session'> & {
  readonly recording_state: ShownState
  readonly size_bytes: number
}

export function viewRecording(row: Recorded): RecordingView {
  return {
    id: row.recording_id,
    session: row.id,
    user: row.user_name,
    account: row.account_name,
    target: row.target_name,
    protocol: row.protocol,
    grant: row.grant_id,
    source: row.source,
    startedAt: row.started_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    endReason: row.end_reason,
    forward: viewForward(row),
    breakGlass: row.break_glass_id,
    state: row.recording_state,
    sizeBytes: row.size_bytes,
  }
}

/**
 * In which state a recording is shown. SECURITY: that it is destroyed is said by a tombstone, which whoever shows it checks
 * (`readTombstones`), never by the row of the recording.
 */
export const shownState = sql<ShownState>`case
  when exists (select from tombstone where tombstone.recording_id = recording.id) then 'destroyed'
  when recording.missing_since is not null then 'missing'
  else recording.state end`.as('recording_state')

function recorded(db: World['vault']['database']) {
  return db
    .selectFrom('session')
    .innerJoin('recording', 'recording.session_id', 'session.id')
    .selectAll('session')
    .select([shownState, 'recording.size_bytes'])
}

/** The recording of an id, with its session. */
export async function findRecording(world: World, id: RecordingId): Promise<Recorded | undefined> {
  return recorded(world.vault.database).where('recording.id', '=', id).executeTakeFirst()
}

const listedAtOnce = 1_000

export const sessionList: Handler<'session.list'> = async (call, input) => {
  const sight = await sightOf(call)
  let query = listed(call.world)
    .orderBy('session.started_at', 'desc')
    .orderBy('session.id', 'desc')
    .limit(input.limit ?? listedAtOnce)
  if (input.live === true) query = query.where('session.state', '<>', 'ended')
  let byRuleAlone = (_row: Listed): SessionView['byRule'] => undefined
  if (!sight.all) {
    const safes = sight.safesWith('approve', 'supervise', 'observe')
    const rules = await watchedBy(call)
    const watched = [...rules.keys()]
    byRuleAlone = ({ id, user_id, safe_id }) =>
      user_id === sight.user || safes.includes(safe_id) ? undefined : rules.get(id)
    query = query.where((eb) =>
      eb.or([
        eb('user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('safe_id', 'in', safes)]),
        ...(watched.length === 0 ? [] : [eb('session.id', 'in', watched)]),
      ]),
    )
  }
  return done(
    (await query.execute()).map((row) => {
      const byRule = byRuleAlone(row)
      return { ...viewSession(call, row), ...(byRule === undefined ? {} : { byRule }) }
    }),
  )
}

/** The live sessions that a rule of the policy lets somebody watch, now or at another time. */
async function watchedBy(call: Call): Promise<ReadonlyMap<SessionId, 'now' | 'not now'>> {
  const { live, vault } = call.world
  const { database, guard } = vault
  if (call.principal.kind !== 'user' || !mayHold(call.principal.roles, 'observe')) return new Map()
  const policy = await readPolicy(database, guard)
  if (!policy.rules.some(({ document }) => document.effect === 'allow' && document.actions.includes('watch')))
    return new Map()
  const subject = await readSubject(database, guard, call.principal)
  const rulesFor = await ruledFinder(database, guard, subject, 'watch')
  const found = new Map<SessionId, 'now' | 'not now'>()
  const circumstances = await circumstancesOf(call)
  for (const session of live.where(({ cut }) => cut === null)) {
    const account = await readAccount(database, guard, session.account)
    const target = await findTarget(database, guard, session.target)
    if (account === undefined || target === undefined) continue
    const rules = rulesFor({ account, target }, circumstances)
    if (rules.length > 0) found.set(session.id, rules.some(({ unmet }) => unmet === null) ? 'now' : 'not now')
  }
  return found
}

function listed(world: World) {
  return world.vault.database
    .selectFrom('session')
    .leftJoin('recording', 'recording.session_id', 'session.id')
    .selectAll('session')
    .select('recording.checkpoint_at')
}

/** A session as it is now. */
export async function showSession(call: Asking, session: SessionId): Promise<Outcome<SessionView>> {
  const row = await listed(call.world).where('session.id', '=', session).executeTakeFirst()
  return row === undefined ? notFound('session', session) : done(viewSession(call, row))
}

export const sessionShow: Handler<'session.show'> = async (call, { session }) => showSession(call, session)

export const recordingList: Handler<'recording.list'> = async (call: Call, input) => {
  const sight = await sightOf(call)
  let query = recorded(call.world.vault.database)
    .orderBy('session.started_at', 'desc')
    .orderBy('session.id', 'desc')
    .limit(input.limit ?? listedAtOnce)
  if (!sight.all) {
    const safes = sight.safesWith('approve')
    query = query.where((eb) =>
      eb.or([
        eb('session.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('session.safe_id', 'in', safes)]),
      ]),
    )
  }
  const rows = await query.execute()
  const { database, guard } = call.world.vault
  await readTombstones(
    database,
    guard,
    rows.map((row) => row.recording_id),
  )
  return done(rows.map(viewRecording))
}
