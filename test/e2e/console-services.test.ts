import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
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
import { send } from '../support/raw-http.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const why =
  whyNoBrowser() ??
  (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`tokens of services are not tested in a browser: ${why}`)

let installation: TestInstallation
let origin: string
let browser: Browser
let alice: Person
let nextCode: () => Promise<string>
let secret: string

beforeAll(async () => {
  if (why !== undefined) return
  ;[installation, browser] = await Promise.all([
    startTestInstallation({ env: { TAGOUT_HTTP_PLAIN: '1' }, withDatabase: true }),
    launchBrowser(),
  ])
  origin = installation.console.replace('127.0.0.1', 'localhost').replace(/\/$/, '')
  alice = await newPerson(browser, origin)
  const { enrolment } = await installation.tagoutJson<{ readonly enrolment: { readonly link: string } }>([
    ...['user', 'add', 'alice', '--role', 'admin'],
  ])
  nextCode = await enrol(
    alice.page,
    `${origin}/enrol${new URL(enrolment.link).hash}`,
    'canary-elm-quarry-7730',
  )
})
afterAll(async () => {
  await browser?.close()
  await installation?.[Symbol.asyncDispose]()
})
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || alice === undefined) return
  console.error(alice.page.url(), await alice.page.locator('body').innerText(), alice.wrong)
  await picture(alice.page, 'failed-services')
})

const asks = (path: string) => send(origin, 'GET', path, { headers: { authorization: `Bearer ${secret}` } })

test.skipIf(why !== undefined)('an administrator makes a token, which is shown once and reads', async () => {
  const { page } = alice
  await page.goto(`${origin}/services`)
  await page.getByText('No tokens yet').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Make a token' }).first().click()
  await page.getByLabel('Service').fill('historian')
  await page.getByLabel('audit.read').check()
  await page.getByRole('textbox', { name: 'From' }).fill('10.0.3.0/33')
  await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
  await page.getByRole('button', { name: 'Make the token' }).click()
  await page.getByText('is no network').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'service-token-add')
  await page.getByRole('textbox', { name: 'From' }).fill('127.0.0.0/8, ::1')
  await page.getByRole('button', { name: 'Make the token' }).click()
  await page.getByText('It is not shown again').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  secret = /tagout_[A-Za-z0-9_-]{43}/.exec(await page.getByRole('dialog').innerText())?.[0] ?? ''
  await picture(page, 'service-token-made')
  const answer = await asks('/api/audit?kind=token.added')
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('historian')])
  expect((await asks('/api/users')).status).toBe(403)
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('cell', { name: 'historian' }).first().waitFor()
  expect(await page.content()).not.toContain(secret)
})

test.skipIf(why !== undefined)('revoked there, the next request with it is refused', async () => {
  const { page } = alice
  for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
  await picture(page, 'services')
  await page.getByRole('button', { name: /^Revoke the token/ }).click()
  await page.getByRole('button', { name: 'Revoke this token' }).click()
  await page.getByText('revoked', { exact: true }).waitFor()
  expect((await asks('/api/audit')).status).toBe(401)
  const list = await installation.tagoutJson<readonly { readonly state: string }[]>(['token', 'list'])
  expect(list).toEqual([expect.objectContaining({ service: 'historian', state: 'revoked' })])
  expect(alice.wrong).toEqual([])
})

test.skipIf(why !== undefined)(
  'a token of the command line reads as well, and nothing but its text is secret',
  async () => {
    const made = await installation.tagoutJson<{ readonly secret: string; readonly service: string }>([
      ...[
        'token',
        'add',
        'cmdb',
        '--scope',
        'inventory.read,users.read',
        '--expires',
        '90d',
        '--from',
        '127.0.0.1',
      ],
    ])
    secret = made.secret
    const answer = await asks('/api/users')
    expect([answer.status, JSON.parse(answer.text)[0]?.name]).toEqual([200, expect.any(String)])
    expect((await asks('/api/audit')).status).toBe(403)
  },
)
