import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { AuditFound, SessionView, PlantSwitchView } from '../../vault/contract.ts'
import { makeSshUser } from '../support/gateway.ts'
import { type Actor, consoleStage } from '../support/console-stage.ts'
import { type ModbusServer, startModbus, whyNoModbus } from '../support/modbus.ts'
import { atTarget, keepsStream, measured, streamTo } from '../support/scenario.ts'
import { until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 400_000 })

const stage = consoleStage('four eyes on a safety-related cell', { sshd: true })
const { run } = stage
const why = stage.why ?? whyNoModbus()
let jonas: Actor
let keySwitch: ModbusServer
let key: ReturnType<typeof makeSshUser>
const running: { kill: (signal: 'SIGKILL') => boolean }[] = []

beforeAll(async () => {
  if (why !== undefined) return
  // Everything outside of the gateway is away: mail, webhook, whatever a proxy would lead to.
  await stage.start({
    TAGOUT_SMTP_URL: 'smtp://127.0.0.1:9',
    TAGOUT_SMTP_FROM: 'tagout@plant.example',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    HTTP_PROXY: 'http://127.0.0.1:9',
  })
  await stage.auditor()
  await run(['safe', 'add', 'cell-5'])
  await stage.machine('robot-5', 'cell-5')
  jonas = await stage.enrolled('jonas', { role: 'approver' })
  await run(['safe', 'member', 'cell-5', 'jonas', '--allow', 'approve'])
  await run(['vendor', 'add', 'oem', '--until', '+90d', '--sponsor', 'jonas', '--mail-domain', 'oem.example'])
  const { enrolment } = await stage.installation.tagoutJson<{
    readonly enrolment: { readonly link: string }
  }>([...['vendor', 'invite', 'oem', 'priya', 'priya@oem.example']])
  await stage.enrolled('priya', { link: enrolment.link })
  await run(['grant', 'add', 'priya', account(), '--for', '4h', '--allow', 'shell,exec'])
  await writeFile(
    join(stage.room, 'policy.yaml'),
    `version: 1
groups:
  shift: [jonas]
rules:
  - name: four-eyes-in-the-cell
    effect: limit
    who: { everyone: true }
    what: { safes: [cell-5] }
    supervisors: shift
`,
  )
  await run(['policy', 'apply', 'policy.yaml', '--yes'])
  keySwitch = await startModbus()
  await run([
    ...['switch', 'add', 'cell-5-key', '--safe', 'cell-5', '--modbus'],
    ...[`modbus://127.0.0.1:${keySwitch.port}/1/discrete/12`, '--stops-at', 'on'],
  ])
  await stands('run')
  const { ssh } = JSON.parse(readFileSync(join(stage.installation.dataDir, 'ready.json'), 'utf8'))
  key = makeSshUser(stage.room, 'priya', ssh.knownHosts, stage.installation.ssh.port)
  await run(['user', 'key', 'add', 'priya', `${key.keyFile}.pub`])
})
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await keySwitch?.[Symbol.asyncDispose]()
})

const account = () => `robot-5/${stage.sshd.user}`
const stands = (state: string) =>
  until(
    async () =>
      (await stage.installation.tagoutJson<readonly PlantSwitchView[]>(['switch', 'list'])).every(
        (one) => one.state === state,
      ) || undefined,
    20_000,
  )
const live = () => stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list', '--live'])
const connects = (name: string) => {
  const { host, port } = stage.installation.ssh
  const child = streamTo(
    [...key.ssh(['-p', String(port)]), `priya@${stage.sshd.user}@robot-5@${host}`],
    keepsStream(name),
  )
  running.push(child)
  return child
}
const watches = async () => {
  const [session] = await until(async () => {
    const found = await live()
    return found.length > 0 ? found : undefined
  }, 30_000)
  await jonas.page.goto(`${stage.installation.console}/sessions/${session?.id}`)
}
const leaves = () => jonas.page.goto('about:blank')
/** Milliseconds from `from` until the last byte, once nothing more has come for two seconds. */
const lastByteAfter = async (name: string, from: number) => {
  const target = atTarget(stage.sshd.home)
  for (let before = -1; before !== target.bytes(name); ) {
    before = target.bytes(name)
    await pass(2_000)
  }
  return target.lastByteAt(name) - from
}

// SSH stands for RDP here: who must be there, and who holds the key, are asked the same way.
test.skipIf(why !== undefined)(
  'over SSH for RDP, with everything outside away: nothing reaches the machine unless the supervisor is there and the key switch lets it',
  async () => {
    const target = atTarget(stage.sshd.home)
    const first = connects('first')
    await until(async () => (await live()).some(({ freeze }) => freeze?.isHeld) || undefined, 30_000)
    // She types all the while.
    await pass(2_000)
    expect(target.bytes('first')).toBe(0)

    const comesAt = Date.now()
    await watches()
    await until(() => target.bytes('first') > 0 || undefined, 30_000)
    measured(
      'the first byte at the machine after the supervisor came to the page',
      Date.now() - comesAt,
      5_000,
    )
    const leavesAt = Date.now()
    await leaves()
    const held = await lastByteAfter('first', leavesAt)
    expect(measured('the last byte at the machine after the supervisor left', held, 1_000)).toBeLessThan(
      1_000,
    )

    await watches()
    const size = target.bytes('first')
    await until(() => target.bytes('first') > size + 1_000 || undefined, 30_000)
    const turnedAt = Date.now()
    await keySwitch.set('discrete', 12, true)
    const frozen = await lastByteAfter('first', turnedAt)
    expect(
      measured('the last byte at the machine after the key was turned to local', frozen, 1_000),
    ).toBeLessThan(1_000)
    await stands('stop')
    // The supervisor is there still, and it does not help; nor does coming back.
    expect((await live()).map((one) => one.freeze !== null)).toEqual([true])
    first.kill('SIGKILL')
    await until(async () => (await live()).length === 0 || undefined, 30_000)
    const again = connects('again')
    expect(await new Promise((resolve) => again.once('exit', resolve))).not.toBe(0)
    expect(target.bytes('again')).toBe(0)
    console.log(`  refused while the key is on local: ${again.said().trim().split('\n').at(-1)}`)

    await keySwitch.set('discrete', 12, false)
    await stands('run')
    connects('released')
    await watches()
    await until(() => target.bytes('released') > 0 || undefined, 30_000)

    const found = await stage.installation.tagoutJson<readonly AuditFound[]>([
      ...['audit', 'find', '--target', 'robot-5', '--since', '1h', '--all'],
    ])
    const kinds = found.map(({ kind }) => kind)
    for (const kind of ['session.watched', 'session.watch-ended', 'session.presence', 'session.refused'])
      expect(kinds).toContain(kind)
    const turned = await stage.installation.tagoutJson<readonly AuditFound[]>([
      ...['audit', 'find', '--kind', 'switch.turned', '--since', '1h'],
    ])
    expect(turned.length).toBeGreaterThanOrEqual(2)
    expect(jonas.wrong.filter((line) => !/40[0139]/.test(line))).toEqual([])
  },
)
