import type { PlantSwitchState } from '../contract.ts'
import type { Id, SafeId, SwitchId } from '../kernel/id.ts'
import { type Outcome, done, refuse } from '../kernel/outcome.ts'
import { checked, type Row } from '../rows.ts'
import type { ModbusInput } from './input.ts'
import type { LiveSession } from '../sessions/live.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'

/** What this process knows of a plant switch: enough to act on it while the vault is sealed or its database away. */
export type KnownSwitch = {
  readonly id: SwitchId
  readonly name: string
  safes: readonly SafeId[]
  act: 'freeze' | 'terminate'
  /** Where it is read; null: it calls. */
  input: string | null
  state: PlantSwitchState
  /** The moment that its last call named, in milliseconds. */
  calledAt: number
}

/** The switches, once their rows were read. */
export type Switches = {
  isLoaded: boolean
  readonly all: Map<SwitchId, KnownSwitch>
  /** Inputs that somebody waits for to be read once. */
  readonly tests: Map<Id<'pst'>, WaitingTest>
}

export type WaitingTest = {
  readonly input: ModbusInput
  isTaken: boolean
  readonly answer: (read: {
    readonly reads?: boolean | undefined
    readonly fault?: string | undefined
  }) => void
}

export function knownOf({ id, name, safes, act, input, state, called_at }: Row<'plant_switch'>): KnownSwitch {
  return { id, name, safes, act, input, state, calledAt: called_at?.getTime() ?? 0 }
}

/**
 * The switches that there are.
 *
 * SECURITY: from memory. Whoever takes a row away or sets it back while this process runs lets nobody go on.
 */
export async function switchesOf(world: World, tx?: Tx): Promise<readonly KnownSwitch[]> {
  const { switches, vault } = world
  if (!switches.isLoaded && !vault.isSealed) {
    const rows = checked(
      tx?.guard ?? vault.guard,
      'plant_switch',
      await (tx?.db ?? vault.database)
        .selectFrom('plant_switch')
        .selectAll()
        .where('removed_at', 'is', null)
        .execute(),
    )
    for (const row of rows) if (!switches.all.has(row.id)) switches.all.set(row.id, knownOf(row))
    switches.isLoaded = true
  }
  return [...switches.all.values()]
}

/** The name of a switch that stops work in a safe now; null: none does. */
export function stopIn(world: World, safe: SafeId): string | null {
  const found = [...world.switches.all.values()].find(
    (one) => one.state !== 'run' && one.safes.includes(safe),
  )
  return found?.name ?? null
}

/** The name of the switch that keeps people from working in a safe now; undefined: none does. */
export async function switchBefore(tx: Tx, world: World, safe: SafeId): Promise<string | undefined> {
  await switchesOf(world, tx)
  return stopIn(world, safe) ?? undefined
}

/** Refuses to begin anything in a safe whose plant switch is off. */
export async function beforeSwitches(tx: Tx, world: World, safe: SafeId): Promise<Outcome<null>> {
  const name = await switchBefore(tx, world, safe)
  if (name === undefined) return done(null)
  return refuse(
    'held',
    `the plant switch ${name} is off: nobody works there now`,
    'have it turned on at the plant',
  )
}

/** Holds, ends or lets go on what the switches say, and has the workers told. */
export async function applySwitches(world: World, turned?: KnownSwitch): Promise<void> {
  const { live } = world
  const acts: Promise<void>[] = []
  for (const session of live.where((one) => one.cut === null)) {
    const isMeant = turned?.safes.includes(session.safe) === true
    if (isMeant && turned.act === 'terminate' && turned.state === 'stop') {
      live.cut(session, { reason: 'terminated', message: `the plant switch ${turned.name} is off` })
      continue
    }
    const stop = stopIn(world, session.safe)
    if (stop !== session.stop) acts.push(live.stop(session, stop))
  }
  await Promise.all(acts)
}

/** What a session that was found in the table is held by. */
export async function readStop(world: World, session: LiveSession): Promise<void> {
  await switchesOf(world)
  session.stop = stopIn(world, session.safe)
}
