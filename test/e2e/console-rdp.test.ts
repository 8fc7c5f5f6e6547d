import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { SessionView, TargetView } from '../../vault/contract.ts'
import { accessibilityFaults, picture } from '../support/console-browser.ts'
import { type Actor, consoleStage } from '../support/console-stage.ts'
import { coloursIn } from '../support/desktop-pixels.ts'
import { openInPlayer } from '../support/desktop-player.ts'
import { until } from '../support/installation.ts'
import { type RdpServer, startShadow, startXrdp, whyNoRdp } from '../support/rdp.ts'
import { screenSize } from '../support/screen-size.ts'
import { startTelnet, type TelnetServer, whyNoTelnet } from '../support/telnet.ts'

/** Machines of RDP and Telnet in the browser: approved by their certificate or as unverified, opened, worked on. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('desktops of RDP')
const { run } = stage
const why = stage.why ?? whyNoRdp() ?? whyNoTelnet()
if (stage.why === undefined && why !== undefined) console.warn(`not tested in a browser: RDP: ${why}`)
let rdp: RdpServer
let xrdp: RdpServer
let telnet: TelnetServer
let bob: Actor
let sam: Actor
let page: Page
const frames: Buffer[] = []

beforeAll(async () => {
  if (why !== undefined) return
  rdp = await startShadow('Kanarie-of-RDP')
  telnet = await startTelnet('Kanarie-of-Telnet')
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await run(['target', 'add', 'scada-1', `rdp://127.0.0.1:${rdp.port}`, '--safe', 'line-3'])
  await run(['target', 'add', 'plc-7', `telnet://127.0.0.1:${telnet.port}`, '--safe', 'line-3'])
  await run(['account', 'add', `scada-1/${rdp.user}`, '--password-stdin'], rdp.password)
  await run(['account', 'add', 'plc-7/operator', '--password-stdin'], telnet.password)
  xrdp = await startXrdp('Kanarie7')
  await run([
    ...['target', 'add', 'ews-1', `rdp://127.0.0.1:${xrdp.port}`, '--safe', 'line-3', '--security', 'tls'],
    ...['--pin', xrdp.fingerprint],
  ])
  await run(['account', 'add', 'ews-1/operator', '--password-stdin'], xrdp.password)
  bob = await stage.enrolled('bob', { role: 'operator' })
  for (const account of [`scada-1/${rdp.user}`, 'plc-7/operator', 'ews-1/operator'])
    await run(['grant', 'add', 'bob', account, '--for', '4h', '--allow', 'observe,interact'])
  sam = await stage.enrolled('sam', { role: 'supervisor' })
  await run(['safe', 'member', 'line-3', 'sam', '--allow', 'supervise'])
  page = bob.page
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => frames.push(Buffer.from(payload)))
    socket.on('framereceived', ({ payload }) => frames.push(Buffer.from(payload)))
  })
})
afterAll(async () => {
  await rdp?.[Symbol.asyncDispose]()
  await xrdp?.[Symbol.asyncDispose]()
  await telnet?.[Symbol.asyncDispose]()
})

const opens = async (account: string) => {
  await page.goto('about:blank')
  await page.goto(`${stage.installation.console}/desktop#${account}`)
}
const type = async (text: string) => {
  await page.getByTestId('time-left').waitFor()
  await page.getByTestId('desktop').focus()
  await page.keyboard.type(text, { delay: 5 })
}
/** Whether something but black is drawn there. */
const drawn = (where: Page, test: string) =>
  where.getByTestId(test).evaluate((host) =>
    [...host.querySelectorAll('canvas')].some((canvas) => {
      if (canvas.width * canvas.height < 10_000) return false
      const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? {
        data: [],
      }
      return data.some((value, at) => at % 4 === 0 && value > 60)
    }),
  )
const written = (home: string, name: string) =>
  until(
    () => (existsSync(join(home, name)) ? readFileSync(join(home, name), 'utf8') || undefined : undefined),
    30_000,
  )

const session = async () => {
  const [first] = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
  if (first === undefined) throw new Error('there is no session')
  return first
}
const keyOfIngrid = ['--identity', 'auditor.key', '--passphrase-stdin']
/** Frozen, watched, gone on and ended: as every session is; then its recording is whole and opens elsewhere. */
async function holdsAsEverySession(home: string, typed: (name: string) => string): Promise<void> {
  const { id } = await session()
  await sam.page.goto(`${stage.installation.console}/sessions/${id}`)
  await until(async () => ((await drawn(sam.page, 'watch-screen')) ? true : undefined), 40_000)
  await run(['session', 'freeze', id, '--reason', 'wrong valve'])
  await page
    .getByText(/wrong valve/i)
    .first()
    .waitFor()
  await type(typed('while-frozen'))
  await run(['session', 'unfreeze', id])
  await page.getByText(/this session goes on/i).waitFor()
  await type(typed('after-freeze'))
  await written(home, 'after-freeze')
  expect(existsSync(join(home, 'while-frozen'))).toBe(false)
  await run(['session', 'terminate', id, '--reason', 'enough'])
  await page.getByText('The session was terminated').waitFor()
  await until(async () => ((await session()).state === 'ended' ? true : undefined), 20_000)
  const { recording } = await session()
  expect(await run(['recording', 'verify', recording])).toContain('complete')
  const out = join(stage.room, `${id}.guac`)
  await run(
    ['recording', 'export', recording, '--as', 'guac', ...keyOfIngrid, '--out', out],
    'birch lantern 8851',
  )
  expect(readFileSync(out, 'latin1')).toMatch(/4\.size,1\.0,\d+\.\d+,\d+\.\d+;/)
  await sam.page.goto('about:blank')
}

test.skipIf(why !== undefined)(
  'RDP: its certificate is approved, it opens, what is typed arrives, and all that holds for sessions holds',
  async () => {
    const account = `scada-1/${rdp.user}`
    await opens(account)
    await page.getByText(/the certificate of this target is not approved yet/i).waitFor()
    // What it says of itself is beside the fingerprint, in the console and on the command line.
    expect(await run(['target', 'scan', 'scada-1'])).toMatch(/CN=hmi, signed by itself, from 20\S+ until 20/)
    const ada = await stage.enrolled('ada', { role: 'admin' })
    await stage.open(ada.page, '/targets', 'Targets')
    await ada.page.getByRole('button', { name: 'Scan and approve scada-1' }).click()
    const approving = ada.page.getByRole('dialog', { name: 'Certificate of scada-1' })
    await approving.getByLabel(rdp.fingerprint).check()
    await approving.getByText('CN=hmi', { exact: true }).waitFor()
    await approving.getByText('itself', { exact: true }).waitFor()
    expect(await accessibilityFaults(ada.page)).toEqual([])
    await picture(ada.page, 'certificate-of-rdp')
    await approving.getByRole('button', { name: 'Approve this certificate' }).click()
    await approving.waitFor({ state: 'detached' })
    expect(ada.wrong).toEqual([])
    const { pins } = await stage.installation.tagoutJson<TargetView>(['target', 'show', 'scada-1'])
    expect(pins).toMatchObject([{ fingerprint: rdp.fingerprint }])
    await opens(account)
    await type('echo "over RDP" > typed\n')
    expect(await written(rdp.home, 'typed')).toBe('over RDP\n')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-rdp')
    await holdsAsEverySession(rdp.home, (name) => `echo yes > ${name}\n`)
  },
)

test.skipIf(why !== undefined)(
  'Telnet: it is logged in to, what is typed arrives, and all that holds for sessions holds',
  async () => {
    await run(['target', 'pin', 'plc-7', '--unverified'])
    await opens('plc-7/operator')
    await type('echo "over Telnet" > typed\n')
    expect(await written(telnet.home, 'typed')).toBe('over Telnet\n')
    await picture(page, 'desktop-telnet')
    await holdsAsEverySession(telnet.home, (name) => `echo yes > ${name}\n`)
  },
)

test.skipIf(why !== undefined)('no password came to the browser', () => {
  const all = Buffer.concat(frames).toString('latin1')
  // The control: what was drawn is found there.
  expect(all).toContain('4.sync,')
  for (const secret of [rdp.password, telnet.password]) {
    expect(all).not.toContain(secret)
    expect(all).not.toContain(Buffer.from(secret).toString('base64').slice(0, 12))
  }
})

test.skipIf(why !== undefined)(
  'the machine’s own screen is as large as the window has room for, and follows it',
  async () => {
    await opens('ews-1/operator')
    await page.getByTestId('time-left').waitFor()
    const follows = async (width: number, height: number) => {
      await page.setViewportSize({ width, height })
      return until(
        async () => {
          const [wide, high] = await page
            .getByTestId('desktop')
            .evaluate(({ clientWidth, clientHeight }) => [clientWidth & ~3, clientHeight])
          const size = `${wide}x${high}`
          return screenSize(xrdp.display) === size && (await drawnSize()) === size ? size : undefined
        },
        30_000,
        () => false,
        () => `its screen is ${screenSize(xrdp.display)}`,
      )
    }
    /** Of the picture in the page: it is shown pixel by pixel where there is room for all of it. */
    const drawnSize = () =>
      page.getByTestId('desktop').evaluate(({ firstElementChild }) => {
        const { width = 0, height = 0 } = firstElementChild?.getBoundingClientRect() ?? {}
        return `${Math.round(width)}x${Math.round(height)}`
      })
    const first = await follows(1100, 800)
    const second = await follows(1400, 900)
    expect(second).not.toBe(first)
    await page.getByText('Keyboard of the machine: en-us-qwerty.').waitFor()
    await picture(page, 'desktop-rdp-sized')
    await page.getByRole('button', { name: 'End session' }).click()
  },
)

test.skipIf(why !== undefined)(
  'a masked region of RDP, at xrdp and at FreeRDP: its user sees it, and its pixels are in no recording',
  async () => {
    const { link } = await stage.installation.tagoutJson<{ readonly link: string }>([
      'user',
      'enrol',
      'ingrid',
    ])
    const ingrid = await stage.enrolled('ingrid', { link })
    const isBright = (colour: string) => Math.min(...colour.split(',').map(Number)) > 200
    const within = { x: 0, y: 0, width: 380, height: 280 }
    // Beside the region on each of the screens, and on the terminal.
    const beside = { x: 660, y: 20, width: 100, height: 240 }
    for (const [account, server] of [
      ['ews-1/operator', xrdp],
      [`scada-1/${rdp.user}`, rdp],
    ] as const) {
      const [target = ''] = account.split('/')
      await run(['target', 'mask', target, '--region', '0%,0%,50%,50%', '--reason', 'recipe'])
      await opens(account)
      await type('clear; yes recipe-of-the-day | head -60; echo yes > masked\n')
      await written(server.home, 'masked')
      await until(async () => (await coloursIn(page, 'desktop', within)).some(isBright) || undefined, 20_000)
      await picture(page, `desktop-masked-${target}`)
      await page.getByRole('button', { name: 'End session' }).click()
      await page.getByText('You have left the session').waitFor()
      await until(async () => ((await session()).state === 'ended' ? true : undefined), 20_000)
      const { recording, account: recorded } = await session()
      expect(recorded).toBe(account)
      await ingrid.page.goto('about:blank')
      await openInPlayer(ingrid.page, stage, recording)
      await ingrid.page.keyboard.press('End')
      await ingrid.page.getByText('end of the recording').waitFor()
      // The control: beside it is what the machine showed.
      await until(
        async () => (await coloursIn(ingrid.page, 'screen', beside)).some(isBright) || undefined,
        20_000,
      )
      await picture(ingrid.page, `replay-masked-${target}`)
      expect([target, await coloursIn(ingrid.page, 'screen', within)]).toEqual([target, ['90,90,90']])
      expect(await run(['recording', 'verify', recording])).toContain('complete')
    }
    expect(ingrid.wrong).toEqual([])
  },
)
