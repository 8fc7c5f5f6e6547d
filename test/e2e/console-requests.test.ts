import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { GrantView, RequestView } from '../../vault/contract.ts'
import {
  accessibilityFaults,
  enrol,
  launchBrowser,
  layoutFaults,
  newPerson,
  type Person,
  picture,
  whyNoBrowser,
  windows,
} from '../support/console-browser.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const why = whyNoBrowser()
if (why !== undefined) console.warn(`requests are not tested in a browser: ${why}`)

// Nobody connects to it: what is tested is who may.
const pin = 'SHA256:0pSQmuTkvVh8nMMPA1uYCLC0mSwLYTNs2DkMGwSWvOc'
let room: string
let installation: TestInstallation
let browser: Browser
let bob: Person
let sue: Person
let tom: Person
let suesCode: () => Promise<string>
let tomsCode: () => Promise<string>

const run = async (args: readonly string[], stdin?: string) => {
  const ran = await installation.tagout(args, { cwd: room, ...(stdin === undefined ? {} : { stdin }) })
  if (ran.code !== 0) throw new Error(`tagout ${args.join(' ')}: ${ran.stderr}`)
  return ran.stdout
}
const enrolled = async (person: Person, name: string, role: string, permission: string) => {
  const { enrolment } = await installation.tagoutJson<{ readonly enrolment: { readonly link: string } }>([
    ...['user', 'add', name, '--role', role],
  ])
  await run(['safe', 'member', 'line-3', name, '--allow', permission])
  return enrol(person.page, enrolment.link, 'canary-ash-meadow-5127')
}

beforeAll(async () => {
  if (why !== undefined) return
  room = await mkdtemp(join(tmpdir(), 'tagout-requests-'))
  ;[installation, browser] = await Promise.all([startTestInstallation(), launchBrowser()])
  await run(['safe', 'add', 'line-3'])
  for (const target of ['press-3', 'mill-4']) {
    await run(['target', 'add', target, 'ssh://127.0.0.1:2201', '--safe', 'line-3', '--pin', pin])
    await run(['account', 'add', `${target}/engineer`, '--password-stdin'], 'a password of a machine')
  }
  ;[bob, sue, tom] = [
    await newPerson(browser, installation.console),
    await newPerson(browser, installation.console),
    await newPerson(browser, installation.console),
  ]
  await enrolled(bob, 'bob', 'operator', 'use')
  suesCode = await enrolled(sue, 'sue', 'approver', 'approve')
  tomsCode = await enrolled(tom, 'tom', 'approver', 'approve')
})
afterAll(async () => {
  await browser?.close()
  await installation?.[Symbol.asyncDispose]()
  if (room !== undefined) await rm(room, { recursive: true, force: true })
})
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || tom === undefined) return
  for (const [name, { page, wrong }] of Object.entries({ bob, sue, tom })) {
    console.error(name, page.url(), await page.locator('body').innerText(), wrong)
    await picture(page, `failed-${name}`)
  }
})

const open = async (page: Page, path: string, heading: string) => {
  await page.goto(`${installation.console}${path}`)
  await page.getByRole('heading', { level: 1, name: heading }).waitFor()
}
const looksRight = async (page: Page) => {
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
}
const asks = async (account: string, reason: string) => {
  const { page } = bob
  await page.getByRole('button', { name: 'Request access' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Request access' })
  await dialog.getByLabel('Account').selectOption(account)
  await dialog.getByLabel('Reason').fill(reason)
  return dialog
}
const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text })
const requests = () => installation.tagoutJson<readonly RequestView[]>(['request', 'list', '--all'])

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
    await decide.getByLabel('Code').fill(await suesCode())
    await page.keyboard.press('Enter')
    await decide.waitFor({ state: 'detached' })
    await page.getByText('No request is waiting').waitFor()
    await page.setViewportSize({ width: 1280, height: 800 })

    await open(bob.page, '/access', 'My access')
    await bob.page.getByRole('heading', { name: 'press-3/engineer' }).waitFor()
    const [grant] = await installation.tagoutJson<readonly GrantView[]>(['grant', 'list', '--user', 'bob'])
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
    [sue, suesCode],
    [tom, tomsCode],
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
