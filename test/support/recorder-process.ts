import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlaneIdentity } from '../../vault/plane.ts'
import { ContractVault, writeRecorderIdentity } from './contract-vault.ts'
import { type Gateway, makeBob } from './gateway.ts'
import { type RecordingRoom, recordingRoom } from './recordings.ts'
import { freePort } from './ports.ts'

type Ready = {
  readonly address: { readonly host: string; readonly port: number }
  readonly knownHosts: readonly string[]
  readonly nativeCiphers: boolean
}

/** The recorder as processes of its own, as an installation runs it. */
export type SpawnedRecorder = AsyncDisposable & {
  readonly dataDir: string
  readonly log: () => string
  readonly child: () => ChildProcess
  readonly ready: () => Ready
  /** Process ids of the workers. */
  readonly workers: () => readonly number[]
  /** Starts it anew on the same data and port, after it was killed. */
  readonly again: () => Promise<void>
}

/** The same with a fake vault behind a real door, and its user bob. */
export type RecorderProcess = SpawnedRecorder &
  Pick<Gateway, 'keyFile' | 'ssh'> & { readonly vault: ContractVault; readonly room: RecordingRoom }

export async function startRecorderProcess(
  settings: object = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<RecorderProcess> {
  // Its auditors are the room's, so that what it records can be replayed.
  const room = await recordingRoom()
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-recorder-'))
  const vault = await ContractVault.start(dataDir, room.links)
  const recorder = await spawnRecorder(dataDir, vault.recorder, settings, variables)
  const { keyFile, ssh } = makeBob(dataDir, vault, recorder.ready().knownHosts, recorder.ready().address.port)
  return {
    ...recorder,
    vault,
    room,
    keyFile,
    ssh,
    [Symbol.asyncDispose]: async () => {
      await recorder[Symbol.asyncDispose]()
      await vault[Symbol.asyncDispose]()
      await room[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Starts the recorder on a data folder in which a vault serves, with workers of its own. */
export async function spawnRecorder(
  dataDir: string,
  identity: PlaneIdentity,
  settings: object = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<SpawnedRecorder> {
  writeRecorderIdentity(dataDir, identity)
  mkdirSync(join(dataDir, 'run'), { recursive: true })
  const recorder = { workers: 2, floorBytes: 0, ...settings }
  writeFileSync(
    join(dataDir, 'tagout.json'),
    JSON.stringify({ ssh: { host: '127.0.0.1', port: await freePort() }, recorder }),
  )
  let log = ''
  const start = async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../recorder/main.ts')], {
      env: { PATH: process.env['PATH'] ?? '', TAGOUT_DATA: dataDir, ...variables },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    child.stderr?.on('data', (piece: Buffer) => {
      log += piece.toString()
    })
    const ready = await new Promise<Ready>((resolve, reject) => {
      child.on('message', (message: { kind: string } & Ready) => {
        if (message.kind === 'ready') resolve(message)
      })
      child.on('exit', () => reject(new Error(`the recorder ended: ${log}`)))
    })
    return { child, ready }
  }
  let running = await start()
  return {
    dataDir,
    log: () => log,
    child: () => running.child,
    ready: () => running.ready,
    workers: () => childrenOf(running.child.pid ?? 0),
    again: async () => {
      running = await start()
    },
    [Symbol.asyncDispose]: async () => {
      const { child } = running
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Process ids of a process's children. */
export function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
