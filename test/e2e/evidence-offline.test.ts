import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import {
  accessibilityFaults,
  launchBrowser,
  newPerson,
  picture,
  whyNoBrowser,
} from '../support/console-browser.ts'
import { recordingRoom } from '../support/recordings.ts'
import { scriptedPackage } from '../support/scripted-package.ts'

/** A package on a machine that has neither product nor network. */

vi.setConfig({ testTimeout: 180_000 })
const root = join(import.meta.dirname, '../..')
const page = join(root, 'web', 'dist', 'evidence.html')
const isolated = spawnSync('unshare', ['--net', 'true']).status === 0
const why =
  whyNoBrowser() ??
  (isolated ? undefined : 'a network of its own needs root (unshare --net)') ??
  (existsSync(page) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`not tested: evidence packages without a network: ${why}`)
const folder = mkdtempSync(join(tmpdir(), 'tagout-offline-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function unpacked(name: string, options: Parameters<typeof scriptedPackage>[1]): Promise<string> {
  await using room = await recordingRoom()
  writeFileSync(
    join(folder, `${name}.zip`),
    await scriptedPackage(room, { viewer: readFileSync(page, 'utf8'), ...options }),
  )
  execFileSync('/usr/bin/python3', ['-m', 'zipfile', '-e', `${name}.zip`, name], { cwd: folder })
  return `file://${join(folder, name, 'index.html')}`
}

function offlineBrowser() {
  return launchBrowser((program) => {
    const file = join(folder, 'offline.sh')
    writeFileSync(file, `#!/bin/sh\nexec unshare --net ${program} "$@"\n`)
    chmodSync(file, 0o755)
    return file
  })
}

test.skipIf(why !== undefined)(
  'the page of a package plays and verifies from a file, with no network at all',
  async () => {
    const browser = await offlineBrowser()
    try {
      await using person = await newPerson(browser, 'file://')
      await person.page.goto(await unpacked('open', {}))
      await person.page.getByText('The recording is complete and as it was signed').waitFor()
      await person.page
        .getByText('its key opens all of it', { exact: false })
        .or(person.page.getByText('Its key opens all of it', { exact: false }))
        .first()
        .waitFor()
      await person.page.getByTestId('screen').getByText('answer answer', { exact: false }).first().waitFor()
      await person.page.getByText('A page cannot vouch for itself').waitFor()
      await picture(person.page, 'evidence-package')
      expect(await accessibilityFaults(person.page)).toEqual([])
      expect(person.sent.filter((one) => !one.startsWith('GET file:') && !one.startsWith('file:'))).toEqual(
        [],
      )
      expect(person.wrong).toEqual([])

      const changed = join(folder, 'open', 'index.html')
      const html = readFileSync(changed, 'utf8')
      // One letter of the recording within the page.
      const place = html.indexOf('data-file="recording.tgr">') + 3_000
      writeFileSync(changed, html.slice(0, place) + (html[place] === 'A' ? 'B' : 'A') + html.slice(place + 1))
      await person.page.reload()
      await person.page
        .getByText('The package was tampered with in recording.tgr', { exact: false })
        .waitFor()
    } finally {
      await browser.close()
    }
  },
)

test.skipIf(why !== undefined)('a sealed package opens in its page with the passphrase alone', async () => {
  const browser = await offlineBrowser()
  try {
    await using person = await newPerson(browser, 'file://')
    const { page: tab } = person
    await tab.goto(await unpacked('sealed', { passphrase: 'larch lantern 4471' }))
    await tab.getByLabel('Passphrase of this package').fill('larch lantern')
    await tab.getByRole('button', { name: 'Open' }).click()
    await tab.getByText('This passphrase does not open it.').waitFor()
    await tab.getByLabel('Passphrase of this package').fill('larch lantern 4471')
    await tab.getByRole('button', { name: 'Open' }).click()
    await tab.getByTestId('screen').getByText('answer answer', { exact: false }).first().waitFor()
    expect(person.wrong).toEqual([])
  } finally {
    await browser.close()
  }
})

test.skipIf(why !== undefined)('tagout verify needs no network, no data folder and no server', async () => {
  await unpacked('cli', {})
  const ran = spawnSync(
    'unshare',
    [
      ...['--net', process.execPath, '--disable-warning=ExperimentalWarning'],
      ...[join(root, 'deploy', 'cli', 'main.ts'), 'verify', 'cli.zip', '--json'],
    ],
    { cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '' } },
  )
  expect(ran.stderr).toBe('')
  expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'package', state: 'complete' })
})
