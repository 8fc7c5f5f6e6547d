import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ExposureView, GrantView, SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, layoutFaults, picture, windows } from '../support/console-browser.ts'
import { type Actor, consoleStage, peoplesPassword } from '../support/console-stage.ts'
import { coloursIn, drawn, pixelsOf } from '../support/desktop-pixels.ts'
import { openInPlayer, overPicture, savedVideo, videoDialog } from '../support/desktop-player.ts'
import { colourAt, probe, whyNoFfmpeg } from '../support/film.ts'
import { killRecorderWorkers, until } from '../support/installation.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'
import { clipboardOf, startVnc, type VncServer, whyNoClipboard, whyNoDesktop } from '../support/vnc.ts'

/** An HMI panel in the browser: an engineer opens it with one click and never sees its password. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('a desktop')
const { run } = stage
const why = stage.why ?? whyNoDesktop() ?? whyNoClipboard() ?? whyNoFfmpeg()
if (stage.why === undefined && why !== undefined) console.warn(`not tested in a browser: a desktop: ${why}`)
const password = 'Kanarie7'
const account = 'hmi-3/operator'
const clipboards = 'clipboard-in,clipboard-out'
const pasted = 'TAG_4711 := 12;\nsecond line'
/** The password of a PLC that is asked for on the desktop. */
const linked = 'Elster-of-the-PLC'
/** The password of who carries its files, once there is somebody. */
let carrierPassword = 'nobody carries them yet'
let vnc: VncServer
let bob: Actor
let page: Page
let ingrid: Actor
/** Every frame of every live socket of bob's page, both ways. */
const frames: Buffer[] = []

beforeAll(async () => {
  if (why !== undefined) return
  vnc = await startVnc(password)
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await run(['target', 'add', 'hmi-3', `vnc://127.0.0.1:${vnc.port}`, '--safe', 'line-3'])
  await run(['account', 'add', account, '--password-stdin'], password)
  await run(['target', 'add', 'plc-2', 'telnet://10.0.3.20', '--safe', 'line-3'])
  await run(['account', 'add', 'plc-2/engineer', '--password-stdin'], linked)
  bob = await stage.enrolled('bob', { role: 'operator' })
  const allowed = `observe,interact,type-in,${clipboards}`
  await run(['grant', 'add', 'bob', account, '--for', '4h', '--allow', allowed])
  page = bob.page
  await page.addInitScript(() => {
    // Nobody but the user takes anything off their clipboard.
    if (!window.isSecureContext) return
    for (const name of ['read', 'readText'])
      Object.defineProperty(navigator.clipboard, name, {
        value: () => {
          document.documentElement.dataset['clipboardRead'] = 'yes'
          return Promise.reject(new Error('read'))
        },
      })
  })
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => frames.push(Buffer.from(payload)))
    socket.on('framereceived', ({ payload }) => frames.push(Buffer.from(payload)))
  })
})
afterAll(() => vnc?.[Symbol.asyncDispose]())

const live = () => page.getByTestId('time-left').waitFor()
const file = (name: string) => join(vnc.home, name)
const written = (name: string) =>
  until(() => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') || undefined : undefined), 30_000)
/** The keyboard is the desktop's. */
const onDesktop = () =>
  page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Desktop')
const exists = (name: string) => until(() => existsSync(file(name)) || undefined, 30_000)
const type = async (text: string) => {
  await page.getByTestId('desktop').focus()
  await page.keyboard.type(text, { delay: 5 })
}
/** What leaves a browser over live sockets from now on. */
const samFrames = ({ page: of }: Actor) => {
  let text = ''
  of.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      text += payload.toString('latin1')
    }),
  )
  return () => text
}
/** The pixels of a picture that has not changed for a second. */
/** Counts what listens to something on a page, after what nobody holds was let go. */
const listenersOf = async (page: Page) => {
  const own = await page.context().newCDPSession(page)
  return async () => {
    await own.send('HeapProfiler.collectGarbage')
    return (await own.send('Memory.getDOMCounters')).jsEventListeners
  }
}
const stillPixels = async (of: Page, where: string) => {
  let before = { pixels: 0, since: performance.now() }
  return until(async () => {
    const pixels = await pixelsOf(of, where)
    if (pixels !== before.pixels) before = { pixels, since: performance.now() }
    return performance.now() - before.since > 1_000 ? pixels : undefined
  }, 30_000)
}
/** What is masked of hmi-4: its upper left quarter. */
const region = { x: 0, y: 0, width: 400, height: 300 } as const
const grants = () => stage.installation.tagoutJson<readonly GrantView[]>(['grant', 'list'])
const latest = async (target: string) => {
  const all = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
  const found = all.find((one) => one.account.startsWith(`${target}/`))
  if (found === undefined) throw new Error(`there is no session on ${target}`)
  return found
}
const session = async () => {
  const [first] = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
  if (first === undefined) throw new Error('there is no session')
  return first
}

test.skipIf(why !== undefined)(
  'nobody connects before a person has approved that it is unverified',
  async () => {
    await page.goto(`${stage.installation.console}/desktop#${account}`)
    await page.getByText(/nobody has approved yet that the identity of this desktop/i).waitFor()
    expect(await run(['target', 'pin', 'hmi-3', '--unverified'])).toContain('approved unverified')
    await run(['account', 'type-ins', account, '--of', 'plc-2/engineer'])
  },
)

test.skipIf(why !== undefined)('from My access one click opens it, and what is typed arrives', async () => {
  await page.goto(`${stage.installation.console}/access`)
  const link = page.getByRole('link', { name: `Open the desktop of ${account}` })
  await link.waitFor()
  expect(await link.getAttribute('href')).toBe(`/desktop#${account}`)
  // Who uses desktops alone is asked for no key of SSH.
  expect(await page.getByText(/ssh/i).count()).toBe(0)
  await page.goto('about:blank')
  await page.goto(`${stage.installation.console}/desktop#${account}`)
  await live()
  await until(async () => ((await drawn(page, 'desktop')) > 100_000 ? true : undefined), 30_000)
  await type('echo "on the panel" > typed\n')
  expect(await written('typed')).toBe('on the panel\n')
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'desktop')
  expect(await session()).toMatchObject({ user: 'bob', state: 'live', account })
  // Keys that the browser would take for itself: the word that is begun is taken back.
  await type('echo never')
  await page.getByLabel('Send keys').selectOption('Ctrl+W')
  await type('kept > sent-keys\n')
  expect(await written('sent-keys')).toBe('kept\n')
  await page.getByText(/^\d+ ms$/).waitFor()
  // Much is drawn, so that the recording has a keyframe.
  await type("while [ ! -e enough ]; do printf '\\033[H'; head -c 3000 /dev/urandom | base64 -w 130; done\n")
  const size = () => frames.reduce((sum, { length }) => sum + length, 0)
  const before = size()
  await until(() => size() - before > 700_000 || undefined, 60_000)
  // A Ctrl+C may come between two programs of the loop, and end one of them alone.
  writeFileSync(file('enough'), '')
  await type('clear; touch after-much\n')
  await exists('after-much')
})

test.skipIf(why !== undefined)('texts go over its clipboard by the user’s act alone', async () => {
  const machine = clipboardOf(vnc)
  await page.getByRole('button', { name: 'Clipboard' }).click()
  const dialog = page.getByRole('dialog', { name: 'Clipboard' })
  await dialog.getByText('Nothing yet.').waitFor()
  const box = dialog.getByLabel('Text for the machine’s clipboard')
  const act = (name: string) => dialog.getByRole('button', { name }).click()
  await box.fill(pasted)
  await act('Put it on the machine’s clipboard')
  await dialog.getByText('It is on the machine’s clipboard').waitFor()
  expect(await box.inputValue()).toBe('')
  expect(machine.read()).toBe(pasted)
  // What VNC cannot carry is said before it goes.
  await box.fill('Höhe 12 m')
  expect(await dialog.getByText(/Western Europe alone/).count()).toBe(0)
  await box.fill('12 € ≤ ž')
  await dialog.getByText(/Western Europe alone/).waitFor()
  await box.fill('')
  await act('Back to the desktop')
  await dialog.waitFor({ state: 'detached' })
  // Whoever works on does so on the desktop, not on the button that opened the dialog.
  await onDesktop()
  await page.keyboard.type('touch after-clipboard\n', { delay: 5 })
  await exists('after-clipboard')

  // A machine that wants to drive the browser, or the terminal that the text is pasted into.
  machine.copy('rm -rf /tmp/x\u001b[2J\u0085\u00ad\n<img src=x onerror="document.title=1">\tž')
  await page.getByRole('button', { name: 'Clipboard new' }).click()
  const text = dialog.getByLabel('The text that was copied on the machine')
  await text.getByText('rm -rf /tmp/x␛[2J<0085><00AD>').waitFor()
  expect(await dialog.locator('img').count()).toBe(0)
  await dialog.getByText('3 control or direction characters in it').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'desktop-clipboard')
  await page.context().grantPermissions(['clipboard-write'])
  await act('Copy it to my clipboard')
  await dialog.getByText('Copied.').waitFor()
  await box.focus()
  await page.keyboard.press('Control+v')
  // VNC has Latin-1 alone.
  expect(await box.inputValue()).toBe('rm -rf /tmp/x[2J\n<img src=x onerror="document.title=1">\t?')
  await box.fill('')

  machine.copy('x'.repeat(200_000))
  await dialog.getByText('180000 characters are not shown').waitFor()
  expect((await text.textContent())?.length).toBe(20_000)
  await act('Forget it')
  await dialog.getByText('Nothing yet.').waitFor()
  await box.evaluate(
    (field, long) => {
      const data = new DataTransfer()
      data.setData('text/plain', long)
      field.dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
      )
    },
    'y'.repeat(256 * 1024 + 1),
  )
  await dialog.getByText('it is too long').waitFor()
  expect(await box.inputValue()).toBe('')
  const { id } = await session()
  await run(['session', 'freeze', id, '--reason', 'look'])
  await box.fill('while frozen')
  await until(async () => {
    await act('Put it on the machine’s clipboard')
    return (await dialog.getByText('this session is held').count()) > 0 || undefined
  }, 20_000)
  await run(['session', 'unfreeze', id])
  await act('Back to the desktop')
  expect(await page.evaluate(() => document.documentElement.dataset['clipboardRead'])).toBeUndefined()
  await page.getByText(/this session goes on/i).waitFor()
  for (const name of await page.getByRole('button', { name: 'Dismiss' }).all()) await name.click()
  const log = await run(['audit', 'find', '--kind', 'session.clipboard'])
  expect(log).toContain(`carried a text onto the clipboard of ${account}`)
  expect(log).not.toContain('TAG_4711')
})

test.skipIf(why !== undefined)(
  'a linked password is typed where the cursor is, and comes to no browser',
  async () => {
    await type('read -r secret; printf %s "$secret" > linked\n')
    await page.getByRole('button', { name: 'Type a password' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('It counts as seen by you').waitFor()
    expect(await dialog.getByLabel('Password of').locator('option:checked').textContent()).toBe(
      'plc-2/engineer',
    )
    await dialog.getByLabel('Press Enter afterwards').check()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-type-in')
    await dialog.getByRole('button', { name: 'The cursor is there: type it' }).click()
    await page.getByText(/the secret of plc-2\/engineer was typed/i).waitFor()
    expect(await written('linked')).toBe(linked)
    await onDesktop()
    // A notice that is put away gives the keyboard back as well.
    await page.getByRole('button', { name: 'Dismiss' }).first().click()
    await onDesktop()
    const exposures = await stage.installation.tagoutJson<readonly ExposureView[]>(['exposure', 'list'])
    expect(exposures).toMatchObject([{ user: 'bob', account: 'plc-2/engineer', cause: 'typed in' }])
  },
)

test.skipIf(why !== undefined)(
  'keys are drawn for who has none, a pen is a mouse, and it is shown pixel by pixel',
  async () => {
    await page.getByRole('button', { name: 'On-screen keyboard' }).click()
    const keys = page.getByRole('group', { name: 'Keys to press' })
    const presses = async (...names: readonly string[]) => {
      for (const name of names) await keys.getByRole('button', { name, exact: true }).click()
    }
    await presses(...'touch', 'Space', 'Shift', 'D', ...'rawn', 'Shift', '?', 'Backspace', 'Enter')
    await exists('Drawn')
    // A modifier is held for one key.
    await presses(...'sleep', 'Space', '9', '9', 'Enter', 'Ctrl')
    expect(await keys.getByRole('button', { name: 'Ctrl' }).getAttribute('aria-pressed')).toBe('true')
    await presses('c', ...'touch', 'Space', ...'after', 'Enter')
    await exists('after')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-drawn-keys')
    await page.getByRole('button', { name: 'On-screen keyboard' }).click()
    expect(await keys.count()).toBe(0)

    const sentFrom = frames.length
    const pen = await page.context().newCDPSession(page)
    const box = await page.getByTestId('desktop').locator('canvas').first().boundingBox()
    const at = { x: (box?.x ?? 0) + 40, y: (box?.y ?? 0) + 30, pointerType: 'pen' } as const
    const held = { ...at, button: 'left', clickCount: 1 } as const
    await pen.send('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at })
    await pen.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...held, buttons: 1 })
    await pen.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...held, buttons: 0 })
    const masks = () =>
      [
        ...Buffer.concat(frames.slice(sentFrom))
          .toString('latin1')
          .matchAll(/5\.mouse,\d+\.\d+,\d+\.\d+,1\.(\d);/g),
      ].map(([, mask]) => mask)
    await until(() => (masks().join('').includes('010') ? true : undefined), 20_000)
    // Once: the browser's own mouse that goes with the pen is kept from it.
    expect(masks().filter((mask) => mask === '1')).toHaveLength(1)

    const width = () =>
      page
        .getByTestId('desktop')
        .evaluate(({ firstElementChild }) =>
          Math.round(firstElementChild?.getBoundingClientRect().width ?? 0),
        )
    await page.setViewportSize({ width: 640, height: 700 })
    await until(async () => ((await width()) < 700 ? true : undefined), 20_000)
    await page.getByLabel('Size of the picture').selectOption('1:1')
    expect(await width()).toBe(800)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-actual')
    await page.getByLabel('Size of the picture').selectOption('Fit')
    expect(await width()).toBeLessThan(700)
    await page.setViewportSize({ width: 1280, height: 900 })
    await type('\n')
  },
)

test.skipIf(why !== undefined)(
  'a supervisor watches it, takes it over with mouse and keys, and gives it back',
  async () => {
    const sam = await stage.enrolled('sam', { role: 'supervisor' })
    await run(['safe', 'member', 'line-3', 'sam', '--allow', 'supervise'])
    const { id } = await session()
    const sent = samFrames(sam)
    await sam.page.goto(`${stage.installation.console}/sessions/${id}`)
    await until(async () => ((await drawn(sam.page, 'watch-screen')) > 100_000 ? true : undefined), 30_000)
    await page
      .getByText(/watched by sam/i)
      .first()
      .waitFor()
    // Who only watches has no hands: neither a click nor a key goes anywhere.
    await sam.page.getByTestId('watch-screen').click()
    await sam.page.keyboard.type('touch sam-too-early\n')
    // On the whole screen too its user reads what is done to the session.
    await page.getByRole('button', { name: 'Full screen' }).click()
    await page.waitForFunction(() => document.fullscreenElement !== null)
    await sam.page.getByRole('button', { name: 'Take over' }).click()
    await sam.page.getByLabel(/^Reason/).fill('wrong valve')
    await sam.page.getByLabel('Code').fill(await sam.code())
    await sam.page.getByRole('dialog').getByRole('button', { name: 'Take over' }).click()
    const said = page.getByText(/sam has taken this session over \(wrong valve\)/i).first()
    await said.waitFor()
    expect(await said.evaluate((element) => document.fullscreenElement?.contains(element))).toBe(true)
    await picture(page, 'desktop-full-screen-taken')
    await type('')
    await page.keyboard.press('Control+Shift+L')
    await page.waitForFunction(() => document.fullscreenElement === null)
    await sam.page.getByText('You have taken this session over').waitFor()
    expect(sent()).not.toMatch(/\d\.(?:key|mouse),/)
    await until(
      async () =>
        (await sam.page.evaluate(() => document.activeElement?.getAttribute('aria-label'))) === 'Desktop' ||
        undefined,
      20_000,
    )
    await sam.page.keyboard.type('touch by-sam\n', { delay: 5 })
    await exists('by-sam')
    expect(sent()).toMatch(/3\.key,/)
    expect(await accessibilityFaults(sam.page)).toEqual([])
    await picture(sam.page, 'desktop-taken-over')
    await type('touch by-bob-while-taken\n')
    await sam.page.getByRole('button', { name: 'Give back' }).click()
    await page.getByText(/this session goes on/i).waitFor()
    await sam.page.getByText('You only look').waitFor()
    await type('touch by-bob-again\n')
    await exists('by-bob-again')
    expect(existsSync(file('by-bob-while-taken'))).toBe(false)
    expect(existsSync(file('sam-too-early'))).toBe(false)
    expect(sam.wrong).toEqual([])
    await sam.page.goto('about:blank')
    const answers = `${peoplesPassword}\n${await sam.code()}\n`
    const byCommand = ['session', 'watch', id, '--user', 'sam', '--answers-stdin', '--json']
    const { code, stderr } = await stage.tagout(byCommand, answers)
    expect([code, stderr]).toEqual([1, expect.stringContaining('is a desktop, which no terminal shows')])
    // No ssh reaches it, so no block for ssh names it.
    expect(await run(['ssh-config', '--user', 'bob'])).not.toContain('hmi-3')
  },
)

test.skipIf(why !== undefined)(
  'frozen, its user reads so and types nothing; then it is terminated',
  async () => {
    const { id } = await session()
    await run(['session', 'freeze', id, '--reason', 'wrong valve'])
    await page
      .getByText(/wrong valve/i)
      .first()
      .waitFor()
    await type('echo frozen > while-frozen\n')
    await run(['session', 'unfreeze', id])
    await page.getByText(/this session goes on/i).waitFor()
    await type('\necho thawed > after-freeze\n')
    await written('after-freeze')
    expect(existsSync(file('while-frozen'))).toBe(false)
    // Much scrolls by at the end.
    await type('seq 400; touch scrolled\n')
    await exists('scrolled')
    await run(['session', 'terminate', id, '--reason', 'enough'])
    await page.getByText('The session was terminated').waitFor()
    // By whom, and why.
    await page.getByText(/By the gateway’s administrator \(local:\d+\): enough\./).waitFor()
    await until(async () => ((await session()).state === 'ended' ? true : undefined), 20_000)
  },
)

test.skipIf(why !== undefined)('the recording is whole, verifies, and exports as Guacamole’s', async () => {
  const { recording } = await session()
  expect(await run(['recording', 'verify', recording])).toContain('complete')
  const out = join(stage.room, 'panel.guac')
  const key = ['--identity', 'auditor.key', '--passphrase-stdin']
  await run(['recording', 'export', recording, '--as', 'guac', ...key, '--out', out], 'birch lantern 8851')
  const text = readFileSync(out, 'latin1')
  expect(text).toMatch(/^\d+\./)
  expect(text).toContain('4.size,1.0,3.800,3.600;')
  const refused = await stage.tagout(
    ['recording', 'export', recording, '--as', 'asciicast', ...key, '--out', `${out}.cast`],
    'birch lantern 8851',
  )
  expect(refused.stderr).toContain('this session is a desktop, which no terminal shows')
})

test.skipIf(why !== undefined)('an auditor replays it in the console', async () => {
  const { recording } = await session()
  const { link } = await stage.installation.tagoutJson<{ readonly link: string }>(['user', 'enrol', 'ingrid'])
  ingrid = await stage.enrolled('ingrid', { link })
  await openInPlayer(ingrid.page, stage, recording)
  await until(async () => ((await drawn(ingrid.page, 'screen')) > 100_000 ? true : undefined), 60_000)
  const pictures = ingrid.page.getByRole('group', { name: 'Pictures of this recording' })
  await pictures.getByRole('button').first().waitFor()
  await ingrid.page.getByText(`put on the machine’s clipboard: ${pasted.length} B`).waitFor()
  await picture(ingrid.page, 'desktop-replay')
  expect(await accessibilityFaults(ingrid.page)).toEqual([])
  const position = () => ingrid.page.getByTestId('position').textContent()
  const settled = async (act: () => Promise<void>) => {
    const from = performance.now()
    await act()
    await ingrid.page.locator('[data-testid=screen][data-seeking=false]').waitFor()
    await until(async () => ((await drawn(ingrid.page, 'screen')) > 100_000 ? true : undefined), 20_000)
    return performance.now() - from
  }
  // The keyboard is the player's: pause, anywhere, the end, the start, and a picture by its button.
  await ingrid.page.keyboard.press('Space')
  await ingrid.page.getByRole('button', { name: 'Play' }).waitFor()
  for (const key of ['5', '9', 'End', 'ArrowLeft', '2']) await settled(() => ingrid.page.keyboard.press(key))
  const [, of = ''] = ((await position()) ?? '').split(' / ')
  await ingrid.page.keyboard.press('End')
  await until(async () => ((await position()) === `${of} / ${of}` ? true : undefined), 20_000)
  await ingrid.page.getByText('end of the recording').waitFor()
  // What scrolls is moved by its pixels: the client's own way, which is slow without a graphics card, draws the same.
  const moved = await stillPixels(ingrid.page, 'screen')
  const copies = await ingrid.page.evaluateHandle(() => {
    const own: unknown = Reflect.get(HTMLCanvasElement.prototype, 'getContext')
    const seen = new WeakSet<HTMLCanvasElement>()
    Reflect.set(HTMLCanvasElement.prototype, 'getContext', function get(this: HTMLCanvasElement, kind: '2d') {
      if (seen.has(this)) return null
      seen.add(this)
      return Reflect.apply(own as () => unknown, this, [kind])
    })
    return () => Reflect.set(HTMLCanvasElement.prototype, 'getContext', own)
  })
  for (const key of ['Home', 'End']) {
    await ingrid.page.keyboard.press(key)
    await ingrid.page.locator('[data-testid=screen][data-seeking=false]').waitFor()
  }
  await copies.evaluate((restore) => restore())
  expect(await stillPixels(ingrid.page, 'screen')).toBe(moved)
  await ingrid.page.getByText('end of the recording').waitFor()
  // A display that a jump left behind is let go: nothing on the page listens for it any more.
  const listening = await listenersOf(ingrid.page)
  const before = await listening()
  for (let turn = 0; turn < 5; turn += 1)
    for (const key of ['Home', 'End']) {
      await ingrid.page.keyboard.press(key)
      await ingrid.page.locator('[data-testid=screen][data-seeking=false]').waitFor()
    }
  await ingrid.page.getByText('end of the recording').waitFor()
  expect(await listening()).toBeLessThan(before + 5)
  await settled(() => pictures.getByRole('button').first().click())
  expect(await position()).not.toBe(`${of} / ${of}`)
  await picture(ingrid.page, 'desktop-replay-keyframe')
  await ingrid.page.getByLabel('Speed').selectOption('16')
  await ingrid.page.keyboard.press('Home')
  await ingrid.page.keyboard.press('k')
  await ingrid.page.getByText('end of the recording').waitFor({ timeout: 60_000 })
  expect(ingrid.wrong).toEqual([])
})

test.skipIf(why !== undefined)(
  'and saves it as a recording of Guacamole and as a video, with progress, after one that she stopped',
  async () => {
    const { recording } = await session()
    await ingrid.page.getByRole('button', { name: 'Save as .guac' }).click()
    const copy = ingrid.page.getByRole('dialog', { name: 'Save as .guac' })
    await copy.getByText('signed by nobody').waitFor()
    const writing = ingrid.page.waitForEvent('download')
    await copy.getByRole('button', { name: 'Save', exact: true }).click()
    const guac = await writing
    await copy.getByText('The file is saved.').waitFor()
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    await picture(ingrid.page, 'desktop-guac-saved')
    expect(guac.suggestedFilename()).toBe(`${recording}.guac`)
    // What her browser wrote is what the command line writes.
    expect(readFileSync(await guac.path())).toEqual(readFileSync(join(stage.room, 'panel.guac')))
    await copy.getByRole('button', { name: 'Close' }).last().click()
    await copy.waitFor({ state: 'detached' })
    const saved: string[] = []
    ingrid.page.on('download', (download) => saved.push(download.suggestedFilename()))
    await ingrid.page.getByRole('button', { name: 'Save as video' }).click()
    await videoDialog(ingrid.page).getByText('signed by nobody').waitFor()
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    await videoDialog(ingrid.page).getByRole('button', { name: 'Save', exact: true }).click()
    const bar = videoDialog(ingrid.page).getByRole('progressbar', { name: 'Drawing' })
    const done = async () => Number(await bar.getAttribute('aria-valuenow'))
    await until(async () => ((await done()) > 0 ? true : undefined), 30_000)
    await picture(ingrid.page, 'desktop-video')
    expect(await done()).toBeLessThan(100)
    await videoDialog(ingrid.page).getByRole('button', { name: 'Cancel' }).click()
    await videoDialog(ingrid.page).waitFor({ state: 'detached' })

    const { path, seconds, suggested } = await savedVideo(ingrid.page, join(stage.room, 'panel.webm'))
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    expect(await layoutFaults(ingrid.page, windows[2])).toEqual([])
    await picture(ingrid.page, 'desktop-video-saved')
    await ingrid.page.setViewportSize(windows[2])
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    await picture(ingrid.page, 'desktop-video-phone')
    await ingrid.page.setViewportSize({ width: 1280, height: 900 })
    await videoDialog(ingrid.page).getByRole('button', { name: 'Close' }).last().click()
    await videoDialog(ingrid.page).waitFor({ state: 'detached' })
    // What was stopped was saved nowhere.
    expect([saved, suggested]).toEqual([[`${recording}.webm`], `${recording}.webm`])
    const { format, streams } = probe(path)
    expect(Math.abs(Number(format.duration) - seconds)).toBeLessThan(1.5)
    expect(streams).toMatchObject([{ codec_name: 'vp9', width: 800, height: 628 }])
    expect(format.tags['title']).toBe(`bob on ${account} from 127.0.0.1  ${recording}`)
    expect(statSync(path).size).toBeGreaterThan(50_000)
    expect(Math.min(...colourAt(path, seconds - 1, [700, 400]))).toBeGreaterThan(220)
    const exports = await run(['audit', 'find', '--kind', 'recording.exported'])
    expect(exports).toContain('ingrid')
    expect(ingrid.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)('whose access allows no clipboard reads so, and what to ask for', async () => {
  await run(['target', 'add', 'hmi-4', `vnc://127.0.0.1:${vnc.port}`, '--safe', 'line-3'])
  await run(['target', 'pin', 'hmi-4', '--unverified'])
  await run(['account', 'add', 'hmi-4/operator', '--password-stdin'], password)
  await run(['target', 'mask', 'hmi-4', '--region', '0%,0%,50%,50%', '--reason', 'recipe <b>12</b>'])
  await run(['grant', 'add', 'bob', 'hmi-4/operator', '--for', '4h', '--allow', 'observe,interact'])
  await page.goto('about:blank')
  await page.goto(`${stage.installation.console}/desktop#hmi-4/operator`)
  await live()
  await page.getByRole('button', { name: 'Clipboard' }).click()
  const dialog = page.getByRole('dialog', { name: 'Clipboard' })
  for (const text of ['let you put texts on its clipboard', 'let you take texts off its clipboard'])
    await dialog.getByText(text).waitFor()
  for (const action of ['clipboard-in', 'clipboard-out']) await dialog.getByText(action).waitFor()
  expect(await dialog.getByRole('textbox').count()).toBe(0)
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'desktop-clipboard-not-allowed')
  await dialog.getByRole('button', { name: 'Back to the desktop' }).click()
  // A part of its screen is not recorded. Its user sees it, and what is drawn there.
  await type('clear; yes recipe-of-the-day | head -40; touch in-region\n')
  await exists('in-region')
  await until(
    async () => (await coloursIn(page, 'desktop', region)).includes('255,255,255') || undefined,
    20_000,
  )
  await page.getByRole('button', { name: 'End session' }).click()
  await page.getByText('You have left the session').waitFor()
  await until(async () => ((await latest('hmi-4')).state === 'ended' ? true : undefined), 20_000)
})

test.skipIf(why !== undefined)(
  'a masked region is hatched in the player with its reason, and in the video; the pixels are not there',
  async () => {
    const { recording } = await latest('hmi-4')
    await ingrid.page.goto('about:blank')
    await openInPlayer(ingrid.page, stage, recording)
    await ingrid.page.keyboard.press('End')
    await ingrid.page.getByText('end of the recording').waitFor()
    await until(async () => ((await drawn(ingrid.page, 'screen')) > 100_000 ? true : undefined), 30_000)
    const hatched = ingrid.page.getByTestId('screen').getByText('not recorded: recipe <b>12</b>')
    await hatched.waitFor()
    expect(await hatched.getAttribute('title')).toBe('not recorded: recipe <b>12</b>')
    await ingrid.page.getByText('0%,0%,50%,50% of the screen: recipe <b>12</b>').waitFor()
    expect(await coloursIn(ingrid.page, 'screen', region)).toEqual(['90,90,90'])
    // The control: beside it is what the machine showed.
    const beside = { ...region, x: 400 }
    expect(await coloursIn(ingrid.page, 'screen', beside)).toContain('255,255,255')
    // It lies over the picture's upper left quarter, however large that is shown, and its words are as large as they were.
    const over = () => overPicture(hatched)
    expect(await over()).toEqual({ part: [0.5, 0.5, 0, 0], letters: 14 })
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    await picture(ingrid.page, 'desktop-masked')
    await ingrid.page.setViewportSize(windows[2])
    await until(async () => ((await over()).letters === 14 ? true : undefined), 10_000)
    expect((await over()).part).toEqual([0.5, 0.5, 0, 0])
    expect(await layoutFaults(ingrid.page, windows[2])).toEqual([])
    expect(await accessibilityFaults(ingrid.page)).toEqual([])
    await picture(ingrid.page, 'desktop-masked-phone')
    await ingrid.page.setViewportSize({ width: 1280, height: 900 })
    const { path } = await savedVideo(ingrid.page, join(stage.room, 'masked.webm'))
    const end = Number(probe(path).format.duration) - 0.3
    // Two greys in turn, and nothing as bright as the machine's screen.
    const greys = [0, 4, 8, 12, 16, 20].map((right) => Math.max(...colourAt(path, end, [200 + right, 150])))
    expect(Math.max(...greys)).toBeLessThan(140)
    expect(Math.max(...greys) - Math.min(...greys)).toBeGreaterThan(15)
    expect(Math.min(...colourAt(path, end, [700, 400]))).toBeGreaterThan(220)
    expect(ingrid.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'a network that is away for a moment is said and survived; what is lost is said, and a click comes back to the desktop',
  async () => {
    await page.goto('about:blank')
    await page.goto(`${stage.installation.console}/desktop#hmi-4/operator`)
    await live()
    await type('clear; touch before-the-cut\n')
    await exists('before-the-cut')
    const { id } = await latest('hmi-4')
    const silent = page.getByText('Nothing is heard of the gateway')
    await bob.context.setOffline(true)
    await silent.waitFor({ timeout: 30_000 })
    await picture(page, 'desktop-silent')
    await bob.context.setOffline(false)
    await silent.waitFor({ state: 'detached' })
    await type('touch after-the-silence\n')
    await exists('after-the-silence')
    expect((await latest('hmi-4')).id).toBe(id)

    // Its socket breaks under it, and the network is away: both are said, and the way back stays.
    await killRecorderWorkers(stage.installation)
    await page.getByText('The connection to the gateway was lost').waitFor()
    await page.getByText('This session was recorded').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-lost')
    await bob.context.setOffline(true)
    // The keyboard stands on the way back.
    await page.keyboard.press('Enter')
    await page.getByText('The console cannot reach its server').waitFor()
    await picture(page, 'desktop-lost-offline')
    // The session that comes has not long to go.
    for (const { id: grant } of (await grants()).filter(({ account: of }) => of === 'hmi-4/operator'))
      await run(['grant', 'revoke', grant])
    await run(['grant', 'add', 'bob', 'hmi-4/operator', '--for', '910s', '--allow', 'observe,interact'])
    await bob.context.setOffline(false)
    await until(async () => {
      await page
        .getByRole('button', { name: 'Try again' })
        .first()
        .click({ timeout: 2_000 })
        .catch(() => undefined)
      return (await page.getByTestId('time-left').count()) === 1 || undefined
    }, 60_000)
    await onDesktop()
    await page.keyboard.type('touch after-the-cut\n', { delay: 5 })
    await exists('after-the-cut')
    const again = await latest('hmi-4')
    expect(again).toMatchObject({ state: 'live', user: 'bob' })
    expect(again.id).not.toBe(id)
    // Chromium says of each socket that it could not open; that it is shown is what was looked at.
    expect(bob.wrong.splice(0).filter((text) => !text.includes('WebSocket connection to'))).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'at the warning on the whole screen more time is asked for, and the keyboard goes back to the desktop',
  async () => {
    await page.getByRole('button', { name: 'Full screen' }).click()
    await page.waitForFunction(() => document.fullscreenElement !== null)
    await page.getByText('This session ends in 15 minutes').waitFor()
    await picture(page, 'desktop-time-warning')
    await page.getByRole('button', { name: 'Ask for more time' }).click()
    const dialog = page.getByRole('dialog', { name: 'Ask for more time on hmi-4/operator' })
    await dialog.getByLabel('Reason').fill('the recipe is half in')
    expect(await page.evaluate(() => document.fullscreenElement)).toBe(null)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-more-time')
    await dialog.getByRole('button', { name: 'Send request' }).click()
    await dialog.getByText('An approver was asked').waitFor()
    await dialog.getByRole('button', { name: 'Done' }).last().click()
    await dialog.waitFor({ state: 'detached' })
    await onDesktop()
    await page.keyboard.type('touch after-asking\n', { delay: 5 })
    await exists('after-asking')
    expect(await run(['request', 'list'])).toContain('the recipe is half in')
    await page.getByRole('button', { name: 'End session' }).click()
    await page.getByText('You have left the session').waitFor()
  },
)

test.skipIf(why !== undefined || whyNoSshd() !== undefined)(
  'files go beside it both ways, by button, drop and keyboard, and are in the recording',
  async () => {
    await using sshd = await startSshd()
    const here = (name: string) => join(sshd.home, name)
    const place = (name: string, content: string | Buffer) => {
      writeFileSync(here(name), content)
      execFileSync('chown', [sshd.user, here(name)])
    }
    const recipe = `THE SECRET RECIPE ${'x'.repeat(100_000)}`
    const odd = 'plan\u202Egpj.exe'
    place('recipe.txt', recipe)
    place(odd, 'odd')
    place(`${'long-'.repeat(45)}.txt`, 'long')
    execFileSync('install', ['-d', '-o', sshd.user, here('projects')])
    await run(['target', 'add', 'hmi-3-ssh', `ssh://127.0.0.1:${sshd.port}`, '--safe', 'line-3'])
    await run(['target', 'pin', 'hmi-3-ssh', '--now'])
    const carrier = `hmi-3-ssh/${sshd.user}`
    await run(['account', 'add', carrier, '--password-stdin'], sshd.password)
    carrierPassword = sshd.password
    await run(['account', 'files', account, '--by', carrier])
    const allowed = 'observe,interact,sftp-read,sftp-write'
    await run(['grant', 'add', 'bob', account, '--for', '7h', '--allow', allowed])
    await page.goto('about:blank')
    await page.goto(`${stage.installation.console}/desktop#${account}`)
    await live()
    // By keyboard alone: the page, its button, a file.
    await page.getByRole('button', { name: 'Files' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText(sshd.home, { exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'projects/' }).waitFor()
    await dialog.getByText('plan<202E>gpj.exe').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'desktop-files')
    const taking = page.waitForEvent('download')
    await dialog.getByRole('button', { name: 'Take recipe.txt' }).focus()
    await page.keyboard.press('Enter')
    const taken = await taking
    expect(taken.suggestedFilename()).toBe('recipe.txt')
    expect(readFileSync(await taken.path(), 'utf8')).toBe(recipe)
    const takingOdd = page.waitForEvent('download')
    await dialog.getByRole('button', { name: 'Take plan<202E>gpj.exe' }).click()
    expect((await takingOdd).suggestedFilename()).toBe('plangpj.exe')

    await dialog.getByRole('button', { name: 'projects/' }).click()
    await dialog.getByText(here('projects'), { exact: true }).waitFor()
    const putting = { name: 'put.txt', mimeType: 'text/plain', buffer: Buffer.from('put there') }
    await dialog.getByTestId('files-chooser').setInputFiles(putting)
    await dialog.locator('[data-state=there]').getByText('put.txt').waitFor()
    expect(readFileSync(here('projects/put.txt'), 'utf8')).toBe('put there')
    // Of that name there is one now: nothing is written over before the user says so.
    const dropped = await page.evaluateHandle(() => {
      const data = new DataTransfer()
      data.items.add(new File(['dropped'], 'put.txt'))
      return data
    })
    await dialog.getByTestId('files-drop').dispatchEvent('drop', { dataTransfer: dropped })
    await dialog.locator('[data-state=exists]').getByText('put.txt').waitFor()
    expect(readFileSync(here('projects/put.txt'), 'utf8')).toBe('put there')
    await dialog.getByRole('button', { name: 'Replace it' }).click()
    await until(() => readFileSync(here('projects/put.txt'), 'utf8') === 'dropped' || undefined, 20_000)
    // Stopped in the middle, half a file is none.
    const large = join(stage.room, 'large.bin')
    writeFileSync(large, randomBytes(45_000_000))
    await dialog.getByTestId('files-chooser').setInputFiles(large)
    await until(
      () =>
        (existsSync(here('projects/large.bin')) && statSync(here('projects/large.bin')).size > 0) ||
        undefined,
      20_000,
    )
    await picture(page, 'desktop-files-going')
    await dialog.getByRole('button', { name: 'Stop large.bin' }).click()
    await dialog.locator('[data-state=stopped]').getByText('large.bin').waitFor()
    await until(() => !existsSync(here('projects/large.bin')) || undefined, 20_000)
    await page.setViewportSize(windows[2])
    // What is cut off of the picture behind it is no fault: it is seen when the dialog is closed.
    const faults = await layoutFaults(page, windows[2])
    expect(faults.filter((fault) => !fault.includes('CANVAS'))).toEqual([])
    await picture(page, 'desktop-files-phone')
    await page.setViewportSize({ width: 1280, height: 900 })
    // And the desktop is used as before.
    await dialog.getByRole('button', { name: 'Back to the desktop' }).click()
    await type('touch after-files\n')
    await exists('after-files')
    // Files of a desktop are granted with the words of SSH, and no ssh reaches it by them.
    expect(await run(['ssh-config', '--user', 'bob'])).not.toContain('hmi-3')
    const { recording } = await latest('hmi-3')
    await page.getByRole('button', { name: 'End session' }).click()
    await page.getByText('You have left the session').waitFor()
    await ingrid.page.goto('about:blank')
    await openInPlayer(ingrid.page, stage, recording)
    await ingrid.page.keyboard.press('End')
    await ingrid.page
      .getByText(/recipe\.txt/)
      .first()
      .waitFor()
    await ingrid.page
      .getByText(/projects\/put\.txt/)
      .first()
      .waitFor()
    await until(async () => ((await drawn(ingrid.page, 'screen')) > 100_000 ? true : undefined), 30_000)
    await picture(ingrid.page, 'desktop-files-played')
    expect(ingrid.wrong).toEqual([])
  },
)

test.skipIf(why !== undefined)('the password came to no browser', () => {
  const all = Buffer.concat(frames)
  const texts = [
    all.toString('latin1'),
    bob.sent.join('\n'),
    bob.received.join('\n'),
    stage.installation.log(),
  ]
  // The control: what was shown is found there.
  expect(texts[0]).toContain('4.size')
  for (const secret of [
    carrierPassword,
    linked,
    Buffer.from(linked).toString('base64').replace(/=+$/, ''),
    password,
    Buffer.from(password).toString('base64').replace(/=+$/, ''),
    Buffer.from(password).toString('hex'),
  ])
    for (const text of texts) expect(text).not.toContain(secret)
  expect(bob.wrong).toEqual([])
})
