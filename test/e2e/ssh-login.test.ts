import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { identifyProcess, isRunning } from '../../deploy/supervisor/process-identity.ts'
import { makeSshUser, run, until } from '../support/gateway.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

/** Nobody with a good key is left to think that it is wrong. */

let installation: TestInstallation
let bob: ReturnType<typeof makeSshUser>
beforeAll(async () => {
  installation = await startTestInstallation({ withDatabase: true })
  const { knownHosts } = JSON.parse(readFileSync(join(installation.dataDir, 'ready.json'), 'utf8')).ssh
  bob = makeSshUser(installation.dataDir, 'bob', knownHosts, installation.ssh.port)
  await installation.tagoutJson(['user', 'add', 'bob', '--role', 'operator'])
  await installation.tagoutJson(['user', 'key', 'add', 'bob', `${bob.keyFile}.pub`])
})
afterAll(() => installation[Symbol.asyncDispose]())

async function logIn(name: string): Promise<string> {
  const options = bob.ssh(['-p', String(installation.ssh.port), '-o', 'LogLevel=INFO'])
  const { err } = await run('ssh', [...options, `${name}@127.0.0.1`, 'true'])
  return err
}

const pidOf = (name: string): number => {
  const path = join(installation.dataDir, 'supervisor', 'processes.json')
  const list: { name: string; pid: number }[] = JSON.parse(readFileSync(path, 'utf8'))
  return list.find((entry) => entry.name === name)?.pid ?? 0
}

test('a key is taken while all is well, and nothing is said of the gateway', async () => {
  const err = await logIn('bob')
  expect(err).toContain('name the machine you want')
  expect(err).not.toContain('Tagout')
})

test('while PostgreSQL or the vault is away everybody is told to try again', async () => {
  // Nobody starts them again until the clients have asked.
  installation.process.kill('SIGSTOP')
  try {
    for (const name of ['postgres', 'vault']) {
      const identity = identifyProcess(pidOf(name))
      process.kill(pidOf(name), 'SIGKILL')
      await until(() => identity === undefined || !isRunning(identity))
      for (const user of ['bob', 'nobody-of-that-name']) {
        const err = await logIn(user)
        expect([name, err]).toEqual([
          name,
          expect.stringContaining(
            'Tagout: the vault does not answer, nobody can log in: try again in a minute',
          ),
        ])
      }
    }
  } finally {
    installation.process.kill('SIGCONT')
  }
  await until(async () => (await logIn('bob')).includes('name the machine you want'), 30_000)
})

test('while the vault is sealed everybody is told so', async () => {
  await installation.tagoutJson(['seal'])
  for (const user of ['bob', 'nobody-of-that-name'])
    expect((await logIn(user)).split('Tagout')).toEqual([
      '',
      expect.stringContaining(': the vault is sealed, nobody can log in: ask the administrator to unseal it'),
    ])
})
