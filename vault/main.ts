import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { startVault } from './compose.ts'
import { readConfig } from './config.ts'
import { Fault } from './kernel/fault.ts'
import { readPlaneIdentity } from './plane.ts'

const log = pino({ base: { plane: 'vault' } }, pino.destination(2))

/** What may be logged of an error: its code and, of a fault, its message. Nothing of what it was caused by. */
function loggable(error: unknown): { readonly code: string; readonly why: string } {
  if (error instanceof Fault) return { code: error.code, why: error.message }
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
    return { code, why: error.stack?.split('\n').slice(1, 4).join(' ').trim() ?? '' }
  }
  return { code: 'unknown', why: '' }
}

function say(message: object): void {
  if (process.connected) process.send?.(message)
}

try {
  const config = readConfig(process.env)
  const identity = readPlaneIdentity(config.dataDir, 'vault')
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const plane = await startVault({
    config,
    identity,
    version,
    onFault: (what, error) => log.error({ what, ...loggable(error) }, 'fault'),
  })
  let isStopping = false
  const stop = () => {
    if (isStopping) return
    isStopping = true
    void plane[Symbol.asyncDispose]().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Without the supervisor nobody would end this process.
  process.on('disconnect', stop)
  say({ kind: 'ready', sockets: plane.sockets })
} catch (error) {
  const { code, why } = loggable(error)
  say({
    kind: 'failed',
    message: error instanceof Fault ? error.message : `the vault cannot start (${code})`,
  })
  log.fatal({ code, why }, 'the vault cannot start')
  process.exitCode = 1
  if (process.connected) process.disconnect()
}
