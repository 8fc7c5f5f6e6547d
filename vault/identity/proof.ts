import { randomBytes } from 'node:crypto'
import type { AccountId, KeyId, LoginId, TargetId, UserId } from '../kernel/id.ts'
import type { Peer } from '../kernel/rpc.ts'
import { tokenHash, type World } from '../world.ts'

/**
 * What a recorder holds once somebody has proven, over SSH or by a ticket of the console, who they are. Good on the
 * recorder's connection that got it only, and for twelve hours: an SSH connection that lives longer proves itself again.
 */
export type Proof = {
  readonly user: UserId
  readonly name: string
  readonly via: 'publickey' | 'password' | 'ticket' | 'console'
  readonly peer: Peer
  /** The SSH connection (its session id, base64) on which it was given; null for the console's. */
  readonly connection: string | null
  readonly source: string
  /** The key that it was given with; null for a password or a ticket. */
  readonly key: KeyId | null
  /** A ticket opens this account and no other; one of the console, at this target. */
  readonly account: AccountId | null
  readonly target: TargetId | null
  /** The console's login whose ticket it was: it ends with that login. */
  readonly login: LoginId | null
  /** When the second factor was shown (ms); null: not at all, as with a key. */
  readonly factorAt: number | null
}

export const proofLife = 12 * 3600_000

/** Makes a proof and keeps its hash. */
export function issueProof(world: World, proof: Proof, lifeMs = proofLife): string {
  const token = randomBytes(32).toString('base64url')
  world.proofs.put(keyOf(world, token), proof, lifeMs)
  return token
}

/** What a proof proves, on the connection that got it. */
export function readProof(world: World, token: string, peer: Peer): Proof | undefined {
  const proof = world.proofs.get(keyOf(world, token))
  return proof?.peer === peer ? proof : undefined
}

/**
 * Makes a proof as young as a factor that was shown on its connection.
 *
 * SECURITY: what was taken back meanwhile stays so, and it ends when it would have.
 */
export function proofShowing(world: World, token: string, proof: Proof, factorAt: number): void {
  const key = keyOf(world, token)
  if (world.proofs.get(key) === proof) world.proofs.replace(key, { ...proof, factorAt })
}

/** A question to ask later, also of a vault that is being sealed: does this proof prove anything still? */
export function watchProof(world: World, token: string): () => boolean {
  const key = keyOf(world, token)
  return () => world.proofs.get(key) !== undefined
}

function keyOf(world: World, token: string): string {
  return tokenHash(world, token).toString('base64')
}
