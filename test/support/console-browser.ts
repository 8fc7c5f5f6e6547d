import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { authenticator } from './totp.ts'

const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Why no browser can run here, or undefined when one can. Print it where a test is left out. */
export function whyNoBrowser(): string | undefined {
  return executable === undefined ? 'chromium is not installed (deploy/test-packages.txt)' : undefined
}

/** `wrapper`: a program that runs Chromium elsewhere (own-network.ts). */
export function launchBrowser(wrapper = (program: string) => program): Promise<Browser> {
  return chromium.launch({
    executablePath: wrapper(executable ?? '/usr/bin/chromium'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Somebody at a browser of their own: everything that goes wrong on their pages is kept. */
export type Person = AsyncDisposable & {
  readonly page: Page
  readonly context: BrowserContext
  /** Violations of the content policy, errors of scripts, requests to elsewhere. Must stay empty. */
  readonly wrong: string[]
  /** Everything that left the browser: addresses, headers and bodies of all requests. */
  readonly sent: string[]
  /** Everything that came back over the API. */
  readonly received: string[]
}

export async function newPerson(
  browser: Browser,
  origin: string,
  options: { readonly colorScheme?: 'light' | 'dark' } = {},
): Promise<Person> {
  const context = await browser.newContext({
    // The installation's own certificate authority is in no browser's store.
    ignoreHTTPSErrors: true,
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    colorScheme: options.colorScheme ?? 'light',
    acceptDownloads: true,
  })
  context.setDefaultTimeout(45_000)
  const page = await context.newPage()
  const wrong: string[] = []
  const sent: string[] = []
  const received: string[] = []
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(
        `CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
      )
    })
  })
  page.on('pageerror', (error) => wrong.push(`script: ${error.message}`))
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    const text = message.text()
    // Chromium reports each refused request; that a refusal is shown is what the tests look at.
    if (message.type() === 'error' && !text.startsWith('Failed to load resource'))
      wrong.push(`console: ${text}`)
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !url.startsWith('data:') && !url.startsWith('blob:'))
      wrong.push(`elsewhere: ${url}`)
    sent.push(`${url}\n${JSON.stringify(request.headers())}\n${request.postData() ?? ''}`)
  })
  page.on('response', (response) => {
    if (!response.url().includes('/api/') || response.url().includes('/content')) return
    response.text().then(
      (text) => received.push(text),
      () => undefined,
    )
  })
  return { page, context, wrong, sent, received, [Symbol.asyncDispose]: () => context.close() }
}

type AxeResult = {
  readonly violations: readonly {
    readonly id: string
    readonly impact: string | null
    readonly help: string
    readonly nodes: readonly { readonly html: string }[]
  }[]
}

/** What axe finds wrong on the page as it is now, one line each. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  // Through the debugger, not a script element: the content policy stays as it is.
  await page.evaluate(axe)
  // Colours that still change are nobody's choice.
  await page.evaluate(() =>
    Promise.allSettled(
      document.getAnimations().flatMap((one) => (one instanceof CSSTransition ? [one.finished] : [])),
    ),
  )
  const result = (await page.evaluate(() =>
    Reflect.get(window, 'axe').run(document, { resultTypes: ['violations'] }),
  )) as AxeResult
  return result.violations.map(
    ({ id, impact, help, nodes }) =>
      `${id} (${impact}): ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
  )
}

/**
 * What of the page runs off its right edge, or is a moment broken over lines, at this size of window; once it
 * has settled: a terminal fits its letters to a new window some frames later.
 */
export async function layoutFaults(
  page: Page,
  size: { readonly width: number; readonly height: number },
): Promise<readonly string[]> {
  const before = page.viewportSize()
  await page.setViewportSize(size)
  const faults = await settled(() => page.evaluate(offTheEdge))
  if (before !== null) await page.setViewportSize(before)
  return faults
}

/** What `look` finds wrong when it finds nothing wrong, or still finds after five seconds. */
async function settled(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const deadline = Date.now() + 5_000
  for (;;) {
    const found = await look()
    if (found.length === 0 || Date.now() > deadline) return found
    await new Promise((next) => setTimeout(next, 50))
  }
}

/** Runs in the page. */
function offTheEdge(): readonly string[] {
  const edge = document.documentElement.clientWidth
  const found: string[] = []
  for (const element of document.querySelectorAll<HTMLElement>('main *, [role="dialog"] *')) {
    // A terminal fits its lines to the window a moment later, and clips them until then.
    if (element.closest('.xterm') !== null) continue
    const { right, width } = element.getBoundingClientRect()
    const what = `${element.tagName} ${element.innerText?.slice(0, 40)}`
    if (width > 1 && right > edge + 1) found.push(`off the edge by ${Math.round(right - edge)}: ${what}`)
    if (element.matches('td time') && element.getClientRects().length > 1) found.push(`broken: ${what}`)
  }
  return found.slice(0, 5)
}

/** The windows that the console is looked at in: a laptop, a desk, a phone. */
export const windows = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
  { width: 390, height: 844 },
] as const

/** Goes through the page behind a one-time link. Answers the codes of the second factor that was set up. */
export async function enrol(page: Page, link: string, password: string): Promise<() => Promise<string>> {
  await page.goto(link)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByLabel('Password again').fill(password)
  const secret = (await page.locator('.second-factor code').innerText()).trim()
  const nextCode = authenticator(secret)
  await page.getByLabel('Code', { exact: true }).fill(await nextCode())
  const terms = page.getByLabel('I have read these terms and accept them')
  if ((await terms.count()) > 0) await terms.check()
  await page.getByRole('button', { name: 'Finish and sign in' }).click()
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  return nextCode
}

export async function signIn(page: Page, name: string, password: string, code: string): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.getByLabel('Code').fill(code)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Keeps a picture of the page where `TAGOUT_PICTURES` says so: docs/pictures is made that way. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.TAGOUT_PICTURES
  if (folder === undefined) return
  await page.evaluate(() => document.fonts.ready)
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
