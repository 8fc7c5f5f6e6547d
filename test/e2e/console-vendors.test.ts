import { beforeAll, expect, test, vi } from 'vitest'
import type { CompanyDetail, CompanyView, OffboardingView } from '../../vault/contract.ts'
import { accessibilityFaults, enrol, type Person, picture, signIn } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight, peoplesPassword } from '../support/console-stage.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 400_000 })

const stage = consoleStage('vendors')
const { open, run, why } = stage
let ann: Actor
let vera: Person
let verasCode: () => Promise<string>

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3', 'line-3')
  await stage.added('sue', 'approver')
  vera = await stage.visitor('vera')
  ann = await stage.enrolled('ann', { role: 'admin' })
})

const day = (offset: number) => new Date(Date.now() + offset * 24 * 3600_000).toISOString().slice(0, 10)
const company = () => stage.installation.tagoutJson<CompanyDetail>(['vendor', 'show', 'acme'])

test.skipIf(why !== undefined)(
  'a company is added by keyboard, and a person of it invited by link',
  async () => {
    const { page } = ann
    await open(page, '/vendors', 'Vendors')
    await page.getByText('No vendors yet').waitFor()
    await looksRight(page)
    await page.getByRole('button', { name: 'Add a company' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Add a company' })
    await page.keyboard.type('acme')
    await dialog.getByLabel('Contract until').fill(day(90))
    await dialog.getByLabel('Sponsor').selectOption('sue')
    await dialog.getByLabel('Mail domains').fill('acme')
    await dialog.getByLabel('Terms (optional)').fill('Wear a helmet.\nBring no USB stick.')
    expect(await accessibilityFaults(page)).toEqual([])
    await dialog.getByLabel('Code').fill(await ann.code())
    await page.keyboard.press('Enter')
    // What is wrong is said beside the field, and nothing that was typed is lost.
    await dialog.getByText('is not a domain').waitFor()
    await dialog.getByLabel('Mail domains').fill('acme.com, acme.de')
    await picture(page, 'vendor-add')
    await dialog.getByLabel('Code').press('Enter')
    await page.getByRole('heading', { level: 1, name: 'acme' }).waitFor()
    const [added] = await stage.installation.tagoutJson<readonly CompanyView[]>(['vendor', 'list'])
    expect(added).toMatchObject({ name: 'acme', sponsor: 'sue', mailDomains: ['acme.com', 'acme.de'] })
    await page.getByText('Nobody of this company was invited yet.').waitFor()

    await page.getByRole('button', { name: 'Invite a person' }).click()
    const invite = page.getByRole('dialog', { name: 'Invite a person of acme' })
    await invite.getByLabel('Name').fill('vera')
    await invite.getByLabel('Mail address').fill('vera@acme.com.evil')
    await invite.getByLabel('Code').fill(await ann.code())
    await invite.getByRole('button', { name: 'Invite' }).click()
    await invite.getByText('acme.com.evil is not a mail domain of this company').waitFor()
    await invite.getByLabel('Mail address').fill('vera@acme.com')
    await invite.getByRole('button', { name: 'Invite' }).click()
    const link = page.getByRole('dialog', { name: 'A link for vera' })
    const address = await link.locator('code, input').first().innerText()
    await link.getByRole('button', { name: 'Done' }).click()
    await page.getByText('not accepted').waitFor()

    // She accepts the terms with her enrolment, or does not get in.
    await vera.page.goto(address.trim())
    await vera.page.getByText('Bring no USB stick.').waitFor()
    await looksRight(vera.page)
    await picture(vera.page, 'vendor-enrol')
    const finish = vera.page.getByRole('button', { name: 'Finish and sign in' })
    await vera.page.getByLabel('Password', { exact: true }).fill(peoplesPassword)
    await vera.page.getByLabel('Password again').fill(peoplesPassword)
    await vera.page.getByLabel('Code', { exact: true }).fill('123456')
    expect(await finish.isEnabled()).toBe(false)
    // The link is no longer in the address: it is opened anew.
    await vera.page.goto('about:blank')
    verasCode = await enrol(vera.page, address.trim(), peoplesPassword)
    expect((await company()).people[0]?.termsAcceptedAt).not.toBeNull()
    await open(vera.page, '/account', 'vera')
    await vera.page.getByText('of acme, whose contract ends').waitFor()
  },
)

test.skipIf(why !== undefined)('new terms come before anything else', async () => {
  const { page } = vera
  const { page: admin } = ann
  await open(admin, '/vendors', 'Vendors')
  await admin.getByRole('link', { name: 'acme' }).click()
  await admin.getByRole('heading', { level: 1, name: 'acme' }).waitFor()
  await admin.getByRole('button', { name: 'Change' }).click()
  const dialog = admin.getByRole('dialog', { name: 'Change acme' })
  await dialog.getByLabel('Terms (optional)').fill('Wear a helmet and goggles.')
  await dialog.getByLabel('Code').fill(await ann.code())
  await dialog.getByRole('button', { name: 'Change' }).click()
  await dialog.waitFor({ state: 'detached' })

  await page.goto(`${stage.installation.console}/access`)
  await page.getByRole('heading', { level: 1, name: 'Before you go on' }).waitFor()
  await page.getByText('Wear a helmet and goggles.').waitFor()
  await looksRight(page)
  await picture(page, 'vendor-terms')
  const accept = page.getByRole('button', { name: 'Accept and go on' })
  expect(await accept.isEnabled()).toBe(false)
  // By keyboard alone.
  await page.getByLabel('I have read these terms and accept them').focus()
  await page.keyboard.press('Space')
  // Changed at this moment: what was ticked was another text.
  await run(['vendor', 'change', 'acme', '--no-terms'])
  await accept.click()
  await page.getByRole('heading', { level: 1, name: 'My access' }).waitFor()
})

test.skipIf(why !== undefined)(
  'a company is taken off after a question, and the report says what ended',
  async () => {
    await run(['grant', 'add', 'vera', 'press-3/engineer', '--for', '4h', '--allow', 'shell'])
    const { page } = ann
    await open(page, '/vendors', 'Vendors')
    await page.getByRole('link', { name: 'acme' }).click()
    await page.getByRole('table', { name: 'Grants' }).getByText('press-3/engineer').waitFor()
    await looksRight(page)
    await picture(page, 'vendor-company')
    await page.getByRole('button', { name: 'Take off', exact: true }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Take acme off?' })
    expect(await accessibilityFaults(page)).toEqual([])
    expect(await dialog.getByRole('button', { name: 'Take off' }).isEnabled()).toBe(false)
    await dialog.getByLabel('Reason').fill('contract cancelled')
    await picture(page, 'vendor-off')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'acme was taken off' }).waitFor()
    await page.getByText('1 void').waitFor()
    await page.getByText('none was running').waitFor()
    await looksRight(page)
    await picture(page, 'vendor-report')
    const [report] = await stage.installation.tagoutJson<readonly OffboardingView[]>(['vendor', 'report'])
    expect(report).toMatchObject({
      company: 'acme',
      people: ['vera'],
      by: 'ann',
      reason: 'contract cancelled',
    })

    // She is out at once.
    await vera.page.goto(stage.installation.console)
    await vera.page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    await signIn(vera.page, 'vera', peoplesPassword, await verasCode())
    await vera.page.getByText('Name, password or code is wrong').waitFor()

    await page.getByRole('link', { name: 'All vendors' }).click()
    await page.getByRole('table', { name: 'Taken off' }).getByText('contract cancelled').waitFor()
    await looksRight(page)
    await picture(page, 'vendors')
    await page.getByRole('link', { name: 'acme' }).first().click()
    await page.getByRole('button', { name: 'Switch on again' }).click()
    const on = page.getByRole('dialog', { name: 'Switch acme on again?' })
    await on.getByLabel('Code').fill(await ann.code())
    await on.getByRole('button', { name: 'Switch on' }).click()
    await on.waitFor({ state: 'detached' })
    expect(await company()).toMatchObject({ state: 'active', people: [{ user: 'vera', state: 'disabled' }] })
  },
)

test.skipIf(why !== undefined)('one person is taken off from the list of users', async () => {
  await run(['user', 'add', 'bob', '--role', 'operator'])
  const { page } = ann
  await open(page, '/users', 'Users')
  await page.getByRole('button', { name: 'Disable bob' }).click()
  await page.getByRole('button', { name: 'Take off for good…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Take bob off?' })
  await dialog.getByLabel('Reason').fill('retired')
  await dialog.getByRole('button', { name: 'Take off' }).click()
  await page.getByRole('heading', { level: 1, name: 'bob was taken off' }).waitFor()
  expect([...ann.wrong, ...vera.wrong].filter((line) => !/40[0139]/.test(line))).toEqual([])
})
