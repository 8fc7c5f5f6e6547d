import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { send, sendBytes } from '../support/raw-http.ts'

let edge: FakeConsole
let own: string
let cookie: string

beforeAll(async () => {
  edge = await startFakeConsole({ limits: { requests: 1_000_000, proofs: 1_000_000 } })
  own = edge.address
  cookie = `__Host-tagout=${edge.signIn('alice', 'admin')}`
})
afterAll(() => edge[Symbol.asyncDispose]())

function post(path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) {
  return send(own, 'POST', path, {
    headers: { origin: own, cookie, 'content-type': 'application/json', ...headers },
    body,
  })
}

const malformed: Readonly<Record<string, string | Uint8Array>> = {
  'no body': '',
  'not json': '{name:',
  array: '[]',
  null: 'null',
  text: '"x"',
  number: '1e400',
  'a byte order mark': Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{"name":"x"}')]),
  'bytes that are not UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  'UTF-16': Buffer.from('{"name":"x","inputPolicy":"full"}', 'utf16le'),
  'deep arrays': `{"name":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  'deep objects': `${'{"name":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  'many members': `{${Array.from({ length: 60_000 }, (_, at) => `"k${at}":1`).join(',')}}`,
  __proto__: '{"name":"x","__proto__":{"admin":true}}',
  'an escaped __proto__': '{"name":"x","\\u005f_proto__":{"admin":true}}',
  constructor: '{"name":"x","constructor":{"prototype":{}}}',
  'a nested __proto__': '{"name":"x","inputPolicy":{"__proto__":1}}',
  'an unknown member': '{"name":"x","owner":"root"}',
  'a wrong type': '{"name":7}',
  'not a number': '{"name":NaN}',
  'too long a name': JSON.stringify({ name: 'x'.repeat(64) }),
  'a hostile name': JSON.stringify({ name: '../../etc' }),
  'a direction override': JSON.stringify({ name: 'press\u202e3' }),
  'a line break': JSON.stringify({ name: 'press\r\nSet-Cookie: x=1' }),
  'a lone surrogate': '{"name":"\\ud800"}',
}

test.each(Object.entries(malformed))(
  '%s is refused in one sentence, without asking the vault',
  async (_name, body) => {
    edge.asked.length = 0
    const started = performance.now()
    const answer = await post('/api/safes', body)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    const problem = JSON.parse(answer.text)
    expect(problem).toMatchObject({ type: 'urn:tagout:invalid', status: 400, code: 'invalid' })
    expect(problem.title).toMatch(/^[^\n]{5,300}$/)
    expect(edge.asked).toEqual([])
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(Reflect.get({}, 'admin')).toBeUndefined()
  },
)

test('a body over the limit, compressed or of another type is refused', async () => {
  edge.asked.length = 0
  expect((await post('/api/safes', `{"name":"${'x'.repeat(1024 * 1024)}"}`)).status).toBe(413)
  expect((await post('/api/safes', '{"name":"x"}', { 'content-encoding': 'gzip' })).status).toBe(415)
  expect((await post('/api/safes', '{"name":"x"}', { 'content-encoding': 'br' })).status).toBe(415)
  for (const type of [
    'application/json; charset=utf-16',
    'application/json, text/plain',
    'application/jsonx',
    '*/*',
  ])
    expect([type, (await post('/api/safes', '{"name":"x"}', { 'content-type': type })).status]).toEqual([
      type,
      415,
    ])
  expect(
    (await post('/api/safes', '{"name":"x"}', { 'content-type': 'Application/JSON; charset=UTF-8' })).status,
  ).toBe(200)
  expect(edge.asked.map(({ verb }) => verb)).toEqual(['safe.add'])
})

test('what the path says is not said again in the body, and a query has only known members', async () => {
  edge.asked.length = 0
  expect((await post('/api/users/bob/disable', '{"user":"alice"}')).status).toBe(400)
  expect(
    (await post('/api/login', '{"name":"a","sealedPassword":"AAAA","totpCode":"1","source":"10.0.0.1"}'))
      .status,
  ).toBe(400)
  for (const query of [
    'limit=1&limit=2',
    'limit=-1',
    'limit=1e3',
    'limit=',
    'x=1',
    'limit[]=1',
    '__proto__=1',
    'live=1',
  ])
    expect([
      query,
      (await send(own, 'GET', `/api/sessions?${query}`, { headers: { cookie } })).status,
    ]).toEqual([query, 400])
  expect(edge.asked).toEqual([])
  expect((await send(own, 'GET', '/api/sessions?limit=5&live=true', { headers: { cookie } })).status).toBe(
    200,
  )
  expect(edge.asked.at(-1)?.input).toEqual({ limit: 5, live: true })
})

test('the source is the address of the connection, whatever headers say', async () => {
  await post('/api/login', '{"name":"alice","sealedPassword":"AAAA","totpCode":"1"}', {
    'x-forwarded-for': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    'x-real-ip': '203.0.113.9',
  })
  expect(edge.asked.at(-1)?.input).toMatchObject({ source: '127.0.0.1' })
})

test('random json never gives a fault, and never reaches the vault in another shape', async () => {
  const paths = [
    '/api/safes',
    '/api/targets',
    '/api/accounts',
    '/api/grants',
    '/api/users',
    '/api/enrolment/finish',
  ]
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.json({ maxDepth: 6 }), async (path, body) => {
      const answer = await post(path, body)
      expect(answer.status).toBeLessThan(500)
      expect(answer.status).not.toBe(200)
    }),
    { numRuns: 300 },
  )
})

test('random bytes as a request end the connection, and the next one is answered', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), async (bytes) => {
      const answer = await sendBytes(own, Buffer.concat([bytes, Buffer.from('\r\n\r\n')]), 1_500)
      expect(answer === '' || answer.startsWith('HTTP/1.1 4')).toBe(true)
    }),
    { numRuns: 60 },
  )
  expect((await send(own, 'GET', '/api/health')).status).toBe(200)
})

const host = () => `Host: ${new URL(own).host}\r\n`
const smuggles: Readonly<Record<string, () => string>> = {
  'both lengths': () =>
    `POST /api/safes HTTP/1.1\r\n${host()}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/users HTTP/1.1\r\n${host()}\r\n`,
  'two lengths': () =>
    `POST /api/safes HTTP/1.1\r\n${host()}Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}  GET /api/users HTTP/1.1\r\n\r\n`,
  'an odd transfer encoding': () =>
    `POST /api/safes HTTP/1.1\r\n${host()}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  'a bad chunk size': () =>
    `POST /api/safes HTTP/1.1\r\n${host()}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`,
  'a folded header': () => `GET /api/health HTTP/1.1\r\n${host()}X-A: 1\r\n 2\r\n\r\n`,
  'a bare line feed': () => `GET /api/health HTTP/1.1\n${host()}\n`,
  'no host': () => 'GET /api/health HTTP/1.1\r\n\r\n',
  'two hosts': () => `GET /api/health HTTP/1.1\r\n${host()}Host: evil.example\r\n\r\n`,
  'a huge header': () => `GET /api/health HTTP/1.1\r\n${host()}X-A: ${'a'.repeat(40_000)}\r\n\r\n`,
  'a null in a header': () => `GET /api/health HTTP/1.1\r\n${host()}X-A: a\0b\r\n\r\n`,
}

test.each(Object.entries(smuggles))(
  'a request with %s is refused, and nothing after it is taken for one',
  async (_name, text) => {
    const answer = await sendBytes(own, text(), 1_500)
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
    expect(statuses.length).toBeLessThanOrEqual(1)
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400)
  },
)

test('many headers are cut off, and an aborted upload leaves nothing behind', async () => {
  const many = Array.from({ length: 3_000 }, (_, at) => `X-${at}: 1\r\n`).join('')
  const answer = await sendBytes(own, `GET /api/health HTTP/1.1\r\n${host()}${many}\r\n`, 1_500)
  expect(answer).toMatch(/^HTTP\/1\.1 4/)
  edge.asked.length = 0
  for (let at = 0; at < 20; at++)
    await sendBytes(
      own,
      `POST /api/safes HTTP/1.1\r\n${host()}Origin: ${own}\r\nCookie: ${cookie}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"name":`,
      20,
    )
  expect(edge.asked).toEqual([])
  expect((await send(own, 'GET', '/api/health')).status).toBe(200)
})

test('a source that asks too much, or guesses, has to wait', async () => {
  await using strict = await startFakeConsole({ limits: { requests: 60, proofs: 5 } })
  const guess = () =>
    send(strict.address, 'POST', '/api/login', {
      headers: {
        origin: strict.address,
        'content-type': 'application/json',
        'x-forwarded-for': String(Math.random()),
      },
      body: '{"name":"nobody","sealedPassword":"AAAA","totpCode":"000000"}',
    })
  const statuses: number[] = []
  for (let at = 0; at < 8; at++) statuses.push((await guess()).status)
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
  const begun = await send(strict.address, 'POST', '/api/enrolment/begin', {
    headers: { origin: strict.address, 'content-type': 'application/json' },
    body: `{"token":"guess","boxKey":"${'A'.repeat(43)}="}`,
  })
  expect(begun.status).toBe(429)
  const reads: number[] = []
  for (let at = 0; at < 60; at++) reads.push((await send(strict.address, 'GET', '/api/status')).status)
  expect(reads[0]).toBe(200)
  expect(reads.at(-1)).toBe(429)
})

test('a fault says where to look and nothing of what went wrong', async () => {
  edge.answers.set('safe.list', () => {
    throw new Error('password=hunter2 at /srv/secret.ts')
  })
  const answer = await send(own, 'GET', '/api/safes', { headers: { cookie } })
  edge.answers.delete('safe.list')
  expect(answer.status).toBe(500)
  expect(answer.text).not.toMatch(/hunter2|secret\.ts|at /)
  expect(JSON.parse(answer.text)).toMatchObject({
    code: 'fault',
    instance: expect.stringMatching(/^[0-9a-f]{16}$/),
  })
})
