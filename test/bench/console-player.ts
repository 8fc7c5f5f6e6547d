import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import sumo from 'libsodium-wrappers-sumo'
import type { Page } from 'playwright-core'
import { writeIdentity } from '../../vault/auditors/index.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { done } from '../../vault/kernel/outcome.ts'
import { launchBrowser, newPerson, signIn, whyNoBrowser } from '../support/console-browser.ts'
import { startFakeConsole } from '../support/console-fake.ts'
import { type RecordingRoom, valueOf } from '../support/recordings.ts'
import { recordingView } from '../support/views.ts'
import { hours, percentile, places } from './long-desktop.ts'
import type { Row } from './row.ts'

const consoleDir = join(import.meta.dirname, '..', '..', 'web', 'dist')
const passphrase = 'oak river lantern'

/**
 * The console's own player in Chromium, on a recording that comes over HTTP from the api's edge and out of the recorder's store; the
 * vault behind it answers from memory. Fetched, opened with the auditor's key, decoded and drawn: all of it is in the times.
 */
export async function consolePlayer(room: RecordingRoom, recording: RecordingId): Promise<readonly Row[]> {
  const why =
    whyNoBrowser() ??
    (existsSync(join(consoleDir, 'index.html')) ? undefined : 'the console is not built (npm run setup)')
  if (why !== undefined) {
    console.error(`the console's player could not be measured: ${why}`)
    return []
  }
  await Promise.all([sodium.ready, sumo.ready])
  const keyFile = join(room.folder, 'auditor.key')
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
  await using source = valueOf(await room.store.read(recording))
  await using edge = await startFakeConsole({
    consoleDir,
    links: room.links,
    open: async () =>
      done({
        size: source.size,
        read: (offset, length) => source.read(offset, length),
        close: async () => undefined,
      }),
  })
  for (const verb of ['recording.show', 'recording.readable'] as const)
    edge.answers.set(verb, ({ recording: id }) =>
      recordingView({
        id,
        startedAt: new Date(Date.now() - (hours + 1) * 3600_000).toISOString(),
        endedAt: new Date(Date.now() - 3600_000).toISOString(),
        state: 'complete',
        sizeBytes: source.size,
      }),
    )
  const browser = await launchBrowser()
  try {
    const { page } = await newPerson(browser, edge.address)
    await page.goto(edge.address)
    await signIn(page, 'ingrid', 'pw', '123456')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.goto(`${edge.address}/recordings/${recording}`)
    await page.getByRole('button', { name: 'Open my key' }).click()
    await page.locator('input[type=file]').setInputFiles(keyFile)
    await page.getByLabel('Passphrase').fill(passphrase)
    const first = await firstPicture(page)
    const memory = await memoryOf(page)
    const before = await memory()
    const times: number[] = []
    for (const place of places) times.push(await seekTo(page, place))
    const after = await memory()
    for (const place of places) await seekTo(page, place + 1)
    const twice = await memory()
    return [
      {
        what: `console's player, ${hours}-hour desktop over HTTP: first picture after the key`,
        figure: first,
        unit: 'ms',
        reach: '≤ 1000 ms',
        peer: `${(source.size / 1e6).toFixed(0)} MB; the key itself is opened in this time`,
      },
      ...[50, 95, 100].map((percent) => ({
        what: `console's player: seek, fetched, opened and drawn (p${percent})`,
        figure: percentile(times, percent),
        unit: 'ms',
        reach: '≤ 500 ms',
      })),
      {
        what: `console's player: memory of its process after ${places.length * 2} seeks`,
        figure: twice.rss,
        unit: 'MiB',
        reach: 'bounded',
        peer: `after the first picture ${before.rss.toFixed(0)}, after ${places.length} seeks ${after.rss.toFixed(0)}; of scripts ${before.heap.toFixed(0)}, ${after.heap.toFixed(0)}, ${twice.heap.toFixed(0)} MiB`,
      },
    ]
  } finally {
    await browser.close()
  }
}

/** Opens the key, and waits until something but black is drawn: by the page's own clock. */
function firstPicture(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const open = [...document.querySelectorAll('button')].find((one) => one.textContent.trim() === 'Open')
    if (open === undefined) throw new Error('there is no button that opens the key')
    const from = performance.now()
    open.click()
    for (;;) {
      await new Promise(requestAnimationFrame)
      const canvases = [...document.querySelectorAll<HTMLCanvasElement>('[data-testid=screen] canvas')]
      const isLit = canvases.some((canvas) => {
        if (canvas.width * canvas.height < 10_000) return false
        const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, 100) ?? { data: [] }
        return data.some((value, at) => at % 4 !== 3 && value > 60)
      })
      if (isLit) return performance.now() - from
      if (performance.now() - from > 30_000) throw new Error('nothing was drawn in half a minute')
    }
  })
}

/** Moves the time line to a second, and waits until the player says that the picture of it is drawn. */
function seekTo(page: Page, second: number): Promise<number> {
  return page.evaluate(async (to) => {
    const [line] = document.querySelectorAll<HTMLInputElement>('input[aria-label=Position]')
    const screen = document.querySelector<HTMLElement>('[data-testid=screen]')
    const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')
    if (line === undefined || screen === null) throw new Error('there is no player')
    const from = performance.now()
    // As somebody's hand does it: the page's own record of the value is left behind.
    value?.set?.call(line, String(to))
    line.dispatchEvent(new Event('input', { bubbles: true }))
    const isSeeking = () => screen.dataset['seeking'] === 'true'
    for (let begun = isSeeking(); !begun || isSeeking(); begun ||= isSeeking()) {
      if (performance.now() - from > 30_000) throw new Error(`the player does not come to ${to} s`)
      await new Promise<void>((resolve) => {
        const seen = new MutationObserver(() => {
          seen.disconnect()
          resolve()
        })
        seen.observe(screen, { attributes: true, attributeFilter: ['data-seeking'] })
        setTimeout(resolve, 1_000)
      })
    }
    return performance.now() - from
  }, second)
}

/** What the page's process takes of memory, and its scripts of that, after what nobody holds was let go; in MiB. */
async function memoryOf(page: Page) {
  const own = await page.context().newCDPSession(page)
  const all = await page.context().browser()?.newBrowserCDPSession()
  await own.send('Performance.enable')
  return async () => {
    await own.send('HeapProfiler.collectGarbage')
    const { metrics } = await own.send('Performance.getMetrics')
    const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN
    const { processInfo } = (await all?.send('SystemInfo.getProcessInfo')) ?? { processInfo: [] }
    const rss = processInfo
      .filter(({ type }) => type === 'renderer')
      .map(({ id }) => Number(readFileSync(`/proc/${id}/statm`, 'utf8').split(' ')[1]) * 4096)
    return { heap: heap / 2 ** 20, rss: Math.max(...rss) / 2 ** 20 }
  }
}
