import { type ChildProcess, fork } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { readPlaneIdentity } from '../../vault/index.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { type GatewayKeys, loadGatewayKeys } from '../broker/ssh/host-key.ts'
import type { RecorderConfig } from '../config.ts'
import { serveReplay } from '../serve/replay-server.ts'
import { SearchShelf } from '../serve/search-shelf.ts'
import { openStore, SpaceWatch } from '../store/index.ts'
import { Admission, defaultAdmission } from './admission.ts'
import { Destroyer } from './destroyer.ts'
import { makeLog } from './log.ts'
import type { ToParent, ToWorker } from './message.ts'
import { nodeName } from './node-name.ts'
import { findLeftBehind, recover } from './recovery.ts'
import { Unsettled } from './unsettled.ts'
import { VaultLink } from './vault-link.ts'

type Worker = {
  readonly name: string
  readonly process: ChildProcess
  readonly connections: Map<number, () => void>
  isUp: boolean
}

export type RunningRecorder = AsyncDisposable & {
  readonly address: { readonly host: string; readonly port: number }
  readonly keys: GatewayKeys
  /** Process ids of the living workers. */
  readonly workers: () => readonly number[]
}

/** Enough for PostgreSQL to write down how every session ended. */
const reserveBytes = 256 * 1024 * 1024
const restartDelays = [100, 500, 2_000, 5_000]
const stopWithinMs = 8_000

/**
 * Starts the recorder: workers that carry the connections, and beside them what must outlive each of them: the
 * listening socket, the replay socket, and the reports of what a dead worker left.
 */
export async function startRecorder(config: RecorderConfig, entry: string): Promise<RunningRecorder> {
  const log = makeLog('parent')
  const keys = await loadGatewayKeys(join(config.dataDir, 'recorder'))
  const store = await openStore({ folder: config.storePath, floorBytes: config.floorBytes, reserveBytes })
  const unsettled = new Unsettled(config.storePath)
  await unsettled.open()
  const link = new VaultLink({
    dataDir: config.dataDir,
    identity: readPlaneIdentity(config.dataDir, 'recorder'),
    dispatch: () => undefined,
    log,
  })
  const recovery = { store, link, unsettled, log }
  // Before any worker runs: whatever is unsettled now was left by an earlier life.
  const noted = await unsettled.list()
  const leftBehind = await findLeftBehind(recovery)
  void recover(recovery, leftBehind, noted).catch((error: unknown) =>
    log('what an earlier run left could not be reported', { error: String(error) }),
  )
  const shelf = new SearchShelf(store)
  const replay = await serveReplay({
    path: join(config.dataDir, 'run', 'replay.sock'),
    store,
    authorise: (input) => link.call('recording.authorise', input),
    searchable: (input) => link.call('recording.searchable', input),
    shelf,
    onFault: (method, error) => log('a replay failed', { method, error: String(error) }),
  })

  const space = new SpaceWatch({
    store,
    reserveBytes,
    tell: async (state, freeBytes) => {
      log('the room for recordings changed', { state, freeBytes })
      return (await link.call('recorder.space', { node: nodeName(), state, freeBytes })).ok
    },
  })
  space.start((error) => log('the room for recordings could not be seen', { error: String(error) }))

  const destroyer = new Destroyer({ store, link, log, forget: (recording) => shelf.forget(recording) })
  destroyer.start()

  const admission = new Admission(defaultAdmission)
  const workers = new Map<number, Worker>()
  let isStopping = false
  let nextConnection = 0

  const startWorker = (slot: number, attempt: number): Promise<void> => {
    const child = fork(entry, [], { env: { ...process.env, TAGOUT_RECORDER_WORKER: String(slot) } })
    const worker: Worker = {
      name: `worker-${slot}`,
      process: child,
      connections: new Map(),
      isUp: false,
    }
    workers.set(slot, worker)
    const up = Promise.withResolvers<void>()
    const begunAt = Date.now()
    child.on('message', (message: ToParent) => {
      hear(worker, message)
      if (message.kind === 'up') up.resolve()
    })
    child.on('error', (error) => log('a worker has a fault', { worker: worker.name, error: error.message }))
    child.once('exit', (code, signal) => {
      up.reject(new Fault('internal', `${worker.name} ended before it was up`))
      worker.isUp = false
      for (const release of worker.connections.values()) release()
      if (isStopping) return
      log('a worker died', { worker: worker.name, code, signal })
      void bury(child.pid)
      const next = Date.now() - begunAt > 30_000 ? 0 : attempt + 1
      const delay = restartDelays[Math.min(next, restartDelays.length - 1)] ?? 0
      void wait(delay).then(() => {
        if (!isStopping) void startWorker(slot, next).catch(() => undefined)
      })
    })
    send(worker, { kind: 'begin', config, keys, name: worker.name })
    return up.promise
  }

  /** Reports the sessions that died with their worker. */
  const bury = async (pid: number | undefined) => {
    try {
      const died = (await unsettled.list()).filter((one) => one.pid === pid)
      await recover(
        recovery,
        died.map(({ recording }) => recording),
        died,
      )
    } catch (error) {
      log('the sessions of a dead worker could not be reported', { error: String(error) })
    }
  }

  const hear = (worker: Worker, message: ToParent) => {
    switch (message.kind) {
      case 'up':
        worker.isUp = true
        return
      case 'proven':
        worker.connections.get(message.id)?.()
        return
      case 'closed':
        worker.connections.get(message.id)?.()
        worker.connections.delete(message.id)
        return
      case 'stopped':
    }
  }

  const take = (socket: Socket) => {
    socket.on('error', () => undefined)
    const worker = [...workers.values()]
      .filter(({ isUp }) => isUp)
      .sort((a, b) => a.connections.size - b.connections.size)[0]
    const release = admission.admit(socket.remoteAddress ?? '')
    if (worker === undefined || release === undefined) {
      release?.()
      return void socket.destroy()
    }
    const id = nextConnection++
    worker.connections.set(id, release)
    worker.process.send({ kind: 'connection', id } satisfies ToWorker, socket, (error) => {
      if (error === null) return
      release()
      worker.connections.delete(id)
      socket.destroy()
    })
  }

  await Promise.all(Array.from({ length: config.workers }, (_, slot) => startWorker(slot + 1, 0)))
  const server = createServer({ pauseOnConnect: true, noDelay: true }, take)
  const address = await listen(server, config)
  server.on('error', (error) => log('the listening socket has a fault', { error: error.message }))

  return {
    address,
    keys,
    workers: () => [...workers.values()].flatMap(({ process: { pid } }) => (pid === undefined ? [] : [pid])),
    [Symbol.asyncDispose]: async () => {
      isStopping = true
      space[Symbol.dispose]()
      server.close()
      await Promise.all([...workers.values()].map(stopWorker))
      await new Promise((resolve) => replay.close(resolve))
      await destroyer[Symbol.asyncDispose]()
      await link[Symbol.asyncDispose]()
    },
  }
}

function send(worker: Worker, message: ToWorker): void {
  if (worker.process.connected) worker.process.send(message, () => undefined)
}

async function stopWorker(worker: Worker): Promise<void> {
  const { process: child } = worker
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  send(worker, { kind: 'stop' })
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
  await ended
  clearTimeout(timer)
}

function listen(server: Server, config: RecorderConfig): Promise<RunningRecorder['address']> {
  const { host, port } = config.ssh
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'it is in use' : (error.code ?? error.message)
      reject(
        new Fault(
          'configuration',
          `cannot listen for SSH on ${host}:${port} (${why}): set TAGOUT_SSH_PORT, or ssh.port in tagout.json`,
        ),
      )
    })
    server.listen({ host, port, backlog: 1024 }, () => {
      const address = server.address()
      resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port })
    })
  })
}
