import { join } from 'node:path'
import type { VaultClient } from '../vault/index.ts'
import { readPlaneIdentity } from '../vault/index.ts'
import type { SessionId } from '../vault/kernel/id.ts'
import { Tap } from './broker/desktop/tap.ts'
import { Carried } from './broker/ssh/carried.ts'
import { SshFront } from './broker/ssh/front.ts'
import type { GatewayKeys } from './broker/ssh/host-key.ts'
import { type BrokerPorts, defaultLimits, type Log } from './broker/ssh/ports.ts'
import type { RecorderConfig } from './config.ts'
import { liveSocketPath } from './live/live-path.ts'
import { serveLive } from './live/live-server.ts'
import { Watches } from './live/watches.ts'
import { openRecording } from './recording/index.ts'
import { openStore } from './store/index.ts'
import { nodeName } from './supervision/node-name.ts'
import { reportEnd } from './supervision/report-end.ts'
import { Unsettled } from './supervision/unsettled.ts'
import { VaultLink } from './supervision/vault-link.ts'
import { workerDispatch } from './supervision/worker-dispatch.ts'

/** What a worker is made of. */
export type ComposedWorker = AsyncDisposable & { readonly front: SshFront; readonly link: VaultLink }

/** Milliseconds that a worker waits for the vault before browsers reach it. */
const vaultFirstMs = 2_000
/** Milliseconds without the vault after which nobody is shown anything any more. */
const watchAwayMs = 2_000

/** Wires a worker: its connection to the vault, the store, the SSH server, the live sockets of browsers. */
export async function composeWorker(
  config: RecorderConfig,
  keys: GatewayKeys,
  name: string,
  log: Log,
): Promise<ComposedWorker> {
  const identity = readPlaneIdentity(config.dataDir, 'recorder')
  // The parent keeps the reserve; a worker only opens the store.
  const store = await openStore({ folder: config.storePath, floorBytes: config.floorBytes, reserveBytes: 0 })
  const unsettled = new Unsettled(config.storePath)
  const node = nodeName()
  // Over, but the vault has not heard: still this worker's, or the vault would call them crashed.
  const unheard = new Set<SessionId>()
  const tap =
    config.guacd === undefined
      ? undefined
      : await Tap.listen(join(config.dataDir, 'recorder', `tap-${name}.sock`))
  // From the link on nothing is awaited before there is a front: the vault is told hello once, as soon as it answers.
  let front: SshFront | undefined
  let watches: Watches | undefined
  const link = new VaultLink({
    dataDir: config.dataDir,
    identity,
    log,
    dispatch: workerDispatch(
      () => front,
      () => watches,
    ),
    onConnected: async (client) => {
      if (front !== undefined) await hello(client, front, [...front.sessions.keys(), ...unheard], node, name)
    },
  })
  const broker: BrokerPorts = {
    ask: (verb, input) => link.call(verb, input),
    store,
    openRecording: async (options) => {
      await unsettled.note(options.permit)
      return openRecording(options)
    },
    reportEnd: async (recording, end) => {
      unheard.add(end.session)
      await reportEnd({ link, unsettled, log }, recording, end)
      unheard.delete(end.session)
    },
    node,
    worker: name,
    log,
    ...(config.guacd === undefined || tap === undefined ? {} : { desktops: { guacd: config.guacd, tap } }),
  }
  const limits = { ...defaultLimits, quotaBytes: config.quotaBytes }
  const carried = new Carried()
  front = new SshFront(broker, limits, keys, carried)
  const sshFront = front
  const shown = new Watches(broker, carried)
  watches = shown
  // Whoever opens a session in a worker that has just come back is not told that the vault is away; where it is, they are.
  await link.present(AbortSignal.timeout(vaultFirstMs))
  const live = await serveLive(liveSocketPath(config.dataDir, name), {
    broker,
    limits,
    carried,
    watches: shown,
  })
  const watch = setInterval(() => {
    // Whether they still may is the vault's to say.
    if (link.awayMs > watchAwayMs) shown.endAll('the vault is away')
    if (link.awayMs <= config.vaultAwayMs) return
    for (const session of sshFront.sessions.values()) void session.end('vault away too long')
  }, 1_000)
  return {
    front,
    link,
    [Symbol.asyncDispose]: async () => {
      clearInterval(watch)
      await sshFront.close('shut down')
      await live[Symbol.asyncDispose]()
      await tap?.[Symbol.asyncDispose]()
      await link[Symbol.asyncDispose]()
    },
  }
}

/** Tells the vault who this worker is and what it carries, and ends what the vault says has to end. */
async function hello(
  client: VaultClient,
  front: SshFront,
  live: SessionId[],
  node: string,
  worker: string,
): Promise<void> {
  const answer = await client.call('recorder.hello', { node, worker, live })
  if (!answer.ok) return
  for (const { session, reason } of answer.value.end) front.cut(session, reason)
}
