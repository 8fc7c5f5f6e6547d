import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, type ClientChannel } from 'ssh2'
import { beforeAll, expect, test, vi } from 'vitest'
import type { CloseOutView } from '../../vault/contract.ts'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight, peoplesPassword } from '../support/console-stage.ts'
import { makeSshUser } from '../support/gateway.ts'
import { until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 400_000 })

const stage = consoleStage('close-outs', { sshd: true })
const { open, run, why } = stage
let ann: Actor
let bob: Actor
let sue: Actor
let keyFile: string

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  for (const target of ['press-3', 'mill-4']) await stage.machine(target, 'line-3')
  ann = await stage.enrolled('ann', { link: stage.installation.firstAdmin ?? 'none' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  sue = await stage.enrolled('sue', { role: 'supervisor' })
  await run(['safe', 'member', 'line-3', 'sue', '--allow', 'supervise'])
  for (const target of ['press-3', 'mill-4'])
    await run(['grant', 'add', 'bob', `${target}/${stage.sshd.user}`, '--for', '4h', '--allow', 'shell'])
  const { ssh } = JSON.parse(readFileSync(join(stage.installation.dataDir, 'ready.json'), 'utf8'))
  keyFile = makeSshUser(stage.room, 'bob', ssh.knownHosts, stage.installation.ssh.port).keyFile
  await run(['user', 'key', 'add', 'bob', `${keyFile}.pub`])
})

const forms = () => stage.installation.tagoutJson<readonly CloseOutView[]>(['session', 'close-outs'])

/** Bob works in a shell, or tries to, and leaves; answers all that he read. */
async function works(target: string): Promise<string> {
  const client = new Client()
  let text = ''
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.on('error', reject)
    client.on('ready', () =>
      client.shell({ cols: 200, rows: 24, term: 'xterm' }, (error, opened) =>
        error === undefined ? resolve(opened) : reject(error),
      ),
    )
    client.connect({
      host: stage.installation.ssh.host,
      port: stage.installation.ssh.port,
      username: `bob@${stage.sshd.user}@${target}`,
      privateKey: readFileSync(keyFile),
      hostVerifier: () => true,
      readyTimeout: 60_000,
    })
  })
  const closed = new Promise<void>((resolve) => channel.once('close', () => resolve()))
  for (const stream of [channel, channel.stderr])
    stream.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
  channel.write('exit\n')
  await closed
  client.end()
  return text
}

test.skipIf(why !== undefined)(
  'an administrator has it required, who leaves a terminal is told, and says what they did in the console, on a phone too',
  async () => {
    await open(ann.page, '/safes', 'Safes')
    await ann.page.getByRole('button', { name: 'Close-out in line-3: none' }).click()
    const setting = ann.page.getByRole('dialog', { name: 'Close-out in line-3' })
    await setting.getByLabel('Users say what they did').selectOption('required')
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await setting.getByRole('button', { name: 'Save' }).click()
    await ann.page.getByRole('button', { name: 'Close-out in line-3: required' }).waitFor()
    expect(await run(['safe', 'show', 'line-3'])).toContain('users say what they did before they check out')

    const { page } = bob
    await open(page, '/close-outs', 'Close-outs')
    await page.getByText('Nobody was asked yet').waitFor()
    expect(await works('press-3')).toMatch(
      /say what you did, before you connect there again: in the console, under Close-outs/,
    )
    const [form] = await until(async () => ((await forms()).length > 0 ? forms() : undefined), 20_000)
    expect(form).toMatchObject({ user: 'bob', isRequired: true, filled: null })
    // Another machine of the same safe waits for it too.
    expect(await works('mill-4')).toMatch(/you have not said what you did on press-3/)

    await open(page, '/', /./)
    await page.getByText('Say what you did on press-3').waitFor()
    await page.getByRole('link', { name: 'Close out' }).click()
    await page.setViewportSize({ width: 390, height: 844 })
    await picture(page, 'close-outs-phone')
    await page.getByRole('button', { name: /^Close out press-3/ }).click()
    const dialog = page.getByRole('dialog', { name: /What did you do on press-3/ })
    await dialog.getByLabel('Result').selectOption('follow-up')
    await dialog.getByLabel('What was done').fill('greased the bearing\nand \u202eit runs')
    await dialog.getByLabel('Changes left in place (optional)').fill('guard is off')
    await dialog.getByLabel('Work order (optional)').fill('x'.repeat(101))
    await dialog.getByRole('button', { name: 'Close out' }).click()
    await dialog.getByText(/100/).waitFor()
    await dialog.getByLabel('Work order (optional)').fill('WO-4711')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'close-out-form-phone')
    await dialog.getByRole('button', { name: 'Close out' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('left in place: guard is off').waitFor()
    await page.getByText('greased the bearing', { exact: true }).waitFor()
    expect(await page.locator('main').innerText()).not.toContain('\u202e')
    await picture(page, 'closed-out-phone')
    await page.setViewportSize({ width: 1280, height: 800 })
    await looksRight(page)
    await picture(page, 'closed-out')

    // Who supervises there reads it, and is asked nothing.
    await open(sue.page, '/close-outs', 'Close-outs')
    await sue.page.getByText('guard is off').waitFor()
    expect(await sue.page.getByRole('button', { name: /^Close out/ }).count()).toBe(0)
    await open(ann.page, '/sessions', 'Sessions')
  },
)

test.skipIf(why !== undefined)('on the command line too, once', async () => {
  expect(await works('mill-4')).toContain('say what you did')
  const open = await until(async () => (await forms()).find(({ filled }) => filled === null), 20_000)
  expect(await run(['session', 'close-outs', '--open'])).toContain('owed')
  const args = ['session', 'close-out', open.session, '--user', 'bob', '--answers-stdin']
  const wrong = await stage.tagout([...args, '--result', 'well', '--done', 'x'], '')
  expect([wrong.code === 0, wrong.stderr]).toEqual([false, expect.stringContaining('"well" is no result')])
  const said = [...args, '--result', 'not done', '--done', 'no spare seal']
  expect(await run(said, `${peoplesPassword}\n${await bob.code()}\n`)).toContain(`closed out ${open.session}`)
  const again = await stage.tagout(said, `${peoplesPassword}\n${await bob.code()}\n`)
  expect([again.code === 0, again.stderr]).toEqual([false, expect.stringContaining('closed out already')])
  expect(await run(['session', 'close-outs'])).toContain('no spare seal')
  expect((await stage.tagout(['session', 'close-outs', '--open'])).stderr).toContain(
    'nobody owes a close-out',
  )
})
