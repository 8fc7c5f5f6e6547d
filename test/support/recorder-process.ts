import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ContractVault, writeRecorderIdentity } from './contract-vault.ts'
import { type Gateway, makeBob } from './gateway.ts'
import { type RecordingRoom, recordingRoom } from './recordings.ts'

type Ready = {
  readonly address: { readonly host: string; readonly port: number }
  readonly knownHosts: readonly string[]
  readonly nativeCiphers: boolean
}

/** The recorder as processes of its own, as an installation runs it, with a fake vault behind a real door. */
export type RecorderProcess = AsyncDisposable &
  Pick<Gateway, 'keyFile' | 'ssh'> & {
    readonly dataDir: string
    readonly vault: ContractVault
    readonly room: RecordingRoom
    readonly log: () => string
    readonly child: () => ChildProcess
    readonly ready: () => Ready
    /** Process ids of the workers. */
    readonly workers: () => readonly number[]
    /** Starts it anew on the same data, after it was killed. */
    readonly again: () => Promise<void>
  }

export async function startRecorderProcess(settings: object = {}): Promise<RecorderProcess> {
  // Its auditors are the room's, so that what it records can be replayed.
  const room = await recordingRoom()
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-recorder-'))
  const vault = await ContractVault.start(dataDir, room.links)
  writeRecorderIdentity(dataDir, vault.recorder)
  mkdirSync(join(dataDir, 'run'), { recursive: true })
  const recorder = { workers: 2, floorBytes: 0, ...settings }
  writeFileSync(
    join(dataDir, 'tagout.json'),
    JSON.stringify({ ssh: { host: '127.0.0.1', port: 0 }, recorder }),
  )
  let log = ''
  const start = async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../recorder/main.ts')], {
      env: { PATH: process.env['PATH'] ?? '', TAGOUT_DATA: dataDir, TAGOUT_TEST: '1' },
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
  const { keyFile, ssh } = makeBob(dataDir, vault, running.ready.knownHosts, running.ready.address.port)
  return {
    dataDir,
    vault,
    room,
    keyFile,
    ssh,
    log: () => log,
    child: () => running.child,
    ready: () => running.ready,
    workers: () => childrenOf(running.child.pid ?? 0),
    again: async () => {
      running = await start()
    },
    [Symbol.asyncDispose]: async () => {
      const { child } = running
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGTERM')
        await ended
      }
      await vault[Symbol.asyncDispose]()
      await room[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
