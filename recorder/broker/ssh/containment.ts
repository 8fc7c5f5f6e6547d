import { AsyncLocalStorage } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import type { Log } from './ports.ts'

const connection = new AsyncLocalStorage<Duplex>()

/** Runs what serves one connection: a fault in what it starts ends that connection alone. */
export function contain<T>(stream: Duplex, serve: () => T): T {
  return connection.run(stream, serve)
}

/**
 * Has an exception that nobody caught end the one connection that it came from. Where that cannot be told, `giveUp`
 * ends the process: the other workers go on, and the parent reports what this one carried.
 *
 * SECURITY: whoever finds a packet that makes us throw must not end everybody's sessions with it.
 */
export function containFaults(log: Log, giveUp: () => void): void {
  const contained = (error: unknown) => {
    const stream = connection.getStore()
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    log('a fault was not caught', { isContained: stream !== undefined, stack: stack.slice(0, 2_000) })
    if (stream === undefined) giveUp()
    else stream.destroy()
  }
  process.on('uncaughtException', contained)
  process.on('unhandledRejection', contained)
}
