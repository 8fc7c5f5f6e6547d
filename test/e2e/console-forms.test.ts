import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { AccountView, DestructionView, RotationRunView, SessionView } from '../../vault/contract.ts'
import { type Id, newId } from '../../vault/kernel/id.ts'
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
import { type FakeConsole, startFakeConsole, userView } from '../support/console-fake.ts'
import { accountView, grantView, safeView, sessionView, targetView } from '../support/views.ts'

vi.setConfig({ testTimeout: 60_000 })

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const why =
  whyNoBrowser() ??
  (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`forms of the console are not tested: ${why}`)

let browser: Browser
let edge: FakeConsole
let alice: Person

beforeAll(async () => {
  if (why !== undefined) return
  ;[browser, edge] = await Promise.all([launchBrowser(), startFakeConsole({ consoleDir })])
  alice = await newPerson(browser, edge.address)
})

afterAll(async () => {
  await browser?.close()
  await edge?.[Symbol.asyncDispose]()
})

beforeEach(() => edge?.answers.clear())

async function open(page: Page, path: string): Promise<void> {
  await page.goto(`${edge.address}${path}`)
  await page.getByRole('heading', { level: 1 }).first().waitFor()
}

function askedFor(verb: string) {
  return edge.asked.filter((asked) => asked.verb === verb)
}

test.skipIf(why !== undefined)(
  'nothing is refused, logged or fetched in vain at the first visit',
  async () => {
    const { page } = alice
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    await page.goto(edge.address)
    await page.getByLabel('Name').waitFor()
    await page.waitForLoadState('networkidle')
    expect(errors).toEqual([])
    await signIn(page, 'alice', 'pw', '123456')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    expect(errors).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'what is wrong with a field is said beside it, and typing goes on there',
  async () => {
    const { page } = alice
    edge.answers.set('safe.list', () => [safeView()])
    edge.answers.set('target.add', () =>
      refuse('invalid', 'address: the port lies outside 1 to 65535', 'write ssh://host or ssh://host:port'),
    )
    await open(page, '/targets')
    await page.getByRole('button', { name: 'Add a target' }).first().click()
    await page.getByLabel('Name').fill('press-3')
    await page.getByLabel('Address').fill('ssh://press-3:99999')
    await page.getByLabel('Safe').selectOption('line-3')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    const address = page.getByLabel('Address')
    await page.getByText('The port lies outside 1 to 65535. Write ssh://host or ssh://host:port.').waitFor()
    const described = await address.getAttribute('aria-describedby')
    expect(await page.locator(`[id="${described}"]`).innerText()).toContain('outside 1 to 65535')
    expect(await address.evaluate((input) => input === document.activeElement)).toBe(true)
    expect(await address.getAttribute('aria-invalid')).toBe('true')
    expect(await page.getByRole('dialog').getByRole('alert').count()).toBe(0)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'refused-field')

    // What is about no field of the form is said once, below.
    edge.answers.set('target.add', () => refuse('conflict', 'there is a target of this name already'))
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page
      .getByRole('dialog')
      .getByRole('alert')
      .getByText('There is a target of this name already')
      .waitFor()
    expect(await address.getAttribute('aria-invalid')).toBe('false')
    await page.keyboard.press('Escape')
  },
)

test.skipIf(why !== undefined)(
  'a grant to forward names its destinations, and what is wrong with one is said beside them',
  async () => {
    const { page } = alice
    edge.answers.set('user.list', () => [userView('bob', ['operator'])])
    edge.answers.set('account.list', () => [accountView()])
    edge.answers.set('grant.list', () => [])
    edge.answers.set('grant.add', () =>
      refuse('invalid', 'forwards: "plc 7": not a host name', 'write host:port'),
    )
    await open(page, '/grants')
    await page.getByRole('button', { name: 'Add a grant' }).first().click()
    await page.getByLabel('User').selectOption('bob')
    await page.getByLabel('Account').selectOption('press-3/engineer')
    await page.getByLabel('shell').uncheck()
    await page.getByLabel('forward').check()
    const submit = page.getByRole('button', { name: 'Grant', exact: true })
    expect(await submit.isDisabled()).toBe(true)
    await page.getByLabel('Destinations').fill('plc-7:102 [fd00::7]:80')
    await page.getByLabel('Recorded of them').selectOption('stream')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'grant-forward')
    await submit.click()
    await page.getByText('"plc 7": not a host name').first().waitFor()
    expect(askedFor('grant.add').at(-1)).toMatchObject({
      input: {
        actions: ['forward'],
        forwards: [
          { host: 'plc-7', port: 102, record: 'stream' },
          { host: '[fd00::7]', port: 80, record: 'stream' },
        ],
      },
    })
    await page.keyboard.press('Escape')
  },
)

test.skipIf(why !== undefined)('a key and a sign-in are taken away at the second press', async () => {
  const { page } = alice
  const now = new Date().toISOString()
  edge.answers.set('user.key.list', () => [
    { id: newId('key'), type: 'ssh-ed25519', fingerprint: 'SHA256:abc', comment: 'laptop', createdAt: now },
  ])
  edge.answers.set('login.list', () => [
    {
      id: newId('lgn'),
      user: 'alice',
      source: '192.0.2.7',
      createdAt: now,
      lastSeenAt: now,
      expiresAt: now,
      secondsLeft: 3600,
      idleSeconds: 900,
      isOwn: true,
    },
  ])
  await open(page, '/account')
  await page.getByRole('button', { name: 'Remove key laptop' }).click()
  await page.getByRole('button', { name: 'Keep it' }).click()
  await page.getByRole('button', { name: 'Remove key laptop' }).click()
  expect(askedFor('user.key.remove')).toEqual([])
  expect(await accessibilityFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Remove this key' }).click()
  await page.getByRole('button', { name: 'Remove key laptop' }).waitFor()
  expect(askedFor('user.key.remove')).toHaveLength(1)
  await page.getByRole('button', { name: 'End the sign-in from 192.0.2.7' }).click()
  expect(askedFor('login.revoke')).toEqual([])
  await page.getByRole('button', { name: 'End this sign-in' }).click()
  await page.getByRole('button', { name: 'End the sign-in from 192.0.2.7' }).waitFor()
  expect(askedFor('login.revoke')).toHaveLength(1)
})

test.skipIf(why !== undefined)(
  'the list of sessions follows what happens, and shows all of one',
  async () => {
    const { page } = alice
    const startedAt = new Date(Date.now() - 60_000).toISOString()
    let endedAt: string | null = null
    let freeze: SessionView['freeze'] = null
    const id = newId('ses')
    const session = () =>
      sessionView({
        id,
        startedAt,
        state: endedAt !== null ? 'ended' : freeze === null ? 'live' : 'frozen',
        endedAt,
        lastActivityAt: startedAt,
        freeze,
        endReason: endedAt === null ? null : 'terminated',
        endedBy: endedAt === null ? null : { by: 'alice', reason: 'wrong valve' },
        credentialSetByOther: true,
      })
    edge.answers.set('session.list', () => [session()])
    edge.answers.set('session.terminate', () => {
      endedAt = new Date().toISOString()
      return null
    })
    edge.answers.set('session.freeze', () => {
      freeze = { by: 'alice', reason: 'wrong valve', at: startedAt, waits: false, isHeld: true }
      return session()
    })
    edge.answers.set('session.unfreeze', () => {
      freeze = null
      return session()
    })
    edge.answers.set('session.message', () => ({ terminals: 0 }))
    edge.answers.set('hold.list', () => [
      {
        id: newId('hld'),
        user: 'bob',
        target: 'press-4',
        reason: '',
        heldBy: 'sue',
        createdAt: startedAt,
        until: new Date(Date.now() + 3600_000).toISOString(),
      },
    ])
    await open(page, '/sessions')
    await page.getByText('One session is live.').waitFor()

    // By the keyboard alone: freeze, then let go on.
    await page.getByRole('button', { name: 'Freeze press-3/engineer by bob' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('nothing that they send reaches the machine').waitFor()
    await page.keyboard.type('wrong valve')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'freeze')
    await page.keyboard.press('Enter')
    await page.getByText('frozen', { exact: true }).waitFor()
    expect(askedFor('session.freeze')).toMatchObject([{ input: { session: id, reason: 'wrong valve' } }])
    await page.getByRole('button', { name: 'Unfreeze press-3/engineer by bob' }).click()
    await page.getByText('Frozen by alice').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Unfreeze' }).click()
    await page.getByText('live', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Show press-3/engineer by bob' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Message press-3/engineer by bob' }).click()
    await page.getByLabel('Line').fill('stop at two')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('has no terminal open').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click()
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click()
    expect(askedFor('session.message')).toMatchObject([{ input: { session: id, text: 'stop at two' } }])
    await page.getByRole('button', { name: 'Release bob' }).click()
    await page.getByRole('button', { name: 'Let them connect' }).click()
    await page.getByRole('button', { name: 'Release bob' }).waitFor()
    expect(askedFor('hold.release')).toHaveLength(1)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'sessions-held')

    await page.getByText('new credentials').waitFor()
    await page.getByRole('button', { name: 'Show press-3/engineer by bob' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(id).waitFor()
    await dialog.getByText('Somebody else set this user').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'session')
    await dialog.getByRole('button', { name: 'Terminate' }).click()
    await page.getByRole('heading', { name: 'Terminate this session?' }).waitFor()
    expect(askedFor('session.terminate')).toEqual([])
    await page.getByLabel('Reason').fill('wrong machine')
    await page.getByLabel('Afterwards bob').selectOption({ label: 'is held off this target for 15 minutes' })
    await dialog.getByRole('button', { name: 'Terminate' }).click()
    await dialog.getByText('ended', { exact: true }).waitFor()
    expect(askedFor('session.terminate')).toMatchObject([
      { input: { session: id, reason: 'wrong machine', holdSeconds: 900 } },
    ])
    await dialog.getByRole('button', { name: 'Done' }).click()

    // Somebody else's doing is seen without asking for it.
    await page.getByText('Nobody is connected now.').waitFor()
    endedAt = null
    await page.getByText('One session is live.').waitFor()
    expect(alice.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)('the keyboard reaches everything, and one sees where it is', async () => {
  const { page } = alice
  await open(page, '/users')
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to content')
  const unseen: string[] = []
  for (let step = 0; step < 25; step += 1) {
    await page.keyboard.press('Tab')
    const name = await page.evaluate(() => {
      const at = document.activeElement
      if (!(at instanceof HTMLElement) || at === document.body) return ''
      const box = (element: Element) => {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element)
        return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none'
      }
      // Of a text field, the frame around it shows it.
      const frame = at.closest('.pf-v6-c-form-control, .pf-v6-c-text-input-group')
      return box(at) || (frame !== null && box(frame)) ? '' : at.outerHTML.slice(0, 120)
    })
    if (name !== '') unseen.push(name)
  }
  expect(unseen).toEqual([])
})

test.skipIf(why !== undefined)(
  'a machine that offers only old algorithms is allowed what it needs, with a reason and for a time',
  async () => {
    const { page } = alice
    const now = new Date().toISOString()
    let target = targetView({
      name: 'switch-7',
      host: '192.0.2.7',
      pins: [{ type: 'ssh-dss', fingerprint: 'SHA256:abc', approvedBy: 'alice' }],
    })
    const needs = ['group1-sha1', 'ssh-dss', '3des-cbc', 'hmac-md5'] as const
    edge.answers.set('target.list', () => [target])
    edge.answers.set('target.scan', () => [{ type: 'ssh-dss', fingerprint: 'SHA256:abc', needs }])
    edge.answers.set('target.legacy', ({ reason }) => {
      const legacy = {
        algorithms: needs,
        reason: reason ?? '',
        until: new Date(Date.now() + 90 * 86_400_000).toISOString(),
        isExpired: false,
        allowedBy: 'alice',
        allowedAt: now,
      }
      target = { ...target, legacy }
      return target
    })
    await open(page, '/targets')
    await page.getByRole('button', { name: 'Scan switch-7' }).click()
    await page.getByText('This machine offers only old algorithms').waitFor()
    await picture(page, 'old-algorithms-scan')
    await page.getByRole('button', { name: 'Allow group1-sha1, ssh-dss, 3des-cbc, hmac-md5' }).click()
    for (const one of needs) expect(await page.getByLabel(one, { exact: true }).isChecked()).toBe(true)
    expect(await page.getByLabel('ssh-rsa', { exact: true }).isChecked()).toBe(false)
    const allow = page.getByRole('button', { name: 'Allow', exact: true })
    expect(await allow.isDisabled()).toBe(true)
    await page.getByLabel('Reason').fill('replaced in March, order 4711')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'old-algorithms')
    await allow.click()
    await page.getByText(/old algorithms until/).waitFor()
    await page.getByText(/allowed by alice: replaced in March, order 4711/).waitFor()
    expect(askedFor('target.legacy').at(-1)?.input).toEqual({
      target: target.id,
      algorithms: needs,
      reason: 'replaced in March, order 4711',
      forSeconds: 90 * 86_400,
    })
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'old-algorithms-finding')

    if (target.legacy !== null) target = { ...target, legacy: { ...target.legacy, isExpired: true } }
    await open(page, '/targets')
    await page.getByText('old algorithms expired: nobody can connect').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await open(page, '/')
    await page.getByText('Nobody can connect to switch-7: the time of its old algorithms is over').waitFor()
  },
)

test.skipIf(why !== undefined)(
  'an administrator says which regions of a desktop are not recorded, with a reason and a code',
  async () => {
    const { page } = alice
    let target = targetView({ name: 'hmi-3', protocol: 'vnc', host: '192.0.2.31', port: 5900 })
    edge.answers.set('target.list', () => [target])
    edge.answers.set('target.mask', ({ regions, reason }) => {
      target = {
        ...target,
        mask: regions.length === 0 ? null : { regions, reason: reason ?? '', setBy: 'alice' },
      }
      return target
    })
    await open(page, '/targets')
    await page.getByRole('button', { name: 'Mask the screen of hmi-3' }).click()
    const regions = page.getByLabel('Regions')
    const mask = page.getByRole('button', { name: 'Mask', exact: true })
    await regions.fill('40,420,300,120 50%,0%,60%,10%')
    await page.getByText('50%,0%,60%,10% is no region of a screen').waitFor()
    await page.getByLabel('Reason').fill('recipe, works agreement 12')
    await page.getByLabel('Code').fill('123456')
    expect(await mask.isDisabled()).toBe(true)
    await regions.fill('40,420,300,120 0%,90%,50%,10%')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'mask')
    await mask.click()
    await page.getByText('2 regions not recorded').waitFor()
    await page.getByText(/said by alice: recipe, works agreement 12/).waitFor()
    expect(askedFor('target.mask').at(-1)?.input).toEqual({
      target: target.id,
      regions: [
        { unit: 'pixels', x: 40, y: 420, width: 300, height: 120 },
        { unit: 'percent', x: 0, y: 90, width: 50, height: 10 },
      ],
      reason: 'recipe, works agreement 12',
      totpCode: '123456',
    })
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'mask-finding')
    await page.getByRole('button', { name: 'Mask the screen of hmi-3' }).click()
    await regions.fill('')
    await page.getByLabel('Code').fill('123456')
    await page.getByRole('button', { name: 'Record all of it' }).click()
    await page.getByText('2 regions not recorded').waitFor({ state: 'detached' })
  },
)

test.skipIf(why !== undefined)(
  'an account is told whose secret is typed for sudo, su or enable',
  async () => {
    const { page } = alice
    const account = (login: string, elevation: AccountView['elevation'] = null) =>
      accountView({ name: `press-3/${login}`, login, elevation })
    const accounts = [account('engineer'), account('root')]
    edge.answers.set('account.list', () => accounts)
    edge.answers.set('account.elevation', () => {
      accounts[0] = account('engineer', { kind: 'su', account: 'press-3/root' })
      return accounts[0]
    })
    await open(page, '/accounts')
    await page.getByRole('button', { name: 'Elevation of press-3/engineer' }).click()
    const store = page.getByRole('dialog').getByRole('button', { name: /Take it back|Store/ })
    expect(await store.isDisabled()).toBe(true)
    await page.getByLabel('Asked for by').selectOption('su')
    await page.getByLabel('Secret of', { exact: true }).selectOption('press-3/root')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'elevation')
    await store.click()
    await page.getByText('su: press-3/root').waitFor()
    expect(askedFor('account.elevation').at(-1)?.input).toMatchObject({
      elevation: { kind: 'su', account: 'press-3/root' },
    })
    expect(await accessibilityFaults(page)).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'an account of a desktop is told whose passwords are typed there',
  async () => {
    const { page } = alice
    const account = (target: string, login: string, more: Partial<AccountView> = {}) =>
      accountView({ name: `${target}/${login}`, target, login, ...more })
    const desktop = { protocol: 'rdp', typeIns: ['plc-2/engineer'] } as const
    const accounts = [
      account('ews-1', 'operator', desktop),
      account('plc-2', 'engineer'),
      account('plc-3', 'engineer'),
    ]
    edge.answers.set('account.list', () => accounts)
    edge.answers.set('account.type-ins', () => account('ews-1', 'operator', desktop))
    await open(page, '/accounts')
    await page.getByText('types: plc-2/engineer').waitFor()
    await page.getByRole('button', { name: 'Linked secrets of ews-1/operator' }).click()
    const dialog = page.getByRole('dialog')
    expect(await dialog.getByLabel('plc-2/engineer').isChecked()).toBe(true)
    expect(await dialog.getByLabel('ews-1/operator').count()).toBe(0)
    await dialog.getByLabel('plc-3/engineer').check()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'linked-secrets')
    await dialog.getByRole('button', { name: 'Store' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(askedFor('account.type-ins').at(-1)?.input).toMatchObject({
      secrets: ['plc-2/engineer', 'plc-3/engineer'],
    })
  },
)

test.skipIf(why !== undefined)(
  'names and addresses break after their separators alone, and one too long for a line stays on the page',
  async () => {
    const { page } = alice
    const long = `press-${'of-the-north-hall-'.repeat(3)}3`
    const at = '2026-11-24T23:28:09Z'
    const named = (target: string, login: string) =>
      grantView({
        user: 'anna-maria',
        account: `${target}/${login}`,
        actions: ['shell', 'forward'],
        forwards: [{ host: 'mixer-1', port: 80, record: 'counts', connections: 8, megabytes: null }],
        notBefore: at,
        notAfter: '2027-01-24T23:28:09Z',
        reason: 'ram guide worn, work order 2290',
      })
    edge.answers.set('grant.list', () => [named('press-hall-3', 'engineer-2'), named(long, 'engineer-2')])
    edge.answers.set('target.list', () => [
      targetView({
        name: 'press-hall-3',
        host: '192.168.127.131',
        port: 37919,
        pins: [{ type: 'ssh-ed25519', fingerprint: `SHA256:${'x'.repeat(43)}`, approvedBy: 'local:0' }],
      }),
    ])
    await page.setViewportSize({ width: 1280, height: 800 })
    for (const [path, shown] of [
      ['/grants', 'press-hall-3/engineer-2'],
      ['/targets', 'ssh://192.168.127.131:37919'],
    ] as const) {
      await open(page, path)
      const name = page.getByRole('cell').locator('.mono', { hasText: shown }).first()
      await name.waitFor()
      expect(await name.innerText()).toBe(shown)
      const lines = await page
        .locator('.listing .piece')
        .evaluateAll((all) => all.map((piece) => piece.getClientRects().length))
      expect(lines.length).toBeGreaterThan(2)
      expect(lines.every((count) => count === 1)).toBe(true)
      await picture(page, `names${path.replace('/', '-')}`)
    }
    await open(page, '/grants')
    for (const size of windows) {
      expect(await layoutFaults(page, size), `${size.width}`).toEqual([])
    }
    // A moment names its zone: once above the list, and on pointing at it together with UTC.
    await page.getByText(/^Times in \S/).waitFor()
    expect(await page.getByRole('table').locator('time').first().getAttribute('title')).toMatch(
      /24 Nov 2026.* 23:28:09 UTC/,
    )
    await page.setViewportSize({ width: 1440, height: 900 })
  },
)

test.skipIf(why !== undefined)(
  'a batch shows its first, how many are done, what stopped it, and is stopped for a reason',
  async () => {
    const { page } = alice
    let runs: readonly RotationRunView[] = []
    const run = (
      batch: Id<'rbt'>,
      place: number,
      phase: RotationRunView['phase'],
      more = {},
    ): RotationRunView => ({
      ...{ id: newId('rot', Date.now()), account: `press-${place}/engineer`, kind: 'rotate', cause: 'batch' },
      ...{ askedBy: 'alice', reason: 'yearly', batch, place, connector: 'linux-password', phase, step: null },
      ...{
        stepUntil: null,
        believes: 'current',
        attempts: 0,
        version: null,
        persisted: null,
        why: '',
        next: null,
      },
      ...{ createdAt: new Date().toISOString(), dueAt: new Date().toISOString(), begunAt: null },
      endedAt: ['done', 'failed', 'cancelled'].includes(phase) ? new Date().toISOString() : null,
      dependants: [],
      ...more,
    })
    const [going, over] = [newId('rbt', 1_000), newId('rbt', 2_000)]
    runs = [
      run(going, 0, 'done'),
      run(going, 1, 'verifying'),
      ...[2, 3].map((place) => run(going, place, 'waiting')),
      run(over, 4, 'failed', { place: 0, reason: 'the other line', why: 'it refused the new one' }),
      run(over, 5, 'cancelled', { place: 1, reason: 'the other line' }),
    ]
    for (const verb of ['rotation.accounts', 'rotation.calendar', 'rotation.holds', 'task.list'] as const)
      edge.answers.set(verb, () => [])
    edge.answers.set('rotation.findings', () => ({ findings: [], looked: 0, left: 0 }))
    edge.answers.set('rotation.list', () => runs)
    edge.answers.set('rotation.cancel', ({ run: id, reason }) => {
      const ended = { phase: 'cancelled', endedAt: new Date().toISOString(), why: reason } as const
      runs = runs.map((one) => (one.id === id ? { ...one, ...ended } : one))
      return runs.find((one) => one.id === id) ?? refuse('not_found', 'there is no such rotation')
    })
    await open(page, '/rotation')
    const batches = page.getByRole('region', { name: 'Batches' })
    await batches.getByText('1 of 4 done, 1 under way, 2 wait').first().waitFor()
    await batches.getByText('press-0/engineer went first, and it went well.').waitFor()
    await batches.getByText('0 of 2 done, 1 failed, 1 given up').first().waitFor()
    await batches.getByText('It refused the new one').waitFor()
    expect(await batches.getByRole('button', { name: /^Stop/ }).count()).toBe(1)
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) {
      expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
      await picture(page, `rotation-batches-${size.width}`)
    }
    await batches.getByRole('button', { name: 'Stop the batch: yearly' }).click()
    await page.getByText('2 accounts of it have not begun').waitFor()
    await page.getByRole('dialog').getByLabel('Reason').fill('the line starts early')
    await page.getByRole('button', { name: 'Stop it' }).click()
    await batches.getByText('1 of 4 done, 1 under way, 2 given up').first().waitFor()
    // The last first, so that none of them is begun meanwhile.
    expect(askedFor('rotation.cancel').map(({ input }) => (input as { readonly run: string }).run)).toEqual(
      [3, 2].map((at) => runs[at]?.id),
    )
  },
)

test.skipIf(why !== undefined)(
  'what is past its time is destroyed by two in the console: asked for, approved with a code, or withdrawn',
  async () => {
    const { page } = alice
    const ago = (days: number) => new Date(Date.now() - days * 24 * 3600_000).toISOString()
    const due = ['bob', 'vera'].map((user, at) => ({
      ...{ id: newId('rec', at + 1), user, account: 'press-3/engineer', safe: 'line-3', startedAt: ago(401) },
      ...{ endedAt: ago(400), sizeBytes: 48_000, retentionClass: 'standard', dueAt: ago(35) },
    }))
    const first: DestructionView = {
      ...{
        id: newId('dst', 1),
        state: 'open',
        reason: 'works agreement',
        askedBy: 'ingrid',
        askedAt: ago(1),
      },
      ...{ closed: null, recordings: [newId('rec', 9)], destroyed: 0, digest: 'a'.repeat(64) },
    }
    let asked: readonly DestructionView[] = [first]
    const closes = (id: string, state: 'approved' | 'withdrawn') => {
      const closed = { by: 'alice', at: new Date().toISOString() }
      asked = asked.map((one) => (one.id === id ? { ...one, state, closed } : one))
      return asked.find((one) => one.id === id) ?? refuse('not_found', 'there is no such destruction')
    }
    const kept = { name: 'standard', days: 365, reason: 'as always', set: null, safes: ['line-3'] }
    edge.answers.set('retention.list', () => ({
      floor: null,
      classes: [{ ...kept, recordings: 2, due: asked.length === 1 ? 2 : 0 }],
    }))
    edge.answers.set('legalhold.list', () => [])
    edge.answers.set('destruction.due', () => ({ recordings: asked.length === 1 ? due : [], more: false }))
    edge.answers.set('destruction.list', () => asked)
    edge.answers.set('destruction.ask', ({ recordings, reason }) => {
      const own: DestructionView = { ...first, id: newId('dst', 2), askedBy: 'alice', recordings, reason }
      asked = [own, ...asked]
      return own
    })
    edge.answers.set('destruction.approve', ({ destruction }) => closes(destruction, 'approved'))
    edge.answers.set('destruction.withdraw', ({ destruction }) => closes(destruction, 'withdrawn'))
    const before = edge.asked.length
    await open(page, '/retention')
    await page.getByRole('button', { name: 'Have 2 recordings destroyed' }).click()
    const dialog = page.getByRole('dialog')
    const go = dialog.getByRole('button', { name: 'Ask for it' })
    expect(await go.isDisabled()).toBe(true)
    await dialog.getByLabel('Reason').fill('their year is over')
    await dialog.getByLabel('Code').fill('123456')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'destruction-ask')
    await go.click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('No recording is past its time').waitFor()
    // Nobody approves what they asked for themselves, and anybody takes it back.
    const approve = page.getByRole('button', { name: /^Approve/ })
    expect(await approve.count()).toBe(1)
    await approve.click()
    await dialog.getByText(/^ingrid asks for it: works agreement\. Nobody takes it back/).waitFor()
    await dialog.getByLabel('Code').fill('654321')
    await picture(page, 'destruction-approve')
    await dialog.getByRole('button', { name: 'Destroy it' }).click()
    await page.getByText('0 of 1 destroyed').waitFor()
    await page.getByRole('button', { name: /^Withdraw: 2 recordings asked for by alice/ }).click()
    await dialog.getByText('2 recordings stay, and are due still').waitFor()
    await dialog.getByRole('button', { name: 'Withdraw it' }).click()
    await dialog.waitFor({ state: 'detached' })
    for (const size of windows) expect([size, await layoutFaults(page, size)]).toEqual([size, []])
    await picture(page, 'destructions')
    const inputs = edge.asked
      .slice(before)
      .filter(({ verb }) => /^destruction\.(ask|approve|withdraw)$/.test(verb))
      .map(({ verb, input }) => [verb, input])
    expect(inputs).toEqual([
      [
        'destruction.ask',
        { recordings: due.map(({ id }) => id), reason: 'their year is over', totpCode: '123456' },
      ],
      ['destruction.approve', { destruction: first.id, digest: first.digest, totpCode: '654321' }],
      ['destruction.withdraw', { destruction: asked[0]?.id }],
    ])
  },
)
