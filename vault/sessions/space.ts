import { done } from '../kernel/outcome.ts'
import type { Handler } from '../world.ts'

/** Writes down that the room for recordings is in another state. */
export const recorderSpace: Handler<'recorder.space'> = async ({ world }, { node, state, freeBytes }) => {
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'recorder.space',
      node,
      state,
      freeBytes,
      actor: { kind: 'plane', plane: 'recorder' },
    }),
  )
  return done(null)
}
