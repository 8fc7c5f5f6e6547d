import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAdmin, connectPlane, type VaultClient } from '../../vault/index.ts'
import { writePlaneIdentity } from './contract-vault.ts'
import { must, type TestVault } from './vault.ts'

const library = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
].find((path) => existsSync(path))

/** Why no process can be given another clock here, or undefined. */
export function whyNoFaketime(): string | undefined {
  return library === undefined ? 'libfaketime is not installed (Debian package faketime)' : undefined
}

/** The vault as a process of its own, on a machine whose clock the test sets while it runs. */
export type FakedVault = AsyncDisposable & {
  readonly admin: () => VaultClient
  readonly api: () => VaultClient
  readonly recorder: () => VaultClient
  /** Sets the machine's clock: so many milliseconds from the real time. */
  readonly set: (offsetMs: number) => void
  /** Kills it without a word, and starts it again. */
  readonly kill: () => Promise<void>
  readonly log: () => string
}

/**
 * Starts `vault/main.ts` over what a vault of a test has made, which has ended. Time that nobody sets (the monotonic
 * clock) goes on as it is.
 */
export async function startFakedVault(made: TestVault): Promise<FakedVault> {
  const clock = join(made.dataDir, 'clock')
  const set = (offsetMs: number) =>
    writeFileSync(clock, `${offsetMs < 0 ? '-' : '+'}${Math.round(Math.abs(offsetMs) / 1000)}\n`)
  set(0)
  writePlaneIdentity(made.dataDir, made.identities.vault)
  let log = ''
  let child: ChildProcess
  let clients: readonly VaultClient[] = []
  const start = async () => {
    child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../../vault/main.ts')],
      {
        env: {
          PATH: process.env['PATH'] ?? '',
          TAGOUT_DATA: made.dataDir,
          LD_PRELOAD: library ?? '',
          FAKETIME_TIMESTAMP_FILE: clock,
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    )
    child.stderr?.on('data', (piece: Buffer) => {
      log += piece.toString()
    })
    const [said] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => [{ kind: 'exit' }]),
    ])) as [{ readonly kind: string }]
    if (said.kind !== 'ready') throw new Error(`the vault did not start: ${log}`)
    const planes = join(made.dataDir, 'run', 'planes.sock')
    const { identities } = made
    const recorder = await connectPlane(planes, identities.recorder, () => undefined)
    clients = [
      await connectAdmin(made.dataDir),
      await connectPlane(planes, identities.api, () => undefined),
      recorder,
    ]
    must(await client(0).call('vault.unseal', { kind: 'stored-key-file' }))
    must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [] }))
  }
  const client = (at: number): VaultClient => {
    const found = clients[at]
    if (found === undefined) throw new Error('the vault is not running')
    return found
  }
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    for (const one of clients) one.close()
    clients = []
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  await start()
  return {
    admin: () => client(0),
    api: () => client(1),
    recorder: () => client(2),
    set,
    kill: async () => {
      await end('SIGKILL')
      await start()
    },
    log: () => log,
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  }
}
