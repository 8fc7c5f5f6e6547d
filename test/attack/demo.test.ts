import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ConsoleClient } from '../../deploy/cli/console-client.ts'
import { loadSodium } from '../../deploy/cli/sodium.ts'
import { freshCode } from '../../deploy/demo/codes.ts'
import { type DemoFile, readDemo } from '../../deploy/demo/folder.ts'
import { type MachineSheet, readMachines } from '../../deploy/demo/machines/sheet.ts'
import { isRoot } from '../../deploy/supervisor/system-user.ts'
import { makeSealedLoginPassword } from '../../vault/intake.ts'
import { startTestInstallation, type TestInstallation, until } from '../support/installation.ts'

/** The demo plant brings people whose passwords lie in a file, and machines that listen: neither may reach further. */

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const root = join(import.meta.dirname, '..', '..')
let plant: TestInstallation
let demo: DemoFile
let sheet: MachineSheet

beforeAll(async () => {
  plant = await startTestInstallation({ withinMs: 150_000 })
})

afterAll(async () => plant?.[Symbol.asyncDispose]())

function startFill(): { readonly child: ChildProcess; readonly said: () => string } {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'deploy', 'cli', 'main.ts'), 'demo'],
    { env: { ...process.env, TAGOUT_DATA: plant.dataDir }, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  return { child, said: () => said }
}

const secretsOf = (): readonly string[] => [
  ...demo.people.flatMap(({ password, totp }) => [password, totp ?? '']),
  demo.auditor.passphrase,
  ...sheet.machines.flatMap(({ logins }) => logins.map(({ password }) => password)),
]

test('a fill that is killed twice is gone on with, each person and session once, and two never fill at once', async () => {
  for (const moment of [/sign in for the first time/, /recorded [3-9] of 16/]) {
    const { child, said } = startFill()
    await until(
      () => (moment.test(said()) ? true : undefined),
      90_000,
      () => child.exitCode !== null,
      said,
    )
    if (moment.source.startsWith('recorded')) {
      const second = await plant.program(['demo'])
      expect(second).toMatchObject({ code: 1 })
      expect(second.stderr).toContain(`is being filled already (process ${child.pid})`)
    }
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const filled = await plant.program(['demo', '--json'])
  expect(filled).toMatchObject({ code: 0 })
  demo = readDemo(plant.dataDir) as DemoFile
  sheet = readMachines(join(plant.dataDir, 'demo', 'machines.json'))
  expect(demo.state).toBe('filled')
  const worked = Object.values(demo.worked)
  expect(new Set(worked).size).toBe(worked.length)
  const users = await plant.tagoutJson<{ readonly name: string; readonly state: string }[]>(['user', 'list'])
  expect(users.map(({ name }) => name).sort()).toEqual(demo.people.map(({ name }) => name).sort())
  expect(new Set(users.map(({ state }) => state))).toEqual(new Set(['active']))
  expect((await plant.program(['audit', 'verify'])).code).toBe(0)
})

test('secrets of the demo are this installation’s own: none is in the code, no two are alike', async () => {
  const secrets = secretsOf()
  expect(secrets.every((secret) => secret.length >= 16)).toBe(true)
  expect(new Set(secrets).size).toBe(secrets.length)
  const folder = join(root, 'deploy', 'demo')
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.ts')) continue
    const text = await readFile(join(folder, name), 'utf8')
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([])
  }
})

test('their files are closed to everybody else, the planes as well', async () => {
  const folder = join(plant.dataDir, 'demo')
  for (const name of await readdir(folder)) {
    const { mode, uid } = await stat(join(folder, name))
    expect([name, mode & 0o777]).toEqual([name, 0o600])
    if (!isRoot()) continue
    const planes = await Promise.all(
      ['vault', 'recorder', 'api'].map(async (plane) => (await stat(join(plant.dataDir, plane))).uid),
    )
    expect(planes).not.toContain(uid)
  }
})

test('the console tells nobody more of the demo than that it is one', async () => {
  const authority = join(plant.dataDir, 'api', 'tls', 'ca.crt')
  const stranger = new ConsoleClient(plant.console, authority)
  expect(await stranger.ask('GET', '/api/health')).toEqual({ ok: true, sshPort: plant.ssh.port, demo: true })
  const sodium = await loadSodium()
  const { intakeKey } = await plant.tagoutJson<{ readonly intakeKey: string }>(['status'])
  const secrets = secretsOf()
  const routes = [
    'users',
    'safes',
    'targets',
    'accounts',
    'grants',
    'sessions',
    'recordings',
    'audit',
    'leases',
  ]
  let answers = 0
  for (const name of ['admin', 'vera', 'ingrid']) {
    const person = demo.people.find((one) => one.name === name)
    if (person === undefined) throw new Error(`no ${name}`)
    const client = new ConsoleClient(plant.console, authority)
    await client.ask('POST', '/api/login', {
      name,
      sealedPassword: makeSealedLoginPassword(sodium, intakeKey, name, person.password),
      totpCode: (await freshCode(person)).code,
    })
    for (const route of routes) {
      const answer = await client.ask('GET', `/api/${route}`).catch((error: Error) => error.message)
      const text = JSON.stringify(answer)
      if (typeof answer !== 'string') answers += 1
      expect([route, secrets.filter((secret) => text.includes(secret))]).toEqual([route, []])
    }
  }
  expect(answers).toBeGreaterThan(10)
  for (const path of ['/demo/demo.json', '/../demo/demo.json', '/%2e%2e/demo/demo.json', '/api/demo'])
    expect(
      await stranger.ask('GET', path).then(
        (answer) => secrets.some((secret) => JSON.stringify(answer).includes(secret)),
        () => false,
      ),
    ).toBe(false)
})

test('the machines listen on loopback alone, under a user who is none of the planes', async () => {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readFile(`/proc/net/${table}`, 'utf8')))
  const listening = tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state]) => state === '0A')
  expect(sheet.machines.length).toBe(4)
  for (const { port } of sheet.machines) {
    const found = listening.filter(([, local]) => Number.parseInt(local?.split(':')[1] ?? '', 16) === port)
    expect(found.map(([, local]) => local?.split(':')[0])).toEqual(['0100007F'])
    if (!isRoot()) continue
    const uid = Number(found[0]?.[7])
    const owners = await Promise.all(
      ['vault', 'recorder', 'api', 'supervisor'].map(
        async (plane) => (await stat(join(plant.dataDir, plane))).uid,
      ),
    )
    expect(owners).not.toContain(uid)
  }
})

test('a demo’s folder that was copied to another installation is no licence to fill or remove that one', async () => {
  const other = await mkdtemp(join(tmpdir(), 'tagout-other-'))
  try {
    await mkdir(join(other, 'supervisor'))
    await mkdir(join(other, 'demo'))
    await copyFile(join(plant.dataDir, 'demo', 'demo.json'), join(other, 'demo', 'demo.json'))
    const secrets = JSON.parse(await readFile(join(plant.dataDir, 'supervisor', 'secrets.json'), 'utf8'))
    secrets.vault.publicKey = secrets.api.publicKey
    await writeFile(join(other, 'supervisor', 'secrets.json'), JSON.stringify(secrets))
    for (const isBegun of [false, true]) {
      if (isBegun) await writeFile(join(other, 'demo', 'removing'), '')
      const foreign = await plant.program(['--data', other, 'demo', 'remove', '--yes', '--all'])
      expect(foreign).toMatchObject({ code: 1 })
      expect(foreign.stderr).toContain('belongs to another installation')
      expect((await readdir(other)).sort()).toEqual(['demo', 'supervisor'])
    }
  } finally {
    await rm(other, { recursive: true, force: true })
  }
})

test('a machine of the demo that somebody has put a real one in place of is not taken away unasked', async () => {
  const [machine] = sheet.machines
  const move = (address: string) => plant.program(['target', 'address', machine?.name ?? '', address])
  expect(await move('ssh://10.30.0.7')).toMatchObject({ code: 0 })
  const refused = await plant.program(['demo', 'remove', '--yes'])
  // Back in any case: what follows removes the plant as it was.
  expect(await move(`ssh://127.0.0.1:${machine?.port}`)).toMatchObject({ code: 0 })
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain(`target ${machine?.name}, which is at 10.30.0.7:22 now`)
})

test('an installation on the site’s own database is not removed', async () => {
  const refused = await plant.program(['demo', 'remove', '--yes'], {
    env: { DATABASE_URL: 'postgresql://owner:secret@db.example:5432/tagout' },
  })
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('drop its database there')
  expect(refused.stderr).not.toContain('secret@')
})

test('doctor says loudly that people with known passwords are in', async () => {
  const { code, stdout } = await plant.program(['doctor', '--json'])
  expect(code).toBe(1)
  const found = (JSON.parse(stdout) as { readonly name: string; readonly level: string }[]).filter(
    ({ name }) => name === 'demo plant',
  )
  expect(found).toEqual([
    expect.objectContaining({ level: 'wrong', text: expect.stringContaining('demo plant') }),
  ])
})

test('removed, nothing of it runs on, and no password of it is left in the folder', async () => {
  const { pid } = plant.process
  expect(await plant.program(['demo', 'remove', '--yes'])).toMatchObject({ code: 0 })
  await until(
    async () => (plant.process.exitCode === null ? undefined : true),
    30_000,
    () => false,
    () => `process ${pid} runs on`,
  )
  const table = await readFile('/proc/net/tcp', 'utf8')
  for (const { port } of sheet.machines)
    expect(table).not.toMatch(
      new RegExp(`0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A`),
    )
  expect((await readdir(plant.dataDir)).sort()).toEqual(['.gitignore', 'tagout.json'])
  const left = await readFile(join(plant.dataDir, 'tagout.json'), 'utf8')
  expect(secretsOf().filter((secret) => left.includes(secret))).toEqual([])
})
