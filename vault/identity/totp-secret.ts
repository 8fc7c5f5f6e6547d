import { open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { Secret } from '../kernel/secret.ts'
import type { World } from '../world.ts'
import { matchTotp } from './totp.ts'

/** Seals a TOTP secret so that it rests in this user's rows only. */
export function sealTotp(world: World, user: string, secret: Uint8Array): Uint8Array {
  using key = new Key(world.vault.purposeKey('totp').slice())
  using plain = new Secret(secret.slice())
  return seal(key, plain, ['totp', user])
}

/** Borrows a user's TOTP secret. */
export function withTotp<T>(
  world: World,
  user: string,
  envelope: Uint8Array,
  use: (secret: Uint8Array) => T,
): T {
  using key = new Key(world.vault.purposeKey('totp').slice())
  using secret = open(key, envelope, ['totp', user])
  return secret.expose(use)
}

/**
 * The step that a user's code belongs to, or null. A step that was used, by the table or by this process's memory, is
 * not taken again: the later of the two counts, so that a table set back does not revive a code.
 */
export function matchUserTotp(
  world: World,
  user: { readonly id: string; readonly totp: Uint8Array | null; readonly totp_last_step: number },
  code: string,
): number | null {
  const { totp } = user
  if (totp === null) return null
  const last = Math.max(user.totp_last_step, world.totpSteps.get(user.id) ?? 0)
  return withTotp(world, user.id, totp, (secret) =>
    matchTotp(secret, code, world.vault.clock().getTime(), last),
  )
}
