import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('who, when and what')
const { open, run, why } = stage
let ann: Actor
let bob: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3', 'line-3', ['engineer'])
  await stage.machine('mill-9', 'line-3', ['root'])
  await run(['user', 'add', 'sue', '--role', 'approver'])
  await run(['vendor', 'add', 'Acme', '--until', '+90d', '--sponsor', 'sue', '--mail-domain', 'acme.com'])
  await run(['vendor', 'invite', 'Acme', 'vera', 'vera@acme.com'])
  ann = await stage.enrolled('ann', { role: 'admin' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  await run([
    ...['grant', 'add', 'vera', 'press-3/engineer', '--allow', 'shell', '--for', '4h'],
    ...['--reason', '=HYPERLINK("http://evil")'],
  ])
})

const table = (page: Page) => page.getByRole('table', { name: 'Audit log' })
const rows = async (page: Page) => (await table(page).getByRole('row').allInnerTexts()).slice(1)

test.skipIf(why !== undefined)('from a machine it is two clicks to who was there', async () => {
  const { page } = ann
  await open(page, '/targets', 'Targets')
  await page.getByRole('link', { name: 'Who was here: press-3' }).click()
  await page.getByRole('heading', { level: 1, name: 'Audit log' }).waitFor()
  expect(new URL(page.url()).search).toBe('?target=press-3')
  await table(page).waitFor()
  const found = await rows(page)
  expect(found.join('\n')).toContain('granted vera shell on press-3/engineer')
  expect(found.join('\n')).not.toContain('mill-9')
  await picture(page, 'audit-machine')
  await looksRight(page)
})

test.skipIf(why !== undefined)(
  'what is looked for is in the address, by keyboard alone, and comes back with it',
  async () => {
    const { page } = ann
    await open(page, '/audit', 'Audit log')
    await page.getByLabel('Person').focus()
    await page.keyboard.type('vera')
    await page.keyboard.press('Enter')
    await expect.poll(() => new URL(page.url()).search).toBe('?person=vera')
    await page.getByText('granted vera shell').waitFor()
    expect((await rows(page)).every((row) => row.includes('vera'))).toBe(true)
    await page.getByLabel('What').selectOption('grant')
    await page.getByRole('button', { name: 'Find' }).click()
    await expect.poll(() => new URL(page.url()).search).toBe('?person=vera&kinds=grant')
    await expect.poll(async () => (await rows(page)).length).toBe(1)
    await page.goBack()
    await expect.poll(() => page.getByLabel('What').inputValue()).toBe('')
    await page.reload()
    await expect.poll(() => page.getByLabel('Person').inputValue()).toBe('vera')
    await page.getByRole('button', { name: 'Clear' }).click()
    await expect.poll(() => new URL(page.url()).search).toBe('')
  },
)

test.skipIf(why !== undefined)(
  'nothing found says so; a kind that is none is refused beside its field',
  async () => {
    const { page } = ann
    await open(page, '/audit?target=press-33', 'Audit log')
    await page.getByText('Nothing in the log is like this').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await open(page, '/audit?kinds=NONE', 'Audit log')
    await page
      .getByRole('alert')
      .getByText(/write kinds like/)
      .waitFor()
  },
)

test.skipIf(why !== undefined)(
  'the table is saved for spreadsheets, and the entries with their proofs',
  async () => {
    const { page } = ann
    await open(page, '/audit?company=Acme', 'Audit log')
    await page.getByText('granted vera shell').waitFor()
    const saved = async (name: string, file: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name }).click(),
      ])
      await download.saveAs(join(stage.room, file))
      return readFile(join(stage.room, file), 'utf8')
    }
    const csv = await saved('Save as a table (CSV)', 'acme.csv')
    expect(csv).toMatch(/^\ufeff"entry","time \(UTC\)",/)
    expect(csv).toContain('granted vera')
    expect(csv).not.toMatch(/(^|,|\n)"?[=+@-]/)
    expect(await saved('Save with proofs (JSON)', 'acme.json')).toContain('"format":"tagout-audit-found"')
    expect(await run(['audit', 'verify', '--file', 'acme.json'])).toMatch(
      /entries are in the log as it was signed/,
    )
  },
)

test.skipIf(why !== undefined)('who may not read the log reads that, and is led nowhere', async () => {
  const { page } = bob
  await open(page, '/audit?target=press-3', 'Audit log')
  await page.getByRole('alert').waitFor()
  expect(await table(page).count()).toBe(0)
  expect(await page.getByRole('link', { name: 'Audit log' }).count()).toBe(0)
  for (const one of [ann, bob]) expect(one.wrong).toEqual([])
})
