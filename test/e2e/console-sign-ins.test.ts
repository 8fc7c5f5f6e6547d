import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { LoginListing } from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import {
  accessibilityFaults,
  launchBrowser,
  layoutFaults,
  newPerson,
  type Person,
  picture,
  signIn,
  whyNoBrowser,
  windows,
} from '../support/console-browser.ts'
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { authenticator } from '../support/totp.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const why =
  whyNoBrowser() ??
  (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`sign-ins are not tested in a browser: ${why}`)

const password = 'canary-birch-harbour-9031'
let installation: TestInstallation
let edge: FakeConsole
let browser: Browser
let bob: Person
let alice: Person

beforeAll(async () => {
  if (why !== undefined) return
  ;[installation, edge, browser] = await Promise.all([
    startTestInstallation({ withDatabase: true }),
    startFakeConsole({ consoleDir }),
    launchBrowser(),
  ])
  bob = await newPerson(browser, installation.console)
  alice = await newPerson(browser, edge.address)
})
afterAll(async () => {
  await browser?.close()
  await edge?.[Symbol.asyncDispose]()
  await installation?.[Symbol.asyncDispose]()
})
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || alice === undefined) return
  for (const [name, { page, wrong }] of Object.entries({ alice, bob })) {
    console.error(name, page.url(), await page.locator('body').innerText(), wrong)
    await picture(page, `failed-${name}`)
  }
})

test.skipIf(why !== undefined)(
  'recovery codes are shown once at the first sign-in, and one signs in where the authenticator is not at hand',
  async () => {
    const { page } = bob
    const { enrolment } = await installation.tagoutJson<{ readonly enrolment: { readonly link: string } }>([
      ...['user', 'add', 'bob', '--role', 'operator'],
    ])
    await page.goto(enrolment.link)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByLabel('Password again').fill(password)
    const nextCode = authenticator((await page.locator('.second-factor code').innerText()).trim())
    await page.getByLabel('Code', { exact: true }).fill(await nextCode())
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    const sheet = page.getByRole('list', { name: 'Recovery codes' })
    await sheet.waitFor()
    const codes = await sheet.getByRole('listitem').allInnerTexts()
    expect(codes).toHaveLength(10)
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
    await picture(page, 'recovery-codes')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save as a file' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('tagout-recovery-codes.txt')
    await page.getByRole('button', { name: 'I have kept them' }).click()
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()

    await page.getByRole('button', { name: 'Use a recovery code' }).click()
    await page.getByLabel('Name').fill('bob')
    await page.getByLabel('Password').fill(password)
    await page.getByLabel('Recovery code').fill(codes[3] ?? '')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByText('You signed in with a recovery code. 9 recovery codes are left.').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'recovery-code-used')

    await page.getByRole('link', { name: 'end the other sign-ins' }).click()
    await page.getByText('9 left. Each signs you in once').waitFor()
    await page.getByRole('button', { name: 'Make new ones' }).click()
    await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
    await page.getByRole('button', { name: 'Make ten codes' }).click()
    await sheet.waitFor()
    const renewed = await sheet.getByRole('listitem').allInnerTexts()
    expect(renewed).toHaveLength(10)
    expect(renewed).not.toContain(codes[4])
    await page.getByRole('button', { name: 'I have kept them' }).click()
    await page.getByText('10 left. Each signs you in once').waitFor()
    // The console's server carried none of them.
    const carried = [...bob.sent, ...bob.received].join('\n')
    for (const code of [...codes.filter((_, at) => at !== 3), ...renewed]) expect(carried).not.toContain(code)
    expect(bob.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)('one sees where one is signed in, and ends all others', async () => {
  const { page } = bob
  await page.goto(`${installation.console}/account`)
  const list = page.getByRole('table', { name: 'Sign-ins' })
  await list.getByText('this one').waitFor()
  expect(await page.getByRole('button', { name: 'End all others of bob' }).count()).toBe(0)
  const revoked = await installation.tagout(['login', 'revoke', '--all-of', 'bob'])
  expect(revoked.stdout).toContain('revoked 1 sign-in of bob')
  await page.goto(`${installation.console}/account`)
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
})

const listing = (more: Partial<LoginListing> = {}): LoginListing => {
  const now = new Date().toISOString()
  return {
    id: newId('lgn'),
    user: 'alice',
    source: '192.0.2.7',
    createdAt: now,
    lastSeenAt: now,
    expiresAt: new Date(Date.now() + 3600_000).toISOString(),
    secondsLeft: 3600,
    idleSeconds: 900,
    isOwn: false,
    ...more,
  }
}

test.skipIf(why !== undefined)('all others are ended at the second press', async () => {
  const { page } = alice
  edge.answers.set('login.list', () => [
    listing({ isOwn: true }),
    listing({ source: '192.0.2.8' }),
    listing({ user: 'bob', source: '192.0.2.9' }),
  ])
  await page.goto(edge.address)
  await signIn(page, 'alice', 'pw', '123456')
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  await page.goto(`${edge.address}/account`)
  await page.getByText('192.0.2.8').waitFor()
  expect(await page.getByText('192.0.2.9').count()).toBe(0)
  await page.getByRole('button', { name: 'End all others of alice' }).click()
  expect(edge.asked.filter(({ verb }) => verb === 'login.revokeAll')).toEqual([])
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
  await picture(page, 'sign-ins')
  await page.getByRole('button', { name: 'End 1 sign-in' }).click()
  await expect.poll(() => edge.asked.filter(({ verb }) => verb === 'login.revokeAll').length).toBe(1)
})

test.skipIf(why !== undefined)('a sign-in that ends says so before', async () => {
  const { page } = alice
  edge.answers.set('login.list', () => [listing({ isOwn: true, secondsLeft: 600 })])
  await page.goto(`${edge.address}/account`)
  await page.getByText('This sign-in ends in 10 min').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'sign-in-ends')
})

test.skipIf(why !== undefined)(
  'who does nothing is warned, stays by any key, and is signed out otherwise and told why',
  async () => {
    const { page } = alice
    edge.answers.set('login.list', () => [listing({ isOwn: true, idleSeconds: 8 })])
    await page.goto(`${edge.address}/account`)
    const warning = page.getByText('You are about to be signed out')
    await warning.waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'about-to-be-signed-out')
    await page.keyboard.press('Shift')
    await warning.waitFor({ state: 'detached' })
    await warning.waitFor()
    await page.getByText('You were signed out: nothing was done here for 8 s.').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    expect(edge.asked.some(({ verb }) => verb === 'login.end')).toBe(true)
  },
)
