import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { until } from './installation.ts'

/** What the scenarios of a plant share: a figure with its limit, what a target shows, a terminal in a browser. */

/** Prints a figure that was measured beside what it must not exceed; answers it. */
export function measured(what: string, ms: number, limitMs: number): number {
  console.log(`  ${what}: ${Math.round(ms)} ms (at most ${limitMs} ms)`)
  return ms
}

/** A client of OpenSSH that runs one command on a target and types into it without pause. */
export function streamTo(
  args: readonly string[],
  command: string,
): ChildProcess & { readonly said: () => string } {
  const child = spawn('ssh', [...args, command], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes))
  child.stdin.on('error', () => undefined)
  const timer = setInterval(() => child.stdin.write('0123456789abcde\n'), 5)
  child.once('exit', () => clearInterval(timer))
  return Object.assign(child, { said: () => said })
}

/** On the target: what comes in goes to one file, and the moment at which it ends to another. */
export function keepsStream(name: string): string {
  return `trap 'date +%s%3N > ended-${name}' EXIT HUP TERM; cat > stream-${name}`
}

/** What a target has of a stream, as its own files say. */
export function atTarget(home: string) {
  const file = (name: string) => join(home, name)
  return {
    bytes: (name: string) => (existsSync(file(`stream-${name}`)) ? statSync(file(`stream-${name}`)).size : 0),
    /** When the last byte came, in milliseconds since the epoch. */
    lastByteAt: (name: string) => statSync(file(`stream-${name}`)).mtimeMs,
    endedAt: (name: string) =>
      until(() => {
        const text = existsSync(file(`ended-${name}`)) ? readFileSync(file(`ended-${name}`), 'utf8') : ''
        return text.length > 5 ? Number(text) : undefined
      }, 180_000),
  }
}

/** How many connections there are to a port of loopback (Linux's /proc/net/tcp, state 01). */
export function connectionsTo(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, at, , state]) => at === local && state === '01').length
}

/** The terminal of a page. */
export function terminalOf(page: Page) {
  const rows = async () => (await page.locator('.xterm-rows').innerText()).replaceAll('\u00a0', ' ')
  return {
    rows,
    type: async (text: string) => {
      await page.getByLabel('Terminal', { exact: true }).focus()
      await page.keyboard.type(text)
    },
    see: (text: string) =>
      until(
        async () => (await rows()).includes(text) || undefined,
        30_000,
        () => false,
        () => `the terminal does not show ${text}`,
      ),
    /** Waits until the session is there and the target has drawn its first line. */
    live: async () => {
      await page.getByTestId('time-left').waitFor()
      await until(async () => ((await rows()).trim() === '' ? undefined : true), 30_000)
    },
  }
}

/** Everything that reaches a browser, and everything that leaves it, byte by byte. */
export function allBytes(page: Page): { readonly taken: () => Promise<readonly Buffer[]> } {
  const pending: Promise<Buffer>[] = []
  const bytes: Buffer[] = []
  const none = () => Buffer.alloc(0)
  page.context().on('response', (response) => {
    bytes.push(Buffer.from(JSON.stringify(response.headers())))
    pending.push(response.body().catch(none))
  })
  page.context().on('request', (request) => {
    bytes.push(
      Buffer.from(`${request.url()}\n${JSON.stringify(request.headers())}\n${request.postData() ?? ''}`),
    )
  })
  const frames = (one: Page) =>
    one.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => bytes.push(Buffer.from(payload)))
      socket.on('framereceived', ({ payload }) => bytes.push(Buffer.from(payload)))
    })
  frames(page)
  page.context().on('page', frames)
  return { taken: async () => [...bytes, ...(await Promise.all(pending))] }
}
