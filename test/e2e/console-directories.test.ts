import { beforeAll, expect, test, vi } from 'vitest'
import { accessibilityFaults, picture, signIn } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'
import {
  peoplesPassword,
  slapdBase,
  slapdReader,
  slapdSecret,
  startSlapd,
  type TestSlapd,
} from '../support/slapd.ts'
import { authenticator } from '../support/totp.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('directories')
const { open, why } = stage
let ann: Actor
let slapd: TestSlapd

beforeAll(async () => {
  if (why !== undefined) return
  const [started] = await Promise.all([startSlapd(), stage.start()])
  slapd = started
  for (const uid of ['bob', 'carol']) slapd.addPerson(uid)
  slapd.group('operators', ['bob'])
  ann = await stage.enrolled('ann', { role: 'admin' })
  return async () => slapd[Symbol.asyncDispose]()
})

test.skipIf(why !== undefined)('an administrator adds a directory and tests it', async () => {
  const { page } = ann
  await open(page, '/directories', 'Directories')
  await page.getByText('No directory yet').waitFor()
  await looksRight(page)
  await page.getByRole('button', { name: 'Add a directory' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill('corp')
  await page.getByLabel('Kind').selectOption('ldap')
  await page.getByLabel('Address').fill('ldap://127.0.0.1')
  await page.getByLabel('Certificate').fill(slapd.certificates.ca)
  await page.getByLabel('Base').fill(slapdBase)
  await page.getByLabel('Read as').fill(slapdReader)
  await page.getByLabel('Its password').fill(slapdSecret)
  await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByText('write it as ldaps://host').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'directory-add')
  await page.getByLabel('Address').fill(slapd.url)
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByRole('cell', { name: 'corp' }).first().waitFor()
  await page.getByRole('button', { name: 'Test corp' }).click()
  await page.getByText('It has 2 people, 0 in mapped groups').waitFor()
  await looksRight(page)
  await picture(page, 'directories')
})

test.skipIf(why !== undefined)('says what a group gives, sees what that does, and has it done', async () => {
  const { page } = ann
  await page.getByRole('button', { name: 'Groups of corp' }).click()
  await page.getByLabel('Group', { exact: true }).fill(slapd.groupDn('operators'))
  await page.getByLabel('Group of the policy').fill('line-3')
  await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
  await page.getByRole('button', { name: 'Set what it gives' }).click()
  await page.getByRole('button', { name: `Change ${slapd.groupDn('operators')}` }).waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'directory-groups')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Synchronise of corp' }).click()
  await page.getByRole('button', { name: 'See what it would do' }).click()
  await page.getByText('bob added: operator; group line-3').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Do this' }).click()
  await page.getByText('Who was added needs a link from you').waitFor()
  await picture(page, 'directory-synchronised')
  await page.getByRole('button', { name: 'Close', exact: true }).last().click()
  await page.getByRole('button', { name: 'Users of corp' }).click()
  await page.getByRole('button', { name: 'Show them' }).click()
  await page.getByText('bob: operator; enrolling').waitFor()
  await page.getByText('The policy has no group line-3').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Close', exact: true }).last().click()
  await open(page, '/users', 'Users')
  await page.getByText('from corp').waitFor()
})

test.skipIf(why !== undefined)(
  'its user goes through the link with their password there, and signs in by it',
  async () => {
    const { link } = await stage.installation.tagoutJson<{ readonly link: string }>(['user', 'enrol', 'bob'])
    const { page } = await stage.visitor('bob')
    await page.goto(link)
    await page.getByLabel('Your password of corp').fill('not this one')
    const code = authenticator((await page.locator('.second-factor code').innerText()).trim())
    await page.getByLabel('Code', { exact: true }).fill(await code())
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    await page.getByText('this is not your password of corp').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'directory-enrol')
    await page.getByLabel('Your password of corp').fill(peoplesPassword)
    await page.getByLabel('Code', { exact: true }).fill(await code())
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    await page.getByRole('button', { name: 'I have kept them' }).click()
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.context().clearCookies()
    await page.goto(stage.installation.console)
    await signIn(page, 'bob', peoplesPassword, await code())
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  },
  240_000,
)
