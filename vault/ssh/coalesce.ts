import type { Duplex } from 'node:stream'

/**
 * Has what is written to a socket within one turn of the event loop leave in one system call. ssh2 writes each packet by
 * itself, and a turn makes several: answers, window adjustments, the halves of a large piece. Nothing waits longer
 * than the turn.
 */
export function coalesceWrites(socket: Duplex): void {
  let isCorked = false
  const uncork = () => {
    isCorked = false
    socket.uncork()
  }
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  socket.write = ((...args: unknown[]) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(uncork)
    }
    return write(...args)
  }) as Duplex['write']
}
