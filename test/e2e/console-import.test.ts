import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { AccountView, GrantView, TargetView, UserView } from '../../vault/contract.ts'
import { CanaryScan } from '../support/canary.ts'
import {
  accessibilityFaults,
  enrol,
  layoutFaults,
  newPerson,
  picture,
  windows,
} from '../support/console-browser.ts'
import { type Actor, consoleStage, somePin as pin } from '../support/console-stage.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('the import')
const { why } = stage
let admin: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  admin = await stage.enrolled('admin', { link: stage.installation.firstAdmin ?? 'none' })
  await stage.run(['safe', 'add', 'line-3'])
})
afterEach(() => {
  if (admin !== undefined) expect(admin.wrong).toEqual([])
})

const listed = <T>(what: string) => stage.installation.tagoutJson<readonly T[]>([what, 'list'])
const names = async (what: string) => (await listed<{ readonly name: string }>(what)).map(({ name }) => name)

async function openImport(page: Page, path: string, heading: string): Promise<Locator> {
  await page.goto(`${stage.installation.console}${path}`)
  await page.getByRole('heading', { level: 1, name: heading }).waitFor()
  await page.getByRole('button', { name: 'Import CSV' }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Choose a file' }).waitFor()
  return dialog
}

const csv = (name: string, content: string | Buffer) => ({
  name,
  mimeType: 'text/csv',
  buffer: typeof content === 'string' ? Buffer.from(content) : content,
})

async function choose(dialog: Locator, content: string | Buffer, name = 'plant.csv'): Promise<void> {
  await dialog.locator('input[type=file]').setInputFiles(csv(name, content))
}

/** What the dialog says the file would do, once it has looked. */
async function looked(dialog: Locator): Promise<string> {
  const region = dialog.getByRole('region', { name: 'What it would do' })
  await region.waitFor()
  return await region.locator('p').first().innerText()
}

const rowsOf = (dialog: Locator) =>
  dialog.getByRole('table', { name: 'Lines of the file' }).locator('tbody tr')

async function focused(element: Locator): Promise<void> {
  await expect.poll(() => element.evaluate((one) => one === document.activeElement), within).toBe(true)
}

const within = { timeout: 20_000 }

/** Looked at as it is, and where it is `whole` in all windows. */
async function looksRight(page: Page, name: string, whole = true): Promise<void> {
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of whole ? windows : [])
    expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
  await picture(page, `import-${name}`)
  if (process.env.TAGOUT_PICTURES === undefined) return
  await page.setViewportSize({ width: 390, height: 844 })
  await picture(page, `import-${name}-390`)
  await page.setViewportSize({ width: 1280, height: 800 })
}

test.skipIf(why !== undefined)('targets are imported by the keyboard alone', async () => {
  const { page } = admin
  await page.goto(`${stage.installation.console}/targets`)
  await page.getByRole('heading', { level: 2, name: 'No targets yet' }).waitFor()
  await page.getByRole('button', { name: 'Import CSV' }).first().focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Import targets' })
  await dialog.waitFor()
  // The browser is told that choosers are the test's before one opens: it takes a moment.
  page.on('filechooser', () => {})
  await looksRight(page, 'choose')
  await focused(dialog.getByRole('button', { name: 'Choose a file' }))
  const chooser = page.waitForEvent('filechooser')
  await page.keyboard.press('Enter')
  await (await chooser).setFiles(
    csv(
      'plant.csv',
      `name,safe,address,pin\npress-3,line-3,ssh://10.0.3.7,${pin}\npress-4,line-3,ssh://10.0.3.8,\n`,
    ),
  )
  expect(await looked(dialog)).toBe('plant.csv: 2 lines: 2 to add.')
  expect(await dialog.getByRole('status').innerText()).toBe('2 lines: 2 to add.')
  await focused(dialog.getByRole('region', { name: 'What it would do' }))
  expect(await names('target')).toEqual([])
  await looksRight(page, 'look')
  await page.keyboard.press('Tab')
  await focused(dialog.getByRole('button', { name: 'Import 2 targets' }))
  await page.keyboard.press('Enter')
  await dialog.getByText('2 targets are added').last().waitFor()
  expect(await dialog.getByRole('status').innerText()).toBe('2 targets are added')
  expect(await names('target')).toEqual(['press-3', 'press-4'])
  await looksRight(page, 'done', false)
  await page.keyboard.press('Tab')
  await focused(dialog.getByRole('button', { name: 'Done' }))
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'hidden' })
  await page.getByRole('table', { name: 'Targets' }).getByText('press-4').waitFor()
})

test.skipIf(why !== undefined)(
  'lines with a problem are told one by one, and nothing is imported while there is one',
  async () => {
    const { page } = admin
    const dialog = await openImport(page, '/targets', 'Targets')
    const hostile = `<img src=x onerror=alert(1)>\u202e\u0007${'x'.repeat(1500)}`
    await choose(
      dialog,
      [
        'name;safe;address;pin',
        'press-5;line-3;ssh://10.0.3.9;',
        `press-3;line-3;ssh://10.0.3.7;${pin}`,
        'press-4;line-3;ssh://10.9.9.9;',
        'press-6;;ssh://10.0.3.10;',
        '=HYPERLINK("x");line-3;ssh://10.0.3.11;',
        `${hostile};line-3;ssh://10.0.3.12;`,
      ].join('\r\n'),
    )
    expect(await looked(dialog)).toBe('plant.csv: 6 lines: 1 to add, 1 there already, 4 with a problem.')
    expect(await dialog.getByRole('button', { name: /^Import \d/ }).count()).toBe(0)
    expect(await rowsOf(dialog).count()).toBe(4)
    const text = await rowsOf(dialog).allInnerTexts()
    expect(text[0]).toMatch(/4[\s\S]*press-4[\s\S]*conflict/)
    expect(text[1]).toMatch(/5[\s\S]*press-6[\s\S]*Safe: this is missing/)
    expect(text[2]).toMatch(/6[\s\S]*=HYPERLINK[\s\S]*not valid/)
    expect(text[3]).toContain('<img src=x onerror=alert(1)><202E>␇xxx')
    expect(text[3]?.length).toBeLessThan(400)
    await looksRight(page, 'problems')
    await dialog.getByLabel('Only problems').uncheck()
    expect(await rowsOf(dialog).count()).toBe(6)
    await rowsOf(dialog).nth(1).getByText('there already').waitFor()

    // Another file takes its place, chosen or dropped; Escape leaves without a trace.
    const dropped = await page.evaluateHandle((text) => {
      const data = new DataTransfer()
      data.items.add(new File([text], 'dropped.csv'))
      return data
    }, 'name,safe,address\npress-4,line-3,ssh://10.0.3.8\n')
    await dialog.dispatchEvent('drop', { dataTransfer: dropped })
    await dialog.getByText('All targets of this file are there already').waitFor()
    await dialog.getByRole('button', { name: 'Choose another file' }).click()
    await choose(dialog, 'name,safe,address\npress-5,line-3,ssh://10.0.3.9\n', 'mended.csv')
    expect(await looked(dialog)).toBe('mended.csv: 1 line: 1 to add.')
    await dialog.getByRole('button', { name: 'Import 1 target' }).waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(await names('target')).toEqual(['press-3', 'press-4'])
  },
)

test.skipIf(why !== undefined)('a wrong file is refused with what to do next', async () => {
  const { page } = admin
  const dialog = await openImport(page, '/targets', 'Targets')
  const head = 'name,safe,address\n'
  const wrong: readonly (readonly [string | Buffer, string, string])[] = [
    [Buffer.from('504b030414000600', 'hex'), 'This is a spreadsheet, not CSV.', 'Save it as CSV in UTF-8'],
    [Buffer.from(`\ufeff${head}`, 'utf16le'), 'The file is in UTF-16.', 'save it as CSV in UTF-8'],
    [Buffer.from(`${head}pr\xe9ss,l,ssh://x\n`, 'latin1'), 'not text in UTF-8.', 'save it as CSV in UTF-8'],
    [`${head}${'x'.repeat(1024 * 1024)}`, 'The file is larger than 1 MB.', 'split it'],
    [`${head}press-9,"line-3,ssh://x\n`, 'Line 2 opens a quote that nothing closes.', 'Close it'],
    ['name,safe,adress\nx,y,z\n', 'Column 3 has no name that is known.', 'The columns are name,safe'],
    ['', 'The file is empty.', 'name,safe,address,pin'],
    [head, 'The file has no rows.', 'one per line'],
  ]
  for (const [content, problem, next] of wrong) {
    await choose(dialog, content)
    const alert = dialog.getByRole('alert').filter({ hasText: problem })
    await alert.waitFor()
    expect((await alert.innerText()).toLowerCase()).toContain(next.toLowerCase())
  }
  expect(await accessibilityFaults(page)).toEqual([])
  await choose(dialog, `${head}press-5,line-3,ssh://10.0.3.9\n`)
  expect(await looked(dialog)).toBe('plant.csv: 1 line: 1 to add.')

  // What changed between the look and the import undoes the import.
  await stage.run(['target', 'add', 'press-5', 'ssh://10.9.9.9', '--safe', 'line-3'])
  await dialog.getByRole('button', { name: 'Import 1 target' }).click()
  await dialog.getByText('Something changed since the file was looked at: nothing was imported').waitFor()
  expect(await looked(dialog)).toContain('1 line: 1 with a problem.')
  await page.keyboard.press('Escape')
})

test.skipIf(why !== undefined)(
  'accounts are imported, and no password leaves the browser or is shown in it',
  async () => {
    const { page } = admin
    const canaries = ['canary-birch-tin-9041', 'canary-elm-cup-7713']
    const scan = new CanaryScan(canaries.map((name) => ({ name, bytes: Buffer.from(name) })))
    const before = admin.sent.length
    const answered = admin.received.length
    const dialog = await openImport(page, '/accounts', 'Accounts')
    const shown = async (where: string) => scan.look(where, await page.content())
    const head = 'target,login,password,key_file,safe,address'
    const good = [`press-3,engineer,${canaries[0]},,,`, `oven-7,tech,${canaries[1]},,line-3,ssh://10.0.3.20`]
    await choose(dialog, [head, ...good, 'press-4,backup,,id_ed25519,,', 'press-4,empty,,,,'].join('\n'))
    expect(await looked(dialog)).toBe('plant.csv: 4 lines: 2 to add, 2 with a problem.')
    await rowsOf(dialog)
      .nth(0)
      .getByText(/browser cannot read key files.*tagout import/)
      .waitFor()
    await rowsOf(dialog).nth(1).getByText('This account has no secret').waitFor()
    await dialog.getByLabel('Only problems').uncheck()
    await shown('look with problems')
    await looksRight(page, 'accounts', false)

    // The lines are pasted this time.
    await dialog.getByRole('button', { name: 'Choose another file' }).click()
    const field = dialog.getByLabel('Or paste the lines')
    await admin.context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.evaluate((text) => navigator.clipboard.writeText(text), [head, ...good].join('\n'))
    await field.focus()
    await page.keyboard.press('Control+V')
    expect(await looked(dialog)).toBe('What was pasted: 2 lines: 2 to add.')
    await shown('look')
    await dialog.getByRole('button', { name: 'Import 2 accounts' }).click()
    await dialog.getByText('The file holds passwords: delete it now.').waitFor()
    await shown('done')
    await dialog.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('table', { name: 'Accounts' }).getByText('oven-7/tech').waitFor()
    const accounts = await listed<AccountView>('account')
    expect(accounts.map(({ name, credential }) => `${name} ${credential?.kind}`).sort()).toEqual([
      'oven-7/tech password',
      'press-3/engineer password',
    ])
    const stored = () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])
    scan.look('storage', await page.evaluate(stored))
    scan.look('sent', admin.sent.slice(before).join('\n'))
    scan.look('received', admin.received.slice(answered).join('\n'))
    expect(admin.sent.slice(before).join('\n')).toContain('"sealed"')
    expect(scan.hits).toEqual([])
    // The search finds what was chosen and pasted.
    scan.look('the file', good.join('\n'))
    expect(new Set(scan.hits.map(({ canary }) => canary))).toEqual(new Set(canaries))
  },
)

test.skipIf(why !== undefined)(
  'users are imported with a fresh code, and their links are not lost by a slip',
  async () => {
    const { page } = admin
    const dialog = await openImport(page, '/users', 'Users')
    await choose(dialog, 'name,roles\nbob,operator\ncarol,operator approver\n', 'people.csv')
    expect(await looked(dialog)).toBe('people.csv: 2 lines: 2 to add.')
    const button = dialog.getByRole('button', { name: 'Import 2 users' })
    expect(await button.isDisabled()).toBe(true)
    await dialog.getByLabel('Code').fill('000000')
    await button.click()
    await dialog.getByText(/code/i).and(dialog.locator('[role=alert] *, .pf-m-error *')).first().waitFor()
    expect(await names('user')).not.toContain('bob')
    await looksRight(page, 'code', false)
    await dialog.getByLabel('Code').fill(await admin.code())
    await button.click()
    await dialog.getByText('These links are shown once').waitFor()
    await looksRight(page, 'links')
    await page.keyboard.press('Escape')
    await dialog.getByText('none is shown again').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'import-leaving')
    await dialog.getByRole('button', { name: 'Back to the links' }).click()
    const saved = page.waitForEvent('download')
    await dialog.getByRole('button', { name: 'Download all as CSV' }).click()
    const path = join(stage.room, 'links.csv')
    await (await saved).saveAs(path)
    const [head, ...rows] = (await readFile(path, 'utf8')).trim().split('\r\n')
    expect(head).toBe('name,link,expires_at')
    expect(rows.map((row) => row.split(',')[0])).toEqual(['"bob"', '"carol"'])
    // Once they are kept nothing is asked.
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    const users = await listed<UserView>('user')
    expect(users.find(({ name }) => name === 'carol')?.roles.toSorted()).toEqual(['approver', 'operator'])

    // A link of the file opens, and who is no administrator finds no import.
    const link = /"(http[^"]+)"/.exec(rows[1] ?? '')?.[1] ?? ''
    await using carol = await newPerson(stage.browser, stage.installation.console)
    await enrol(carol.page, link, 'canary-ash-meadow-5127')
    await carol.page.goto(`${stage.installation.console}/grants`)
    await carol.page.getByRole('heading', { level: 1, name: 'Grants' }).waitFor()
    await carol.page.waitForLoadState('networkidle')
    expect(await carol.page.getByRole('button', { name: 'Import CSV' }).count()).toBe(0)
  },
)

test.skipIf(why !== undefined)('a thousand lines are looked at, and the page holds few of them', async () => {
  const { page } = admin
  const dialog = await openImport(page, '/targets', 'Targets')
  const rows = Array.from({ length: 1000 }, (_, at) => `mill-${at},line-3,ssh://10.1.${at >> 8}.${at & 255}`)
  rows[899] = 'mill-899,nowhere,ssh://10.1.1.1'
  await choose(dialog, ['name,safe,address', ...rows].join('\n'))
  await dialog.getByRole('region', { name: 'What it would do' }).waitFor({ timeout: 100_000 })
  expect(await looked(dialog)).toBe('plant.csv: 1000 lines: 999 to add, 1 with a problem.')
  expect(await rowsOf(dialog).allInnerTexts()).toEqual([expect.stringMatching(/^901[\s\S]*mill-899/)])
  await dialog.getByLabel('Only problems').uncheck()
  expect(await rowsOf(dialog).count()).toBe(100)
  await dialog.getByRole('button', { name: 'Show more: 100 of 1000' }).click()
  expect(await rowsOf(dialog).count()).toBe(300)
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await dialog.waitFor({ state: 'hidden' })
  expect((await listed<TargetView>('target')).length).toBe(4)
})

test.skipIf(why !== undefined)('grants are imported; a grant to oneself asks for a fresh code', async () => {
  const { page } = admin
  const me = (await names('user')).find((name) => !['bob', 'carol'].includes(name))
  const dialog = await openImport(page, '/grants', 'Grants')
  const head = 'user,account,actions,not_before,not_after,mode,reason\n'
  await choose(dialog, `${head}bob,press-3/engineer,shell sftp-read,,,exclusive,"order 4711, press"\n`)
  expect(await looked(dialog)).toBe('plant.csv: 1 line: 1 to add.')
  expect(await dialog.getByLabel('Code').count()).toBe(0)
  await dialog.getByText('shell sftp-read, exclusive, order 4711, press').waitFor()
  await dialog.getByRole('button', { name: 'Choose another file' }).click()
  await choose(
    dialog,
    `${head}bob,press-3/engineer,shell,,,,\n${me?.toUpperCase()},oven-7/tech,"shell,exec",,,,\n`,
  )
  expect(await looked(dialog)).toBe('plant.csv: 2 lines: 2 to add.')
  expect(await dialog.getByRole('button', { name: 'Import 2 grants' }).isDisabled()).toBe(true)
  await looksRight(page, 'grants', false)
  await dialog.getByLabel('Code').fill(await admin.code())
  await dialog.getByRole('button', { name: 'Import 2 grants' }).click()
  await dialog.getByText('2 grants are added').last().waitFor()
  await dialog.getByRole('button', { name: 'Done' }).click()
  const grants = await listed<GrantView>('grant')
  expect(grants.map(({ user, account }) => `${user} ${account}`).sort()).toEqual(
    [`${me} oven-7/tech`, 'bob press-3/engineer'].sort(),
  )

  // The same file again finds all there and has nothing to do.
  const again = await openImport(page, '/grants', 'Grants')
  await choose(again, `${head}bob,press-3/engineer,shell,,,,\n`)
  await again.getByText('All grants of this file are there already').waitFor()
  expect(await again.getByRole('button', { name: /^Import \d/ }).count()).toBe(0)
  await page.keyboard.press('Escape')
})
