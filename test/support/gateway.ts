import { type ExecFileOptions, execFile, execFileSync, spawn } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Carried } from '../../recorder/broker/ssh/carried.ts'
import { SshFront } from '../../recorder/broker/ssh/front.ts'
import { loadGatewayKeys } from '../../recorder/broker/ssh/host-key.ts'
import { type BrokerPorts, defaultLimits, type Limits } from '../../recorder/broker/ssh/ports.ts'
import { liveSocketPath } from '../../recorder/live/live-path.ts'
import { serveLive } from '../../recorder/live/live-server.ts'
import { Watches } from '../../recorder/live/watches.ts'
import { openRecording } from '../../recorder/recording/index.ts'
import type { Frame } from '../../recorder/replay/index.ts'
import { VaultLink } from '../../recorder/supervision/vault-link.ts'
import { workerDispatch } from '../../recorder/supervision/worker-dispatch.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { ContractVault } from './contract-vault.ts'
import { framesOf, type RecordingRoom, recordingRoom, replayOf, valueOf } from './recordings.ts'
import type { TestSshd } from './sshd.ts'

export type Ran = {
  readonly code: number | null
  readonly signal: string | null
  readonly out: Buffer
  readonly err: string
}

/** The broker of one worker in this process, with real recordings, a fake vault behind a real door, and one user. */
export type Gateway = AsyncDisposable & {
  readonly port: number
  readonly folder: string
  /** Where live sockets are listened for. */
  readonly liveSocket: string
  readonly vault: ContractVault
  readonly front: SshFront
  readonly room: RecordingRoom
  readonly logged: string[]
  /** Options of OpenSSH's programs that make them bob, and know the gateway. */
  readonly ssh: (extra?: readonly string[]) => string[]
  readonly keyFile: string
  readonly run: (
    program: string,
    args: readonly string[],
    input?: Buffer | string,
    options?: ExecFileOptions,
  ) => Promise<Ran>
  /** The frames of the last finished recording, or of the one named. */
  readonly frames: (recording?: string) => Promise<Frame[]>
}

export async function startGateway(
  limits: Partial<Limits> = {},
  ports: Partial<BrokerPorts> = {},
): Promise<Gateway> {
  const room = await recordingRoom()
  const folder = await mkdtemp(join(tmpdir(), 'tagout-gateway-'))
  const vault = await ContractVault.start(folder, room.links)
  const logged: string[] = []
  const log = (message: string, data?: unknown) =>
    void logged.push(`${message} ${JSON.stringify(data ?? {})}`)
  let front: SshFront | undefined
  let watches: Watches | undefined
  const carried = new Carried()
  const link = new VaultLink({
    dataDir: folder,
    identity: vault.recorder,
    dispatch: workerDispatch(
      () => front,
      () => watches,
    ),
    // As a worker's hello: the fake vault knows a caller once it was asked something.
    onConnected: async (client) => void (await client.call('status', {})),
    log,
  })
  await link.present()
  const keys = await loadGatewayKeys(join(folder, 'recorder'))
  const broker: BrokerPorts = {
    ask: (verb, input) => link.call(verb, input),
    store: room.store,
    openRecording,
    node: 'node-1',
    worker: 'worker-1',
    log,
    reportEnd: async (_recording, end) => {
      while (!(await link.call('session.end', end)).ok) await wait(50)
    },
    ...ports,
  }
  const allLimits = { ...defaultLimits, ...limits }
  front = new SshFront(broker, allLimits, keys, carried)
  watches = new Watches(broker, carried)
  const live = await serveLive(liveSocketPath(folder, 'worker-1'), {
    broker,
    limits: allLimits,
    carried,
    watches,
  })
  const server = createServer({ pauseOnConnect: true }, (socket) => front?.adopt(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  const { keyFile, ssh } = makeBob(folder, vault, keys.publicLines, port)
  return {
    port,
    folder,
    liveSocket: live.path,
    vault,
    front,
    room,
    logged,
    ssh,
    keyFile,
    run,
    frames: async (recording) => {
      if (recording === undefined) await allEnded(vault)
      const ended = vault.inputsOf('session.end').at(-1)
      const id = recording ?? vault.permits.get(ended?.session ?? '')?.permit.recording ?? ''
      await using source = valueOf(await room.store.read(id as RecordingId))
      return await framesOf(await replayOf(source, room.keys))
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      await front?.close('shut down')
      await live[Symbol.asyncDispose]()
      await link[Symbol.asyncDispose]()
      await vault[Symbol.asyncDispose]()
      await room[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A user bob with a key, and the options by which OpenSSH's programs are bob at the gateway. */
export function makeBob(
  folder: string,
  vault: ContractVault,
  hostKeyLines: readonly string[],
  port: number,
): Pick<Gateway, 'keyFile' | 'ssh'> {
  const bob = makeSshUser(folder, 'bob', hostKeyLines, port)
  vault.users.set('bob', { name: 'bob', keys: [bob.publicLine.split(' ')[1] ?? ''] })
  return bob
}

/** A key for a user, and the options by which OpenSSH's programs log in with it and know the gateway. */
export function makeSshUser(
  folder: string,
  name: string,
  hostKeyLines: readonly string[],
  port: number,
): Pick<Gateway, 'keyFile' | 'ssh'> & { readonly publicLine: string } {
  const keyFile = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', keyFile])
  chmodSync(keyFile, 0o600)
  const knownHosts = join(folder, 'known_hosts')
  writeFileSync(knownHosts, hostKeyLines.map((line) => `[127.0.0.1]:${port},gateway ${line}\n`).join(''))
  const options = [
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=none',
    'StrictHostKeyChecking=yes',
    'HostKeyAlias=gateway',
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'LogLevel=ERROR',
  ]
  const ssh = (extra: readonly string[] = []) => [
    '-F',
    'none',
    // Of two values OpenSSH takes the first.
    ...extra,
    ...options.flatMap((option) => ['-o', option]),
    '-i',
    keyFile,
  ]
  return { keyFile, ssh, publicLine: readFileSync(`${keyFile}.pub`, 'utf8').trim() }
}

/** Makes the sshd a target of the gateway, with its user as account. */
export function addTarget(
  gateway: { readonly vault: ContractVault },
  name: string,
  sshd: TestSshd,
  change: object = {},
): void {
  gateway.vault.accounts.push({
    target: name,
    login: sshd.user,
    host: '127.0.0.1',
    port: sshd.port,
    pins: sshd.pins,
    credential: { kind: 'password', password: sshd.password },
    ...change,
  })
}

export function run(
  program: string,
  args: readonly string[],
  input?: Buffer | string,
  options: ExecFileOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...options,
    } as never) as ReturnType<typeof execFile>
    const out: Buffer[] = []
    let err = ''
    child.stdout?.on('data', (piece: Buffer) => out.push(piece))
    child.stderr?.on('data', (piece: Buffer) => {
      err += piece.toString()
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, out: Buffer.concat(out), err }))
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}

/** Waits until the vault has heard the end of each session that it opened. */
export function allEnded(vault: ContractVault): Promise<void> {
  return until(() => vault.inputsOf('session.end').length >= vault.permits.size, 30_000)
}

/** Waits until something is so, at most `within` milliseconds. */
export async function until(isSo: () => boolean | Promise<boolean>, within = 20_000): Promise<void> {
  const deadline = Date.now() + within
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to be in time')
    await wait(10)
  }
}
