import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { RotationId } from '../../../vault/kernel/id.ts'
import { parsePrivateKey } from '../../../vault/release/ssh-private-key.ts'
import { type WorkPorts, workOn } from '../../../vault/rotation/worker/work.ts'
import {
  type Behaviour,
  behaviours,
  type FakeSshTarget,
  startFakeSshTarget,
} from '../../support/fake-ssh-target.ts'
import { type Cell, impatient, linuxPassword, makeCells } from '../../support/rotation-cells.ts'
import { startSshd, whyNoSshd } from '../../support/sshd.ts'
import { type Drive, drive as driveRun, Killed, killsIn } from '../../support/rotation-drive.ts'
import { must, startTestVault, type TestVault } from '../../support/vault.ts'

/**
 * The fault matrix: every behaviour of a target, by every moment at which a worker is killed. In each cell the vault holds what
 * the target takes, the lock-out is kept away from, and the state that is shown is true.
 */

let vault: TestVault
let worker: VaultClient
let target: FakeSshTarget
let cells: ReturnType<typeof makeCells>

beforeAll(async () => {
  vault = await startTestVault()
  cells = makeCells(vault)
  worker = await vault.connect('rotation')
  target = await startFakeSshTarget()
  await vault.ask('safe.add', { name: 'line-3' })
  await addTarget('machine', target)
})
afterAll(async () => {
  process.stdout.write(`rotation: ${cells.judged + more} cells of the fault matrix\n`)
  await target[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
})

async function addTarget(name: string, at: FakeSshTarget) {
  await vault.ask('target.add', { name, safe: 'line-3', address: `ssh://127.0.0.1:${at.port}`, pin: at.pin })
}

const kills = killsIn(3)

/** Cells that have no machine of the script. */
let more = 0

const cell = (behaviour: Behaviour, on = 'machine', at = target) => cells.make(behaviour, on, at)

/** As `driveRun`, and looks after each step that the vault holds what the machine takes, unless somebody else changes that. */
async function drive(
  one: Cell | undefined,
  run: RotationId,
  { byHand = false, ...more }: Pick<Drive, 'kill' | 'before'> & { readonly byHand?: boolean },
): Promise<void> {
  await driveRun(vault, () => worker, run, {
    ...more,
    ...(one === undefined || byHand ? {} : { after: () => cells.holds(one) }),
    // A step of a target that says nothing would take its whole minute.
    ...(one === undefined ? {} : { load: async () => impatient(linuxPassword, one.user) }),
  })
}

const judge = (one: Cell, run: RotationId) => cells.judge(one, run)
const start = async ({ account }: Cell) => (await vault.ask('rotation.start', { account })).id

/** How it ends where nobody is killed. */
const ends: Readonly<Record<Behaviour, string>> = {
  obeys: 'done',
  'asks something else': 'failed',
  'closes before it asks': 'failed',
  'closes when it heard the new one': 'failed',
  'closes when it took the new one': 'done',
  'says nothing more when it heard the new one': 'failed',
  'says nothing more when it took the new one': 'done',
  'accepts and does not apply': 'failed',
  'applies and answers an error': 'done',
  'refuses the new one': 'failed',
  'truncates the new one': 'unknown',
  'refuses the login': 'unknown',
  'never answers the login': 'failed',
}

describe.each(behaviours)('a machine that %s', (behaviour) => {
  test.each(kills)('is rotated or left as it was, with a worker killed at %o', async (kill) => {
    const one = await cell(behaviour)
    const run = await start(one)
    const truth = behaviour === 'truncates the new one' || behaviour === 'refuses the login'
    await drive(one, run, {
      kill,
      byHand: truth,
      before: (call) => {
        // A machine that does not let anybody in would be asked for ever: it comes to itself.
        if (behaviour === 'never answers the login' && call > 3) one.user.behaviour = 'obeys'
      },
    })
    if (behaviour === 'refuses the login') {
      // It takes nothing, whatever it is given: nobody knows why, and a person is sent for.
      expect(await vault.ask('rotation.show', { run })).toMatchObject({
        phase: 'unknown',
        believes: 'nothing',
      })
      await judge(one, run)
      return
    }
    const phase = await judge(one, run)
    if (kill === null) expect(phase).toBe(ends[behaviour])
  })
})

describe('a machine that is away', () => {
  test.each([1, 2, 3])('before step %i is waited for, and nothing is lost', async (at) => {
    await using away = await startFakeSshTarget()
    const name = `away-${at}`
    await addTarget(name, away)
    const one = await cell('obeys', name, away)
    const run = await start(one)
    let isBack = false
    await drive(one, run, {
      before: async (call) => {
        if (call === at) await away.stop()
        if (call > at + 2 && !isBack) {
          isBack = true
          await away.start()
        }
      },
    })
    expect(await judge(one, run)).toBe(at === 1 ? 'failed' : 'done')
    expect(one.user.refused).toBe(0)
  })

  test.each([1, 2])('before step %i comes back with another host key, and is sent nothing', async (at) => {
    await using changed = await startFakeSshTarget()
    const name = `changed-${at}`
    await addTarget(name, changed)
    const one = await cell('obeys', name, changed)
    const run = await start(one)
    await drive(one, run, {
      before: async (call) => {
        if (call === at || call === at + 3) await changed.stop()
        if (call === at) await changed.start(true)
        // The machine that was meant is put back.
        if (call === at + 3) await changed.start()
      },
    })
    expect(await judge(one, run)).toBe(at === 1 ? 'failed' : 'done')
    expect(one.user.refused).toBe(0)
  })
})

describe('a password that somebody changes on the machine meanwhile', () => {
  test.each([1, 2])('before step %i, leaves nobody who knows it, and both are kept', async (at) => {
    const one = await cell('obeys')
    const run = await start(one)
    await drive(one, run, {
      byHand: true,
      before: (call) => {
        if (call === at) one.user.password = 'changed-by-hand-1'
      },
    })
    expect(await judge(one, run)).toBe('unknown')
    // A person gives it to the vault, and all is well.
    const credential = await vault.sealPassword(one.account, 'changed-by-hand-1')
    await vault.ask('account.secret', { account: one.account, credential })
    expect(await vault.ask('rotation.show', { run })).toMatchObject({ phase: 'cancelled' })
    one.user.refused = 0
    vault.advance(16 * 60_000)
    const again = await start(one)
    await drive(one, again, {})
    expect(await judge(one, again)).toBe('done')
  })

  test.each([1, 2])('before step %i, is set right by a privileged account', async (at) => {
    const one = await cell('obeys')
    const root = await cell('obeys')
    await vault.ask('rotation.set', { account: one.account, reconcileAccount: root.account })
    const run = await start(one)
    await drive(one, run, {
      byHand: true,
      before: (call) => {
        if (call === at) one.user.password = 'changed-by-hand-2'
      },
    })
    expect(await judge(one, run)).toBe('done')
    expect(root.user.refused).toBe(0)
  })

  test('a retry by hand tries both again, within the lock-out', async () => {
    const one = await cell('obeys')
    const run = await start(one)
    const own = one.user.password
    one.user.password = 'changed-by-hand-3'
    await drive(one, run, { byHand: true })
    one.user.password = own
    await vault.ask('rotation.retry', { run })
    await drive(one, run, {})
    expect(await judge(one, run)).toBe('failed')
  })
})

describe.skipIf(whyNoSshd() !== undefined)('a real machine', () => {
  test.each(['linux-password', 'linux-key'])(
    'lets the vault in, wherever the worker of %s is killed',
    async (name) => {
      const { privateKey } = generateKeyPairSync('ed25519')
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      const blob = must(parsePrivateKey(Buffer.from(pem), undefined)).publicKey.blob.toString('base64')
      await using sshd = await startSshd(
        name === 'linux-key' ? { login: 'publickey', authorizedKey: `ssh-ed25519 ${blob} plant` } : {},
      )
      const account = `${name}/${sshd.user}`
      await vault.ask('target.add', {
        ...{ name, safe: 'line-3', address: `ssh://127.0.0.1:${sshd.port}` },
        pin: sshd.pins[0]?.fingerprint ?? '',
      })
      const credential =
        name === 'linux-key'
          ? await vault.sealKey(account, pem)
          : await vault.sealPassword(account, sshd.password)
      await vault.ask('account.add', { target: name, login: sshd.user, credential })
      await vault.ask('rotation.set', { account, connector: name })
      for (const kill of kills) {
        const { id } = await vault.ask('rotation.start', { account })
        await drive(undefined, id, { kill })
        const { phase, why } = await vault.ask('rotation.show', { run: id })
        // Killed before the change, nothing was changed; killed after it, all was.
        expect([kill, phase]).toEqual([kill, kill?.step === 1 && kill.at === 'asked' ? 'failed' : 'done'])
        expect(why === '' || phase === 'failed').toBe(true)
        // A fresh login with what the vault has: the budget of refused ones is not touched by any cell.
        const check = await vault.ask('rotation.verify', { account })
        await drive(undefined, check.id, {})
        expect(await vault.ask('rotation.show', { run: check.id })).toMatchObject({ phase: 'done' })
        vault.advance(16 * 60_000)
        more += 1
      }
    },
    120_000,
  )
})

describe('what else is killed', () => {
  test.each([
    ['before the change', { step: 1, at: 'asked' }],
    ['after the change', { step: 1, at: 'done' }],
    ['after the login', { step: 2, at: 'done' }],
  ] as const)('the vault %s: it goes on where it was', async (_, kill) => {
    const one = await cell('obeys')
    const run = await start(one)
    let isRestarted = false
    await drive(one, run, {
      kill,
      before: async (call) => {
        if (call !== kill.step + 1 || isRestarted) return
        isRestarted = true
        await vault.restart()
        worker = await vault.connect('rotation')
      },
    })
    expect(await judge(one, run)).toBe(kill.step === 1 && kill.at === 'asked' ? 'failed' : 'done')
  })

  test('two workers at once do each step once', async () => {
    const one = await cell('obeys')
    const run = await start(one)
    const other = await vault.connect('rotation')
    let steps = 0
    const ports = (of: VaultClient): WorkPorts => ({
      vault: async () => of,
      onFault: () => undefined,
      at: (where) => {
        if (where === 'asked') steps += 1
      },
    })
    for (let left = 6; left > 0; left -= 1)
      await Promise.all([workOn(ports(worker), run), workOn(ports(other), run), workOn(ports(other), run)])
    expect(await judge(one, run)).toBe('done')
    expect([steps, one.user.accepted, one.user.refused]).toEqual([2, 2, 0])
    other.close()
  })

  test('what a worker says too late is not heard', async () => {
    const one = await cell('closes when it took the new one')
    const run = await start(one)
    let late: (() => Promise<unknown>) | undefined
    const slow: WorkPorts = {
      vault: async () => worker,
      onFault: () => undefined,
      at: (where) => {
        if (where !== 'done') return
        const generation = 1
        late = () =>
          worker.call('rotation.report', {
            ...{ run, generation, sent: true },
            seen: { step: 'change', result: { kind: 'untouched', why: 'nothing was sent' } },
          })
        throw new Killed('it is halted here')
      },
    }
    await workOn(slow, run).catch(() => undefined)
    vault.advance(90_000)
    await drive(one, run, {})
    expect(await late?.()).toMatchObject({ ok: false, refusal: { code: 'conflict' } })
    expect(await judge(one, run)).toBe('done')
  })
})

test('nothing of a secret is in the rows, the log or what the vault says to its operator', async () => {
  expect(await cells.secretsNowhere()).toBeGreaterThan(100)
  expect(vault.faults).toEqual([])
})
