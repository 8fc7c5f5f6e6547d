import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'
import { startModbus, whyNoModbus } from '../support/modbus.ts'
import { until } from '../support/vault-ssh.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 200_000 })

const run = promisify(execFile)
let room: string
let installation: TestInstallation

beforeAll(async () => {
  room = await mkdtemp(join(tmpdir(), 'tagout-switch-'))
  installation = await startTestInstallation({ withDatabase: true })
  await tagout('safe', 'add', 'line-3')
})
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  if (room !== undefined) await rm(room, { recursive: true, force: true })
})

const tagout = async (...args: readonly string[]) => {
  const ran = await installation.tagout(args, { cwd: room })
  if (ran.code !== 0) throw new Error(`tagout ${args.join(' ')}: ${ran.stderr}`)
  return ran.stdout
}
const stateOf = async (name: string) =>
  (
    await installation.tagoutJson<readonly { readonly name: string; readonly state: string }[]>([
      'switch',
      'list',
    ])
  ).find((one) => one.name === name)?.state

test('a switch calls with openssl and curl, as docs/plant-switch.md says', async () => {
  await tagout('switch', 'add', 'gate', '--safe', 'line-3')
  await tagout('switch', 'key', 'gate', '--out', 'gate.key')
  const guide = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'plant-switch.md'), 'utf8')
  const blocks = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  const script = blocks
    .find((text) => text.includes('openssl dgst'))
    ?.replaceAll('https://gateway:8443', '$CONSOLE')
  if (script === undefined) throw new Error('the guide shows no call')
  const says = async (state: 'run' | 'stop') => {
    const text = script.replaceAll('stop', state).replace('--cacert ca.pem', '-sk -w %{http_code}')
    const { stdout } = await run('bash', ['-euc', text], {
      cwd: room,
      env: { ...process.env, CONSOLE: installation.console },
    })
    return stdout.slice(-3)
  }
  expect(await says('stop')).toBe('200')
  expect(await stateOf('gate')).toBe('stop')
  expect((await installation.tagout(['switch', 'remove', 'gate'])).stderr).toContain('with --yes')
  // Its moments are whole seconds: the next is later than the one before.
  await until(async () => ((await says('run')) === '200' ? true : undefined), 10_000)
  expect(await stateOf('gate')).toBe('run')
  await tagout('switch', 'remove', 'gate')
  expect(await says('stop')).toBe('401')
})

test.skipIf(whyNoModbus() !== undefined)(
  'an input at a real Modbus server is read by the installation',
  async () => {
    await using modbus = await startModbus()
    await modbus.set('coil', 3, true)
    const input = `modbus://127.0.0.1:${modbus.port}/1/coil/3`
    expect(
      await tagout('switch', 'add', 'hall-3', '--safe', 'line-3', '--modbus', input, '--stops-at', 'off'),
    ).toContain('it holds line-3 until its input was read')
    const stands = (state: string) =>
      until(async () => ((await stateOf('hall-3')) === state ? true : undefined), 20_000)
    await stands('run')
    await modbus.set('coil', 3, false)
    await stands('stop')
    await modbus[Symbol.asyncDispose]()
    await stands('lost')
    await tagout('switch', 'remove', 'hall-3', '--yes')
  },
)
