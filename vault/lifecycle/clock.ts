import { listEntries } from '../audit/read.ts'
import type { ClockJump } from '../steady-clock.ts'
import { jumpMs } from '../steady-clock.ts'
import type { World } from '../world.ts'

/** Jumps that wait for the vault to be open. */
const mostWaiting = 20

/**
 * Writes down that the machine's clock was set, while the vault ran or before it started. To be called now and then; a
 * sealed vault writes nothing, and says it once it is open.
 */
export function noteClock(world: World, takeJumps: () => readonly ClockJump[]): () => Promise<void> {
  let isCompared = false
  let waiting: readonly ClockJump[] = []
  return async () => {
    const { vault } = world
    const now = vault.clock()
    waiting = [...waiting, ...takeJumps()].slice(-mostWaiting)
    if (vault.isSealed) return
    if (!isCompared) {
      // The last entries, of which some may be of this start.
      const last = await listEntries(vault.database, { limit: 20 })
      // Set back while no vault ran: the vault goes by the machine, which is all that it knows, and says so.
      const behindMs = Math.max(0, ...last.map(({ at }) => Date.parse(at) || 0)) - now.getTime()
      if (behindMs > jumpMs) waiting = [{ byMs: -behindMs, aheadMs: 0 }, ...waiting]
      isCompared = true
    }
    if (waiting.length === 0) return
    const told = waiting
    await vault.inTransaction(async (tx) => {
      for (const { byMs, aheadMs } of told)
        await tx.audit({ kind: 'clock.jumped', byMs, aheadMs, actor: { kind: 'vault' } })
    })
    waiting = waiting.slice(told.length)
  }
}
