import { setTimeout as wait } from 'node:timers/promises'
import type { RecordingId } from '../../vault/kernel/id.ts'
import type { Log, SessionEnd } from '../broker/ssh/ports.ts'
import type { Unsettled } from './unsettled.ts'
import type { VaultLink } from './vault-link.ts'

/** Tells the vault how a session ended, until it has heard; then the session is settled. */
export async function reportEnd(
  ports: { readonly link: VaultLink; readonly unsettled: Unsettled; readonly log: Log },
  recording: RecordingId,
  end: SessionEnd,
): Promise<void> {
  for (let delay = 100; ; delay = Math.min(delay * 2, 5_000)) {
    await ports.link.present()
    if (ports.link.isClosed) return
    try {
      const outcome = await ports.link.call('session.end', end)
      const isHeard = outcome.ok || !isPassing(outcome.refusal.code)
      if (isHeard) {
        if (!outcome.ok)
          ports.log('the vault refused the end of a session', {
            session: end.session,
            code: outcome.refusal.code,
            message: outcome.refusal.message,
          })
        return await ports.unsettled.settle(recording)
      }
    } catch (error) {
      ports.log('the vault could not take the end of a session', {
        session: end.session,
        error: String(error),
      })
    }
    await wait(delay, undefined, { ref: false })
  }
}

/**
 * A refusal that will not last: told again. `forbidden` is one: the vault has not noticed yet that the worker that
 * carried the session is gone. Any other means that the vault has no such session, or knows it as ended.
 */
function isPassing(code: string): boolean {
  return ['unavailable', 'sealed', 'rate_limited', 'forbidden'].includes(code)
}
