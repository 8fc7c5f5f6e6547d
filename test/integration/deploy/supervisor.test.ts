import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startChild } from '../../../deploy/supervisor/child.ts'
import {
  identifyProcess,
  isRunning,
  type ProcessIdentity,
} from '../../../deploy/supervisor/process-identity.ts'
import { findUser, isRoot } from '../../../deploy/supervisor/system-user.ts'
import { until } from '../../support/installation.ts'

const script = join(import.meta.dirname, '..', '..', 'support', 'fixture-installation.ts')
const folder = mkdtempSync(join(tmpdir(), 'tagout-sup-'))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Running = AsyncDisposable & {
  readonly child: ChildProcess
  readonly log: () => string
  readonly processes: () => readonly {
    readonly name: string
    readonly pid: number
    readonly startedAt: string
  }[]
}

/** Starts the supervisor over fixture planes and waits until it says that it is ready, or has ended. */
async function start(data: string, env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = spawn(process.execPath, [script, data], {
    env: { PATH: process.env['PATH'] ?? '', SECRET_OF_THE_SHELL: 'canary', TAGOUT_TEST_SEEN: 'yes', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (text) => {
    out += text
  })
  child.stderr.on('data', (text) => {
    err += text
  })
  const ended = () => child.exitCode !== null || child.signalCode !== null
  await until(
    () => (out.includes('\n') || ended() ? true : undefined),
    60_000,
    ended,
    () => err,
  )
  return {
    child,
    log: () => err,
    processes: () => JSON.parse(readFileSync(join(data, 'supervisor', 'processes.json'), 'utf8')),
    [Symbol.asyncDispose]: async () => {
      if (ended()) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

function named(running: Running, name: string): ProcessIdentity {
  const found = running.processes().find((entry) => entry.name === name)
  if (found === undefined) throw new Error(`${name} does not run`)
  return found
}

test('a stop ends every process, and the next start finds the same keys and ports', async () => {
  const data = join(folder, 'c')
  const first = await start(data)
  const processes = first.processes()
  expect(processes.map((entry) => entry.name)).toEqual(['postgres', 'vault', 'recorder', 'rotation', 'api'])
  const secrets = readFileSync(join(data, 'supervisor', 'secrets.json'), 'utf8')
  const authority = readFileSync(join(data, 'api', 'tls', 'ca.crt'), 'utf8')
  await first[Symbol.asyncDispose]()
  expect(first.child.exitCode).toBe(0)
  expect(processes.filter(isRunning)).toEqual([])
  expect(existsSync(join(data, 'ready.json'))).toBe(false)
  expect(existsSync(join(data, 'supervisor', 'lock'))).toBe(false)

  await using second = await start(data)
  expect(second.log()).not.toContain('migration')
  expect(readFileSync(join(data, 'supervisor', 'secrets.json'), 'utf8')).toBe(secrets)
  expect(readFileSync(join(data, 'api', 'tls', 'ca.crt'), 'utf8')).toBe(authority)
})

test('a start after the supervisor was killed ends what it left running, and takes over', async () => {
  const data = join(folder, 'd')
  const first = await start(data)
  const left = first.processes()
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  await using second = await start(data)
  expect(second.child.exitCode).toBeNull()
  expect(left.filter(isRunning)).toEqual([])
  expect(second.processes().filter(isRunning)).toHaveLength(5)
})

test('a start that comes while another one stops waits for it', async () => {
  const data = join(folder, 'w')
  const first = await start(data)
  first.child.kill('SIGTERM')
  await using second = await start(data)
  expect(second.child.exitCode).toBeNull()
  expect(first.child.exitCode).toBe(0)
})

test('a plane that does not end when asked is ended all the same', async () => {
  const child = await startChild({
    name: 'recorder',
    file: join(import.meta.dirname, '..', '..', 'support', 'fixture-plane.ts'),
    node: process.execPath,
    env: { PATH: process.env['PATH'] ?? '', TAGOUT_TEST_STUBBORN: '1' },
    runAs: undefined,
  })
  await child.stop(100)
  expect(await child.ended).toBe('SIGKILL')
})

test('a plane that ends before it is ready, or says nothing, is a failed start', async () => {
  const options = { name: 'recorder', node: process.execPath, env: {}, runAs: undefined }
  const file = join(folder, 'silent.mjs')
  writeFileSync(file, 'setInterval(() => {}, 1000)')
  await expect(startChild({ ...options, file, withinMs: 300 })).rejects.toThrow('was not ready within 0.3 s')
  await expect(startChild({ ...options, file: join(folder, 'none.mjs') })).rejects.toThrow(
    'the recorder ended before it was ready (exit code 1)',
  )
  writeFileSync(
    file,
    "process.send({ kind: 'failed', message: 'its port is taken' }); setInterval(() => {}, 1000)",
  )
  await expect(startChild({ ...options, file })).rejects.toThrow(
    'the recorder cannot start: its port is taken',
  )
})

describe('one that runs', () => {
  const data = join(folder, 'shared')
  let running: Running
  beforeAll(async () => {
    running = await start(data)
  })
  afterAll(() => running[Symbol.asyncDispose]())

  test('a second start on the same data is refused with the number of the first', async () => {
    await using second = await start(data)
    expect(second.child.exitCode).toBe(1)
    expect(second.log()).toContain(`already runs on ${data} (process ${running.child.pid})`)
    expect(running.processes()).toHaveLength(5)
  })

  test('a plane sees nothing of the surrounding environment but what is the product’s', () => {
    const { pid } = named(running, 'vault')
    const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean)
    expect(env).toContain(`TAGOUT_DATA=${data}`)
    expect(env).toContain('TAGOUT_TEST_SEEN=yes')
    expect(env.join(' ')).not.toContain('canary')
    expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/Max core file size\s+0\s+0/)
  })

  test('keys and data are closed to everybody else', () => {
    const mode = (path: string) => (statSync(join(data, path)).mode & 0o777).toString(8)
    for (const plane of ['vault', 'recorder', 'rotation', 'api']) {
      expect(mode(plane)).toBe('700')
      expect(mode(`${plane}/plane.json`)).toBe('600')
    }
    for (const path of ['admin', 'supervisor', 'postgres/cluster']) expect(mode(path)).toBe('700')
    for (const path of ['supervisor/secrets.json', 'supervisor/ca/ca.key', 'api/tls/server.key'])
      expect(mode(path)).toBe('600')
  })

  test.runIf(isRoot())('as root each plane runs as a user of its own, never root and never nobody', () => {
    const uids = running.processes().map(({ name, pid }) => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      expect(/^Groups:(.*)$/m.exec(status)?.[1]?.trim()).toBe('')
      const uid = Number(/^Uid:\t(\d+)\t/m.exec(status)?.[1])
      expect(uid).toBe(findUser(`tagout-${name}`)?.uid)
      return uid
    })
    expect(new Set(uids).size).toBe(5)
    expect(uids).not.toContain(0)
    expect(uids).not.toContain(findUser('nobody')?.uid)
  })

  test.runIf(isRoot())('a plane cannot take away the socket of another', () => {
    const socket = join(data, 'run', 'planes.sock')
    const as = (name: string, script: string) =>
      spawnSync('/bin/sh', ['-c', script, 'sh', socket], {
        uid: findUser(name)?.uid,
        gid: findUser(name)?.gid,
      }).status
    expect(as('tagout-vault', 'touch "$1"')).toBe(0)
    expect(as('tagout-recorder', 'rm -f "$1"')).not.toBe(0)
    expect(as('tagout-recorder', 'mv "$1" "$1.away"')).not.toBe(0)
    expect(existsSync(socket)).toBe(true)
  })

  test('SIGUSR1 opens no inspector in a plane', async () => {
    const vault = named(running, 'vault')
    process.kill(vault.pid, 'SIGUSR1')
    await until(() => (isRunning(vault) ? undefined : true), 2_000).catch(() => undefined)
    expect(running.log()).not.toContain('Debugger listening')
    // Port 9229 in hexadecimal, in the state that means listening.
    expect(readFileSync('/proc/net/tcp', 'utf8')).not.toMatch(/0100007F:240D 00000000:0000 0A/)
  })

  test('a killed plane, and a killed PostgreSQL, run again within 10 s', async () => {
    for (const name of ['vault', 'recorder', 'rotation', 'api', 'postgres']) {
      const before = named(running, name)
      process.kill(before.pid, 'SIGKILL')
      const after = await until(() => {
        const now = running.processes().find((entry) => entry.name === name)
        return now !== undefined && now.pid !== before.pid && isRunning(now) ? now : undefined
      }, 10_000)
      expect(after.pid).not.toBe(before.pid)
    }
  })
})

test('a process number that came to another process is not taken for the old one', () => {
  const own = identifyProcess(process.pid)
  if (own === undefined) throw new Error('no /proc')
  expect(isRunning(own)).toBe(true)
  expect(isRunning({ ...own, startedAt: '1' })).toBe(false)
})
