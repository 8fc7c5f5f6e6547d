import { resolve } from 'node:path'
import pino from 'pino'
import { Fault } from '../../kernel/fault.ts'
import { readPlaneIdentity } from '../../plane.ts'
import { startRotationWorker } from './serve.ts'

// The worker of rotation: a process of the vault's plane without any of its keys. It speaks with targets and with the queue.

const log = pino({ base: { plane: 'rotation' } }, pino.destination(2))

/** What may be logged of an error: its code and, of a fault, its message. A target's words stay out. */
function loggable(error: unknown): { readonly code: string; readonly why: string } {
  if (error instanceof Fault) return { code: error.code, why: error.message }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return { code, why: error instanceof Error ? error.name : '' }
}

/** The same fault again and again is one line a minute: a queue that is away says so many times a second. */
const said = new Map<string, number>()
function onFault(what: string, error: unknown): void {
  const fault = { what, ...loggable(error) }
  const key = JSON.stringify(fault)
  if (Date.now() - (said.get(key) ?? 0) < 60_000) return
  if (said.size > 1_000) said.clear()
  said.set(key, Date.now())
  log.error(fault, 'fault')
}

function say(message: object): void {
  if (process.connected) process.send?.(message)
}

try {
  const dataDir = resolve(process.env['TAGOUT_DATA'] ?? '')
  const identity = readPlaneIdentity(dataDir, 'rotation')
  const redis = process.env['REDIS_URL']
  const worker = await startRotationWorker({
    dataDir,
    identity,
    store:
      redis === undefined || redis === ''
        ? { kind: 'postgres', url: identity.databaseUrl }
        : { kind: 'redis', url: redis },
    onFault,
  })
  let isStopping = false
  const stop = () => {
    if (isStopping) return
    isStopping = true
    void worker[Symbol.asyncDispose]().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Without the supervisor nobody would end this process.
  process.on('disconnect', stop)
  process.on('uncaughtException', (error) => onFault('not caught', error))
  process.on('unhandledRejection', (error) => onFault('not caught', error))
  say({ kind: 'ready' })
} catch (error) {
  say({
    kind: 'failed',
    message:
      error instanceof Fault ? error.message : `rotation’s worker cannot start (${loggable(error).code})`,
  })
  log.fatal(loggable(error), 'the worker of rotation cannot start')
  process.exitCode = 1
  if (process.connected) process.disconnect()
}
