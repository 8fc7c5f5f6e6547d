import type { VaultClient } from '../../vault/index.ts'
import type { RotationId } from '../../vault/kernel/id.ts'
import { type WorkPorts, workOn } from '../../vault/rotation/worker/work.ts'
import type { TestVault } from './vault.ts'

/** Where a worker is killed: before or after the effect of its n-th step. */
export type Kill = { readonly step: number; readonly at: 'asked' | 'done' } | null

/** Every place at which one is killed, of so many steps. */
export function killsIn(steps: number): readonly Kill[] {
  return [
    null,
    ...Array.from({ length: steps }, (_, index) => index + 1).flatMap((step) => [
      { step, at: 'asked' as const },
      { step, at: 'done' as const },
    ]),
  ]
}

export class Killed extends Error {}

/** The passwords of an account that the vault keeps, by their state. */
export async function secretsOf(vault: TestVault, account: string): Promise<ReadonlyMap<string, string>> {
  const { vault: inner } = vault.plane.world
  const { id } = await vault.ask('account.show', { account })
  const row = await inner.database
    .selectFrom('account')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const versions = await inner.database
    .selectFrom('credential')
    .select(['version', 'state'])
    .where('account_id', '=', id)
    .orderBy('version')
    .execute()
  const found = new Map<string, string>()
  for (const { version, state } of versions) {
    using secret = await inner.secrets.take({
      ...{ safe: row.safe_id, account: row.id, version, field: 'password', kind: 'password' },
    })
    found.set(
      state,
      secret.expose((bytes) => Buffer.from(bytes).toString()),
    )
  }
  return found
}

export type Drive = {
  readonly kill?: Kill
  /** Told before each call of the worker: here the world changes. */
  readonly before?: (call: number) => Promise<void> | void
  /** Told after each: what must hold, holds. */
  readonly after?: () => Promise<void>
  /** Told where a worker is with its n-th step, before it may be killed there. */
  readonly at?: (step: number, where: 'asked' | 'done') => Promise<void> | void
  readonly load?: WorkPorts['load']
}

/** Works on a run as workers do, one of which is killed, until it is over or needs a person. */
export async function drive(
  vault: TestVault,
  worker: () => VaultClient,
  run: RotationId,
  { kill = null, before, after, at, load }: Drive = {},
): Promise<void> {
  let step = 0
  const ports: WorkPorts = {
    vault: async () => worker(),
    onFault: () => undefined,
    ...(load === undefined ? {} : { load }),
    at: async (where) => {
      if (where === 'asked') step += 1
      await at?.(step, where)
      if (kill !== null && kill.step === step && kill.at === where) throw new Killed('killed')
    },
  }
  for (let call = 1; call <= 30; call += 1) {
    await before?.(call)
    const did = await workOn(ports, run).catch((error: unknown) => {
      if (error instanceof Killed) return false
      throw error
    })
    await after?.()
    const row = await rowOf(vault, run)
    if (row.ended_at !== null || row.phase === 'unknown') return
    if (did) continue
    // Nobody is there to do more: time passes.
    const wait = Math.max(row.due_at.getTime(), row.step_until?.getTime() ?? 0) - vault.now().getTime()
    if (wait > 0) vault.advance(wait + 1_000)
  }
  throw new Error(`it does not end: ${JSON.stringify(await vault.ask('rotation.show', { run }))}`)
}

function rowOf(vault: TestVault, run: RotationId) {
  return vault.plane.world.vault.database
    .selectFrom('rotation_run')
    .selectAll()
    .where('id', '=', run)
    .executeTakeFirstOrThrow()
}
