import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { LiveSocket } from '../../recorder/live/live-socket.ts'
import { Watch } from '../../recorder/live/watch.ts'
import type { Follower } from '../../recorder/recording/index.ts'

// Who watches a session together with whoever rules its target: one makes much of nothing, the other does not read.

let folder: string
let server: Server
let path: string
const accepted: { readonly live: LiveSocket; readonly stream: Duplex }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-flood-'))
  path = join(folder, 'live.sock')
  const upgrades = new WebSocketServer({ noServer: true, autoPong: false })
  server = createServer()
  server.on('upgrade', (request, stream, head) =>
    upgrades.handleUpgrade(request, stream, head, (socket) =>
      accepted.push({ live: new LiveSocket(socket, stream), stream }),
    ),
  )
  server.listen(path)
  await once(server, 'listening')
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

async function watcher() {
  const browser = new WebSocket(`ws+unix://${path}:/live`)
  browser.on('error', () => undefined)
  await once(browser, 'open')
  const one = accepted.at(-1)
  if (one === undefined) throw new Error('nothing was accepted')
  // It reads nothing more, and says that it is there all the same.
  browser.pause()
  const alive = setInterval(() => browser.readyState === browser.OPEN && browser.pong(), 5)
  const tell: { frame?: Follower } = {}
  const watch = new Watch(
    {
      follow: (follower) => {
        tell.frame = follower
        return { [Symbol.dispose]: () => undefined }
      },
      screens: async () => [
        { channel: 0, columns: 80, rows: 24, bytes: null },
        { channel: 1, columns: 80, rows: 24, bytes: null },
      ],
    },
    {
      send: (message) => one.live.send(message),
      write: (bytes, taken) => one.live.output.write(bytes, taken),
    },
  )
  return {
    ...one,
    tell: (frame: Parameters<Follower>[0]) => tell.frame?.(frame),
    [Symbol.dispose]: () => {
      clearInterval(alive)
      watch[Symbol.dispose]()
      browser.terminate()
    },
  }
}

const aTurn = () => new Promise((resolve) => setImmediate(resolve))

test.each([
  [
    'marks',
    (at: number) =>
      ({ kind: 'mark', channel: 0, mark: { kind: 'title', title: `${at} ${'x'.repeat(900)}` } }) as const,
  ],
  [
    'changes of size',
    (at: number) => ({ kind: 'resize', channel: 0, columns: 80 + (at % 2), rows: 24 }) as const,
  ],
  [
    'a byte in turn from two channels',
    (at: number) => ({ kind: 'output', channel: at % 2, bytes: Buffer.from('x') }) as const,
  ],
])(
  'a watcher who reads nothing of %s is given up, and costs the worker a few megabytes',
  async (_what, frame) => {
    using one = await watcher()
    await aTurn()
    let most = 0
    for (let at = 0; at < 300_000 && !one.live.isGone; at += 1) {
      one.tell(frame(at))
      most = Math.max(most, one.stream.writableLength)
      if (at % 500 === 0) await aTurn()
    }
    expect(most).toBeGreaterThan(1_000_000)
    expect(most).toBeLessThan(6 * 2 ** 20)
    expect(one.live.isGone).toBe(true)
  },
  60_000,
)
