import { Worker } from 'node:worker_threads'
import type { SealOrder, SealReport } from './seal-message.ts'

/** Told of what became of its chunks. */
export type SealListener = {
  readonly report: (report: SealReport) => void
  /**
   * Called every quarter of a second while there are answers to wait for. `heardAt` is when the thread last answered
   * anybody; `grace` is time that this process slept.
   */
  readonly watch: (now: number, heardAt: number, grace: number) => void
}

const watchEveryMs = 250
const bulkBytes = 256 * 1024
const pooledBuffers = 16

/** This process's sealing thread, started with its first recording and alive as long as the process. */
class Sealer {
  readonly #listeners = new Map<number, SealListener>()
  readonly #waiting = new Set<number>()
  readonly #pool: ArrayBuffer[] = []
  #worker: Worker | undefined
  #isReady: Promise<void> = Promise.resolve()
  #orders: SealOrder[] = []
  #transfers: ArrayBuffer[] = []
  #nextId = 1
  #watcher: NodeJS.Timeout | undefined
  #watchedAt = 0
  #heardAt = 0

  /** Resolves when the thread runs: what is sent from then on is not kept waiting by its start. */
  ready(): Promise<void> {
    this.#thread()
    return this.#isReady
  }

  add(listener: SealListener): number {
    const id = this.#nextId++
    this.#listeners.set(id, listener)
    this.#thread().ref()
    return id
  }

  remove(id: number): void {
    this.#listeners.delete(id)
    this.setWaiting(id, false)
    // A process with no recording left may end.
    if (this.#listeners.size === 0) this.#worker?.unref()
  }

  /** Whether this recording has chunks out that are not answered. */
  setWaiting(id: number, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(id)
    else this.#waiting.delete(id)
    if (this.#waiting.size === 0) {
      clearInterval(this.#watcher)
      this.#watcher = undefined
    } else if (this.#watcher === undefined) {
      this.#watchedAt = performance.now()
      this.#watcher = setInterval(() => this.#watch(), watchEveryMs)
    }
  }

  /** Sends an order with the others of this turn. A chunk over a whole large buffer is handed over, not copied. */
  send(order: SealOrder): void {
    if (this.#orders.length === 0) queueMicrotask(() => this.#post())
    this.#orders.push(order)
    if (order.op === 'chunk' && order.plain.buffer.byteLength >= bulkBytes)
      this.#transfers.push(order.plain.buffer as ArrayBuffer)
  }

  /** A buffer for bulk, used before where there is one. */
  bulkBuffer(size: number): Uint8Array<ArrayBuffer> {
    const pooled = this.#pool.pop()
    return pooled !== undefined && pooled.byteLength >= size ? new Uint8Array(pooled) : new Uint8Array(size)
  }

  #post(): void {
    const orders = this.#orders
    const transfers = this.#transfers
    this.#orders = []
    this.#transfers = []
    this.#thread().postMessage(orders, transfers)
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./seal-thread.ts', import.meta.url), {
      name: 'sealing',
      // Files are opened here and closed there.
      trackUnmanagedFds: false,
    })
    // The thread says a first word, of no reports, when it listens.
    this.#isReady = new Promise((resolve) => {
      worker.once('message', () => resolve())
      worker.once('exit', () => resolve())
    })
    worker.on('message', (reports: readonly SealReport[]) => {
      this.#heardAt = performance.now()
      for (const report of reports) {
        if (report.op === 'written' && report.buffer !== undefined && this.#pool.length < pooledBuffers)
          this.#pool.push(report.buffer)
        this.#listeners.get(report.id)?.report(report)
      }
    })
    const lost = () => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      // Its recordings are as they would be after a crash. New ones get a new thread.
      for (const [id, listener] of [...this.#listeners]) listener.report({ op: 'failed', id, code: 'thread' })
    }
    worker.on('error', lost)
    worker.on('exit', lost)
    this.#worker = worker
    return worker
  }

  #watch(): void {
    const now = performance.now()
    // A process that was stopped must not blame the disk for the time that it slept.
    const late = now - this.#watchedAt - watchEveryMs
    const grace = late > 500 ? late : 0
    this.#watchedAt = now
    this.#heardAt += grace
    for (const id of [...this.#waiting]) this.#listeners.get(id)?.watch(now, this.#heardAt, grace)
  }
}

export const sealer = new Sealer()
