import type { EndReason } from '../contract.ts'
import type { KeyId, LoginId, UserId } from '../kernel/id.ts'
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

/**
 * Forgets the tickets and proofs of a login of the console that has ended, and cuts the sessions in its browser. Call
 * it once that has committed.
 */
export function dropLogin(
  world: World,
  login: LoginId,
  cut: { readonly reason: EndReason; readonly message: string },
): void {
  world.tickets.forget((ticket) => ticket.login === login)
  world.proofs.forget((proof) => proof.login === login)
  for (const session of world.live.where((one) => one.login === login)) world.live.cut(session, cut)
}
