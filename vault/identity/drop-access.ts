import type { EndReason } from '../contract.ts'
import type { KeyId, UserId } from '../kernel/id.ts'
import type { World } from '../world.ts'

/**
 * Forgets what a user has proven and the tickets they hold, and cuts their sessions. Call it once the cause has
 * committed.
 *
 * `isMeant` chooses by the key with which a proof was given: null for a proof without one, undefined for a session that
 * began in an earlier life of this process.
 */
export function dropAccess(
  world: World,
  user: UserId,
  cut: { readonly reason: EndReason; readonly message: string },
  isMeant: (key: KeyId | null | undefined) => boolean = () => true,
): void {
  world.proofs.forget((proof) => proof.user === user && isMeant(proof.key))
  world.tickets.forget((ticket) => ticket.user === user)
  for (const session of world.live.where((one) => one.user === user && isMeant(one.key)))
    world.live.cut(session, cut)
}
