import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ExposureView, GrantView, OffboardingView, SessionView } from '../../vault/contract.ts'
import { makeSshUser } from '../support/gateway.ts'
import { type Actor, consoleStage, peoplesPassword } from '../support/console-stage.ts'
import { atTarget, keepsStream, measured, streamTo, terminalOf } from '../support/scenario.ts'
import { until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 400_000 })

const stage = consoleStage('somebody leaves, a contract ends', { sshd: true })
const { open, run, why } = stage
const day = 24 * 3600_000
let ann: Actor
let priya: Actor
let tom: Actor
let vito: Actor
const running: { kill: (signal: 'SIGKILL') => boolean }[] = []

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  // One machine under several names: each name has an account, whose secret is shown, typed in, or both.
  for (const name of ['hmi-3', 'press-3', 'mill-3', 'saw-3']) await stage.machine(name, 'line-3')
  ann = await stage.enrolled('ann', { role: 'admin' })
  tom = await stage.enrolled('tom', { role: 'operator' })
  await run(['vendor', 'add', 'oem', '--until', '+90d', '--sponsor', 'tom', '--mail-domain', 'oem.example'])
  const invited = async (name: string) => {
    const { enrolment } = await stage.installation.tagoutJson<{
      readonly enrolment: { readonly link: string }
    }>([...['vendor', 'invite', 'oem', name, `${name}@oem.example`]])
    return stage.enrolled(name, { link: enrolment.link })
  }
  priya = await invited('priya')
  vito = await invited('vito')
  for (const name of ['priya', 'vito', 'tom'])
    await run(['safe', 'member', 'line-3', name, '--allow', 'use,reveal'])
})
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

const account = (target: string) => `${target}/${stage.sshd.user}`
const sees = async (name: string, code: () => Promise<string>, target: string) =>
  run(
    [
      'account',
      'reveal',
      account(target),
      '--user',
      name,
      '--reason',
      'the panel has no network',
      '--answers-stdin',
    ],
    `${peoplesPassword}\n${await code()}\n${await code()}`,
  )
const lets = (name: string, target: string) =>
  run(['grant', 'add', name, account(target), '--for', '4h', '--allow', 'shell,exec'])
/** Works over SSH at a machine, typing without pause. */
async function works(name: string, target: string): Promise<void> {
  const { ssh } = JSON.parse(readFileSync(join(stage.installation.dataDir, 'ready.json'), 'utf8'))
  const { port, host } = stage.installation.ssh
  const key = makeSshUser(stage.room, name, ssh.knownHosts, port)
  await run(['user', 'key', 'add', name, `${key.keyFile}.pub`])
  running.push(
    streamTo(
      [...key.ssh(['-p', String(port)]), `${name}@${stage.sshd.user}@${target}@${host}`],
      keepsStream(name),
    ),
  )
  await until(() => atTarget(stage.sshd.home).bytes(name) > 1_000 || undefined, 60_000)
}
const dueOf = async (people: readonly string[]) =>
  (await stage.installation.tagoutJson<readonly ExposureView[]>(['exposure', 'list']))
    .filter(({ user, rotationDueAt }) => people.includes(user) && rotationDueAt !== null)
    .map(({ user, account: name }) => `${user} ${name}`)
    .sort()
const grantsOf = async (name: string) =>
  (await stage.installation.tagoutJson<readonly GrantView[]>(['grant', 'list', '--user', name])).filter(
    ({ state }) => state === 'active',
  )

test.skipIf(why !== undefined)(
  'a company, by one act: all that its people ran has ended within three seconds, grants are void, and exactly the secrets that were shown are due in 30 days',
  async () => {
    // Priya has seen two secrets and works with a third, Vito has seen one of hers and works in the browser.
    await sees('priya', priya.code, 'press-3')
    await sees('priya', priya.code, 'mill-3')
    await sees('vito', vito.code, 'press-3')
    for (const name of ['priya', 'vito', 'tom']) await lets(name, 'hmi-3')
    await works('priya', 'hmi-3')
    await works('tom', 'hmi-3')
    const terminal = terminalOf(vito.page)
    await vito.page.goto(`${stage.installation.console}/terminal#${account('hmi-3')}`)
    await terminal.live()
    await terminal.type(
      `sh -c "trap 'date +%s%3N > ended-vito; exit' EXIT HUP TERM; while :; do sleep 0.1; done"\n`,
    )
    const sessions = () =>
      stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list', '--live'])
    expect((await sessions()).map(({ user }) => user).sort()).toEqual(['priya', 'tom', 'vito'])

    await open(ann.page, '/vendors', 'Vendors')
    await ann.page.getByRole('link', { name: 'oem', exact: true }).click()
    await ann.page.getByRole('button', { name: 'Take off', exact: true }).click()
    const dialog = ann.page.getByRole('dialog', { name: 'Take oem off?' })
    await dialog.getByLabel('Reason').fill('the contract ended')
    const offAt = Date.now()
    await ann.page.keyboard.press('Enter')
    await ann.page.getByRole('heading', { level: 1, name: 'oem was taken off' }).waitFor()
    for (const name of ['priya', 'vito']) {
      const endedAt = await atTarget(stage.sshd.home).endedAt(name)
      expect(
        measured(`what ${name} ran at the machine ended after the act`, endedAt - offAt, 3_000),
      ).toBeLessThan(3_000)
    }
    const report = await until(async () => {
      const [last] = await stage.installation.tagoutJson<readonly OffboardingView[]>(['vendor', 'report'])
      return last?.sessions.every(({ endedAt }) => endedAt !== null) ? last : undefined
    }, 30_000)
    expect(report).toMatchObject({ company: 'oem', by: 'ann', reason: 'the contract ended' })
    expect(report.sessions.map(({ user }) => user).sort()).toEqual(['priya', 'vito'])
    for (const { user, endedAfterMs } of report.sessions)
      measured(`the session of ${user} was ended, as the report says`, endedAfterMs ?? Number.NaN, 3_000)
    expect(report.sessions.every(({ endedAfterMs }) => (endedAfterMs ?? 9_999) < 3_000)).toBe(true)
    // Who is of the plant works on.
    expect((await sessions()).map(({ user }) => user)).toEqual(['tom'])
    for (const name of ['priya', 'vito']) expect(await grantsOf(name)).toEqual([])
    expect((await grantsOf('tom')).length).toBe(1)

    // Shown, not merely typed in: hmi-3 is not among them.
    expect(await dueOf(['priya', 'vito', 'tom'])).toEqual(
      [`priya ${account('mill-3')}`, `priya ${account('press-3')}`, `vito ${account('press-3')}`].sort(),
    )
    expect(report.secrets.map((one) => `${one.user} ${one.account}`).sort()).toEqual(
      await dueOf(['priya', 'vito']),
    )
    for (const { dueAt } of report.secrets) {
      const days = (Date.parse(dueAt) - offAt) / day
      expect(days).toBeGreaterThan(29.9)
      expect(days).toBeLessThan(30.1)
    }
    // In their browsers they are out.
    await vito.page.goto(stage.installation.console)
    await vito.page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
  },
)

test.skipIf(why !== undefined)('a person of the plant, by one act, alike', async () => {
  await sees('tom', tom.code, 'saw-3')
  const offAt = Date.now()
  await run(['user', 'off', 'tom', '--reason', 'left the plant'])
  const endedAt = await atTarget(stage.sshd.home).endedAt('tom')
  expect(measured('what tom ran at the machine ended after the act', endedAt - offAt, 5_000)).toBeLessThan(
    5_000,
  )
  const report = await until(async () => {
    const [last] = await stage.installation.tagoutJson<readonly OffboardingView[]>(['vendor', 'report'])
    return last?.user === 'tom' && last.sessions.every(({ endedAt: at }) => at !== null) ? last : undefined
  }, 30_000)
  const [ended] = report.sessions
  expect(
    measured('the session of tom was ended, as the report says', ended?.endedAfterMs ?? Number.NaN, 3_000),
  ).toBeLessThan(3_000)
  expect(await grantsOf('tom')).toEqual([])
  expect(await dueOf(['tom'])).toEqual([`tom ${account('saw-3')}`])
  for (const one of [ann, priya, vito]) expect(one.wrong.filter((line) => !/40[0139]/.test(line))).toEqual([])
})
