import type { Page } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import type { GrantView, RequestView } from '../../vault/contract.ts'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('requests')
const { open, run, why } = stage
let bob: Actor
let sue: Actor
let tom: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await run(['safe', 'add', 'line-3'])
  for (const target of ['press-3', 'mill-4']) await stage.machine(target, 'line-3')
  bob = await stage.enrolled('bob', { role: 'operator' })
  sue = await stage.enrolled('sue', { role: 'approver' })
  tom = await stage.enrolled('tom', { role: 'approver' })
  await run(['safe', 'member', 'line-3', 'bob', '--allow', 'use'])
  for (const name of ['sue', 'tom']) await run(['safe', 'member', 'line-3', name, '--allow', 'approve'])
})

const asks = async (account: string, reason: string) => {
  const { page } = bob
  await page.getByRole('button', { name: 'Request access' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Request access' })
  await dialog.getByLabel('Account').selectOption(account)
  await dialog.getByLabel('Reason').fill(reason)
  return dialog
}
const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text })
const requests = () => stage.installation.tagoutJson<readonly RequestView[]>(['request', 'list', '--all'])

test.skipIf(why !== undefined)(
  'who has no access asks for it, and an approver lets them in on a phone, by keyboard, with a fresh code',
  async () => {
    await open(bob.page, '/access', 'My access')
    await bob.page.getByText('You have no access now').waitFor()
    const dialog = await asks('press-3/engineer', 'the press stops by itself')
    await dialog.getByLabel('Work order (optional)').fill('WO-4711')
    expect(await accessibilityFaults(bob.page)).toEqual([])
    await picture(bob.page, 'request-access')
    await dialog.getByRole('button', { name: 'Send request' }).click()
    await dialog.waitFor({ state: 'detached' })
    await open(bob.page, '/requests', 'Requests')
    await row(bob.page, 'WO-4711').getByText('waiting').waitFor()
    expect(await bob.page.getByRole('button', { name: /^Approve/ }).count()).toBe(0)

    const { page } = sue
    await page.setViewportSize({ width: 390, height: 844 })
    await open(page, '/requests', 'Requests')
    const approve = page.getByRole('button', { name: 'Approve press-3/engineer for bob' })
    await approve.waitFor()
    await picture(page, 'requests-phone')
    await approve.focus()
    await page.keyboard.press('Enter')
    const decide = page.getByRole('dialog', { name: 'Let bob in?' })
    await decide.getByText('the press stops by itself (work order WO-4711)').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'approve-phone')
    await decide.getByLabel('Code').fill('000000')
    await page.keyboard.press('Enter')
    await decide.getByText('The code is wrong or was used').waitFor()
    await decide.getByLabel('Code').fill(await sue.code())
    await page.keyboard.press('Enter')
    await decide.waitFor({ state: 'detached' })
    await page.getByText('No request is waiting').waitFor()
    await page.setViewportSize({ width: 1280, height: 800 })

    await open(bob.page, '/access', 'My access')
    await bob.page.getByRole('heading', { name: 'press-3/engineer' }).waitFor()
    const [grant] = await stage.installation.tagoutJson<readonly GrantView[]>([
      'grant',
      'list',
      '--user',
      'bob',
    ])
    expect(grant).toMatchObject({
      account: 'press-3/engineer',
      actions: ['shell'],
      grantedBy: 'sue',
      reason: 'WO-4711: the press stops by itself',
      state: 'active',
    })
  },
)

test.skipIf(why !== undefined)(
  'a refusal says why; a request is withdrawn, after a question; what was answered stays to be read',
  async () => {
    await open(bob.page, '/requests', 'Requests')
    const dialog = await asks('mill-4/engineer', 'look at the drive')
    await dialog.getByRole('button', { name: 'Send request' }).click()
    await dialog.waitFor({ state: 'detached' })
    await row(bob.page, 'look at the drive').waitFor()
    // A second one for the same account is refused in the dialog, and nothing typed is lost.
    const again = await asks('mill-4/engineer', 'look at it again')
    await again.getByRole('button', { name: 'Send request' }).click()
    await again.getByText('You asked for mill-4/engineer already').waitFor()
    expect(await again.getByLabel('Reason').inputValue()).toBe('look at it again')
    await again.getByRole('button', { name: 'Cancel' }).click()

    await open(tom.page, '/requests', 'Requests')
    await tom.page.getByRole('button', { name: 'Deny mill-4/engineer for bob' }).click()
    const deny = tom.page.getByRole('dialog', { name: /Deny bob/ })
    await deny.getByLabel('What you say to it (optional)').fill('not while the mill runs')
    await deny.getByRole('button', { name: 'Deny' }).click()
    await deny.waitFor({ state: 'detached' })
    await bob.page.getByText('Answered ones too').click()
    await row(bob.page, 'look at the drive').getByText('tom denied: not while the mill runs').waitFor()
    await looksRight(bob.page)
    await picture(bob.page, 'requests')

    const third = await asks('mill-4/engineer', 'the drive, tonight')
    await third.getByRole('button', { name: 'Send request' }).click()
    await row(bob.page, 'the drive, tonight').waitFor()
    await bob.page.getByRole('button', { name: 'Withdraw the request for mill-4/engineer' }).click()
    await bob.page.getByRole('dialog').getByRole('button', { name: 'Withdraw' }).click()
    await row(bob.page, 'the drive, tonight').getByText('withdrawn').waitFor()
    expect((await requests()).map(({ state }) => state)).toEqual(['withdrawn', 'denied', 'approved'])
  },
)

test.skipIf(why !== undefined)('where two must approve, each sees how far it is', async () => {
  await run(['safe', 'approvals', 'line-3', '2'])
  await open(bob.page, '/requests', 'Requests')
  const dialog = await asks('mill-4/engineer', 'exchange the belt')
  await dialog.getByRole('button', { name: 'Send request' }).click()
  await row(bob.page, 'exchange the belt').getByText('0 of 2 approvals').waitFor()
  for (const [person, code] of [
    [sue, sue.code],
    [tom, tom.code],
  ] as const) {
    await open(person.page, '/requests', 'Requests')
    await person.page.getByRole('button', { name: 'Approve mill-4/engineer for bob' }).click()
    const decide = person.page.getByRole('dialog', { name: 'Let bob in?' })
    if (person === sue) await decide.getByText('2 people must approve').waitFor()
    await decide.getByLabel('Code').fill(await code())
    await decide.getByRole('button', { name: 'Approve' }).click()
    await decide.waitFor({ state: 'detached' })
    if (person === sue) await row(bob.page, 'exchange the belt').getByText('1 of 2 approvals').waitFor()
  }
  expect((await requests())[0]).toMatchObject({ state: 'approved', closedBy: 'sue, tom' })
  const shown = await run(['request', 'show', (await requests())[0]?.id ?? ''])
  expect(shown).toMatch(/approved +by 2 of 2/)
  expect([...bob.wrong, ...sue.wrong, ...tom.wrong].filter((line) => !/40[09]/.test(line))).toEqual([])
})
