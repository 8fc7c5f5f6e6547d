import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { Complaint } from './complaint.ts'

/** Programs of browsers that are driven over a pipe, on Linux and macOS. */
const programs = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'microsoft-edge',
  'brave-browser',
]
const bundles = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
]
/** Milliseconds that the browser may take for one answer. */
const answerWithin = 120_000

/** A page of a browser on this machine that nobody sees. It has no network. */
export type OwnPage = AsyncDisposable & {
  /** Runs an expression there; what it comes to must be JSON. */
  readonly run: (expression: string) => Promise<unknown>
}

/** A program by its name, as a shell finds it. */
export function findProgram(names: readonly string[], path: string | undefined): string | undefined {
  const folders = (path ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const name of names)
    for (const folder of folders) if (existsSync(join(folder, name))) return join(folder, name)
  return undefined
}

/**
 * Starts a browser of this machine for one page.
 *
 * SECURITY: pictures of a machine that may be hostile are decoded in the browser's sandbox, and not in this process, which has the
 * auditor's key. Its profile is new and removed at the end, it listens on no port (a pipe drives it), and whatever it would look up
 * by name it does not find. Root has no sandbox, so `isRoot` says so to whoever asked.
 */
export async function openOwnPage(
  env: Readonly<Record<string, string | undefined>>,
): Promise<OwnPage & { readonly isRoot: boolean }> {
  const program =
    env['TAGOUT_BROWSER'] ??
    findProgram(programs, env['PATH']) ??
    bundles.find((bundle) => existsSync(bundle))
  if (program === undefined)
    throw new Complaint(
      'a video is drawn by a browser of this machine, and there is none',
      'install Chromium or Chrome, or name one: TAGOUT_BROWSER=/path/to/chromium',
    )
  const folder = await mkdtemp(join(tmpdir(), 'tagout-film-'))
  const page = join(folder, 'film.html')
  const isRoot = process.getuid?.() === 0
  try {
    // A page of a file may encode video, where an empty one may not.
    await writeFile(page, '<!doctype html><meta charset="utf-8"><title>film</title>')
    const child = spawn(
      program,
      [
        ...['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${join(folder, 'profile')}`],
        ...['--no-first-run', '--no-default-browser-check', '--disable-gpu', '--disable-extensions'],
        ...[
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          '--mute-audio',
        ],
        '--host-resolver-rules=MAP * ~NOTFOUND',
        ...(isRoot ? ['--no-sandbox'] : []),
        'about:blank',
      ],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
        env: { PATH: env['PATH'], HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' },
      },
    )
    return { isRoot, ...(await attach(child, page, folder)) }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function attach(child: ChildProcess, file: string, folder: string): Promise<OwnPage> {
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const close = async () => {
    child.kill('SIGKILL')
    await gone
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const call = speak(child, gone)
    const { targetId } = await call('Target.createTarget', { url: pathToFileURL(file).href })
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
    const run = async (expression: string) => {
      const answer = await call(
        'Runtime.evaluate',
        { expression, awaitPromise: true, returnByValue: true },
        String(sessionId),
      )
      const { result, exceptionDetails } = answer as {
        result?: { value?: unknown }
        exceptionDetails?: { exception?: { description?: string }; text?: string }
      }
      if (exceptionDetails !== undefined)
        throw new Complaint(
          `the browser could not draw it: ${firstLine(exceptionDetails.exception?.description ?? exceptionDetails.text)}`,
          'try a newer Chromium, or export it as guac',
        )
      return result?.value
    }
    // What was asked of it before its page was there would be lost with the empty one.
    while ((await run('location.protocol + document.readyState')) !== 'file:complete')
      await new Promise((resolve) => setTimeout(resolve, 20))
    return { run, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

type Call = (
  method: string,
  params: Readonly<Record<string, unknown>>,
  sessionId?: string,
) => Promise<Record<string, unknown>>

/** The DevTools protocol over a pipe: JSON, each ended by a zero byte. */
function speak(child: ChildProcess, gone: Promise<void>): Call {
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable]
  const waiting = new Map<number, (answer: Record<string, unknown>) => void>()
  let pieces: Buffer[] = []
  to.on('error', () => undefined)
  from.on('error', () => undefined)
  from.on('data', (chunk: Buffer) => {
    let rest = chunk
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(Buffer.concat([...pieces, rest.subarray(0, end)]).toString('utf8')) as {
        id?: number
      }
      pieces = []
      rest = rest.subarray(end + 1)
      if (message.id === undefined) continue
      waiting.get(message.id)?.(message as Record<string, unknown>)
      waiting.delete(message.id)
    }
    if (rest.length > 0) pieces.push(rest)
  })
  let number = 0
  const ended = gone.then(() => {
    throw new Complaint('the browser that draws the video has ended', 'try again, or export it as guac')
  })
  ended.catch(() => undefined)
  return async (method, params, sessionId) => {
    number += 1
    const id = number
    const answered = new Promise<Record<string, unknown>>((resolve) => waiting.set(id, resolve))
    to.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Complaint('the browser that draws the video does not answer', 'try again')),
        answerWithin,
      )
    })
    try {
      const answer = await Promise.race([answered, ended, late])
      if (answer['error'] !== undefined)
        throw new Complaint('the browser that draws the video is not understood', 'try a newer Chromium')
      return (answer['result'] ?? {}) as Record<string, unknown>
    } finally {
      clearTimeout(timer)
    }
  }
}

function firstLine(text: string | undefined): string {
  return (text ?? 'it did not say why').split('\n')[0]?.slice(0, 200) ?? ''
}
