import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { askGuacd, type GuacdAddress } from '../../recorder/broker/desktop/ask-guacd.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { visible } from '../cli/io.ts'
import { findGuacd } from '../setup/guacd.ts'
import type { Child } from './child.ts'
import { type Kept, keepRunning } from './keep-running.ts'
import { ensureSystemUser, isRoot } from './system-user.ts'

const loopback = '127.0.0.1'

/** Where guacd writes what it must keep for itself, such as FreeRDP's settings. Emptied at each start. */
const homeOf = (dataDir: string) => join(dataDir, 'guacd')

const opensslOf = (dataDir: string) => join(homeOf(dataDir), 'openssl.cnf')

/**
 * SECURITY: guacd speaks TLS 1.2 with machines of RDP, no later: of those it is not told which certificate is theirs, and the
 * recorder, which is, could not read it on the way from 1.3 on. FreeRDP sets bounds of its own over `MaxProtocol`.
 */
const tls12 = `openssl_conf = settings
[settings]
ssl_conf = tls
[tls]
system_default = bounds
[bounds]
Protocol = -ALL, TLSv1.2
`

/** What carries desktops: the site's own guacd, or one that runs below this supervisor as soon as it is installed. */
export type Guacd = AsyncDisposable & {
  readonly address: GuacdAddress
  /** Whether it is ours to run. */
  readonly isOwn: boolean
  readonly pid: () => number | undefined
}

export type GuacdOptions = {
  readonly dataDir: string
  readonly given: GuacdAddress | undefined
  /** Whether it may be installed where it is missing. */
  readonly mayInstall: boolean
  readonly say: (line: string) => void
  readonly onChange: () => void
}

/**
 * Runs guacd, and starts it again when it dies. That there is none is said, and keeps nothing else from running. Where
 * it may be installed, that goes on behind everything else, and desktops work when it is done.
 */
export async function runGuacd(options: GuacdOptions): Promise<Guacd> {
  const { given, say } = options
  if (given !== undefined)
    return {
      address: given,
      isOwn: false,
      pid: () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  const address = { host: loopback, port: await freePort() }
  let kept: Kept | undefined
  let isOver = false
  const start = async (program: string) => {
    try {
      emptyHome(options.dataDir)
      kept = await keepRunning(
        { name: 'guacd', start: () => startGuacd(program, options, address) },
        { say, onChange: options.onChange, onReady: async () => undefined },
      )
      if (isOver) await kept.stop(2_000)
      options.onChange()
    } catch (error) {
      say(`desktops are off: ${(error as Error).message}`)
    }
  }
  const installed = findGuacd()
  if (installed !== undefined) await start(installed)
  else if (options.mayInstall) {
    say('installing guacd, which carries desktops; everything else goes on')
    void install(say).then(() => {
      const program = findGuacd()
      if (program === undefined || isOver) return
      say('guacd is installed')
      return start(program)
    })
  } else say('desktops are off: guacd is not installed (tagout doctor says what to do)')
  return {
    address,
    isOwn: true,
    pid: () => kept?.pid(),
    [Symbol.asyncDispose]: async () => {
      isOver = true
      await kept?.stop(5_000)
    },
  }
}

/** What the recorder is told of it. */
export function guacdVariables({ address, isOwn }: Guacd): Record<string, string> {
  return {
    TAGOUT_GUACD_HOST: address.host,
    TAGOUT_GUACD_PORT: String(address.port),
    ...(isOwn && isRoot() ? { TAGOUT_GUACD_UID: String(ensureSystemUser('tagout-guacd').uid) } : {}),
  }
}

/** Starts guacd and waits until it speaks the protocol. Throws `Fault` when it ends, or does not, before that. */
export async function startGuacd(
  program: string,
  { dataDir, say }: Pick<GuacdOptions, 'dataDir' | 'say'>,
  address: GuacdAddress,
): Promise<Child> {
  const { host, port } = address
  // SECURITY: a user of its own, in no group of the planes; no core dumps, which could hold a password; no program
  // that it starts gains anything; of the surrounding environment nothing.
  const child = spawn(
    '/bin/sh',
    [
      ...['-c', 'ulimit -c 0; exec "$@"', 'sh'],
      // Whoever ends the supervisor without a word ends guacd too.
      ...['/usr/bin/setpriv', '--no-new-privs', '--pdeathsig', 'KILL'],
      ...[program, '-f', '-b', host, '-l', String(port), '-L', 'warning'],
    ],
    {
      cwd: '/',
      env: {
        PATH: '/usr/bin:/bin',
        LANG: 'C.UTF-8',
        HOME: homeOf(dataDir),
        OPENSSL_CONF: opensslOf(dataDir),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      ...(isRoot() ? ensureSystemUser('tagout-guacd') : undefined),
    },
  )
  if (child.stderr !== null) passOn(child.stderr, say)
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      // A process of guacd carries each session: none outlives the one that began it.
      signalGroup(child.pid, 'SIGKILL')
      resolve(signal === null ? `exit code ${code}` : signal)
    })
    child.once('error', (error) => resolve(error.message))
  })
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  const stop = async (withinMs: number) => {
    if (hasEnded()) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
    await ended
    clearTimeout(timer)
  }
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      await askGuacd(address, 'vnc', 5_000)
      return { process: child, ready: { kind: 'ready' }, ended, stop }
    } catch (error) {
      if (hasEnded()) throw new Fault('closed', `guacd ended (${await ended}); its own words are above`)
      if (Date.now() > deadline) {
        await stop(1_000)
        throw error
      }
    }
    await pause(20)
  }
}

/**
 * Passes guacd's own words on, without what `askGuacd` makes it say each time.
 *
 * SECURITY: a hostile machine can have a part in them.
 */
function passOn(words: Readable, say: (line: string) => void): void {
  createInterface({ input: words }).on('line', (line) => {
    if (!line.includes('"connect" instruction was not received')) say(visible(line.slice(0, 300)))
  })
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // Nobody is left in it.
  }
}

function emptyHome(dataDir: string): void {
  const home = homeOf(dataDir)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { mode: 0o700 })
  chmodSync(home, 0o700)
  writeFileSync(opensslOf(dataDir), tls12)
  chmodSync(opensslOf(dataDir), 0o644)
  if (!isRoot()) return
  const { uid, gid } = ensureSystemUser('tagout-guacd')
  chownSync(home, uid, gid)
}

/** A port of loopback that nobody listens on; guacd, which can choose none by itself, takes it at once. */
async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, loopback)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null)
    throw new Fault('internal', 'no port of loopback is free')
  return address.port
}

/** Installs it in a process of its own, which is done to its end even if this one is stopped meanwhile. */
async function install(say: (line: string) => void): Promise<void> {
  const script = join(import.meta.dirname, '..', 'setup', 'install-guacd.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
    cwd: '/',
    stdio: ['ignore', 2, 2],
    detached: true,
  })
  child.unref()
  const failure = await Promise.race([
    once(child, 'exit').then(([code]) => (code === 0 ? undefined : 'it could not be installed')),
    once(child, 'error').then(([error]) => (error as Error).message),
  ])
  if (failure !== undefined) say(`desktops are off: ${failure}`)
}
