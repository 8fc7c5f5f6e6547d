import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeInstruction } from '../../recorder/broker/desktop/instruction.ts'
import { type Lite, openLite } from '../../recorder/broker/desktop/lite.ts'
import { Tap } from '../../recorder/broker/desktop/tap.ts'
import { until } from '../support/installation.ts'

/**
 * What guacamole-lite does by itself, held against our containment of it: on the package as it is installed, so that an
 * update cannot undo one of them.
 */

const folder = mkdtempSync(join(tmpdir(), 'tagout-lite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const thrown: unknown[] = []
const keep = (error: unknown) => void thrown.push(error)
beforeEach(() => {
  thrown.length = 0
  process.on('uncaughtException', keep)
  process.on('unhandledRejection', keep)
})
afterEach(() => {
  process.off('uncaughtException', keep)
  process.off('unhandledRejection', keep)
  expect(thrown).toEqual([])
})

type Opened = AsyncDisposable & {
  readonly lite: Lite
  readonly socket: Socket
  readonly sent: Buffer[]
  readonly isClosed: () => boolean
  readonly text: () => string
}

let count = 0
async function open(): Promise<Opened> {
  count += 1
  const tap = await Tap.listen(join(folder, `${count}.sock`))
  const sent: Buffer[] = []
  let closed = false
  const { ticket, brought } = tap.offer()
  const lite = openLite(tap.path, ticket, {
    send: (bytes) => void sent.push(bytes),
    closed: () => {
      closed = true
    },
  })
  const socket = await brought
  socket.resume()
  return {
    lite,
    socket,
    sent,
    isClosed: () => closed,
    text: () => Buffer.concat(sent).toString('utf8'),
    [Symbol.asyncDispose]: async () => {
      lite[Symbol.dispose]()
      socket.destroy()
      await tap[Symbol.asyncDispose]()
    },
  }
}

test('a character that is split between two reads, at each of its bytes, comes whole', async () => {
  await using opened = await open()
  const bytes = encodeInstruction('name', 'Přístroj 😀 €')
  for (const byte of bytes) {
    opened.socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  // guacamole-lite counts units of UTF-16 where the protocol counts characters: nothing of that is sent to a browser
  // as it is (desktop-policy.ts lets no text of a target through), and it ends nothing.
  opened.socket.write(encodeInstruction('size', '0', '10', '10'))
  await until(() => opened.text().includes('4.size') || opened.isClosed() || undefined, 10_000)
})

test.each([
  ['text that is no instruction', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['a length that is none', 'x.abc;'],
  ['a separator that is none', '3.abc:'],
])('%s from the far side closes this one and ends nothing else', async (_, text) => {
  await using opened = await open()
  opened.socket.write(text)
  await until(() => opened.isClosed() || undefined, 10_000)
})

test('a far side that is silent, or kept waiting for a slow browser, is not given up', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  try {
    await using opened = await open()
    opened.lite.pause()
    vi.advanceTimersByTime(60_000)
    opened.lite.resume()
    opened.socket.write(encodeInstruction('sync', '1'))
    await vi.waitFor(() => expect(opened.text()).toContain('sync'), 10_000)
    expect(opened.isClosed()).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})

test('what a browser sends comes to the tap as it is, and nothing is written down of it', async () => {
  const written = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  await using opened = await open()
  const heard: Buffer[] = []
  opened.socket.on('data', (chunk: Buffer) => heard.push(chunk))
  opened.lite.hear(encodeInstruction('key', '97', '1'))
  await until(() => Buffer.concat(heard).toString() === '3.key,2.97,1.1;' || undefined, 10_000)
  opened.socket.write(encodeInstruction('sync', '1'))
  await until(() => opened.text().includes('sync') || undefined, 10_000)
  opened.socket.destroy()
  await until(() => opened.isClosed() || undefined, 10_000)
  // It prints the id of each connection where its own server is used, and everything at the level QUIET.
  expect(written).not.toHaveBeenCalled()
  expect(errors).not.toHaveBeenCalled()
  vi.restoreAllMocks()
})

test('the browser is not told the id that joins the connection', async () => {
  await using opened = await open()
  await until(() => opened.text().includes('desktop') || undefined, 10_000)
  expect(opened.text()).toBe('0.,8.$desktop;')
})

test('paused, it takes no more than a window, and goes on whole', async () => {
  await using opened = await open()
  opened.lite.pause()
  const piece = encodeInstruction('blob', '1', 'x'.repeat(8_000))
  let written = 0
  while (opened.socket.write(piece)) written += 1
  expect(written * piece.length).toBeLessThan(2_000_000)
  const before = opened.sent.length
  await new Promise((resolve) => setImmediate(resolve))
  expect(opened.sent.length).toBe(before)
  opened.lite.resume()
  await until(() => opened.text().split('4.blob').length - 1 === written + 1 || undefined, 20_000)
})

test('a ticket is good once, and one that nobody gave for nothing', async () => {
  const tap = await Tap.listen(join(folder, 'once.sock'))
  const bring = async (ticket: string) => {
    const lite = openLite(tap.path, ticket, { send: () => undefined, closed: () => closed.resolve() })
    const closed = Promise.withResolvers<void>()
    return { lite, closed: closed.promise }
  }
  const { ticket, brought } = tap.offer()
  const first = await bring(ticket)
  const socket = await brought
  const second = await bring(ticket)
  await second.closed
  const third = await bring('0'.repeat(64))
  await third.closed
  expect(socket.destroyed).toBe(false)
  first.lite[Symbol.dispose]()
  socket.destroy()
  await tap[Symbol.asyncDispose]()
})

test('signals of the process are not taken: its own server takes SIGTERM for itself', async () => {
  const before = process.listenerCount('SIGTERM')
  await using _opened = await open()
  expect(process.listenerCount('SIGTERM')).toBe(before)
})

test('who connects to the tap and says no ticket, or nonsense, is let go', async () => {
  const tap = await Tap.listen(join(folder, 'nonsense.sock'))
  for (const text of ['GET / HTTP/1.1\r\n\r\n', '6.select,3.vnc;7.connect,0.,5.guess;']) {
    const socket = createConnection(tap.path)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    socket.resume()
    socket.write(text)
    await closed
  }
  await tap[Symbol.asyncDispose]()
})
