import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Exchanged, Rotation } from '../keys/rotation.ts'
import type { RotationView } from '../contract.ts'
import { findSafe } from '../safes/safe.ts'
import type { Call, Handler, Input } from '../world.ts'
import { sharesView } from './view.ts'

/** Begins to exchange the root key, or the key of a safe; it goes on while everything else does. */
export const keysRotate: Handler<'keys.rotate'> = async (call, input) => {
  const { rotations } = call.world.vault
  const found = await exchangedBy(call, input)
  if (!found.ok) return found
  const of = found.value
  if (input.rehearse === true) {
    const could = await rotations.rehearse(of, call.actor)
    return could.ok ? done({ total: could.value.total, rotation: null }) : could
  }
  const started = await rotations.start(of, call.actor)
  return started.ok
    ? done({ total: started.value.total, rotation: viewOf(started.value, of.what === 'safe' ? of.name : '') })
    : started
}

async function exchangedBy(call: Call, input: Input<'keys.rotate'>): Promise<Outcome<Exchanged>> {
  if (input.what === 'root') return done({ what: 'root' })
  const safe = await findSafe(call.world.vault.database, call.world.vault.guard, input.safe)
  return safe === undefined
    ? refuse('not_found', 'there is no such safe', 'tagout safe list')
    : done({ what: 'safe', safe: safe.id, name: safe.name })
}

/** How far the exchanges of keys have come. */
export const keysStatus: Handler<'keys.status'> = async (call: Call) => {
  const rotations = await call.world.vault.rotations.list()
  const safes = await call.world.vault.database.selectFrom('safe').select(['id', 'name']).execute()
  const { waiting } = call.world.custody.rehearsed
  const names = new Map(safes.map(({ id, name }) => [id as string, name]))
  return done({
    rootVersion: call.world.vault.rootVersion,
    rotations: rotations.map((rotation) => viewOf(rotation, names.get(rotation.safe) ?? rotation.safe)),
    rehearsal: waiting === undefined ? null : sharesView(waiting),
  })
}

function viewOf(rotation: Rotation, safe: string): RotationView {
  return {
    id: rotation.id,
    what: rotation.what,
    safe: rotation.what === 'safe' ? safe : null,
    version: rotation.version,
    total: rotation.total,
    done: Math.min(rotation.done, rotation.total),
    startedBy: rotation.startedBy,
    startedAt: rotation.startedAt.toISOString(),
    finishedAt: rotation.finishedAt?.toISOString() ?? null,
    state: rotation.finishedAt !== null ? 'finished' : rotation.running ? 'running' : 'stopped',
  }
}
