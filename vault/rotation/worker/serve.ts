import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connectPlane, type VaultClient } from '../../client.ts'
import { done } from '../../kernel/outcome.ts'
import type { PlaneIdentity } from '../../plane.ts'
import { openQueue, type QueueOptions, type QueueStore } from './queue.ts'
import { type WorkPorts, workOn } from './work.ts'

export type WorkerOptions = Pick<WorkPorts, 'load' | 'at'> &
  Pick<QueueOptions, 'name' | 'abreast'> & {
    readonly dataDir: string
    readonly identity: PlaneIdentity
    readonly store: QueueStore
    readonly onFault: (what: string, error: unknown) => void
    /** Milliseconds between two looks at what is due, where nobody wakes it before. Default 1,000. */
    readonly lookMs?: number
  }

/** A worker of rotation: asks the vault what is due, has the queue ring for it, and does a step for each ring. */
export async function startRotationWorker(options: WorkerOptions): Promise<AsyncDisposable> {
  const { dataDir, identity, onFault, lookMs = 1_000 } = options
  await using stack = new AsyncDisposableStack()
  const stopping = new AbortController()
  let wake: () => void = () => undefined
  let client: Promise<VaultClient> | undefined
  const vault = async () => {
    if (client !== undefined && (await client.catch(() => undefined))?.peer.isOpen !== true)
      client = undefined
    client ??= connectPlane(join(dataDir, 'run', 'planes.sock'), identity, (method) =>
      method === 'rotation.wake'
        ? async () => {
            wake()
            return done(null)
          }
        : undefined,
    )
    return client
  }
  stack.defer(async () => (await client?.catch(() => undefined))?.close())
  const ports: WorkPorts = {
    vault,
    onFault,
    ...(options.load === undefined ? {} : { load: options.load }),
    ...(options.at === undefined ? {} : { at: options.at }),
  }
  const queue = stack.use(
    await openQueue({
      ...{ store: options.store, onFault },
      work: async (run) => {
        // What follows at once needs no other ring: the bell is for what waits.
        while (!stopping.signal.aborted && (await workOn(ports, run)));
      },
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.abreast === undefined ? {} : { abreast: options.abreast }),
    }),
  )
  const look = async () => {
    const due = await (await vault()).call('rotation.due', {})
    if (due.ok) await queue.ring(due.value)
  }
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      const { promise: woken, resolve } = Promise.withResolvers<void>()
      wake = resolve
      await look().catch((error: unknown) => onFault('what is due', error))
      await Promise.race([
        woken,
        pause(lookMs, undefined, { signal: stopping.signal }).catch(() => undefined),
      ])
    }
  })()
  stack.defer(async () => {
    stopping.abort()
    wake()
    await looking
  })
  const moved = stack.move()
  return { [Symbol.asyncDispose]: () => moved.disposeAsync() }
}
