import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeSshUser } from '../support/gateway.ts'
import { type SpawnedRecorder, spawnRecorder } from '../support/recorder-process.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { startTestVault, type TestVault } from '../support/vault.ts'

/** The vault in this process, a recorder with its workers in others, and users with keys. */
export type Brokered = AsyncDisposable & {
  readonly vault: TestVault
  readonly recorder: SpawnedRecorder
  readonly users: readonly (ReturnType<typeof makeSshUser> & { readonly name: string })[]
}

export async function startBrokered(
  userCount: number,
  settings: { quotaBytes?: number } = {},
): Promise<Brokered> {
  await using stack = new AsyncDisposableStack()
  // As installed: an answer is on the disk.
  const postgres = stack.use(await startTestPostgres({ durable: true }))
  const vault = stack.use(await startTestVault({ ...settings, postgres }))
  const recorder = stack.use(await spawnRecorder(vault.dataDir, vault.identities.recorder, settings))
  const { knownHosts, address } = recorder.ready()
  const users = Array.from({ length: userCount }, (_, index) => {
    const name = `bob${index}`
    return { name, ...makeSshUser(vault.dataDir, name, knownHosts, address.port) }
  })
  for (const { name, publicLine } of users) {
    await vault.ask('user.add', { name, roles: ['operator'] })
    await vault.ask('user.key.add', { user: name, publicKey: publicLine })
  }
  const moved = stack.move()
  return { vault, recorder, users, [Symbol.asyncDispose]: () => moved.disposeAsync() }
}

/** A process of this folder that says one thing when it is ready; it ends with this one. */
export async function startHelper(
  file: string,
): Promise<{ readonly child: ChildProcess; readonly said: unknown }> {
  const child = fork(join(import.meta.dirname, file))
  const [said] = (await once(child, 'message')) as [unknown]
  return { child, said }
}

/** Seconds of processor time that a process has used so far, its threads included (proc(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
