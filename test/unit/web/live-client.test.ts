import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LiveClient } from '../../../web/terminal/live-client.ts'

/** What a page makes of a gateway that it hears nothing of: its own clock, and a socket that is a test's. */

class Socket extends EventTarget {
  static readonly OPEN = 1
  static last: Socket
  readyState = 1
  binaryType = ''
  isClosed = false
  constructor() {
    super()
    Socket.last = this
  }
  send(): void {}
  close(): void {
    this.isClosed = true
  }
  hear(message: object): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }))
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Socket)
  vi.stubGlobal('window', { location: { href: 'https://gateway.test/desktop' } })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

function open() {
  const told: unknown[] = []
  const client = new LiveClient(
    '/live',
    { kind: 'leave' },
    {
      message: (message) => told.push(message.kind),
      output: () => undefined,
      silent: (isSilent) => told.push(isSilent),
      closed: (code) => told.push(code),
    },
  )
  return { client, told }
}

test('a gateway that says every five seconds that it is there is not silent', () => {
  const { told } = open()
  for (let second = 0; second < 120; second += 5) {
    vi.advanceTimersByTime(5_000)
    Socket.last.hear({ kind: 'alive' })
  }
  expect(told).toEqual([])
})

test('silence is told after twelve seconds, and its end', () => {
  const { told } = open()
  vi.advanceTimersByTime(11_000)
  expect(told).toEqual([])
  vi.advanceTimersByTime(3_000)
  expect(told).toEqual([true])
  Socket.last.hear({ kind: 'alive' })
  expect(told).toEqual([true, false])
})

test('a network that is gone closes no socket: it is given up, once', () => {
  const { told } = open()
  vi.advanceTimersByTime(60_000)
  expect(told).toEqual([true, 1006])
  expect(Socket.last.isClosed).toBe(true)
})

test('a page that slept has not listened, and gives nothing up before it has', () => {
  const { told } = open()
  // Its timers stood; then the clock is an hour later.
  vi.setSystemTime(Date.now() + 3600_000)
  const at = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => at + 3600_000)
  vi.advanceTimersByTime(1_000)
  expect(told).toEqual([])
})
