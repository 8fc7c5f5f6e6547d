import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { accessibilityFaults, type Person, picture } from '../support/console-browser.ts'
import { consoleStage, looksRight } from '../support/console-stage.ts'
import { clientSecret, startProvider, type TestProvider } from '../support/oidc-provider.ts'
import { authenticator } from '../support/totp.ts'
import { makeSshKey } from '../support/vault-ssh.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('being asked anew by a provider')
const { why } = stage
let provider: TestProvider
let origin: string
let bob: Person
let nextCode: () => Promise<string>

beforeAll(async () => {
  if (why !== undefined) return
  // Browsers take no passkey behind a certificate that they do not trust: on the machine itself plain HTTP does.
  await stage.start({ TAGOUT_HTTP_PLAIN: '1' })
  origin = stage.installation.console.replace('127.0.0.1', 'localhost').replace(/\/$/, '')
  provider = await startProvider({ console: origin, host: '127.0.0.1' })
  for (const name of ['bob', 'carol'])
    provider.people.set(name, { sub: `subject-of-${name}`, name, groups: ['operators'] })
  await writeFile(join(stage.room, 'ca.pem'), provider.ca)
  await stage.run(
    [
      ...['directory', 'add-oidc', 'corp', '--issuer', provider.issuer, '--client-id', 'tagout'],
      ...['--console', origin, '--ca', 'ca.pem', '--secret-stdin'],
      ...['--step-up-within', '10m', '--step-up-acr', 'two-factors'],
    ],
    clientSecret,
  )
  await stage.run(['directory', 'map', 'corp', 'operators', '--role', 'operator'])
  bob = await stage.visitor('bob', origin)
  const device = await bob.context.newCDPSession(bob.page)
  await device.send('WebAuthn.enable')
  await device.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
})
afterAll(() => provider?.[Symbol.asyncDispose]())

async function atProvider(page: Page, who: string, acr = '') {
  await page.getByRole('heading', { name: 'Plant login' }).waitFor()
  await page.getByLabel('Name').fill(who)
  await page.locator('input[name=acr]').evaluate((input, value) => {
    ;(input as HTMLInputElement).value = value
  }, acr)
  await page.getByRole('button', { name: 'Sign in' }).click()
}
/** Signs in by the provider as far as the code. */
async function arrive(page: Page, who: string) {
  await page.getByRole('button', { name: 'Sign in by corp' }).click()
  await page.waitForURL(/interaction|sign-in\/return/)
  if (page.url().includes('interaction')) await atProvider(page, who)
}
/** Follows the way to the provider in a tab of its own. */
async function anew(): Promise<Page> {
  const tab = bob.context.waitForEvent('page')
  await bob.page.getByRole('link', { name: 'Sign in by corp anew, in another tab' }).click()
  return tab
}
const key = makeSshKey().line

test.skipIf(why !== undefined)('somebody of a provider sets up their second factor', async () => {
  const { page } = bob
  await page.goto(origin)
  await arrive(page, 'bob')
  await page.getByText('You have no second factor here yet, bob').waitFor()
  const { link } = await stage.installation.tagoutJson<{ readonly link: string }>(['user', 'enrol', 'bob'])
  await page.goto(`${origin}/enrol${new URL(link).hash}`)
  await arrive(page, 'bob')
  await page.getByRole('heading', { level: 1, name: 'Welcome, bob' }).waitFor()
  nextCode = authenticator((await page.locator('.second-factor code').innerText()).trim())
  await page.getByLabel('Code', { exact: true }).fill(await nextCode())
  await page.getByRole('button', { name: 'Finish and sign in' }).click()
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

test.skipIf(why !== undefined)(
  'what takes a fresh code has them asked anew, and keeps what they typed',
  async () => {
    const { page } = bob
    await page.goto(`${origin}/account`)
    await page.getByRole('button', { name: 'Add a key' }).click()
    await page.getByLabel('Public key').fill(key)
    await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByText('This takes a sign-in at corp within 10 min, by two-factors').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await looksRight(page)
    await picture(page, 'step-up')
    // Another person there is refused, and changes nothing here.
    const wrong = await anew()
    await atProvider(wrong, 'carol', 'two-factors')
    await wrong.getByText('The provider corp says that you are somebody else than bob').waitFor()
    expect(await accessibilityFaults(wrong)).toEqual([])
    await picture(wrong, 'step-up-refused')
    await wrong.getByRole('link', { name: 'Begin anew' }).click()
    await atProvider(wrong, 'bob', 'two-factors')
    await page.getByText('You have signed in there anew').waitFor()
    expect(page.url()).toBe(`${origin}/account`)
    expect(await page.getByLabel('Public key').inputValue()).toBe(key)
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('list', { name: 'SSH keys of bob' }).getByRole('listitem').waitFor()
  },
)

test.skipIf(why !== undefined)('a passkey ends a sign-in at the provider in place of the code', async () => {
  const { page } = bob
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByLabel('Name').fill('laptop')
  await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
  await page.getByRole('button', { name: 'Make it' }).click()
  await page.getByRole('list', { name: 'Passkeys' }).getByText('laptop').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await arrive(page, 'bob')
  await page.getByText('corp knows you as bob').waitFor()
  await looksRight(page)
  await picture(page, 'sign-in-return-passkey')
  await page.getByRole('button', { name: 'Use a passkey instead' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})
