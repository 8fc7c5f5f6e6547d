import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from './ports.ts'

/** A Redis on a free loopback port, which keeps nothing. */
export type TestRedis = AsyncDisposable & {
  readonly url: string
  /** Asks it one thing, in its own protocol of lines. */
  readonly ask: (command: string) => Promise<string>
}

/** Why none can run here, or undefined. */
export function whyNoRedis(): string | undefined {
  return existsSync('/usr/bin/redis-server')
    ? undefined
    : 'redis-server is not installed (deploy/test-packages.txt)'
}

export async function startRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-redis-'))
  const port = await freePort()
  const child = spawn(
    '/usr/bin/redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: 'ignore' },
  )
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const ask = (command: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\nQUIT\r\n`))
      let said = ''
      socket.on('data', (piece: Buffer) => {
        said += piece.toString('latin1')
      })
      socket.once('error', reject)
      socket.once('close', () => resolve(said))
    })
  const deadline = Date.now() + 10_000
  while (!(await ask('PING').catch(() => '')).includes('PONG')) {
    if (Date.now() > deadline) throw new Error('redis-server did not start')
    await wait(20)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    ask,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}
