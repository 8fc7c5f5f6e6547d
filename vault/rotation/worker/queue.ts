import { setTimeout as pause } from 'node:timers/promises'
import { createPostgresBackend, createRedisBackend, Queue, Worker } from 'bullmq'
import type { DueRun } from '../../contract.ts'
import { isId, type RotationId } from '../../kernel/id.ts'

/** Where jobs lie: in PostgreSQL, in the schema of the queue's own, or in a Redis of the site. */
export type QueueStore =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'redis'; readonly url: string }

export type BellQueue = AsyncDisposable & {
  /** Makes jobs of what is due. One that is there already is not made again. */
  readonly ring: (due: readonly DueRun[]) => Promise<void>
  /** The jobs that wait, as the store has them. */
  readonly waiting: () => Promise<number>
}

export type QueueOptions = {
  readonly store: QueueStore
  /** Name of the queue: tests of one store have one each. */
  readonly name?: string
  /** Runs that are worked on at a time. */
  readonly abreast?: number
  readonly work: (run: RotationId) => Promise<unknown>
  readonly onFault: (what: string, error: unknown) => void
}

/** As of which a worker that was killed in the middle is taken for gone, and its job done by another (ms). */
const lockMs = 30_000
/** Milliseconds after which nobody waits for the store any more. */
const ringMs = 5_000

/**
 * The queue of rotation: a bell, which says that something may be due, and is believed nothing.
 *
 * INVARIANT: a job is the id of a run. Whoever empties the queue, fills it or runs its jobs twice changes when the vault
 * is asked, and nothing else.
 */
export async function openQueue(options: QueueOptions): Promise<BellQueue> {
  const { store, onFault, work, name = 'rotation' } = options
  const backend = store.kind === 'postgres' ? createPostgresBackend : createRedisBackend
  // Each object has connections of its own: two of them, and one that listens.
  const connection =
    store.kind === 'postgres'
      ? { connectionString: store.url, max: 2, application_name: 'tagout-rotation' }
      : { url: store.url, maxRetriesPerRequest: null }
  const common = { skipWaitingForReady: true }
  const queue = new Queue(name, { connection, ...common } as never, backend as never)
  const worker = new Worker(
    name,
    async (job) => {
      const run = job.data as { readonly run?: unknown }
      // Whoever may write to the store may write anything into it.
      if (typeof run?.run === 'string' && isId('rot', run.run)) await work(run.run)
    },
    {
      ...{ connection, concurrency: options.abreast ?? 20 },
      ...{ lockDuration: lockMs, stalledInterval: lockMs, maxStalledCount: 3 },
    } as never,
    backend as never,
  )
  queue.on('error', (error) => onFault('the queue', error))
  worker.on('error', (error) => onFault('the queue', error))
  worker.on('failed', (_job, error) => onFault('a job', error))
  // A store that is away keeps what it is given until it is back: one ring waits, and not one for each look.
  let ringing: Promise<unknown> | undefined
  return {
    ring: async (due) => {
      if (due.length === 0 || ringing !== undefined) return
      const over = () => {
        ringing = undefined
      }
      ringing = queue.addBulk(
        due.map(({ run, generation, inMs }) => ({
          name: 'step',
          data: { run },
          opts: {
            jobId: `${run}-${generation}`,
            delay: inMs,
            removeOnComplete: true,
            removeOnFail: true,
            attempts: 1,
          },
        })),
      )
      ringing.then(over, over)
      await Promise.race([ringing, pause(ringMs, undefined, { ref: false })])
    },
    waiting: async () => {
      const counts = await queue.getJobCounts('waiting', 'delayed', 'prioritized')
      return Object.values(counts).reduce((sum, one) => sum + one, 0)
    },
    async [Symbol.asyncDispose]() {
      await worker.close(true).catch((error: unknown) => onFault('the queue', error))
      await queue.close().catch((error: unknown) => onFault('the queue', error))
    },
  }
}
