import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './installation.ts'

const run = promisify(execFile)
/** Discard (RFC 863): nothing listens there. */
const lastPort = 9

/** Why no network of its own can be had here, or undefined when it can. Print it where a test is left out. */
export function whyNoOwnNetwork(): string | undefined {
  if (spawnSync('unshare', ['--net', 'true']).status !== 0)
    return 'a network of its own needs root (unshare --net)'
  for (const program of ['ip', 'tshark'])
    if (spawnSync(program, ['--version']).error !== undefined)
      return `${program} is not installed (deploy/test-packages.txt)`
  return undefined
}

/** A machine outside: one port of its loopback leads to the plant, and all its packets are captured. */
export type OwnNetwork = AsyncDisposable & {
  /** A program that runs `program` there. */
  readonly wrapper: (program: string) => string
  /** What a connection from there to `address` ends in: `open`, or the error's code. */
  readonly reach: (address: string, port: number) => Promise<string>
  /** Ends the capture. Answers the ports that a connection was begun to, and how often. */
  readonly captured: () => Promise<ReadonlyMap<number, number>>
}

// Runs there: what connects to the port is carried to the Unix socket, which is here.
const wayIn = `const { connect, createServer } = require('node:net')
const [port, socket] = process.argv.slice(1)
createServer((one) => {
  const on = connect(socket)
  one.pipe(on).pipe(one)
  for (const end of [one, on]) end.on('error', () => { one.destroy(); on.destroy() })
}).listen(Number(port), '127.0.0.1', () => console.log('open'))`

const reach = `require('node:net').connect(Number(process.argv[2]), process.argv[1])
  .on('connect', function () { console.log('open'); this.destroy() })
  .on('error', ({ code }) => console.log(code))`

/** Files go into `room`. Loopback's `port` there is loopback's `port` here; no other way leads out. */
export async function ownNetwork(room: string, port: number): Promise<OwnNetwork> {
  const socket = join(room, 'way-in.sock')
  const capture = join(room, 'outside.pcapng')
  const here = createServer((one) => {
    const on = connect(port, '127.0.0.1')
    one.pipe(on).pipe(one)
    const close = () => {
      one.destroy()
      on.destroy()
    }
    one.on('error', close)
    on.on('error', close)
  })
  here.listen(socket)
  await once(here, 'listening')
  const relay = spawn(
    'unshare',
    [
      ...['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'],
      ...[process.execPath, '-e', wayIn, String(port), socket],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(relay.stdout, 'data')
  const inside = [`--net=/proc/${relay.pid}/ns/net`]
  const tshark = spawn('nsenter', [...inside, 'tshark', '-q', '-i', 'lo', '-w', capture, 'tcp'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await new Promise<void>((resolve, reject) => {
    let said = ''
    tshark.once('exit', () => reject(new Error(`tshark: ${said}`)))
    tshark.stderr.on('data', (bytes: Buffer) => {
      said += bytes
      if (said.includes('Capturing on')) resolve()
    })
  })
  const reaches = async (address: string, to: number) =>
    (await run('nsenter', [...inside, process.execPath, '-e', reach, address, String(to)])).stdout.trim()
  return {
    wrapper: (program) => {
      const file = join(room, 'outside.sh')
      writeFileSync(file, `#!/bin/sh\nexec nsenter ${inside} ${program} "$@"\n`)
      chmodSync(file, 0o755)
      return file
    },
    reach: reaches,
    captured: async () => {
      // What was captured is written a moment later: once the last of all is there, everything is.
      await reaches('127.0.0.1', lastPort)
      const seen = await until(async () => {
        const begun = await connections(capture)
        return begun.has(lastPort) ? begun : undefined
      }, 30_000)
      await ended(tshark, 'SIGINT')
      return new Map([...seen].filter(([to]) => to !== lastPort))
    },
    [Symbol.asyncDispose]: async () => {
      await ended(tshark, 'SIGINT')
      await ended(relay, 'SIGKILL')
      here.close()
    },
  }
}

/** The ports that connections were begun to, in a capture that is still written, and how often. */
async function connections(capture: string): Promise<Map<number, number>> {
  const begun = 'tcp.flags.syn == 1 && tcp.flags.ack == 0'
  // Of a file that is cut in its last packet, tshark prints all before it and exits with 2.
  const { stdout } = await run('tshark', ['-r', capture, '-Y', begun, '-T', 'fields', '-e', 'tcp.dstport'], {
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? '' }))
  const seen = new Map<number, number>()
  for (const to of stdout.split('\n').filter(Boolean).map(Number)) seen.set(to, (seen.get(to) ?? 0) + 1)
  return seen
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
