import type { EndReason } from '../contract.ts'
import type { SessionId } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { Handler, World } from '../world.ts'
import { endLost } from './end.ts'
import type { LiveSession } from './live.ts'
import { vet } from './vet.ts'

/** Milliseconds that a session without its worker waits to be claimed again: it has ended, and says so, within 15 s. */
export const claimWithin = 12_000

/**
 * A worker says which it is and which sessions it carries. It is told which of them must end: those that ended
 * meanwhile, and those whose grant or user is no more. What it carried in an earlier life and does not name is lost.
 */
export const recorderHello: Handler<'recorder.hello'> = async ({ world, peer }, input) => {
  const { node, worker } = input
  const earlier = world.workers.named(node, worker)
  if (earlier !== undefined && earlier.peer !== peer) earlier.peer.close()
  world.workers.hello({ node, worker, peer })

  const carried = new Set<SessionId>(input.live)
  const rows = carried.size === 0 ? [] : await readRows(world, [...carried])
  const known = new Map(rows.map((row) => [row.id, row]))
  const end: { session: SessionId; reason: EndReason }[] = []
  for (const session of carried) {
    const row = known.get(session)
    const reason = row === undefined ? 'protocol error' : row.state === 'ended' ? row.end_reason : undefined
    if (reason !== undefined) end.push({ session, reason: reason ?? 'terminated' })
    else if (row !== undefined) {
      const live = claim(world, row, peer)
      await vet(world, live)
      if (live.cut !== null) end.push({ session, reason: live.cut.reason })
    }
  }
  const lost = world.live
    .where((one) => one.node === node && one.worker === worker && one.peer !== peer && !carried.has(one.id))
    .map((one) => one.id)
  await endLost(world, lost)
  return done({ end })
}

function claim(world: World, row: Row<'session'>, peer: LiveSession['peer']): LiveSession {
  const live = world.live.get(row.id) ?? liveOf(row)
  live.peer = peer
  live.lostSince = null
  // An order that its worker did not take is given again; once its row is checked, where it was found in the table.
  live.freezeTold = false
  world.live.add(live)
  return live
}

async function readRows(world: World, ids: readonly SessionId[]): Promise<readonly Row<'session'>[]> {
  return world.vault.database.selectFrom('session').selectAll().where('id', 'in', ids).execute()
}

/** A session found in the table: carried by a worker that has not said so yet, or by none. */
function liveOf(row: Row<'session'>): LiveSession {
  return {
    id: row.id,
    recording: row.recording_id,
    user: row.user_id,
    userName: row.user_name,
    account: row.account_id,
    accountName: row.account_name,
    target: row.target_id,
    safe: row.safe_id,
    grant: row.grant_id,
    lease: row.lease_id,
    node: row.node,
    worker: row.worker,
    key: undefined,
    login: row.login_id,
    source: undefined,
    factorAt: undefined,
    endsAt: row.ends_at.getTime(),
    isVetted: false,
    peer: undefined,
    lostSince: null,
    openedAt: null,
    releasedAt: row.released_at?.getTime() ?? null,
    started: false,
    connected: row.state === 'live',
    signatures: Number.MAX_SAFE_INTEGER,
    boxKey: null,
    elevations: [],
    typeIns: [],
    files: null,
    forward: row.forward_to === null ? null : { to: row.forward_to, connections: null },
    forwarding: 0,
    cut: null,
    cutOrderedAt: 0,
    freeze: null,
    taken: null,
    isBeingTaken: false,
    stop: null,
    supervisors: [],
    contact: null,
    missing: [],
    missingSince: 0,
    freezeBy: '',
    freezeTold: false,
    endTold: true,
  }
}

/** Takes up, at start, all sessions that had not ended. Their workers have `claimWithin` to say that they live. */
export async function takeUpSessions(world: World): Promise<void> {
  const rows = await world.vault.database
    .selectFrom('session')
    .selectAll()
    .where('state', '<>', 'ended')
    .execute()
  const now = world.vault.clock().getTime()
  for (const row of rows)
    if (world.live.get(row.id) === undefined) world.live.add({ ...liveOf(row), lostSince: now })
}
