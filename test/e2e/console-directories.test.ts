import { beforeAll, expect, test, vi } from 'vitest'
import { accessibilityFaults, picture, signIn } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'
import { clientSecret, startProvider } from '../support/oidc-provider.ts'
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
  // Read by hand alone: it would be read before this test looks at what that does.
  await page.getByRole('button', { name: 'More settings' }).click()
  await page.getByLabel('Read every').fill('0')
  await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByText('Write it as ldaps://host').waitFor()
  // Beside the field that it is about, which has the keyboard.
  expect(await page.getByLabel('Address').getAttribute('aria-invalid')).toBe('true')
  expect(await page.getByLabel('Address').evaluate((field) => field === document.activeElement)).toBe(true)
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'directory-add')
  await page.getByLabel('Address').fill(slapd.url)
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByRole('cell', { name: 'corp' }).first().waitFor()
  await page.getByRole('button', { name: 'Test corp' }).click()
  await page.getByText('It has 2 people, 0 in mapped groups').waitFor()
  await page.getByText('Its certificate is good until').waitFor()
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

test.skipIf(why !== undefined)(
  'a provider is added, tested, changed and removed',
  async () => {
    const { page } = ann
    const origin = stage.installation.console.replace(/\/$/, '')
    const provider = await startProvider({ console: origin })
    try {
      await open(page, '/directories', 'Directories')
      await page.getByRole('button', { name: 'Add a directory' }).click()
      await page.getByLabel('Name', { exact: true }).fill('login')
      await page.getByLabel('Kind').selectOption('oidc')
      await page.getByLabel('Issuer').fill(provider.issuer.replace('https', 'http'))
      await page.getByLabel('Client', { exact: true }).fill('tagout')
      expect(await page.getByRole('textbox', { name: 'Console' }).inputValue()).toBe(origin)
      await page.getByLabel('Certificate (optional)').fill(provider.ca)
      await page.getByLabel('Secret of the client').fill('not this one')
      await page.getByRole('button', { name: 'More settings' }).click()
      await page.getByLabel('Asked anew after').fill('soon')
      await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
      expect(await accessibilityFaults(page)).toEqual([])
      await picture(page, 'provider-add')
      await page.getByRole('button', { name: 'Add it' }).click()
      await page.getByText('Write a number of minutes').waitFor()
      await page.getByLabel('Asked anew after').fill('5')
      await page.getByLabel('Asked anew by').fill('two-factors, phishing-resistant')
      await page.getByRole('button', { name: 'Add it' }).click()
      await page.getByText('Write it as https://login.plant.example').waitFor()
      await looksRight(page)
      await picture(page, 'provider-add-refused')
      await page.getByLabel('Issuer').fill(provider.issuer)
      await page.getByRole('button', { name: 'Add it' }).click()
      await page.getByText('asked at each sign-in').waitFor()

      const test = page.getByRole('button', { name: 'Test login' })
      await test.click()
      await page.getByText('does not know this console, or not by the secret that was entered').waitFor()
      await looksRight(page)
      await page.getByRole('button', { name: 'Change of login' }).click()
      await page.getByLabel('Secret of the client').fill(clientSecret)
      await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
      expect(await accessibilityFaults(page)).toEqual([])
      await page.getByRole('button', { name: 'Change it' }).click()
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      await test.click()
      await page.getByText('It knows the client tagout, by its secret').waitFor()
      await page.getByText('It does not name the acr value phishing-resistant').waitFor()
      await page.getByText('Its certificate is good until').waitFor()
      await page.getByText(/It has \d+ keys?, and signs by/).waitFor()
      await looksRight(page)
      await page.setViewportSize({ width: 390, height: 844 })
      await picture(page, 'provider-tested-phone')
      await page.getByRole('button', { name: 'Change of login' }).click()
      await page.getByLabel('Issuer').waitFor()
      await picture(page, 'provider-change-phone')
      await page.keyboard.press('Escape')
      await page.setViewportSize({ width: 1440, height: 900 })

      // What was left alone is as it was.
      await page.getByRole('button', { name: 'Change of login' }).click()
      await page.getByRole('button', { name: 'More settings' }).click()
      expect(await page.getByLabel('Asked anew by').inputValue()).toBe('two-factors phishing-resistant')
      await page.getByLabel('Asked anew by').fill('two-factors')
      await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
      await page.getByRole('button', { name: 'Change it' }).click()
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      await test.click()
      await page.getByText(`It is ${provider.issuer}, as it writes itself`).waitFor()

      await page.getByRole('button', { name: 'Remove of login' }).click()
      await page.getByRole('textbox', { name: 'Code' }).fill(await ann.code())
      expect(await accessibilityFaults(page)).toEqual([])
      await page.getByRole('button', { name: 'Remove it' }).click()
      await page.getByRole('button', { name: 'Test login' }).waitFor({ state: 'hidden' })
    } finally {
      await provider[Symbol.asyncDispose]()
    }
  },
  300_000,
)
