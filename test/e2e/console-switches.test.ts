import { beforeAll, expect, test, vi } from 'vitest'
import type { PlantSwitchView } from '../../vault/contract.ts'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight } from '../support/console-stage.ts'
import { startModbus, whyNoModbus } from '../support/modbus.ts'
import { until } from '../support/vault-ssh.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 400_000 })

const stage = consoleStage('plant switches')
const { open, run } = stage
const why = stage.why ?? whyNoModbus()
let ann: Actor

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  for (const safe of ['line-3', 'line-4']) await run(['safe', 'add', safe])
  ann = await stage.enrolled('ann', { role: 'admin' })
})

const listed = async (name: string) =>
  (await stage.installation.tagoutJson<readonly PlantSwitchView[]>(['switch', 'list'])).find(
    (one) => one.name === name,
  )

test.skipIf(why !== undefined)(
  'an administrator adds a switch whose input is read, once it was seen what it reads, and changes and tests it',
  async () => {
    await using modbus = await startModbus()
    await modbus.set('discrete', 12, true)
    const input = `modbus://127.0.0.1:${modbus.port}/1/discrete/12`
    const { page } = ann
    await open(page, '/switches', 'Plant switches')
    await page.getByText('No plant switch yet').waitFor()
    await looksRight(page)
    await page.getByRole('button', { name: 'Add a switch' }).first().click()
    const adding = page.getByRole('dialog', { name: 'Add a plant switch' })
    await adding.getByLabel('Name').fill('hall-3')
    await adding.getByLabel('line-3').check()
    await adding.getByLabel('Input').fill('10.0.3.9')
    await adding.getByRole('button', { name: 'What does it read now?' }).click()
    await adding.getByText('This is no Modbus input').waitFor()
    await adding.getByLabel('Input').fill('modbus://127.0.0.1:1/1/discrete/12')
    await adding.getByRole('button', { name: 'What does it read now?' }).click()
    await adding.getByText('Nothing was read: no connection').waitFor()
    await adding.getByLabel('Input').fill(input)
    await adding.getByRole('button', { name: 'What does it read now?' }).click()
    await adding.getByText('It reads on now').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'switch-add')
    // What is wrong stands at its field, and nothing is lost of the rest.
    await adding.getByLabel('Input').fill(`${input}/x`)
    await adding.getByLabel('Code', { exact: true }).fill(await ann.code())
    await adding.getByRole('button', { name: 'Add it' }).click()
    await adding.getByText('This is no Modbus input').waitFor()
    await adding.getByLabel('Input').fill(input)
    await adding.getByRole('button', { name: 'Add it' }).click()
    await adding.waitFor({ state: 'detached' })
    const row = page.getByRole('row').filter({ hasText: 'hall-3' })
    await row.getByText('on', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Test hall-3' }).click()
    await page.getByText('hall-3: it reads on now, which lets work go on').waitFor()
    await modbus.set('discrete', 12, false)
    await row.getByText('off: holds').waitFor()
    await looksRight(page)
    await picture(page, 'switches')
    await page.setViewportSize({ width: 390, height: 844 })
    await picture(page, 'switches-phone')
    await page.setViewportSize({ width: 1280, height: 800 })

    await page.getByRole('button', { name: 'Change hall-3' }).click()
    const changing = page.getByRole('dialog', { name: 'Change the plant switch hall-3' })
    await changing.getByLabel('line-3').uncheck()
    await changing.getByText('It holds line-3 now: without it work goes on there at once').waitFor()
    await changing.getByLabel('line-4').check()
    await changing.getByLabel('Off, it').selectOption('terminate')
    await changing.getByLabel('Code', { exact: true }).fill(await ann.code())
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'switch-change')
    await changing.getByRole('button', { name: 'Change', exact: true }).click()
    await changing.waitFor({ state: 'detached' })
    expect(await listed('hall-3')).toMatchObject({ safes: ['line-4'], act: 'terminate', state: 'stop' })

    // The command line does the same, and takes nothing from what it holds without being told twice.
    expect(await run(['switch', 'test', 'hall-3'])).toContain('reads off: it stops')
    expect((await stage.tagout(['switch', 'change', 'hall-3', '--safe', 'line-3'])).stderr).toContain('--yes')
    expect((await stage.tagout(['switch', 'change', 'hall-3'])).stderr).toContain('say what to change')
    expect(
      (await stage.tagout(['switch', 'test', '--modbus', 'modbus://127.0.0.1:1/1/coil/0'])).stderr,
    ).toContain('no connection')
    expect(await run(['switch', 'change', 'hall-3', '--act', 'freeze'])).toContain(
      'changed the switch hall-3',
    )

    await page.getByRole('button', { name: 'Remove hall-3' }).click()
    const removing = page.getByRole('dialog', { name: 'Remove the plant switch hall-3?' })
    await removing.getByText('It holds line-4 now: without it work goes on there at once').waitFor()
    await removing.getByLabel('Code', { exact: true }).fill(await ann.code())
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'switch-remove')
    await removing.getByRole('button', { name: 'Remove' }).click()
    await removing.waitFor({ state: 'detached' })
    await page.getByText('No plant switch yet').waitFor()
    const log = await run(['audit', 'list', '--limit', '1000'])
    for (const said of ['added the plant switch hall-3', 'changed the plant switch hall-3 (safes, act)'])
      expect(log).toContain(said)
    expect(log).toContain('took the plant switch hall-3 away')
    expect(ann.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'a switch that calls gets its key shown once; the console’s server does not learn it',
  async () => {
    const { page } = ann
    await open(page, '/switches', 'Plant switches')
    await page.getByRole('button', { name: 'Add a switch' }).first().click()
    const adding = page.getByRole('dialog', { name: 'Add a plant switch' })
    await adding.getByLabel('Name').fill('gate')
    await adding.getByLabel('It is turned by').selectOption('call')
    await adding.getByLabel('line-3').check()
    await adding.getByLabel('Code', { exact: true }).fill(await ann.code())
    await adding.getByRole('button', { name: 'Add it' }).click()
    const made = page.getByRole('dialog', { name: 'The key of gate' })
    const key = /[0-9a-f]{64}/.exec(await made.innerText())?.[0] ?? ''
    await run(['switch', 'key', 'gate', '--out', 'gate.key'])
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'switch-key')
    await made.getByRole('button', { name: 'Done' }).click()
    await made.waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain(key)
    await until(() => (ann.received.some((text) => text.includes('sealedKey')) ? true : undefined), 10_000)
    expect([...ann.sent, ...ann.received].filter((text) => text.includes(key))).toEqual([])
    expect(ann.wrong).toEqual([])
  },
)
