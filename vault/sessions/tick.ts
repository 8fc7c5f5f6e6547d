import { followPolicyRequests } from '../access/two.ts'
import { revisitSessions } from '../access/revisit.ts'
import { endDueLeases } from '../checkout/lease.ts'
import { expireHandOvers } from '../checkout/hand-over.ts'
import { offerTurns } from '../checkout/queue.ts'
import { expireRequests } from '../checkout/request.ts'
import { forgetNotifications } from '../notifications/outbox.ts'
import { remindOfRequests } from '../notifications/unanswered.ts'
import { remindOfTasks } from '../rotation/task-reminders.ts'
import { startDueRotations } from '../rotation/triggers.ts'
import { isDatabaseAway } from '../transact.ts'
import type { World } from '../world.ts'
import type { ClockJump } from '../steady-clock.ts'
import { noteClock } from '../lifecycle/clock.ts'
import { endLost } from './end.ts'
import { remindOfCampaigns } from '../campaigns/verbs.ts'
import { markRisks } from '../risk/mark.ts'
import { tellOfContracts } from '../vendors/contract-notices.ts'
import { claimWithin, takeUpSessions } from './hello.ts'
import { endWatches } from './watch.ts'
import { vet } from './vet.ts'

const tickMs = 1_000
/** Milliseconds after which a session that was opened and never started is given up. */
const startWithin = 60_000

/**
 * Does, every second, what time does: cuts sessions whose time is up, gives up those whose worker is gone, and ends
 * leases. Survives the database being away.
 */
export function startTicking(world: World, takeJumps: () => readonly ClockJump[]): AsyncDisposable {
  const lookAtClock = noteClock(world, takeJumps)
  let isTaken = false
  let running: Promise<void> | undefined
  const tick = async () => {
    world.live.tick()
    try {
      if (!isTaken) {
        await takeUpSessions(world)
        isTaken = true
      }
      for (const session of world.live.where((one) => !one.isVetted)) await vet(world, session)
      for (const [where, act] of [...acts, ['clock', lookAtClock] as const])
        try {
          await act(world)
        } catch (error) {
          if (isDatabaseAway(error)) throw error
          noteFault(world, where, error)
        }
    } catch (error) {
      noteFault(world, 'tick', error)
    }
  }
  const timer = setInterval(() => {
    running ??= tick().finally(() => {
      running = undefined
    })
  }, tickMs)
  running = tick().finally(() => {
    running = undefined
  })
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

/**
 * What time does, in this order.
 *
 * SECURITY: each by itself: a row that somebody forged, or a policy that cannot be read, keeps nothing else from ending.
 */
const acts: readonly (readonly [where: string, act: (world: World) => Promise<unknown>])[] = [
  ['policy', revisitSessions],
  ['watches', endWatches],
  ['sessions', (world) => endLost(world, lostSessions(world))],
  ['requests', expireRequests],
  ['leases', endLeases],
  ['queue', offerTurns],
  ['hand-overs', expireHandOvers],
  ['rotations', startDueRotations],
  // What only tells people comes last: nothing waits for it.
  ['reminders', remindOfRequests],
  ['tasks', remindOfTasks],
  ['policies asked for', followPolicyRequests],
  ['contracts', tellOfContracts],
  ['access reviews', remindOfCampaigns],
  ['risk', markRisks],
  ['notifications', forgetNotifications],
]

function noteFault(world: World, where: string, error: unknown): void {
  if (!isDatabaseAway(error)) world.onFault(where, error)
}

function lostSessions(world: World) {
  const now = world.vault.clock().getTime()
  return world.live
    .where(
      (session) =>
        (session.lostSince !== null && now - session.lostSince >= claimWithin) ||
        (session.releasedAt === null && session.openedAt !== null && now - session.openedAt >= startWithin),
    )
    .map((session) => session.id)
}

async function endLeases(world: World): Promise<void> {
  const due = await world.vault.database
    .selectFrom('lease')
    .select('id')
    .where('ended_at', 'is', null)
    .where('until', '<=', world.vault.clock())
    .executeTakeFirst()
  if (due !== undefined) await world.vault.inTransaction((tx) => endDueLeases(tx))
}
