import type { Page } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import type { AuditLeafView, LeaseView, SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, layoutFaults, picture, windows } from '../support/console-browser.ts'
import { type Actor, consoleStage, peoplesPassword } from '../support/console-stage.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('check-out', { sshd: true })
const { open, run, tagout, why } = stage
let admin: Actor
let ann: Actor
let bob: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  for (const target of ['press-3', 'mill-4', 'oven-5']) await stage.machine(target, 'line-3')
  admin = await stage.enrolled('admin', { link: stage.installation.firstAdmin ?? 'none' })
  ann = await stage.enrolled('ann', { role: 'operator' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  const grant = (user: string, target: string, actions: string) =>
    run(['grant', 'add', user, account(target), '--for', '8h', '--allow', actions])
  await grant('ann', 'press-3', 'shell')
  await grant('bob', 'press-3', 'shell')
  await grant('bob', 'mill-4', 'shell,sftp-read,sftp-write')
})

const account = (target: string) => `${target}/${stage.sshd.user}`
const card = (page: Page, target: string) =>
  page.locator('.pf-v6-c-card', { has: page.getByRole('heading', { name: account(target) }) })
const leases = () => stage.installation.tagoutJson<readonly LeaseView[]>(['lease', 'list'])

test.skipIf(why !== undefined)(
  'who may use nothing reads whom to ask; who may reads what is free and how to connect',
  async () => {
    const { page } = bob
    await open(page, '/access', 'My access')
    await card(page, 'press-3').getByText('Free.').waitFor()
    const mill = card(page, 'mill-4')
    await mill.getByRole('button', { name: 'scp', exact: true }).click()
    const at = `-P ${stage.installation.ssh.port} -o User=bob@${stage.sshd.user}@mill-4`
    const host = new URL(stage.installation.console).hostname
    await mill.getByText(`scp ${at} FILE ${host}:`, { exact: true }).waitFor()
    await mill.getByRole('button', { name: 'sftp', exact: true }).click()
    await mill.getByText(`sftp ${at} ${host}`, { exact: true }).waitFor()
    expect(await card(page, 'press-3').getByRole('button', { name: 'scp', exact: true }).count()).toBe(0)
    await page.getByText('tagout ssh-config --user bob').waitFor()
    expect(await page.getByText('oven-5').count()).toBe(0)
    await open(admin.page, '/access', 'My access')
    await admin.page.getByText('You have no access now').waitFor()
  },
)

test.skipIf(why !== undefined)('search finds by machine, and a favourite comes first and stays', async () => {
  const { page } = bob
  await page.getByLabel('Search what you may use').fill('mill')
  await page.getByText('1 of 2').waitFor()
  expect(await card(page, 'press-3').count()).toBe(0)
  await page.getByLabel('Search what you may use').fill('nowhere')
  await page.getByText('Nothing matches the search.').waitFor()
  await page.getByLabel('Search what you may use').fill('')
  const star = page.getByRole('button', { name: `Favourite ${account('press-3')}` })
  await star.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: 'Favourites' }).getByText(account('press-3')).first().waitFor()
  await page.reload()
  await page.getByRole('region', { name: 'Favourites' }).getByText(account('press-3')).first().waitFor()
  expect(await star.getAttribute('aria-pressed')).toBe('true')
  expect(
    await page.getByRole('region', { name: 'Everything else' }).getByRole('heading').allInnerTexts(),
  ).toEqual(['Everything else', account('mill-4')])
})

test.skipIf(why !== undefined)(
  'an account is checked out and in with the keyboard alone, and says what becomes of it',
  async () => {
    const { page } = bob
    const press = card(page, 'press-3')
    await page.getByRole('button', { name: `Check out ${account('press-3')}` }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Sessions that you begin now end with it').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'check-out')
    for (let presses = 0; presses < 12; presses += 1) {
      await page.keyboard.press('Tab')
      if (
        await dialog
          .getByLabel('Nobody else may use it meanwhile')
          .evaluate((box) => box === document.activeElement)
      )
        break
    }
    await page.keyboard.press('Space')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await press.getByText('You hold it alone until').waitFor()
    expect(await leases()).toMatchObject([{ user: 'bob', exclusive: true, explicit: true, sessions: 0 }])
    await open(ann.page, '/access', 'My access')
    await card(ann.page, 'press-3').getByText('Held by bob alone').waitFor()
    expect(await ann.page.getByRole('button', { name: /^Connect to/ }).isDisabled()).toBe(true)
    expect(await ann.page.getByRole('button', { name: /^Check out/ }).isDisabled()).toBe(true)
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await picture(ann.page, 'held-by-another')

    await page.getByRole('button', { name: `Check in ${account('press-3')}` }).focus()
    await page.keyboard.press('Enter')
    await dialog.getByText('It is free for others at once.').waitFor()
    await dialog.getByRole('button', { name: 'Check in' }).press('Enter')
    await press.getByText('Free.').waitFor()
    await card(ann.page, 'press-3').getByText('Free.').waitFor({ timeout: 20_000 })
  },
)

test.skipIf(why !== undefined)('the command line checks out for a user who proves who they are', async () => {
  const args = ['lease', 'check-out', account('press-3'), '--user', 'ann', '--for', '2h', '--exclusive']
  const refused = await tagout([...args, '--answers-stdin'], `${peoplesPassword}x\n${await ann.code()}`)
  expect(refused.code).toBe(1)
  expect(await leases()).toEqual([])
  const said = await run([...args, '--answers-stdin'], `${peoplesPassword}\n${await ann.code()}`)
  expect(said).toMatch(/^ann holds press-3\/.* and nobody else, until .*sessions under it end then too/)
  const [lease] = await leases()
  const without = await tagout(['lease', 'check-in', lease?.id ?? ''])
  expect(without).toMatchObject({ code: 2 })
  await run(['lease', 'check-in', lease?.id ?? '', '--reason', 'shift is over'])
  expect(await leases()).toEqual([])
})

test.skipIf(why !== undefined)(
  'whose session is frozen reads by whom and why, and connects to nothing beside it until it goes on',
  async () => {
    const tab = await bob.context.newPage()
    await tab.goto(`${stage.installation.console}/terminal#${account('press-3')}`)
    await tab.getByTestId('time-left').waitFor()
    const [session] = await stage.installation.tagoutJson<readonly SessionView[]>([
      'session',
      'list',
      '--live',
    ])
    await run(['session', 'freeze', session?.id ?? '', '--reason', 'wrong valve'])
    const { page } = bob
    await open(page, '/access', 'My access')
    const press = card(page, 'press-3')
    await press.getByText(/Your session on press-3.* is frozen by the gateway/).waitFor()
    await press.getByText('Wrong valve. Nothing else connects to press-3 meanwhile.').waitFor()
    const connect = `Connect to ${account('press-3')} in the browser`
    expect(await page.getByRole('button', { name: connect }).isDisabled()).toBe(true)
    await picture(page, 'my-access-frozen')
    await run(['session', 'unfreeze', session?.id ?? ''])
    await press.getByText('is frozen by').waitFor({ state: 'detached', timeout: 20_000 })
    await page.getByRole('link', { name: connect }).waitFor()
    await run(['session', 'terminate', session?.id ?? '', '--reason', 'done'])
    await tab.close()
  },
)

test.skipIf(why !== undefined)(
  'an admin takes an account back with a reason, which its holder reads in the session',
  async () => {
    const tab = await bob.context.newPage()
    await tab.goto(`${stage.installation.console}/terminal#${account('press-3')}`)
    await tab.getByTestId('time-left').waitFor()
    const { page } = admin
    await open(page, '/accounts', 'Accounts')
    await page.getByRole('button', { name: `Check in ${account('press-3')} of bob` }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Their 1 session is cut within three seconds').waitFor()
    expect(await dialog.getByRole('button', { name: 'Check it in' }).isDisabled()).toBe(true)
    await dialog.getByLabel('Reason').fill('night shift needs the press')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'take-back')
    await dialog.getByRole('button', { name: 'Check it in' }).click()
    await tab
      .getByText(/checked in the account: night shift needs the press/i)
      .first()
      .waitFor()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('heading', { name: 'Held now' }).waitFor({ state: 'detached', timeout: 20_000 })
    await tab.close()
    const ended = await stage.installation.tagoutJson<readonly AuditLeafView[]>([
      ...['audit', 'list', '--kind', 'lease.ended', '--limit', '5'],
    ])
    const texts = ended.map(({ text }) => text).join('\n')
    expect(texts).toMatch(
      /checked in press-3.* of bob: checked in by somebody else.*night shift needs the press/,
    )
    expect(texts).toMatch(/vault checked in press-3.* of bob: its last session has ended/)
    await open(bob.page, '/access', 'My access')
    await bob.page.getByRole('region', { name: 'Favourites' }).waitFor()
  },
)

test.skipIf(why !== undefined)(
  'who is kept out joins the queue, and is told when the account is kept for them',
  async () => {
    await run(
      ['lease', 'check-out', account('press-3'), '--user', 'ann', '--exclusive', '--answers-stdin'],
      `${peoplesPassword}\n${await ann.code()}`,
    )
    const { page } = bob
    await open(page, '/access', 'My access')
    const press = card(page, 'press-3')
    await page.getByRole('button', { name: `Wait for it: ${account('press-3')}` }).press('Enter')
    await press.getByText('You wait for it, as number 1.').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'queue')
    await open(admin.page, '/accounts', 'Accounts')
    await admin.page.getByText(/1\. bob for press-3/).waitFor()
    expect(await accessibilityFaults(admin.page)).toEqual([])
    expect(await run(['lease', 'queue'])).toMatch(/press-3\/\S+ +1 +bob +shared .* ann\n/)
    await open(ann.page, '/access', 'My access')
    await ann.page.getByRole('button', { name: `Check in ${account('press-3')}` }).click()
    await ann.page.getByRole('dialog').getByRole('button', { name: 'Check in' }).click()
    await press.getByText('is kept for you').waitFor({ timeout: 20_000 })
    await picture(page, 'queue-kept')
    await page.getByRole('button', { name: `Leave the queue for ${account('press-3')}` }).click()
    await press.getByText('is kept for you').waitFor({ state: 'detached' })
    expect(await stage.installation.tagoutJson(['lease', 'queue'])).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'a holder hands over to a colleague, who takes it with a code of their own',
  async () => {
    await run(
      ['lease', 'check-out', account('press-3'), '--user', 'ann', '--exclusive', '--answers-stdin'],
      `${peoplesPassword}\n${await ann.code()}`,
    )
    await open(ann.page, '/access', 'My access')
    await ann.page.getByRole('button', { name: `Hand over ${account('press-3')}` }).click()
    const dialog = ann.page.getByRole('dialog')
    await dialog.getByLabel('To').fill('nobody')
    await dialog.getByRole('button', { name: 'Offer it' }).click()
    await dialog.getByText(/nobody is nobody who may use press-3/).waitFor()
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await dialog.getByLabel('To').fill('bob')
    await dialog.getByRole('button', { name: 'Offer it' }).click()
    await card(ann.page, 'press-3').getByText('Offered to bob').waitFor()
    await picture(ann.page, 'hand-over-offered')
    await open(bob.page, '/access', 'My access')
    await bob.page.getByText(/ann wants to hand press-3.* over to you/).waitFor()
    await picture(bob.page, 'hand-over')
    await bob.page.getByRole('button', { name: `Take it over: ${account('press-3')}` }).click()
    const take = bob.page.getByRole('dialog')
    await take.getByLabel('Code', { exact: true }).fill(await bob.code())
    expect(await accessibilityFaults(bob.page)).toEqual([])
    await take.getByRole('button', { name: 'Take it over' }).click()
    await take.waitFor({ state: 'detached' })
    await card(bob.page, 'press-3').getByText('You hold it alone').waitFor()
    await card(ann.page, 'press-3').getByText('Held by bob alone').waitFor({ timeout: 20_000 })
    const [lease] = await leases()
    // And back, on the command line.
    const two = async (person: () => Promise<string>) => `${peoplesPassword}\n${await person()}`
    const offer = JSON.parse(
      await run(
        [
          ...['lease', 'hand-over', lease?.id ?? '', '--to', 'ann', '--user', 'bob'],
          ...['--answers-stdin', '--json'],
        ],
        await two(bob.code),
      ),
    )
    expect(await run(['lease', 'hand-overs'])).toMatch(/press-3\/\S+ +bob +ann +exclusive/)
    const said = await run(
      ['lease', 'accept', offer.id, '--user', 'ann', '--answers-stdin'],
      `${await two(ann.code)}\n${await ann.code()}`,
    )
    expect(said).toMatch(/^ann holds press-3\/.*: connect now/)
    for (const { id } of await leases()) await run(['lease', 'check-in', id, '--reason', 'done'])
  },
)

test.skipIf(why !== undefined)(
  'requests are asked, approved, denied and withdrawn on the command line',
  { timeout: 400_000 },
  async () => {
    // Two of them, who have two codes each: nobody waits for the next half minute.
    const kim = await stage.enrolled('kim', { role: 'operator' })
    const mia = await stage.enrolled('mia', { role: 'operator' })
    for (const name of ['kim', 'mia']) await run(['safe', 'member', 'line-3', name, '--allow', 'use'])
    const asks = async (name: string, { code }: Actor, ...more: string[]) =>
      JSON.parse(
        await run(
          [
            ...['request', 'ask', account('oven-5'), '--user', name, '--for', '2h', '--reason', 'it smokes'],
            ...[...more, '--answers-stdin', '--json'],
          ],
          `${peoplesPassword}\n${await code()}`,
        ),
      )
    const first = await asks('kim', kim, '--allow', 'shell,exec', '--work-order', 'WO-7')
    expect(first).toMatchObject({ state: 'open', actions: ['shell', 'exec'], workOrder: 'WO-7' })
    const taken = await run(
      ['request', 'withdraw', first.id, '--user', 'kim', '--answers-stdin'],
      `${peoplesPassword}\n${await kim.code()}`,
    )
    expect(taken).toMatch(/^withdrew the request for oven-5/)
    const second = await asks('mia', mia)
    const denied = await run(
      ['request', 'deny', second.id, '--user', 'admin', '--note', 'not now', '--answers-stdin'],
      `${peoplesPassword}\n${await admin.code()}`,
    )
    expect(denied).toMatch(/^denied: mia for oven-5/)
    const third = await asks('mia', mia, '--exclusive')
    const approved = await run(
      ['request', 'approve', third.id, '--user', 'admin', '--answers-stdin'],
      `${peoplesPassword}\n${await admin.code()}\n${await admin.code()}`,
    )
    expect(approved).toMatch(/^approved: mia for oven-5/)
    const grants = await stage.installation.tagoutJson<
      readonly { readonly account: string; readonly mode: string }[]
    >([...['grant', 'list', '--user', 'mia']])
    expect(grants).toContainEqual(expect.objectContaining({ account: account('oven-5'), mode: 'exclusive' }))
  },
)

test.skipIf(why !== undefined)('nothing runs off the page in any window, and axe finds nothing', async () => {
  const { page } = bob
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) {
    expect(await layoutFaults(page, size)).toEqual([])
    await page.setViewportSize(size)
    await picture(page, `my-access-${size.width}`)
  }
  expect([...admin.wrong, ...ann.wrong, ...bob.wrong]).toEqual([])
})
