import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Role } from '../../vault/contract.ts'
import {
  accessibilityFaults,
  enrol,
  launchBrowser,
  newPerson,
  whyNoBrowser,
} from '../support/console-browser.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const why = whyNoBrowser()
if (why !== undefined) console.warn(`what each role is shown is not tested in a browser: ${why}`)

let installation: TestInstallation
let browser: Browser

beforeAll(async () => {
  if (why !== undefined) return
  ;[installation, browser] = await Promise.all([
    startTestInstallation({ withDatabase: true }),
    launchBrowser(),
  ])
  await installation.tagout(['safe', 'add', 'line-3'])
})
afterAll(async () => {
  await browser?.close()
  await installation?.[Symbol.asyncDispose]()
})

/** What each role finds in the console's navigation, and nothing besides. */
const shown: readonly (readonly [Role, readonly string[]])[] = [
  [
    'approver',
    [
      ...['Overview', 'My access', 'Requests', 'Sessions', 'Break-glass', 'Plant switches', 'Close-outs'],
      ...['Safes', 'Targets', 'Accounts', 'Grants', 'Rotation', 'Access reviews'],
    ],
  ],
  ['supervisor', ['Overview', 'Sessions', 'Plant switches', 'Close-outs']],
  ['observer', ['Overview', 'Sessions']],
  [
    'operator',
    [
      ...['Overview', 'My access', 'Requests', 'Sessions', 'Safes', 'Targets', 'Accounts'],
      ...['Grants', 'Close-outs', 'Rotation'],
    ],
  ],
  ['vendor', ['Overview', 'My access', 'Requests', 'Sessions', 'Close-outs']],
  [
    'security-officer',
    [
      ...['Overview', 'Dashboard', 'Requests', 'Sessions', 'Break-glass', 'Review queue', 'Reports'],
      ...['Exposure', 'Access reviews'],
      ...[
        'Audit log',
        'Plant switches',
        'Emergency kits',
        'Retention',
        'Rotation',
        'Users',
        'Directories',
        'Vendors',
        'Policy',
        'Close-outs',
      ],
    ],
  ],
]

test.skipIf(why !== undefined).each(shown)(
  'the console shows %s the pages of their work, and each of them answers',
  async (role, titles) => {
    const { enrolment } = await installation.tagoutJson<{ readonly enrolment: { readonly link: string } }>([
      ...['user', 'add', `the-${role}`, '--role', role],
    ])
    await using person = await newPerson(browser, installation.console)
    const { page } = person
    await enrol(page, enrolment.link, 'canary-larch-harbour-3381')
    const links = page.getByRole('navigation', { name: 'Console' }).getByRole('link')
    expect([...(await links.allInnerTexts())].sort()).toEqual([...titles].sort())
    for (const title of titles) {
      await links.filter({ hasText: title }).first().click()
      await page.getByRole('heading', { level: 1, name: title }).waitFor()
      await page.waitForLoadState('networkidle')
      // A page that its reader may not read would say so.
      expect(await page.getByText('you may not do this').count(), title).toBe(0)
      // Nor is anybody offered what the vault would refuse them: none of these manages anything, or lets anybody in.
      const offered = await page.getByRole('main').getByRole('button').allInnerTexts()
      expect(
        offered.filter((text) => /^(Add|Import|Change|Set|Remove|Revoke|Invite|Take off|Review)/.test(text)),
        title,
      ).toEqual([])
    }
    if (role === 'operator' || role === 'approver') {
      // Who answers for a vendor finds it.
      await installation.tagout([
        ...['vendor', 'add', `of-${role}`, '--sponsor', `the-${role}`, '--until', '+90d'],
        ...['--mail-domain', `${role}.example`],
      ])
      await page.reload()
      await links.filter({ hasText: 'Vendors' }).click()
      await page.getByRole('link', { name: `of-${role}` }).waitFor()
      expect(await page.getByRole('main').getByText('of-').count()).toBe(1)
    }
    expect(await accessibilityFaults(page)).toEqual([])
    expect(person.wrong).toEqual([])
  },
)
