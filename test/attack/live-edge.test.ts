import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { spliceLive } from '../../api/live.ts'
import { newId } from '../../vault/kernel/id.ts'
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { until } from '../support/installation.ts'
import { send } from '../support/raw-http.ts'

// What a live socket meets before any worker is reached.

let edge: FakeConsole
let own: string
let folder: string
let worker: Server
let splice: Disposable
let cookie: string
let beforeConnect: Promise<undefined> | undefined
let connecting = 0
const login = newId('lgn')
const reached: { head: string; readonly socket: Socket }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-live-'))
  worker = createServer((socket) => {
    const one = { head: '', socket }
    reached.push(one)
    socket.on('data', (bytes) => {
      one.head += bytes.toString('latin1')
    })
    socket.on('error', () => undefined)
  })
  worker.listen(join(folder, 'w.sock'))
  await once(worker, 'listening')
  edge = await startFakeConsole()
  own = edge.address
  cookie = `__Host-tagout=${edge.signIn('bob', 'operator')}`
  edge.answers.set('live.open', () => ({ login, user: 'bob' }))
  splice = spliceLive(
    edge.server,
    {
      ask: async (verb, input, token) => edge.ask(verb, input, token),
      connect: async (name) => {
        connecting += 1
        await beforeConnect
        return name === 'gone' ? undefined : connect(join(folder, 'w.sock'))
      },
      onFault: ({ error }) => console.error('fault in the api', error),
    },
    { tls: false, names: [], limits: { perMinute: 200, perLogin: 3, inAll: 4 } },
  )
})
afterAll(async () => {
  splice[Symbol.dispose]()
  worker.close()
  await edge[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  for (const { socket } of reached.splice(0)) socket.destroy()
})

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'tagout.live.1',
}
const ask = (headers: object, path = '/live') =>
  send(own, 'GET', path, { headers: { ...upgrade, ...headers } })

/** Opens a live socket that is let through, and answers what the worker got. */
async function pass(more: Readonly<Record<string, string>> = {}, early = '', within = 10_000) {
  const { hostname, port } = new URL(own)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  const lines = Object.entries({ host: new URL(own).host, origin: own, cookie, ...upgrade, ...more })
  const before = reached.length
  socket.write(
    `GET /live HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${early}`,
  )
  const one = await until(() => {
    const found = reached[before]
    return found?.head.includes('\r\n\r\n') === true ? found : undefined
  }, within)
  return { socket, one }
}

test.each([
  ['no cookie', { origin: 'OWN' }, 401],
  ['a forged cookie', { origin: 'OWN', cookie: '__Host-tagout=forged' }, 401],
  ['two cookies of the name', { origin: 'OWN', cookie: 'TWICE' }, 401],
  ['no origin', { cookie: 'OWN' }, 403],
  ['another origin', { cookie: 'OWN', origin: 'https://evil.example' }, 403],
  ['the origin null', { cookie: 'OWN', origin: 'null' }, 403],
  ['another port of this host', { cookie: 'OWN', origin: 'http://127.0.0.1:1' }, 403],
  ['a request that another site made', { cookie: 'OWN', origin: 'OWN', 'sec-fetch-site': 'cross-site' }, 403],
  ['a sibling site', { cookie: 'OWN', origin: 'OWN', 'sec-fetch-site': 'same-site' }, 403],
  [
    'a name that is not ours',
    { cookie: 'OWN', origin: 'http://rebound.example', host: 'rebound.example' },
    421,
  ],
] as const)('with %s no worker is reached', async (_what, given, status) => {
  const { cookie: wanted, origin, ...rest }: { cookie?: string; origin?: string; host?: string } = given
  const headers = {
    ...rest,
    ...(wanted === undefined
      ? {}
      : { cookie: wanted === 'OWN' ? cookie : wanted === 'TWICE' ? `${cookie}; ${cookie}` : wanted }),
    ...(origin === undefined ? {} : { origin: origin === 'OWN' ? own : origin }),
  }
  const answer = await ask(headers)
  expect([answer.status, reached.length]).toEqual([status, 0])
})

test('the worker is told whose socket it is, and is given nothing else of the browser’s', async () => {
  const { socket, one } = await pass(
    {
      'x-tagout-login': 'lgn_forged',
      'x-tagout-source': '203.0.113.1',
      authorization: 'Bearer x',
      'user-agent': 'a browser',
    },
    'early bytes',
  )
  await until(() => one.head.includes('early bytes') || undefined, 10_000)
  expect(one.head).toContain(`X-Tagout-Login: ${login}\r\n`)
  expect(one.head).toContain('X-Tagout-Source: 127.0.0.1\r\n')
  expect(one.head).not.toMatch(/cookie|__Host|forged|203\.0\.113|Bearer|a browser/i)
  one.socket.write('raw \xff bytes')
  const [heard] = (await once(socket, 'data')) as [Buffer]
  expect(heard.toString('latin1')).toContain('raw')
  socket.destroy()
  await once(one.socket, 'close')
})

test('a worker that goes takes the socket along, and one that is not there is said to be so', async () => {
  const { socket, one } = await pass()
  one.socket.destroy()
  await once(socket, 'close')
  expect((await ask({ cookie, origin: own }, '/live/gone')).status).toBe(503)
})

test('one login holds so many sockets and no more', async () => {
  const held = [await pass(), await pass(), await pass()]
  expect((await ask({ cookie, origin: own })).status).toBe(429)
  for (const { socket } of held) socket.destroy()
  await until(async () => {
    const { socket } = await pass({}, '', 300).catch(() => ({ socket: undefined }))
    socket?.destroy()
    return socket
  }, 10_000)
})

test('of many sockets that one login opens at once, no more reach a worker than it may hold', async () => {
  const gate = Promise.withResolvers<undefined>()
  beforeConnect = gate.promise
  connecting = 0
  let refused = 0
  const { hostname, port } = new URL(own)
  const lines = Object.entries({ host: new URL(own).host, origin: own, cookie, ...upgrade })
  const sockets = Array.from({ length: 12 }, () => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      if (bytes.toString('latin1').startsWith('HTTP/1.1 429')) refused += 1
    })
    socket.write(
      `GET /live HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    )
    return socket
  })
  await until(() => refused + connecting >= 12 || undefined, 10_000)
  beforeConnect = undefined
  gate.resolve(undefined)
  await until(() => reached.length >= connecting || undefined, 10_000)
  expect([reached.length, refused]).toEqual([3, 9])
  for (const socket of sockets) socket.destroy()
})

test.each(['/live/../planes', '/live/%2e%2e', '/live/a/b', '/api/logins', '/'])(
  'an upgrade of %s is a request like another',
  async (path) => {
    const answer = await ask({ cookie, origin: own }, path)
    expect(answer.status).not.toBe(101)
    expect(reached).toEqual([])
  },
)

test('of one source so many are let through a minute', async () => {
  const statuses = []
  for (let count = 0; count < 260; count += 1) statuses.push((await ask({ origin: own })).status)
  expect(new Set(statuses)).toEqual(new Set([401, 429]))
  expect(statuses.at(-1)).toBe(429)
})
