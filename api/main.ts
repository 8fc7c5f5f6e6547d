import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { connectLive } from '../recorder/index.ts'
import { Fault, readPlaneIdentity } from '../vault/index.ts'
import { type ApiConfig, readApiConfig } from './config.ts'
import { type AppPorts, makeApp } from './http/app.ts'
import { type Listening, listen } from './http/server.ts'
import { spliceLive } from './live.ts'
import { startSender } from './notify/sender.ts'
import { startSiem } from './siem/sender.ts'
import { startInputs } from './plant/inputs.ts'
import { readTimestampConfig } from './timestamp.ts'
import { ReplayLink } from './replay-link.ts'
import { VaultLink } from './vault-link.ts'

const log = pino({ base: { plane: 'api' }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2))

/** Starts the api: settings, its key, the edge. The vault is reached when somebody first asks, and again after it was away. */
async function start(config: ApiConfig): Promise<Listening & { readonly stop: () => Promise<void> }> {
  const identity = readPlaneIdentity(config.dataDir, 'api')
  const vault = new VaultLink(join(config.dataDir, 'run', 'planes.sock'), identity)
  const replay = new ReplayLink(config.dataDir)
  const onFault: AppPorts['onFault'] = ({ id, route, error }) =>
    log.error(
      { id, route, fault: error instanceof Fault ? error.code : 'internal', why: whyOf(error) },
      'a request failed',
    )
  const app = makeApp(
    {
      ask: vault.ask,
      open: replay.open,
      search: replay.search,
      stamper: () => readTimestampConfig(config.dataDir),
      now: Date.now,
      onFault,
    },
    {
      tls: config.transport.kind === 'tls',
      names: config.names,
      consoleDir: config.consoleDir,
      sshPort: config.sshPort,
      // Its files are closed to this plane; that there is a folder can be seen.
      isDemo: () => existsSync(join(config.dataDir, 'demo')),
    },
  )
  const listening = await listen(app, config)
  const live = spliceLive(
    listening.server,
    { ask: vault.ask, connect: (worker) => connectLive(config.dataDir, worker), onFault },
    { tls: config.transport.kind === 'tls', names: config.names },
  )
  const sender = startSender(config.notify, addressForPeople(config, listening.address), {
    ask: vault.ask,
    onFault: (error) => onFault({ id: 'none', route: 'notifications', error }),
  })
  const siem = startSiem(config.siem, {
    ask: vault.ask,
    onFault: (error) => onFault({ id: 'none', route: 'receivers of the log', error }),
  })
  const inputs = startInputs({
    ask: vault.ask,
    onFault: (error) => onFault({ id: 'none', route: 'plant switches', error }),
  })
  return {
    ...listening,
    stop: async () => {
      await inputs[Symbol.asyncDispose]()
      await siem[Symbol.asyncDispose]()
      await sender[Symbol.asyncDispose]()
      live[Symbol.dispose]()
      await listening[Symbol.asyncDispose]()
      await replay[Symbol.asyncDispose]()
      await vault[Symbol.asyncDispose]()
    },
  }
}

/** Where people reach the console, as far as its settings say. */
function addressForPeople({ names }: ApiConfig, address: string): string {
  const url = new URL(address)
  const isOwn = ['127.0.0.1', '0.0.0.0', '[::]', '[::1]'].includes(url.hostname)
  url.hostname = names[0] ?? (isOwn ? 'localhost' : url.hostname)
  return url.origin
}

/** A fault's message is safe to log. Of any other error only the kind and the place are: its message may quote the input. */
function whyOf(error: unknown): string {
  if (error instanceof Fault) return error.message
  if (!(error instanceof Error)) return 'not an error'
  return [error.name, ...(error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [])].join(
    ' ',
  )
}

function say(message: object): void {
  if (process.connected) process.send?.(message)
}

try {
  const api = await start(readApiConfig(process.env))
  const stop = (why: string) => {
    log.info({ why }, 'stopping')
    void api.stop().then(() => process.exit(0))
  }
  process.once('SIGTERM', () => stop('asked to'))
  process.once('SIGINT', () => stop('asked to'))
  // Without the supervisor nobody would end this process.
  process.once('disconnect', () => stop('the supervisor is gone'))
  log.info({ address: api.address }, 'serving the console')
  say({ kind: 'ready', address: api.address })
} catch (error) {
  log.fatal({ why: whyOf(error) }, error instanceof Fault ? error.message : 'the api cannot start')
  process.exit(1)
}
