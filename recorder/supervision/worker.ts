import type { Socket } from 'node:net'
import { containFaults } from '../broker/ssh/containment.ts'
import { composeWorker } from '../compose.ts'
import { makeLog } from './log.ts'
import type { ToParent, ToWorker } from './message.ts'

/** Runs a worker: carries the connections that the parent hands over, until it is told to stop or the parent is gone. */
export function runWorker(): void {
  const say = (message: ToParent) => {
    if (process.connected) process.send?.(message)
  }
  let begun: ReturnType<typeof begin> | undefined
  let isStopping = false

  const stop = async () => {
    if (isStopping) return
    isStopping = true
    const worker = await begun?.catch(() => undefined)
    await worker?.[Symbol.asyncDispose]()
    say({ kind: 'stopped' })
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop())
  // The terminal's Ctrl-C reaches every process of the group: the parent says when to stop.
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => void stop())
  process.on('message', (message: ToWorker, socket?: Socket) => {
    switch (message.kind) {
      case 'begin':
        containFaults(makeLog(message.name), () => process.exit(1))
        begun = begin(message, say)
        begun.catch((error: unknown) => {
          makeLog(message.name)('a worker cannot start', { error: String(error) })
          process.exit(1)
        })
        return
      case 'connection':
        // The client may have gone while its socket was on its way.
        if (socket === undefined || begun === undefined) return say({ kind: 'closed', id: message.id })
        socket.on('close', () => say({ kind: 'closed', id: message.id }))
        void begun.then(({ front }) => front.adopt(socket, () => say({ kind: 'proven', id: message.id })))
        return
      case 'stop':
        void stop()
    }
  })
}

async function begin(
  { config, keys, name }: Extract<ToWorker, { kind: 'begin' }>,
  say: (message: ToParent) => void,
) {
  const worker = await composeWorker(config, keys, name, makeLog(name))
  say({ kind: 'up' })
  return worker
}
