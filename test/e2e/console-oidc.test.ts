import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Person, picture } from '../support/console-browser.ts'
import { consoleStage, looksRight } from '../support/console-stage.ts'
import { clientSecret, startProvider, type TestProvider } from '../support/oidc-provider.ts'
import { authenticator } from '../support/totp.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('sign-ins at a provider of OpenID Connect')
let provider: TestProvider
let origin: string
let bob: Person
let nextCode: () => Promise<string>

beforeAll(async () => {
  if (stage.why !== undefined) return
  await stage.start()
  origin = stage.installation.console.replace(/\/$/, '')
  provider = await startProvider({ console: origin, host: '127.0.0.1' })
  for (const name of ['bob', 'mallory'])
    provider.people.set(name, {
      sub: `subject-of-${name}`,
      name,
      groups: name === 'bob' ? ['operators'] : [],
    })
  await writeFile(join(stage.room, 'ca.pem'), provider.ca)
  await stage.run(
    [
      ...['directory', 'add-oidc', 'corp', '--issuer', provider.issuer, '--client-id', 'tagout'],
      ...['--console', origin, '--ca', 'ca.pem', '--secret-stdin'],
    ],
    clientSecret,
  )
  await stage.run(['directory', 'map', 'corp', 'operators', '--role', 'operator'])
  bob = await stage.visitor('bob')
})
afterAll(() => provider?.[Symbol.asyncDispose]())

async function atProvider(page: Page, who: string, button = 'Sign in') {
  await page.getByRole('heading', { name: 'Plant login' }).waitFor()
  await page.getByLabel('Name').fill(who)
  await page.getByRole('button', { name: button }).click()
}
/** The provider is elsewhere, and nothing else is. */
const wrong = ({ wrong: all }: Person) =>
  all.filter((text) => !text.startsWith(`elsewhere: ${provider.issuer}/`))
const linkOf = async (name: string) =>
  (await stage.installation.tagoutJson<{ readonly link: string }>(['user', 'enrol', name])).link

test.skipIf(stage.why !== undefined)(
  'who comes for the first time is known, and has no second factor yet',
  async () => {
    const { page } = bob
    await page.goto(origin)
    await page.getByRole('button', { name: 'Sign in by corp' }).waitFor()
    await looksRight(page)
    await picture(page, 'sign-in-provider')
    await page.getByRole('button', { name: 'Sign in by corp' }).click()
    await atProvider(page, 'bob')
    await page.getByText('You have no second factor here yet, bob').waitFor()
    await looksRight(page)
    // What the provider sent is in no address, nor one step back.
    expect(page.url()).toBe(`${origin}/sign-in/return`)
    expect(wrong(bob)).toEqual([])
  },
)

test.skipIf(stage.why !== undefined)(
  'their link has them sign in there, and set up their second factor',
  async () => {
    const { page } = bob
    await page.goto(await linkOf('bob'))
    await page.getByText('Sign in there first').waitFor()
    await looksRight(page)
    await page.getByRole('button', { name: 'Sign in by corp' }).click()
    // The provider may know them still.
    await page.waitForURL(/interaction|sign-in\/return/)
    if (page.url().includes('interaction')) await atProvider(page, 'bob')
    await page.getByRole('heading', { level: 1, name: 'Welcome, bob' }).waitFor()
    expect(await page.getByLabel('Password', { exact: true }).count()).toBe(0)
    await looksRight(page)
    nextCode = authenticator((await page.locator('.second-factor code').innerText()).trim())
    await page.getByLabel('Code', { exact: true }).fill(await nextCode())
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    await page.getByRole('button', { name: 'I have kept them' }).click()
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in by corp' }).waitFor()
  },
)

test.skipIf(stage.why !== undefined)(
  'they sign in there and by a code, and a wrong code says so',
  async () => {
    const { page } = bob
    await page.getByRole('button', { name: 'Sign in by corp' }).click()
    await page.waitForURL(/interaction|sign-in\/return/)
    if (page.url().includes('interaction')) await atProvider(page, 'bob')
    await page.getByText('corp knows you as bob').waitFor()
    await page.getByLabel('Code').fill('000000')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByText('The code is wrong or was used').waitFor()
    await looksRight(page)
    await picture(page, 'sign-in-return')
    await page.getByLabel('Code').fill(await nextCode())
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    expect(page.url()).toBe(`${origin}/`)
    const cookies = await bob.context.cookies(origin)
    expect(
      cookies.every(({ httpOnly, secure, sameSite }) => httpOnly && secure && sameSite === 'Strict'),
    ).toBe(true)
    expect(wrong(bob)).toEqual([])
  },
)

test.skipIf(stage.why !== undefined)(
  'who says no there, and who may not sign in here, reads what to do',
  async () => {
    const mallory = await stage.visitor('mallory')
    const { page } = mallory
    await page.goto(origin)
    await page.getByRole('button', { name: 'Sign in by corp' }).click()
    await atProvider(page, 'mallory', 'Cancel')
    await page.getByText('The provider corp did not let you in, or you left it').waitFor()
    await looksRight(page)
    await page.getByRole('button', { name: 'Begin anew' }).click()
    await page.getByRole('button', { name: 'Sign in by corp' }).click()
    await atProvider(page, 'mallory')
    await page.getByText('You are in no group of corp that may sign in here').waitFor()
    await page.getByText('Ask an administrator of this installation which group that is').waitFor()
    // Coming again by the address alone begins nothing.
    await page.goto(`${origin}/sign-in/return?code=stolen&state=guessed`)
    await page.getByText('not one that was begun here').waitFor()
    expect(wrong(mallory)).toEqual([])
  },
)

test.skipIf(stage.why !== undefined)(
  'the provider away, the page says so, and name and password are as ever',
  async () => {
    await provider.stop()
    try {
      const { page } = await stage.visitor('local')
      await page.goto(origin)
      await page.getByRole('button', { name: 'Sign in by corp' }).click()
      await page.getByText('The provider corp does not answer now').waitFor()
      await page.getByText('local users sign in as ever').waitFor()
      await looksRight(page)
      await stage.enrolled('dora', { role: 'operator' })
    } finally {
      await provider.start()
    }
  },
)
