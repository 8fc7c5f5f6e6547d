import { sql } from 'kysely'
import { done, type Outcome } from '../kernel/outcome.ts'
import { transact } from '../transact.ts'
import type { Handler, Input, World } from '../world.ts'
import type { LiveSession } from './live.ts'
import { refOf, sessionOf } from './start.ts'

type Waiting = {
  readonly session: LiveSession
  readonly input: Input<'session.checkpoint'>
  readonly resolve: (outcome: Outcome<null>) => void
  readonly reject: (error: unknown) => void
}

/** Milliseconds for which a checkpoint waits for others; every recording makes one in 5 s. */
const gatherMs = 100

/**
 * Writes the checkpoints of all recordings down together. Two thousand recordings bring four hundred a second: a
 * transaction for each would be all that the vault and its database do.
 */
export class Checkpoints {
  #waiting: Waiting[] = []

  /** Resolves when the checkpoint is committed. */
  add(world: World, session: LiveSession, input: Input<'session.checkpoint'>): Promise<Outcome<null>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ session, input, resolve, reject })
      if (this.#waiting.length === 1) setTimeout(() => void this.#write(world), gatherMs)
    })
  }

  async #write(world: World): Promise<void> {
    const gathered = this.#waiting
    this.#waiting = []
    try {
      const outcome = await write(world, gathered)
      for (const { resolve } of gathered) resolve(outcome)
    } catch {
      // SECURITY: one that cannot be written must not take the others with it.
      for (const one of gathered) await write(world, [one]).then(one.resolve, one.reject)
    }
  }
}

function write(world: World, gathered: readonly Waiting[]): Promise<Outcome<null>> {
  return transact(world, async (tx) => {
    // Of two of one recording the later one stands in the table; the log has both.
    const latest = new Map(gathered.map(({ session, input }) => [session.recording, input]))
    const inputs = [...latest.values()]
    await sql`
      update recording set size_bytes = given.size, checkpoint = given.checkpoint, checkpoint_at = ${tx.now}
      from unnest(
        ${[...latest.keys()]}::text[],
        ${inputs.map(({ sizeBytes }) => sizeBytes)}::bigint[],
        ${inputs.map(({ checkpoint }) => Buffer.from(checkpoint, 'base64'))}::bytea[]
      ) as given(id, size, checkpoint)
      where recording.id = given.id and recording.state = 'recording'`.execute(tx.db)
    await tx.audit(
      ...gathered.map(({ session, input: { checkpoint, signature, sizeBytes } }) => ({
        kind: 'session.checkpoint' as const,
        checkpoint,
        signature,
        sizeBytes,
        ...refOf(session),
        actor: { kind: 'plane', plane: 'recorder' } as const,
      })),
    )
    return done(null)
  })
}

/** A signed checkpoint of a recording: what it vouches for is in the audit log when this answers. */
export const sessionCheckpoint: Handler<'session.checkpoint'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  return found.ok ? world.checkpoints.add(world, found.value, input) : found
}
