import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import type { BreakGlassView, RecordingView, SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, layoutFaults, picture, windows } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'
import { runProgram } from '../support/installation.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 400_000 })

const stage = consoleStage('break-glass', { sshd: true })
const { open, run, why } = stage
let ann: Actor
let bob: Actor
let sue: Actor

beforeAll(async () => {
  if (why !== undefined) return
  // Nothing answers there: the alarm waits, and the way in does not.
  await stage.start({ TAGOUT_SMTP_URL: 'smtp://127.0.0.1:9', TAGOUT_SMTP_FROM: 'tagout@plant.example' })
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3', 'line-3')
  ann = await stage.enrolled('ann', { role: 'admin' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  sue = await stage.enrolled('sue', { role: 'approver' })
  for (const name of ['ann', 'bob', 'sue']) await run(['user', 'mail', name, `${name}@plant.example`])
  await run(['safe', 'member', 'line-3', 'sue', '--allow', 'approve'])
})

test.skipIf(why !== undefined)('an administrator says who may, for how long and whom it alarms', async () => {
  await open(bob.page, '/access', 'My access')
  expect(await bob.page.getByRole('button', { name: 'Break glass' }).count()).toBe(0)
  await open(ann.page, '/safes', 'Safes')
  await ann.page.getByRole('button', { name: 'Break-glass in line-3: none' }).click()
  const dialog = ann.page.getByRole('dialog', { name: 'Break-glass in line-3' })
  await dialog.getByLabel('A member with the permission break-glass').selectOption('60')
  await dialog.getByLabel('sue').check()
  expect(await dialog.getByRole('button', { name: 'Set' }).isDisabled()).toBe(true)
  await dialog.getByLabel('ann').check()
  await dialog.getByLabel('Code', { exact: true }).fill(await ann.code())
  expect(await accessibilityFaults(ann.page)).toEqual([])
  await picture(ann.page, 'safe-glass')
  await dialog.getByRole('button', { name: 'Set' }).click()
  await dialog.waitFor({ state: 'detached' })
  await ann.page.getByRole('button', { name: 'Break-glass in line-3: 1 h' }).waitFor()
  await looksRight(ann.page)
  await run(['safe', 'member', 'line-3', 'bob', '--allow', 'break-glass'])
  expect(await run(['safe', 'show', 'line-3'])).toContain('for 60 min, alarms')
})

test.skipIf(why !== undefined)(
  'with the mail server away bob breaks the glass and works within a minute; all of it is marked and reviewed by another',
  async () => {
    const { page } = bob
    const start = Date.now()
    await open(page, '/access', 'My access')
    await page.getByRole('button', { name: 'Break glass' }).click()
    const dialog = page.getByRole('dialog', { name: 'Break glass' })
    await dialog.getByText('are alarmed at once').waitFor()
    await dialog.getByText('It ends by itself after 1 h').waitFor()
    await dialog.getByLabel('Reason').fill('oil on the floor')
    const waited = Date.now()
    const code = await bob.code()
    const forCode = Date.now() - waited
    await dialog.getByLabel('Code', { exact: true }).fill(code)
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
    await picture(page, 'break-glass-open')
    await dialog.getByRole('button', { name: 'Break the glass' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('break-glass', { exact: true }).first().waitFor()
    await page.getByRole('button', { name: 'One-time ticket' }).click()
    const ticket = await page.locator('[role="status"] code').first().innerText()
    const ran = await runProgram(
      'sshpass',
      [
        ...['-p', ticket.trim(), 'ssh', '-p', String(stage.installation.ssh.port)],
        ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
        ...['-o', 'PreferredAuthentications=keyboard-interactive,password'],
        ...[`bob@${stage.sshd.user}@press-3@${stage.installation.ssh.host}`, 'echo in'],
      ],
      {},
    )
    expect([ran.code, ran.stdout], ran.stderr).toEqual([0, 'in\n'])
    // From the first click to the first byte, but for the wait for a code that is fresh.
    expect(Date.now() - start - forCode).toBeLessThan(60_000)
    await looksRight(page)
    const [session] = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
    const [opened] = await stage.installation.tagoutJson<readonly BreakGlassView[]>(['breakglass', 'list'])
    const [recording] = await stage.installation.tagoutJson<readonly RecordingView[]>(['recording', 'list'])
    expect(opened).toMatchObject({ user: 'bob', reason: 'oil on the floor', sessions: 1 })
    expect([session?.breakGlass, recording?.breakGlass]).toEqual([opened?.id, opened?.id])
    expect(await run(['session', 'list'])).toContain('(break-glass)')
    // Whoever replays it reads why, in the header's words and at the beginning of the time line.
    await run(
      [
        ...['recording', 'export', recording?.id ?? '', '--as', 'text', '--out', 'session.txt'],
        ...['--identity', 'auditor.key', '--passphrase-stdin'],
      ],
      'birch lantern 8851',
    )
    expect(await readFile(join(stage.room, 'session.txt'), 'utf8')).toContain(
      `break-glass: ${opened?.id}: oil on the floor`,
    )
    expect(opened?.alarmed).toEqual(expect.arrayContaining(['ann', 'sue']))
    const status = await stage.installation.tagoutJson<{
      readonly waiting: { readonly mail: { readonly count: number } }
    }>(['notify', 'status'])
    expect(status.waiting.mail.count).toBeGreaterThanOrEqual(2)

    // The alarm is in front of whoever looks, until it is reviewed.
    await open(sue.page, '/', 'Overview')
    await sue.page.getByText('bob broke the glass for press-3').waitFor()
    await picture(sue.page, 'break-glass-alarm')
    await open(sue.page, '/sessions', 'Sessions')
    await sue.page.getByText('break-glass', { exact: true }).first().waitFor()
    await open(sue.page, '/break-glass', 'Break-glass')
    await sue.page.getByText('running').waitFor()
    await looksRight(sue.page)
    expect(await sue.page.getByRole('button', { name: /^Review/ }).count()).toBe(0)
    await sue.page.getByRole('button', { name: /^End it: .* by bob$/ }).click()
    const ending = sue.page.getByRole('dialog', { name: 'End the break-glass of bob?' })
    expect(await accessibilityFaults(sue.page)).toEqual([])
    await picture(sue.page, 'break-glass-end')
    await ending.getByRole('button', { name: 'End it' }).click()
    await ending.waitFor({ state: 'detached' })
    const review = sue.page.getByRole('button', { name: /^Review/ })
    await review.waitFor()
    await review.focus()
    await sue.page.keyboard.press('Enter')
    const reviewing = sue.page.getByRole('dialog', { name: /break-glass/ })
    await reviewing.getByLabel('What came of it').fill('a hose had burst')
    await reviewing.getByLabel('Code', { exact: true }).fill(await sue.code())
    expect(await accessibilityFaults(sue.page)).toEqual([])
    await picture(sue.page, 'break-glass-review')
    await reviewing.getByRole('button', { name: 'Close it' }).click()
    await reviewing.waitFor({ state: 'detached' })
    await sue.page.getByText('No break-glass runs or waits for its review').waitFor()
    await open(sue.page, '/', 'Overview')
    expect(await sue.page.getByText('broke the glass').count()).toBe(0)
    expect((await run(['breakglass', 'list', '--all'])).replace(/ +/g, ' ')).toContain(
      'sue: a hose had burst',
    )
    expect([...ann.wrong, ...bob.wrong, ...sue.wrong].filter((line) => !/40[0139]/.test(line))).toEqual([])
  },
)

test.skipIf(why !== undefined)('at the command line a person opens and another reviews it', async () => {
  const answers = async (code: () => Promise<string>) =>
    `canary-ash-meadow-5127\n${await code()}\n${await code()}`
  const opened = await run(
    [
      ...['breakglass', 'open', `press-3/${stage.sshd.user}`, '--user', 'bob', '--reason', 'smoke'],
      '--answers-stdin',
    ],
    await answers(bob.code),
  )
  expect(opened).toMatch(/^bob may use press-3\/\S+ until .* \(bgl_[0-9a-z]{26}\); alarmed: /)
  const [row] = await stage.installation.tagoutJson<readonly BreakGlassView[]>(['breakglass', 'list'])
  // Whoever broke the glass ends it where they see it.
  await open(bob.page, '/access', 'My access')
  await bob.page.getByRole('button', { name: /^End break-glass on press-3/ }).click()
  const ending = bob.page.getByRole('dialog', { name: 'End your break-glass?' })
  await ending.getByRole('button', { name: 'End it' }).click()
  await ending.waitFor({ state: 'detached' })
  expect((await stage.installation.tagout(['doctor'])).stdout).toContain(
    'nobody has reviewed bob’s break-glass',
  )
  const reviewed = await run(
    ['breakglass', 'review', row?.id ?? '', '--user', 'sue', '--note', 'a drill', '--answers-stdin'],
    await answers(sue.code),
  )
  expect(reviewed).toBe(`reviewed the break-glass of bob for press-3/${stage.sshd.user}\n`)
})
