import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import sumo from 'libsodium-wrappers-sumo'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { writeIdentity } from '../../vault/auditors/index.ts'
import type { Permit, RecordingState } from '../../vault/contract.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { done, refuse } from '../../vault/kernel/outcome.ts'
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
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { until } from '../support/installation.ts'
import {
  type Colour,
  desktopPermit,
  drawn,
  picture as drawnPicture,
  pngOf,
} from '../support/desktop-sample.ts'
import { simulated } from '../support/long-recording.ts'
import { type RecordingRoom, recordingRoom, valueOf } from '../support/recordings.ts'
import { recordingView } from '../support/views.ts'

vi.setConfig({ testTimeout: 120_000 })

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const why =
  whyNoBrowser() ??
  (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
if (why !== undefined) console.warn(`the player is not tested in a browser: ${why}`)

const passphrase = 'oak river lantern'
const second = 1e9

let browser: Browser
let room: RecordingRoom
let edge: FakeConsole
let ingrid: Person
let keyFile: string
/** What the store answers for each recording, and the state that the vault knows. */
const stored = new Map<RecordingId, { readonly bytes: Buffer; readonly state: RecordingState }>()

/** Writes a recording in simulated time, and keeps its bytes as `store` has them. */
async function record(
  frames: (write: Awaited<ReturnType<typeof simulated>>['write']) => void,
  state: RecordingState = 'complete',
  store: (bytes: Buffer) => Buffer = (bytes) => bytes,
  permit?: Permit,
): Promise<RecordingId> {
  const { recording, write, end } = await simulated(room, permit)
  frames(write)
  end()
  await using source = valueOf(await room.store.read(recording))
  stored.set(recording, { bytes: store(Buffer.from(await source.read(0, source.size))), state })
  return recording
}

function output(at: number, text: string, channel = 0) {
  return { kind: 'output', channel, at: at * second, bytes: Buffer.from(text) } as const
}

function opens(at: number, columns = 80, rows = 24) {
  const mark = { kind: 'open', type: 'shell', term: 'xterm', columns, rows } as const
  return { kind: 'mark', channel: 0, at: at * second, mark } as const
}

beforeAll(async () => {
  if (why !== undefined) return
  await Promise.all([sodium.ready, sumo.ready])
  ;[browser, room] = await Promise.all([launchBrowser(), recordingRoom()])
  keyFile = join(room.folder, 'auditor.key')
  await writeFile(
    keyFile,
    await writeIdentity(
      sodium,
      async ({ passphrase: phrase, salt, passes, memoryKiB }) =>
        sumo.crypto_pwhash(32, phrase, salt, passes, memoryKiB * 1024, sumo.crypto_pwhash_ALG_ARGON2ID13),
      room.ingrid,
      passphrase,
      { passes: 1, memoryKiB: 8192 },
    ),
  )
  edge = await startFakeConsole({
    consoleDir,
    links: room.links,
    open: async (_token, recording) => {
      const found = stored.get(recording)
      if (found === undefined) return refuse('not_found', 'there is no such recording')
      return done({
        size: found.bytes.length,
        read: async (offset, length) => found.bytes.subarray(offset, offset + length),
        close: async () => undefined,
      })
    },
  })
  for (const verb of ['recording.show', 'recording.readable'] as const)
    edge.answers.set(verb, ({ recording: id }) => {
      const found = stored.get(id)
      return recordingView({
        id,
        startedAt: new Date(Date.now() - 3600_000).toISOString(),
        endedAt: new Date(Date.now() - 3000_000).toISOString(),
        state: found?.state ?? 'complete',
        sizeBytes: found?.bytes.length ?? 0,
      })
    })
  ingrid = await newPerson(browser, edge.address)
  await ingrid.page.goto(edge.address)
  await signIn(ingrid.page, 'ingrid', 'pw', '123456')
  await ingrid.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || ingrid === undefined) return
  const { page, wrong } = ingrid
  console.error(page.url(), await page.locator('h1, .pf-v6-c-alert, .integrity').allInnerTexts(), wrong)
  await picture(page, 'failed-player')
})

afterAll(async () => {
  await browser?.close()
  await edge?.[Symbol.asyncDispose]()
  await room?.[Symbol.asyncDispose]()
})

/** Opens a recording with the key. It plays at once. */
async function replay(page: Page, recording: RecordingId): Promise<void> {
  await page.goto(`${edge.address}/recordings/${recording}`)
  await page.getByRole('button', { name: 'Open my key' }).click()
  await page.locator('input[type=file]').setInputFiles(keyFile)
  await page.getByLabel('Passphrase').fill(passphrase)
  await page.getByRole('button', { name: 'Open', exact: true }).click()
}

async function rows(page: Page): Promise<string> {
  return page.getByTestId('screen').locator('.xterm-rows').innerText()
}

function shows(page: Page, text: string, withinMs = 15_000): Promise<true> {
  return until(async () => ((await rows(page)).includes(text) ? true : undefined), withinMs)
}

/** Where it stands, in seconds. */
async function position(page: Page): Promise<number> {
  return Number(await page.getByLabel('Position').inputValue())
}

async function goTo(page: Page, seconds: number): Promise<void> {
  await page.getByLabel('Position').fill(String(seconds))
}

const wide = [
  '┌──────────────┬──────────┐',
  '│ press 液压机 │ 250 bar  │',
  '│ état ✓ 🎉 ok │ 日本語   │',
  '│ плита        │ ▲▼ ░▒▓█  │',
  '└──────────────┴──────────┘',
]

test.skipIf(why !== undefined)(
  'wide characters, boxes and full-screen programs stand where they stood',
  async () => {
    const { page } = ingrid
    const recording = await record((write) => {
      write(opens(0), output(0.2, 'engineer@press-3:~$ '), output(1, 'htop\r\n'))
      write(output(2, `\u001b[?1049h\u001b[2J\u001b[H${wide.join('\r\n')}`))
      write(output(70, '\u001b[10H\u001b[41malarm\u001b[0m'))
      write(output(72, '\u001b[?1049l'), output(72.1, 'engineer@press-3:~$ logout\r\n'))
    })
    await replay(page, recording)
    await page.getByRole('button', { name: 'Pause' }).click()
    await goTo(page, 3)
    await shows(page, '液压机')
    expect(await rightEdges(page)).toEqual([wide[0]?.length])
    await picture(page, 'wide')
    expect(await rows(page)).not.toContain('htop')
    // From a keyframe, which was made by a terminal of the recorder's.
    await goTo(page, 71)
    await shows(page, 'alarm')
    expect(await rightEdges(page)).toEqual([wide[0]?.length])
    // The program has ended: what stood on the screen before it is there again.
    await goTo(page, 72.15)
    await shows(page, 'logout')
    expect(await rows(page)).toContain('htop')
    expect(await rows(page)).not.toContain('液压机')
    for (const size of windows) expect([size, await layoutFaults(page, size)]).toEqual([size, []])
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await accessibilityFaults(page)).toEqual([])
    }
  },
)

/** The columns in which the lines of the box end, as they are drawn. */
async function rightEdges(page: Page): Promise<readonly (number | undefined)[]> {
  const ends = await page.getByTestId('screen').evaluate((screen) => {
    const lines = [...screen.querySelectorAll('.xterm-rows > div')].slice(0, 5)
    const cell = (screen.querySelector('.xterm-screen')?.getBoundingClientRect().width ?? 0) / 80
    return lines.map((line) => {
      const left = line.getBoundingClientRect().left
      const drawn = [...line.querySelectorAll('span')].filter((span) => /[│┐┘]/.test(span.textContent ?? ''))
      const last = drawn.at(-1)
      const after = /[│┐┘]([^│┐┘]*)$/.exec(last?.textContent ?? '')?.[1]?.length ?? 0
      return Math.round(((last?.getBoundingClientRect().right ?? 0) - left) / cell) - after
    })
  })
  return [...new Set(ends)]
}

test.skipIf(why !== undefined)(
  'a terminal that was resized half way is shown at its size at each moment',
  async () => {
    const { page } = ingrid
    const recording = await record((write) => {
      write(opens(0), output(1, `${'a'.repeat(80)}|`))
      write({ kind: 'resize', channel: 0, at: 4 * second, columns: 120, rows: 40 })
      write(output(5, `\u001b[2J\u001b[H${'b'.repeat(120)}|`), output(8, '\u001b[40Hlast line'))
    })
    await replay(page, recording)
    await page.getByRole('button', { name: 'Pause' }).click()
    const lines = async () => (await rows(page)).split('\n').map((line) => line.trimEnd())
    await goTo(page, 2)
    await shows(page, 'aaa')
    expect((await lines()).slice(0, 2)).toEqual(['a'.repeat(80), '|'])
    await goTo(page, 9)
    await shows(page, 'last line')
    expect((await lines()).slice(0, 2)).toEqual(['b'.repeat(120), '|'])
    const drawn = page.getByTestId('screen').locator('.xterm-rows > div')
    expect([await drawn.count(), (await drawn.nth(39).innerText()).trim()]).toEqual([40, 'last line'])
    // Backwards as well.
    await goTo(page, 2)
    await shows(page, 'aaa')
    expect((await lines()).slice(0, 2)).toEqual(['a'.repeat(80), '|'])
  },
)

test.skipIf(why !== undefined)('play, pause, speed, idle time, marks and keys do what they say', async () => {
  const { page } = ingrid
  const command = (at: number, line: string) =>
    ({ kind: 'mark', channel: 0, at: at * second, mark: { kind: 'command', line } }) as const
  const recording = await record((write) => {
    write(opens(0), output(1, '$ '), command(2, 'uptime'), output(2.1, 'uptime\r\n'))
    write(command(40, 'df'), output(40.1, 'df\r\n'), output(50, 'the end'))
  })
  await replay(page, recording)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.keyboard.press('Home')
  expect(await position(page)).toBe(0)
  // Idle time is skipped: 38 seconds pass in a few. What says so is gone after a second.
  const noted = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const watching = new MutationObserver(() => {
          const text = document.querySelector('.stage-note')?.textContent ?? ''
          if (!/^skipped 3\d s$/.test(text)) return
          watching.disconnect()
          resolve(text)
        })
        watching.observe(document.body, { subtree: true, childList: true, characterData: true })
      }),
  )
  await page.getByRole('button', { name: 'Play' }).click()
  await page.getByText('end of the recording').waitFor()
  expect(await noted).toMatch(/^skipped 3/)
  await shows(page, 'the end')

  await page.getByText('Skip idle').click()
  // The switch keeps the focus, and the keys work all the same.
  await page.keyboard.press('Home')
  await page.keyboard.press('m')
  await until(async () => ((await position(page)) === 2 ? true : undefined), 5_000)
  await page.keyboard.press('k')
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  await page.keyboard.press('k')
  const held = await position(page)
  expect(held).toBeLessThan(10)
  await page.getByLabel('Speed').selectOption('16')
  await page.getByRole('button', { name: 'Play' }).click()
  await until(async () => ((await position(page)) > held + 16 ? true : undefined), 5_000)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Next mark' }).click()
  expect(await position(page)).toBe(40)
  await page.getByRole('button', { name: 'Previous mark' }).click()
  await page.getByRole('button', { name: 'Previous mark' }).click()
  expect(await position(page)).toBe(0)
  await page.getByRole('button', { name: /df/ }).click()
  expect(await position(page)).toBe(40)
  await page.keyboard.press('ArrowLeft')
  expect(await position(page)).toBe(35)
  await page.keyboard.press('5')
  expect(await position(page)).toBe(25)

  await page.getByRole('button', { name: 'Full screen' }).click()
  const isFull = () => page.evaluate(() => document.fullscreenElement !== null)
  await until(async () => ((await isFull()) ? true : undefined), 5_000)
  await picture(page, 'full-screen')
  // The help is a dialog of the page, which full screen would hide.
  await page.keyboard.press('?')
  await page.getByRole('heading', { name: 'Keys' }).waitFor()
  await until(async () => ((await isFull()) ? undefined : true), 5_000)
  await page.keyboard.press('Escape')
})

test.skipIf(why !== undefined)(
  'a recording that broke off plays to where it breaks off, and says so',
  async () => {
    const { page } = ingrid
    const recording = await record(
      (write) => write(opens(0), output(1, 'before '), output(7, 'the crash')),
      'incomplete',
      // The signed end is gone, as after a crash.
      (bytes) => bytes.subarray(0, bytes.length - 300),
    )
    await replay(page, recording)
    await page.getByText('the recording breaks off here').waitFor()
    await shows(page, 'before the crash')
    expect(await position(page)).toBe(7)
    await page.getByLabel('Integrity').getByText('incomplete').first().waitFor()
    await picture(page, 'incomplete')
    await page.keyboard.press('Home')
    await page.keyboard.press('k')
    await goTo(page, 3)
    // What was there at the end holds both words: it is left first.
    await until(async () => ((await rows(page)).includes('the crash') ? undefined : true), 15_000)
    await shows(page, 'before')
    expect(await rows(page)).not.toContain('the crash')
  },
)

// Does not shrink much: the change must fall into what is sealed, not into the header or the signed end.
const noise = Array.from({ length: 60 }, (_, index) =>
  createHash('sha256').update(String(index)).digest('hex'),
).join('')

test.skipIf(why !== undefined)(
  'a changed recording plays to the change, and says that it was changed',
  async () => {
    const { page } = ingrid
    const recording = await record(
      (write) => {
        write(opens(0), output(1, 'good so far'))
        write(output(3, `changed ${noise}`))
      },
      'tampered',
      (bytes) => {
        const changed = Buffer.from(bytes)
        const at = bytes.length - 1500
        changed[at] = (changed[at] ?? 0) ^ 1
        return changed
      },
    )
    await replay(page, recording)
    await page.getByText('cannot be shown beyond this place').waitFor()
    await shows(page, 'good so far')
    expect(await rows(page)).not.toContain('changed')
    await page.getByLabel('Integrity').getByText('tampered').first().waitFor()
    await picture(page, 'tampered')
    expect(await accessibilityFaults(page)).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'a session that printed nothing, and one of files alone, say what there is',
  async () => {
    const { page } = ingrid
    await replay(page, await record((write) => write(opens(0))))
    await page.getByText('Nothing was printed.').waitFor()
    await page.getByText('end of the recording').waitFor()
    await picture(page, 'silent')
    const file = { kind: 'file', direction: 'upload', via: 'sftp', name: '/etc/motd', size: 400 } as const
    const files = await record((write) => {
      write({ kind: 'mark', channel: 0, at: 0, mark: { kind: 'open', type: 'subsystem', command: 'sftp' } })
      const mark = { ...file, sha256: 'ab'.repeat(32), complete: true }
      write({ kind: 'mark', channel: 0, at: 3 * second, mark })
      write({ kind: 'mark', channel: 0, at: 4 * second, mark: { kind: 'close', exitCode: 0 } })
    })
    await replay(page, files)
    await page.getByText('This channel had no terminal: sftp').waitFor()
    await page.getByRole('button', { name: /put \/etc\/motd/ }).waitFor()
    await picture(page, 'files')
  },
)

test.skipIf(why !== undefined)(
  'without the key a recording shows its facts and state, and no picture',
  async () => {
    const { page } = ingrid
    const recording = await record((write) => write(opens(0), output(1, 'sealed')))
    await page.goto(`${edge.address}/recordings/${recording}`)
    await page.getByRole('heading', { name: 'This recording is sealed' }).waitFor()
    expect(await page.getByTestId('screen').count()).toBe(0)
    await page.getByLabel('About this session').getByText('192.0.2.7').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    for (const size of windows) expect([size, await layoutFaults(page, size)]).toEqual([size, []])
    await picture(page, 'locked')
    // An administrator cannot open it, and is told why.
    await using alice = await newPerson(browser, edge.address)
    await alice.page.goto(edge.address)
    await signIn(alice.page, 'alice', 'pw', '123456')
    await alice.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await alice.page.goto(`${edge.address}/recordings/${recording}`)
    await alice.page.getByText('Only an auditor can see what it shows').waitFor()
    expect(await alice.page.getByRole('button', { name: 'Open my key' }).count()).toBe(0)
    expect([...alice.wrong, ...ingrid.wrong]).toEqual([])
  },
)

const [wideBy, highBy] = [160, 96]

/** What is drawn on a desktop of 160x96 in so many steps, and its pixels then, as RGB: always the same. */
function drawAbout(steps: number) {
  let seed = 20260301
  const below = (most: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * most)
  }
  const pixels = new Uint8Array(wideBy * highBy * 3)
  const put = (x: number, y: number, colour: Colour) => {
    if (x < wideBy && y < highBy) pixels.set(colour, (y * wideBy + x) * 3)
  }
  const at = (from: Uint8Array, x: number, y: number): Colour => {
    const start = (y * wideBy + x) * 3
    return [from[start] ?? 0, from[start + 1] ?? 0, from[start + 2] ?? 0]
  }
  const fill = (
    x: number,
    y: number,
    width: number,
    height: number,
    of: (x: number, y: number) => Colour,
  ) => {
    for (let row = 0; row < height; row += 1)
      for (let column = 0; column < width; column += 1) put(x + column, y + row, of(column, row))
  }
  const moves = (x: number, y: number, width: number, height: number, toX: number, toY: number) => {
    const before = pixels.slice()
    fill(toX, toY, width, height, (column, row) => at(before, x + column, y + row))
  }
  const draw = (x: number, y: number, width: number, height: number) => {
    const [red, green, blue] = [below(256), below(256), below(256)]
    const colour = (column: number, row: number): Colour => [
      (red + column * 5) % 256,
      (green + row * 7) % 256,
      blue,
    ]
    fill(x, y, width, height, colour)
    return drawnPicture(pngOf(width, height, colour), x, y)
  }
  const pieces: Buffer[] = [Buffer.concat([drawn(['size', 0, wideBy, highBy]), draw(0, 0, wideBy, highBy)])]
  for (let step = 0; step < steps; step += 1) {
    const [width, height] = [1 + below(wideBy), 1 + below(highBy)]
    const [x, y] = [below(wideBy - width + 1), below(highBy - height + 1)]
    const [toX, toY] = [below(wideBy - width + 1), below(highBy - height + 1)]
    const kind = below(20)
    if (kind < 12) {
      moves(x, y, width, height, toX, toY)
      pieces.push(drawn(['copy', 0, x, y, width, height, 14, 0, toX, toY]))
    } else if (kind < 17)
      // Over the edges, too.
      pieces.push(draw(x + below(20), y + below(20), Math.ceil(width / 3), Math.ceil(height / 3)))
    else if (kind < 19) {
      const colour: Colour = [below(256), below(256), below(256)]
      fill(x, y, width, height, () => colour)
      pieces.push(drawn(['rect', 0, x, y, width, height], ['cfill', 14, 0, ...colour, 255]))
    } else {
      // By way of another layer, which the canvas must have been drawn for.
      moves(x, y, width, height, toX, toY)
      pieces.push(
        drawn(
          ['copy', 0, x, y, width, height, 14, -1, 0, 0],
          ['copy', -1, 0, 0, width, height, 14, 0, toX, toY],
          ['dispose', -1],
        ),
      )
    }
  }
  return { pieces, pixels }
}

test.skipIf(why !== undefined)(
  'a desktop whose parts move is drawn pixel by pixel, jumped to and played',
  async () => {
    const { page } = ingrid
    const { pieces, pixels } = drawAbout(500)
    const recording = await record(
      (write) => {
        write({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'desktop' }, at: 0 })
        for (const [index, bytes] of pieces.entries()) {
          const seconds = (index + 1) / 50
          write({
            kind: 'output',
            channel: 0,
            at: Math.round(seconds * second),
            bytes: Buffer.concat([bytes, drawn(['sync', 1_000_000 + Math.round(seconds * 1000)])]),
          })
        }
        write({ kind: 'mark', channel: 0, mark: { kind: 'command', line: 'over' }, at: 12 * second })
      },
      'complete',
      undefined,
      desktopPermit(),
    )
    await replay(page, recording)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.keyboard.press('End')
    await page.getByText('end of the recording').waitFor()
    const wrongPixels = () =>
      page.getByTestId('screen').evaluate(
        (screen, { expected, width, height }) => {
          const canvas = [...screen.querySelectorAll('canvas')].find((one) => one.width >= width)
          const found = canvas?.getContext('2d')?.getImageData(0, 0, width, height).data
          if (found === undefined) throw new Error('there is no picture')
          return expected.filter((value, at) => found[Math.floor(at / 3) * 4 + (at % 3)] !== value).length
        },
        { expected: [...pixels], width: wideBy, height: highBy },
      )
    await until(async () => ((await wrongPixels()) === 0 ? true : undefined), 20_000)
    await picture(page, 'moved-about')
    await page.getByLabel('Speed').selectOption('4')
    await page.keyboard.press('Home')
    await page.getByText('end of the recording').waitFor({ state: 'detached' })
    await page.keyboard.press('k')
    await page.getByText('end of the recording').waitFor()
    await until(async () => ((await wrongPixels()) === 0 ? true : undefined), 20_000)
  },
)
