import { beforeAll, expect, test, vi } from 'vitest'
import type { GrantView, SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'
import { until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('more time', { sshd: true })
const { open, run, why } = stage
let bob: Actor
let sue: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3', 'line-3')
  bob = await stage.enrolled('bob', { role: 'operator' })
  sue = await stage.enrolled('sue', { role: 'approver' })
  await run(['safe', 'member', 'line-3', 'sue', '--allow', 'approve'])
})

const account = () => `press-3/${stage.sshd.user}`
const grants = () => stage.installation.tagoutJson<readonly GrantView[]>(['grant', 'list'])
const approve = async (reason: string) => {
  await open(sue.page, '/requests', 'Requests')
  await sue.page.getByRole('row').filter({ hasText: reason }).getByText('30 min more').waitFor()
  await picture(sue.page, 'requests-more-time')
  await sue.page.getByRole('button', { name: `Approve ${account()} for bob` }).click()
  const decide = sue.page.getByRole('dialog', { name: 'Give bob more time?' })
  await decide.getByText(reason).waitFor()
  expect(await accessibilityFaults(sue.page)).toEqual([])
  await picture(sue.page, 'approve-more-time')
  await decide.getByLabel('Code').fill(await sue.code())
  await sue.page.keyboard.press('Enter')
  await decide.waitFor({ state: 'detached' })
}

test.skipIf(why !== undefined)(
  'at the warning in the terminal more time is asked for; approved, the session goes on and says so',
  async () => {
    await run(['grant', 'add', 'bob', account(), '--for', '310s', '--allow', 'shell'])
    const { page } = bob
    await page.goto(`${stage.installation.console}/terminal#${account()}`)
    await page.getByTestId('time-left').waitFor()
    await page.getByText(/This session ends in 5 minutes/).waitFor()
    await page.getByRole('button', { name: 'Ask for more time' }).click()
    const dialog = page.getByRole('dialog', { name: `Ask for more time on ${account()}` })
    await dialog.getByLabel('Reason').fill('the pump is open yet')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'terminal-more-time')
    await dialog.getByRole('button', { name: 'Send request' }).click()
    await dialog.getByText('An approver was asked').waitFor()
    await dialog.getByRole('button', { name: 'Done' }).last().click()
    await dialog.waitFor({ state: 'detached' })
    const [before] = await grants()
    await approve('the pump is open yet')
    await page.getByText(/More time was granted: this session ends at/).waitFor()
    expect(await page.getByText(/This session ends in 5 minutes/).count()).toBe(0)
    await until(async () => {
      const left = await page.getByTestId('time-left').innerText()
      return /ends in 3[45]:/.test(left) || undefined
    }, 20_000)
    await picture(page, 'terminal-more-time-granted')
    const [after] = await grants()
    expect(Date.parse(after?.notAfter ?? '') - Date.parse(before?.notAfter ?? '')).toBe(1_800_000)
    const [session] = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
    expect(session).toMatchObject({ state: 'live', endsAt: after?.notAfter })
    await page.getByRole('button', { name: 'End session' }).click()
    await page.getByText('You have left the session').waitFor()
    await page.goto('about:blank')
  },
)

test.skipIf(why !== undefined)('under My access it is asked for by keyboard, on a phone too', async () => {
  const { page } = bob
  await page.setViewportSize({ width: 390, height: 844 })
  await open(page, '/access', 'My access')
  const more = page.getByRole('button', { name: `More time on ${account()}` })
  await more.waitFor()
  await looksRight(page)
  await more.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: `Ask for more time on ${account()}` })
  await dialog.getByLabel('Reason').fill('still open')
  await picture(page, 'more-time-phone')
  expect(await accessibilityFaults(page)).toEqual([])
  await dialog.getByRole('button', { name: 'Send request' }).click()
  await dialog.getByText('An approver was asked').waitFor()
  await dialog.getByRole('button', { name: 'Done' }).last().click()
  await approve('still open')
})
