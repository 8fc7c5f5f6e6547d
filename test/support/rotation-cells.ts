import { expect } from 'vitest'
import type { RotationId } from '../../vault/kernel/id.ts'
import type { Connector } from '../../vault/rotation/connector.ts'
import { connectors } from '../../vault/rotation/connectors.ts'
import type { Behaviour, FakeSshTarget, FakeUser } from './fake-ssh-target.ts'
import { secretsOf } from './rotation-drive.ts'
import type { TestVault } from './vault.ts'

/** One cell of the fault matrix: an account of a scripted machine, and what it takes. */
export type Cell = {
  readonly account: string
  readonly login: string
  readonly user: FakeUser
  readonly at: FakeSshTarget
}

const real = await connectors['linux-password']?.load()
if (real === undefined) throw new Error('the connector is gone')
export const linuxPassword: Connector = real

/** Makes cells and judges what became of them. Each has a user of its own, so that none shares a lock-out. */
export function makeCells(vault: TestVault) {
  let count = 0
  let judged = 0
  return {
    /** Cells that were judged. */
    get judged() {
      return judged
    },
    make: async (behaviour: Behaviour, on: string, at: FakeSshTarget): Promise<Cell> => {
      count += 1
      const login = `u${count}`
      const user: FakeUser = { password: `S3cret-of-${login}`, behaviour, refused: 0, accepted: 0 }
      at.users.set(login, user)
      const account = `${on}/${login}`
      const credential = await vault.sealPassword(account, user.password)
      await vault.ask('account.add', { target: on, login, credential })
      await vault.ask('rotation.set', { account, connector: 'linux-password' })
      return { account, login, user, at }
    },
    /** INVARIANT 3: what the machine takes is the current credential, or the candidate. */
    holds: async ({ account, user }: Cell): Promise<void> => {
      const kept = await secretsOf(vault, account)
      expect([kept.get('current'), kept.get('candidate'), kept.get('discarded')]).toContain(user.password)
      // Of what was discarded only a machine that lied is known to take it: never one whose rotation goes on.
      if (!kept.has('candidate') && user.behaviour !== 'truncates the new one')
        expect(kept.get('current')).toBe(user.password)
    },
    /** Is the state that is shown true, and was the machine asked seldom enough? Answers the phase. */
    judge: async ({ user, account }: Cell, run: RotationId): Promise<string> => {
      const shown = await vault.ask('rotation.show', { run })
      const kept = await secretsOf(vault, account)
      if (shown.phase === 'done')
        expect([kept.get('current'), kept.get('candidate')]).toEqual([user.password, undefined])
      if (shown.phase === 'failed')
        expect([kept.get('current'), shown.why]).toEqual([user.password, expect.stringMatching(/./)])
      if (shown.phase === 'unknown') {
        if (user.behaviour !== 'refuses the login') expect([...kept.values()]).not.toContain(user.password)
        expect([kept.has('current'), kept.has('candidate')]).toEqual([true, true])
        expect(shown.next).toContain('tagout rotation retry')
      }
      // Two under the five that lock out.
      expect(user.refused).toBeLessThanOrEqual(3)
      judged += 1
      return shown.phase
    },
    /** Looks for each secret of each account in the rows, in the log, and in what the vault said to its operator. Answers how many. */
    secretsNowhere: async (more = ''): Promise<number> => {
      const { database } = vault.plane.world.vault
      const rows = JSON.stringify([
        await database.selectFrom('rotation_run').selectAll().execute(),
        await database.selectFrom('login_place').selectAll().execute(),
        (await database.selectFrom('audit_leaf').selectAll().execute()).map(({ entry }) =>
          Buffer.from(entry).toString(),
        ),
        vault.faults.map(({ what, error }) => [what, String(error)]),
        more,
      ])
      let tried = 0
      for (const { name, credential } of await vault.ask('account.list', {}))
        if (credential?.kind === 'password')
          for (const secret of (await secretsOf(vault, name)).values()) {
            tried += 1
            expect(rows).not.toContain(secret)
          }
      return tried
    },
  }
}

/** A connector that does not wait its whole minute for a machine that says nothing. */
export function impatient(of: Connector, { behaviour }: FakeUser): Connector {
  type At = Parameters<Connector['login']>[0]
  const within = (ms: number, at: At): At => ({ ...at, withinMs: ms, signal: AbortSignal.timeout(ms) })
  const isDumb = behaviour === 'never answers the login'
  const forChange = isDumb || behaviour.startsWith('says nothing more') ? 1_000 : 20_000
  return {
    ...of,
    change: (at, ...rest) => of.change(within(forChange, at), ...rest),
    login: (at, ...rest) => of.login(within(isDumb ? 1_000 : 20_000, at), ...rest),
  }
}
