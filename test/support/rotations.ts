import { expect } from 'vitest'
import type { RotationRunView } from '../../vault/contract.ts'
import type { VaultClient } from '../../vault/index.ts'
import type { RotationId } from '../../vault/kernel/id.ts'
import { workOn } from '../../vault/rotation/worker/work.ts'
import { startTestVault, type TestVault } from './vault.ts'

/** A vault with a worker of rotation, for tests of connectors. */
export type Rotations = AsyncDisposable & {
  readonly vault: TestVault
  readonly worker: VaultClient
  /** Does what is due of a run until nothing is, as the worker does, and answers how it stands. */
  readonly work: (run: RotationId) => Promise<RotationRunView>
  /** Rotates an account. */
  readonly rotate: (account: string) => Promise<RotationRunView>
  /** Tries its present credential. */
  readonly verify: (account: string) => Promise<RotationRunView>
  /** The password of an account that is current now. */
  readonly passwordOf: (account: string) => Promise<string>
}

export async function startRotations(): Promise<Rotations> {
  const vault = await startTestVault()
  const worker = await vault.connect('rotation')
  await vault.ask('safe.add', { name: 'line-3' })
  const ports = {
    vault: async () => worker,
    onFault: (_: string, error: unknown) => expect.unreachable(String(error)),
  }
  const work = async (run: RotationId) => {
    while (await workOn(ports, run));
    return vault.ask('rotation.show', { run })
  }
  return {
    vault,
    worker,
    work,
    rotate: async (account) => work((await vault.ask('rotation.start', { account })).id),
    verify: async (account) => work((await vault.ask('rotation.verify', { account })).id),
    passwordOf: async (account) => {
      const { vault: inner } = vault.plane.world
      const { id } = await vault.ask('account.show', { account })
      const { safe_id, version } = await inner.database
        .selectFrom('account')
        .innerJoin('credential', 'credential.account_id', 'account.id')
        .select(['account.safe_id', 'credential.version'])
        .where('account.id', '=', id)
        .where('credential.state', '=', 'current')
        .executeTakeFirstOrThrow()
      const of = { safe: safe_id, account: id, version, field: 'password', kind: 'password' } as const
      using secret = await inner.secrets.take(of)
      return secret.expose((bytes) => Buffer.from(bytes).toString())
    },
    [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose](),
  }
}
