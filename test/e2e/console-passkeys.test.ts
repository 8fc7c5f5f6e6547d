import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CDPSession } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import {
  accessibilityFaults,
  enrol,
  layoutFaults,
  type Person,
  picture,
  windows,
} from '../support/console-browser.ts'
import { consoleStage } from '../support/console-stage.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('passkeys')
const { why } = stage
const noSshd = whyNoSshd()
if (noSshd !== undefined) console.warn(`rotation in the browser is left out: ${noSshd}`)

// Browsers take no passkey behind a certificate that they do not trust: on the machine itself plain HTTP does.
let origin: string
let bob: Person
let device: CDPSession
let authenticatorId: string
let nextCode: () => Promise<string>

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start({ TAGOUT_HTTP_PLAIN: '1' })
  origin = stage.installation.console.replace('127.0.0.1', 'localhost').replace(/\/$/, '')
  bob = await stage.visitor('bob', origin)
  device = await bob.context.newCDPSession(bob.page)
  await device.send('WebAuthn.enable')
  ;({ authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  }))
  const { hash } = new URL(await stage.added('bob', 'admin'))
  nextCode = await enrol(bob.page, `${origin}/enrol${hash}`, 'canary-elm-quarry-7730')
})

test.skipIf(why !== undefined)('a passkey is made under one’s name, with a fresh code', async () => {
  const { page } = bob
  await page.goto(`${origin}/account`)
  await page.getByText('No passkey yet.').waitFor()
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByLabel('Name').fill('laptop')
  await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'passkey-add')
  await page.getByRole('button', { name: 'Make it' }).click()
  const list = page.getByRole('list', { name: 'Passkeys' })
  await list.getByText('laptop').waitFor()
  await list.getByText('good at localhost').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
  await picture(page, 'passkeys')
})

test.skipIf(why !== undefined)('it signs in alone', async () => {
  const { page } = bob
  await page.getByRole('button', { name: 'Sign out' }).click()
  const button = page.getByRole('button', { name: 'Sign in with a passkey' })
  await button.waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
  await picture(page, 'passkey-sign-in')
  await button.click()
  // Where one was before.
  await page.getByRole('heading', { level: 1, name: 'bob' }).waitFor()
  await page.getByRole('table', { name: 'Sign-ins' }).getByText('this one').waitFor()
})

test.skipIf(why !== undefined)(
  'it stands for the code of what outlives a sign-in, and a code does still',
  async () => {
    const { page } = bob
    await page.goto(`${origin}/users`)
    await page.getByRole('button', { name: 'Add a user' }).first().click()
    await page.getByLabel('Name').fill('dora')
    await page.getByLabel('operator').check()
    await page.getByText('You are asked for your passkey.').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'passkey-act')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('heading', { name: 'A link for dora' }).waitFor()
    await page.getByRole('button', { name: 'Done' }).click()

    await page.getByRole('button', { name: 'Mail address of dora' }).click()
    await page.getByRole('textbox', { name: 'Address' }).fill('dora@plant.example')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await page.getByText('dora@plant.example').waitFor()

    await page.getByRole('button', { name: 'Roles of dora' }).click()
    await page.getByLabel('approver').check()
    await page.getByRole('button', { name: 'Set roles' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    await page.getByRole('button', { name: 'New link for dora' }).click()
    await page.getByRole('button', { name: 'Use a code instead' }).click()
    await page.getByRole('textbox', { name: 'Code' }).fill(await nextCode())
    await page.getByRole('button', { name: 'Make the link' }).click()
    await page.getByRole('heading', { name: 'A link for dora' }).waitFor()
    await page.getByRole('button', { name: 'Done' }).click()
  },
)

test.skipIf(why !== undefined)(
  'an emergency kit is confirmed by it, taken away, opened by its custodians, and its opening reported',
  async () => {
    const { page } = bob
    const { tagout, tagoutJson } = stage.installation
    await tagout(['safe', 'add', 'line-3'])
    await tagout(['target', 'add', 'press-3', 'ssh://127.0.0.1:9', '--safe', 'line-3'])
    const account = ['account', 'add', 'press-3/engineer', '--password-stdin']
    expect(await tagout(account, { stdin: 'canary-kit-4417' })).toMatchObject({ code: 0 })
    await page.goto(`${origin}/kits`)
    await page.getByText('No safe has an emergency kit').waitFor()
    await page.getByRole('code').getByText('tagout kit init line-3 --threshold 2').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'kits-none')
    const room = await mkdtemp(join(tmpdir(), 'tagout-kits-'))
    try {
      const names = ['--custodian', 'anna,bob,carl', '--out', join(room, 'shares')]
      await tagoutJson(['kit', 'init', 'line-3', '--threshold', '2', ...names])
      await page.getByRole('button', { name: 'Confirm: the kit of line-3' }).click()
      await page.getByText('You are asked for your passkey.').waitFor()
      await picture(page, 'kits-confirm')
      await page.getByRole('button', { name: 'Confirm', exact: true }).click()
      await page.getByText('It was never taken away: keep a copy of it elsewhere').waitFor()
      await page.getByRole('button', { name: 'Take away: the kit of line-3' }).click()
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save the file' }).click(),
      ])
      await page.getByText('Saved: 1 secret').waitFor()
      expect(await accessibilityFaults(page)).toEqual([])
      await page.getByRole('button', { name: 'Done' }).click()
      const file = join(room, 'line-3.kit')
      await download.saveAs(file)
      const open = ['kit', 'open', file, '--print', '--reason', 'the server burnt']
      const shares = ['anna', 'carl'].flatMap((name) => [
        '--share-file',
        join(room, 'shares', `${name}.share`),
      ])
      // Of no installation at all.
      const nowhere = { cwd: room, env: { TAGOUT_DATA: '/nonexistent' } }
      const opened = await tagout([...open, ...shares, '--json'], nowhere)
      expect(opened.stdout, opened.stderr).toContain('canary-kit-4417')

      await page.getByRole('button', { name: 'It was opened: the kit of line-3' }).click()
      const now = new Date()
      const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
      await page.getByLabel('Opened at').fill(local)
      for (const name of ['anna', 'carl']) await page.getByLabel(name).check()
      await page.getByLabel('Reason').fill('the server burnt')
      expect(await accessibilityFaults(page)).toEqual([])
      await picture(page, 'kits-opened')
      await page.getByRole('button', { name: 'Note it' }).click()
      await page.getByText('Rotate by').waitFor()
      await page.getByText('press-3/engineer').waitFor()
      expect(await accessibilityFaults(page)).toEqual([])
      for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
      await picture(page, 'kits')
    } finally {
      await rm(room, { recursive: true, force: true })
    }
    await page.goto(`${origin}/users`)
  },
)

test.skipIf(why !== undefined || noSshd !== undefined)(
  'an account is set up, planned, rotated on its machine and verified, and what is not rotated is counted',
  async () => {
    const { page } = bob
    const { tagout } = stage.installation
    await using sshd = await startSshd()
    const pin = sshd.pins[0]?.fingerprint ?? ''
    const add = ['target', 'add', 'mill-4', `ssh://127.0.0.1:${sshd.port}`, '--safe', 'line-3', '--pin', pin]
    expect(await tagout(add)).toMatchObject({ code: 0 })
    const account = `mill-4/${sshd.user}`
    const kept = await tagout(['account', 'add', account, '--password-stdin'], { stdin: sshd.password })
    expect(kept, kept.stderr).toMatchObject({ code: 0 })
    await page.goto(`${origin}/rotation`)
    const accounts = page.getByRole('table', { name: 'Accounts' })
    await accounts.getByText(account).waitFor()
    await page.getByText('Nothing was rotated yet').waitFor()
    await page.getByLabel('Kept and not rotated (2)').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: `Settings: ${account}` }).click()
    // What follows recipes is set with one, and says what to know of it.
    await page.getByLabel('Changed by').selectOption('network-cli')
    expect(await page.getByRole('button', { name: 'Set', exact: true }).isDisabled()).toBe(true)
    await page.getByLabel('Recipe').selectOption('cisco-ios@1')
    await page.getByText('it was tried on a simulator alone').waitFor()
    expect(await page.getByRole('button', { name: 'Set', exact: true }).isDisabled()).toBe(false)
    await page.getByLabel('Changed by').selectOption('linux-password')
    // Who sets it right is an account of the same machine: one of another is refused, with what to do.
    await page.getByLabel('Set right by').fill('press-3/engineer')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await page.getByRole('dialog').getByText('of another target or in another safe').first().waitFor()
    await page.getByLabel('Set right by').fill('')
    await page.getByLabel('Every so many days').fill('30')
    await page.getByLabel('Why that grade').fill('a jump host')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'rotation-settings')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await accounts.getByText('by itself').waitFor()
    await page.getByLabel('Kept and not rotated (1)').waitFor()

    await page.getByRole('button', { name: `Rotate: ${account}` }).click()
    await page.getByText('It can begin now.').waitFor()
    await page.getByText('Log in afresh with the new password').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'rotation-plan')
    await page.getByLabel('Reason').fill('fitter left')
    await page.getByRole('button', { name: 'Rotate it' }).click()
    const runs = page.getByRole('table', { name: 'Rotations' })
    await runs.getByText('(version 2)').waitFor()
    await page.getByRole('button', { name: `Verify: ${account}` }).click()
    await page.getByRole('button', { name: 'Verify', exact: true }).click()
    await runs.getByText('verified').waitFor()
    await vi.waitUntil(async () => (await runs.getByText('done').count()) === 2, { timeout: 30_000 })

    await page.getByRole('button', { name: 'Production runs' }).click()
    await page.getByRole('dialog').getByLabel('Safe').selectOption('line-3')
    await page.getByLabel('What runs').fill('order 4711')
    await page.getByRole('button', { name: 'Hold rotation' }).click()
    await page.getByText('Production runs in line-3').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) {
      expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
      await picture(page, `rotation-${size.width}`)
    }
    await page.getByRole('button', { name: 'Lift it' }).click()
    await page.getByRole('button', { name: 'Lift the hold' }).click()
    await page.getByText('Production runs in line-3').waitFor({ state: 'detached' })

    await page.getByRole('button', { name: 'Limit rotations' }).click()
    await page.getByRole('dialog').getByLabel('Where').selectOption('In safe line-3')
    await page.getByLabel('At a time').fill('3')
    await page.getByLabel('Begin within an hour').fill('40')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'rotation-limit')
    await page.getByRole('button', { name: 'Set the limit' }).click()
    await page.getByText('In line-3: 3 at a time, 40 an hour').waitFor()

    await page.getByRole('button', { name: `Ledger: ${account}` }).click()
    const ledger = page.getByRole('dialog')
    await ledger.getByText('Version 2').waitFor()
    await ledger.getByText('Seen to work').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'rotation-ledger')
    await ledger.getByRole('button', { name: 'Close' }).last().click()

    // Who answers for what is not changed: in a table, and as a file.
    await page.getByRole('button', { name: 'Settings: press-3/engineer' }).click()
    await page.getByLabel('Grade', { exact: true }).selectOption('G4')
    await page.getByLabel('Why that grade').fill('the maker alone can')
    await page.getByLabel('Who answers for it').fill('Jonas')
    await page.getByLabel('Until').fill(`${new Date().getUTCFullYear() + 1}-06-30`)
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await accounts.getByText('Jonas answers for it until').waitFor()
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Exemptions as CSV' }).click()
    const register = await readFile(await (await saving).path(), 'utf8')
    expect(register.trim().split(/\r?\n/)[0]).toBe(
      '"account","safe","grade","why","owner","until","over","since"',
    )
    expect(register).toContain('"press-3/engineer","line-3","G4","the maker alone can","Jonas",')
    expect(register).not.toContain(account)

    // By people: a task, which somebody gives up.
    await page.getByRole('button', { name: `Settings: ${account}` }).click()
    await page.getByLabel('Grade', { exact: true }).selectOption('G3')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await accounts.getByText('by people').waitFor()
    await page.getByText(/^The next 30 days: 1 due/).click()
    await page.getByRole('button', { name: `Open a task: ${account}` }).click()
    await page.getByText('another one lets them').waitFor()
    await page.getByRole('button', { name: 'Open its task' }).click()
    const tasks = page.getByRole('table', { name: 'Tasks' })
    await tasks.getByText('take the task in that session').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) {
      expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
      await picture(page, `rotation-task-${size.width}`)
    }
    await tasks.getByRole('button', { name: `Take it: ${account}` }).click()
    await page.getByText('You have no session that runs now').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Cancel' }).click()
    await tasks.getByRole('button', { name: `Give up: ${account}` }).click()
    await page.getByLabel('Reason').fill('not this week')
    await page.getByText('You are asked for your passkey').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Give it up' }).click()
    await tasks.waitFor({ state: 'detached' })
    await runs.getByText('not this week').waitFor()
    await page.goto(`${origin}/users`)
  },
)

test.skipIf(why !== undefined)('whoever does not show it is refused with what to do', async () => {
  const { page } = bob
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.getByRole('button', { name: 'Mail address of dora' }).click()
  await page.getByRole('textbox', { name: 'Address' }).fill('dora@office.example')
  await page.getByRole('button', { name: 'Set', exact: true }).click()
  await page.getByText('No passkey was shown, or it took too long').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })
  await page.getByRole('button', { name: 'Set', exact: true }).click()
  await page.getByText('dora@office.example').waitFor()
})

test.skipIf(why !== undefined)('one that was removed signs nobody in', async () => {
  const { page } = bob
  await page.goto(`${origin}/account`)
  await page.getByRole('button', { name: 'Remove passkey laptop' }).click()
  await page.getByRole('button', { name: 'Remove this passkey' }).click()
  await page.getByText('No passkey yet.').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await page.getByText('This passkey signs nobody in here').waitFor()
  expect(bob.wrong).toEqual([])
})
