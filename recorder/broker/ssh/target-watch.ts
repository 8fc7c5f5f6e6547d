import type { Socket } from 'node:net'
import type { Client as SshClient } from 'ssh2'
import { roundTrip } from '../../../vault/ssh/library.ts'

/** So many spaces of time without a byte, and a target counts as gone. */
const mostSilent = 4

/**
 * Watches whether a target is still there: where nothing came for a while it is asked for an answer, and where then
 * nothing comes either, `onSilent` is called once.
 *
 * A byte of anything is a sign of life. ssh2's own watch takes answers alone, and they stand in line behind whatever a
 * slow machine is still printing.
 */
export function watchTarget(
  client: SshClient,
  socket: Pick<Socket, 'bytesRead'>,
  every: number,
  onSilent: () => void,
): Disposable {
  let bytes = socket.bytesRead
  let silent = 0
  let isAsked = false
  const timer = setInterval(() => {
    if (socket.bytesRead !== bytes) {
      bytes = socket.bytesRead
      silent = 0
      return
    }
    silent += 1
    if (silent > mostSilent) {
      clearInterval(timer)
      return onSilent()
    }
    if (isAsked) return
    isAsked = true
    roundTrip(client).then(
      () => {
        isAsked = false
      },
      () => undefined, // the connection is gone, which its own event says
    )
  }, every)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
