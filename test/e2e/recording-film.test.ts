import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { launchBrowser, whyNoBrowser } from '../support/console-browser.ts'
import { tagout } from '../support/cli.ts'
import { colourAt, probe, whyNoFfmpeg } from '../support/film.ts'
import { sampleSeconds, sampleSize, shownAt } from '../support/desktop-sample.ts'

/** The golden desktop as a video, and in Guacamole's own player. */

vi.setConfig({ testTimeout: 180_000 })
const why = whyNoBrowser() ?? whyNoFfmpeg()
if (why !== undefined) console.warn(`not tested: videos of desktops: ${why}`)
const golden = join(import.meta.dirname, '../golden/recordings/desktop-v1')
const folder = mkdtempSync(join(tmpdir(), 'tagout-film-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const film = (
  form: string,
  env: Readonly<Record<string, string>> = { PATH: process.env['PATH'] ?? '' },
  name = 'recording.tgr',
  of = golden,
) =>
  tagout(
    [
      'recording',
      'export',
      join(of, name),
      '--as',
      form,
      '--recovery',
      join(of, 'recovery.key'),
      '--out',
      `s.${form}`,
    ],
    { cwd: folder, env },
  )
test.skipIf(why !== undefined).each(['webm', 'mp4'])(
  'a desktop is written as %s on the auditor’s machine: as long as it was, and right at each moment',
  async (form) => {
    const { code, out, err } = await film(form)
    expect(err.replaceAll(/^drawn \d+ %\n/gm, '')).toBe(
      process.getuid?.() === 0
        ? 'you are root, so the browser that draws this has no sandbox: export as a user of your own\n'
        : '',
    )
    expect([code, out]).toEqual([0, `wrote s.${form} (complete)\n`])
    const file = `s.${form}`
    expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    const { format, streams } = probe(join(folder, file))
    // In MP4 its last picture is shown for a second of its own.
    expect(Math.abs(Number(format.duration) - sampleSeconds)).toBeLessThan(form === 'webm' ? 0.5 : 1.5)
    expect(streams).toMatchObject([
      { codec_name: form === 'webm' ? 'vp9' : 'h264', width: 640, height: sampleSize.height + 28 },
    ])
    if (form === 'webm')
      expect(format.tags['title']).toMatch(/^bob on hmi-3\/operator from 192\.0\.2\.7 {2}rec_/)
    for (const { second, at, colour } of shownAt) {
      const seen = colourAt(join(folder, file), second, at)
      for (const [channel, value] of colour.entries())
        expect({ second, at, far: Math.abs((seen[channel] ?? 0) - value) > 20 }).toEqual({
          second,
          at,
          far: false,
        })
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('.tagout'))).toEqual([])
    expect(await film(form)).toMatchObject({ code: 1, err: expect.stringContaining('exists already') })
  },
)

test('without a browser, without ffmpeg, and of a terminal, it is said what to do', async () => {
  const nothing = { PATH: folder }
  expect(await film('mp4', nothing)).toMatchObject({
    code: 1,
    err: expect.stringContaining('MP4 is written by ffmpeg, which is not installed here'),
  })
  expect(await film('webm', { ...nothing, TAGOUT_BROWSER: '/bin/false' })).toMatchObject({
    code: 1,
    err: expect.stringContaining('the browser that draws the video has ended'),
  })
  const shell = join(golden, '../v1')
  expect(await film('webm', nothing, 'recording.tgr', shell)).toMatchObject({
    code: 1,
    err: expect.stringContaining('export it as asciicast'),
  })
})

test.skipIf(why !== undefined)('Guacamole’s own player plays the export, and jumps in it', async () => {
  const browser = await launchBrowser()
  const page = await browser.newPage()
  const library = readFileSync(createRequire(import.meta.url).resolve('guacamole-common-js'), 'utf8')
  await page.route('http://player.test/**', (route) =>
    route.fulfill(
      route.request().url().endsWith('.guac')
        ? { path: join(golden, 'desktop.guac'), contentType: 'application/octet-stream' }
        : { body: '<!doctype html><title>player</title>', contentType: 'text/html' },
    ),
  )
  await page.goto('http://player.test/')
  await page.addScriptTag({ content: `var module = {};${library};window.Guacamole = Guacamole;` })
  // Back and forth. To a moment before its second frame it goes to that one.
  const moments = shownAt.filter(({ second }) => second > 2)
  const found = await page.evaluate(async (wanted) => {
    type Player = {
      connect(): void
      getDuration(): number
      getDisplay(): { flatten(): HTMLCanvasElement; flush(done: () => void): void }
      seek(at: number, done: () => void): void
      onload: () => void
    }
    const { StaticHTTPTunnel, SessionRecording } = (
      window as unknown as {
        Guacamole: {
          StaticHTTPTunnel: new (url: string) => object
          SessionRecording: new (of: object) => Player
        }
      }
    ).Guacamole
    const player = new SessionRecording(new StaticHTTPTunnel('http://player.test/desktop.guac'))
    await new Promise<void>((resolve) => {
      player.onload = resolve
      player.connect()
    })
    const colours: number[][] = []
    // Its clock begins with the first frame, at a tenth of a second.
    for (const { second, at } of [...wanted, ...wanted.toReversed()]) {
      await new Promise<void>((resolve) => player.seek(second * 1000 - 100, resolve))
      await new Promise<void>((resolve) => player.getDisplay().flush(resolve))
      const canvas = player.getDisplay().flatten()
      colours.push([...(canvas.getContext('2d')?.getImageData(at[0] ?? 0, at[1] ?? 0, 1, 1).data ?? [])])
    }
    return { duration: player.getDuration(), colours }
  }, moments)
  await browser.close()
  expect(found.duration).toBeGreaterThanOrEqual(121_000)
  expect(found.colours.map(([red, green, blue]) => [red, green, blue])).toEqual(
    [...moments, ...moments.toReversed()].map(({ colour }) => [...colour]),
  )
})
