import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { LiveSocket } from '../../../recorder/live/live-socket.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A socket whose other end keeps what it is sent. */
function opened() {
  const sent: unknown[] = []
  const socket = Object.assign(new EventEmitter(), {
    send: (text: string) => void sent.push(JSON.parse(text)),
    ping: () => undefined,
    terminate: () => undefined,
  })
  const live = new LiveSocket(socket as unknown as WebSocket, new PassThrough())
  const heard: Buffer[] = []
  live.listen({
    message: () => undefined,
    input: (bytes) => void heard.push(bytes),
    gone: () => undefined,
  } as Parameters<LiveSocket['listen']>[0])
  return { live, socket, sent, heard }
}

test('that a key was taken is said within 5 ms: the browser shows what it waited for, and no timer of ours', () => {
  const { live, socket, sent } = opened()
  socket.emit('message', Buffer.from('k'), true)
  live.takeInput(1)
  vi.advanceTimersByTime(5)
  expect(sent).toEqual([{ kind: 'taken', bytes: 1 }])
})

test('a browser hears every five seconds that the gateway is there', () => {
  const { socket, sent } = opened()
  vi.advanceTimersByTime(14_000)
  expect(sent).toEqual([{ kind: 'alive' }, { kind: 'alive' }])
  socket.emit('close')
  vi.advanceTimersByTime(20_000)
  expect(sent).toHaveLength(2)
})
