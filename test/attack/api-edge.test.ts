import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routesBeside } from '../../api/http/app.ts'
import { routes } from '../../api/routes/table.ts'
import { verbs } from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { send } from '../support/raw-http.ts'

let edge: FakeConsole
let own: string
const json = { 'content-type': 'application/json' }

beforeAll(async () => {
  edge = await startFakeConsole({ limits: { requests: 100_000, proofs: 100_000 } })
  own = edge.address
})
afterAll(() => edge[Symbol.asyncDispose]())

/** A path with something in place of each member. */
function filled(path: string): string {
  return path.replaceAll(/:(\w+)/g, (_whole, name: string) => {
    const kinds: Readonly<Record<string, string>> = {
      recording: 'rec',
      session: 'ses',
      grant: 'grt',
      lease: 'lse',
      login: 'lgn',
      key: 'key',
    }
    const kind = kinds[name]
    return kind === undefined ? 'press-3' : newId(kind)
  })
}

const everyRoute = [...routes.map(({ method, path, access }) => ({ method, path, access })), ...routesBeside]

test('without a login every route answers 401, but for a short allow-list', async () => {
  const open = everyRoute.filter(({ access }) => access === 'anyone')
  expect(open.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    'GET /api/health',
    'GET /api/login/providers',
    'GET /api/status',
    'POST /api/enrolment/begin',
    'POST /api/enrolment/finish',
    'POST /api/login',
    'POST /api/login/challenge',
    'POST /api/login/finish',
    'POST /api/login/leave',
    'POST /api/login/passkey',
    'POST /api/login/return',
    'POST /api/switches/:switch/call',
  ])
  edge.asked.length = 0
  for (const { method, path } of everyRoute.filter(({ access }) => access === 'user')) {
    for (const headers of [{}, { cookie: '__Host-tagout=forged' }, { authorization: 'Bearer x' }]) {
      const answer = await send(own, method, filled(path), {
        headers: { origin: own, ...json, ...headers },
        ...(method === 'GET' ? {} : { body: '{}' }),
      })
      // A forged token with a body of the wrong shape is told about the shape; neither gets anywhere.
      expect([`${method} ${path}`, [400, 401].includes(answer.status)]).toEqual([`${method} ${path}`, true])
      if (!('cookie' in headers)) expect(answer.status).toBe(401)
    }
  }
  // Nothing was asked of the vault but what a forged token was resolved for.
  expect(edge.asked.every(({ token }) => token === 'forged')).toBe(true)
})

test('the running router has no route beside the table', () => {
  type Layer = {
    readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> }
  }
  const [app] = edge.server.listeners('request') as unknown as [
    { readonly router: { readonly stack: Layer[] } },
  ]
  const running = app.router.stack.flatMap(({ route }) =>
    route === undefined
      ? []
      : Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`),
  )
  expect(running.toSorted()).toEqual(everyRoute.map(({ method, path }) => `${method} ${path}`).toSorted())
})

test('every route asks a verb that its door lets a user or anyone ask', () => {
  for (const { verb, access } of routes) {
    const doors: readonly string[] = verbs[verb].door
    expect([verb, doors.includes(access === 'either' ? 'user' : access)]).toEqual([verb, true])
  }
})

test('a change is refused when another site makes the browser ask for it', async () => {
  const token = edge.signIn('mallory-victim', 'admin')
  const cookie = `__Host-tagout=${token}`
  const forged: readonly Readonly<Record<string, string>>[] = [
    { ...json },
    { ...json, origin: 'https://evil.example' },
    { ...json, origin: 'null' },
    { ...json, origin: own.replace('http:', 'https:') },
    { ...json, origin: `${own}.evil.example` },
    { ...json, origin: own.replace('127.0.0.1', 'localhost') },
    { ...json, origin: own, 'sec-fetch-site': 'cross-site' },
    { ...json, origin: own, 'sec-fetch-site': 'same-site' },
    { ...json, origin: own, 'sec-fetch-site': 'none' },
    { ...json, referer: `${own}/` },
  ]
  const simple: readonly Readonly<Record<string, string>>[] = [
    { origin: own, 'content-type': 'text/plain' },
    { origin: own, 'content-type': 'application/x-www-form-urlencoded' },
    { origin: own, 'content-type': 'multipart/form-data; boundary=x' },
    { origin: own, 'content-type': 'text/plain; application/json' },
    { origin: own },
  ]
  edge.asked.length = 0
  for (const { method, path } of everyRoute.filter((route) => route.method !== 'GET')) {
    for (const headers of forged)
      expect(
        (await send(own, method, filled(path), { headers: { ...headers, cookie }, body: '{}' })).status,
      ).toBe(403)
    for (const headers of simple)
      expect(
        (await send(own, method, filled(path), { headers: { ...headers, cookie }, body: '{}' })).status,
      ).toBe(415)
  }
  expect(edge.asked).toEqual([])
})

test('reading is refused to other sites as well', async () => {
  const cookie = `__Host-tagout=${edge.signIn('victim', 'admin')}`
  const statusOf = async (headers: Readonly<Record<string, string>>) =>
    (await send(own, 'GET', '/api/users', { headers: { cookie, ...headers } })).status
  expect(await statusOf({ 'sec-fetch-site': 'cross-site' })).toBe(403)
  expect(await statusOf({ origin: 'https://evil.example' })).toBe(403)
  expect(await statusOf({ 'sec-fetch-site': 'same-origin' })).toBe(200)
  expect(await statusOf({})).toBe(200)
})

test('a name that somebody points at this machine is not this console', async () => {
  for (const host of [
    'evil.example',
    `evil.example:${new URL(own).port}`,
    '127.0.0.1.evil.example',
    '',
    '[::ffff:1]x',
  ]) {
    const answer = await send(own, 'GET', '/api/status', { headers: { host } })
    expect([host, answer.status === 421 || answer.status === 400]).toEqual([host, true])
  }
})

test('every answer carries the security headers, and no answer of the API may be kept', async () => {
  const cookie = `__Host-tagout=${edge.signIn('alice', 'admin')}`
  const answers = [
    await send(own, 'GET', '/api/status'),
    await send(own, 'GET', '/api/users', { headers: { cookie } }),
    await send(own, 'GET', '/api/users'),
    await send(own, 'GET', '/api/nothing'),
    await send(own, 'POST', '/api/login', { headers: { origin: 'https://evil.example' }, body: 'x' }),
    await send(own, 'GET', '/'),
    await send(own, 'GET', '/assets/none.js'),
    await send(own, 'TRACE', '/api/status'),
  ]
  for (const { headers } of answers) {
    const csp = String(headers['content-security-policy'])
    expect(csp).toContain("default-src 'none'")
    expect(csp).toContain("frame-ancestors 'none'")
    expect(csp).toContain("script-src 'self' 'wasm-unsafe-eval'")
    expect(csp).not.toContain("'unsafe-eval'")
    expect(csp).not.toMatch(/script-src[^;]*unsafe-inline/)
    expect(csp).not.toMatch(/https?:/)
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
    expect(headers['cross-origin-opener-policy']).toBe('same-origin')
    expect(headers['cross-origin-embedder-policy']).toBe('require-corp')
    expect(headers['permissions-policy']).toContain('camera=()')
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers['access-control-allow-origin']).toBeUndefined()
  }
  for (const { headers } of answers.slice(0, 5)) expect(headers['cache-control']).toBe('no-store')
})

test('signing in puts the token into a cookie that scripts cannot read, and nowhere else', async () => {
  const answer = await send(own, 'POST', '/api/login', {
    headers: { origin: own, ...json },
    body: JSON.stringify({ name: 'alice', sealedPassword: 'AAAA', totpCode: '123456' }),
  })
  expect(answer.status).toBe(200)
  const [cookie] = answer.headers['set-cookie'] as readonly string[]
  expect(cookie).toMatch(
    /^__Host-tagout=[A-Za-z0-9_-]{32}; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/,
  )
  const token = /=([^;]+)/.exec(cookie ?? '')?.[1] ?? 'none'
  expect(answer.text).not.toContain(token)
  const who = await send(own, 'GET', '/api/login', { headers: { cookie: `__Host-tagout=${token}` } })
  expect(JSON.parse(who.text)).toMatchObject({ name: 'alice' })

  const out = await send(own, 'DELETE', '/api/login', {
    headers: { origin: own, ...json, cookie: `__Host-tagout=${token}` },
    body: '{}',
  })
  expect(out.headers['set-cookie']).toEqual([
    expect.stringMatching(/^__Host-tagout=; .*Expires=Thu, 01 Jan 1970/),
  ])
  const after = await send(own, 'GET', '/api/login', { headers: { cookie: `__Host-tagout=${token}` } })
  expect([after.status, after.text]).toEqual([200, 'null'])
  const gone = await send(own, 'GET', '/api/logins', { headers: { cookie: `__Host-tagout=${token}` } })
  expect(gone.status).toBe(401)
})

test('who is signed in is null for nobody, and says nothing of anybody', async () => {
  edge.asked.length = 0
  const nobody = await send(own, 'GET', '/api/login')
  expect([nobody.status, nobody.text]).toEqual([200, 'null'])
  expect(edge.asked).toEqual([])
  // A forged or ended login is taken away from the browser.
  const forged = await send(own, 'GET', '/api/login', { headers: { cookie: '__Host-tagout=forged' } })
  expect([forged.status, forged.text]).toEqual([200, 'null'])
  expect(forged.headers['set-cookie']).toEqual([expect.stringMatching(/Expires=Thu, 01 Jan 1970/)])
})

test('a planted or malformed cookie is no login', async () => {
  const token = edge.signIn('alice', 'admin')
  const good = `__Host-tagout=${token}`
  const cookies: readonly (string | readonly string[])[] = [
    `${good}; ${good}`,
    `__Host-tagout=other; ${good}`,
    [good, good],
    `__host-tagout=${token}`,
    `tagout=${token}`,
    `__Host-tagout="${token}"`,
    `__Host-tagout=${token}%00`,
    `__Host-tagout=${'a'.repeat(201)}`,
    '__Host-tagout=',
  ]
  for (const cookie of cookies)
    expect([
      cookie,
      (await send(own, 'GET', '/api/login', { headers: { cookie } })).text,
      (await send(own, 'GET', '/api/logins', { headers: { cookie } })).status,
    ]).toEqual([cookie, 'null', 401])
  expect((await send(own, 'GET', '/api/logins', { headers: { cookie: good } })).status).toBe(200)
})

test('another way to write a path or a method decides the same', async () => {
  const ways = [
    ['GET', '/api//users'],
    ['GET', '//api/users'],
    ['GET', '/api/users/'],
    ['GET', '/API/users'],
    ['GET', '/api/./users'],
    ['GET', '/api/x/../users'],
    ['GET', '/api/%75sers'],
    ['GET', '/api/users;x=1'],
    ['GET', '/api%2fusers'],
    ['GET', '/api/users%00'],
    ['GET', `${own}/api/users`],
    ['HEAD', '/api/users'],
    ['OPTIONS', '/api/users'],
    ['PATCH', '/api/users'],
    ['GET', '/api/users?_method=POST'],
    ['GET', '/..%2f..%2fetc/passwd'],
    ['GET', '/assets/..%2f..%2f..%2fpackage.json'],
    ['GET', '/.env'],
  ] as const
  edge.asked.length = 0
  for (const [method, path] of ways) {
    const answer = await send(own, method, path, {
      headers: { origin: own, 'x-http-method-override': 'POST' },
    })
    expect([`${method} ${path}`, answer.status >= 400]).toEqual([`${method} ${path}`, true])
    expect(answer.text).not.toContain('"dependencies"')
  }
  expect(edge.asked).toEqual([])
})

test('a provider sends a browser back to the one page that is for it, as a document, and to nothing else', async () => {
  const from = (mode: string, dest: string): Readonly<Record<string, string>> => ({
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': mode,
    'sec-fetch-dest': dest,
  })
  const statusOf = async (method: string, path: string, headers: Readonly<Record<string, string>>) =>
    (await send(own, method, path, { headers: { ...json, ...headers } })).status
  const document = from('navigate', 'document')
  // There is no console in this folder: the page is let through, and not found.
  expect(await statusOf('GET', '/sign-in/return?code=x&state=y', document)).toBe(503)
  expect(await statusOf('GET', '/sign-in/return', { ...document, host: 'evil.example' })).toBe(421)
  for (const [method, path, headers] of [
    ['GET', '/sign-in/return', from('navigate', 'iframe')],
    ['GET', '/sign-in/return', from('no-cors', 'script')],
    ['GET', '/sign-in/return', { ...document, origin: 'https://evil.example' }],
    ['POST', '/sign-in/return', document],
    ['GET', '/sign-in/return/', document],
    ['GET', '/', document],
    ['GET', '/api/users', document],
    ['POST', '/api/login/return', document],
  ] as const)
    expect([path, await statusOf(method, path, headers)]).toEqual([path, 403])
})

test('what binds a sign-in to a browser is in a cookie out of the reach of scripts, and nowhere else', async () => {
  edge.answers.set('login.leave', () => ({ url: 'https://login.example/', browser: 'kept-here' }))
  const cookie = `__Host-tagout=${edge.signIn('somebody', 'operator')}`
  const left = await send(own, 'POST', '/api/login/leave', {
    headers: { ...json, origin: own, cookie },
    body: '{"directory":"corp"}',
  })
  expect(left.text).not.toContain('kept-here')
  edge.asked.length = 0
  await send(own, 'POST', '/api/login/return', {
    headers: { ...json, origin: own, cookie: '__Host-tagout-away=kept-here' },
    body: '{"state":"s","code":"c"}',
  })
  expect(edge.asked.at(-1)?.input).toMatchObject({ browser: 'kept-here', state: 's' })
  const said = await send(own, 'POST', '/api/login/return', {
    headers: { ...json, origin: own },
    body: '{"state":"s","code":"c","browser":"in-the-body"}',
  })
  expect(said.status).toBe(400)
})

test('who connects and asks nothing is let go without an answer; what is no request is answered as one', async () => {
  // A browser opens connections in advance: an answer on such a one would be taken for the answer to its next request.
  const { port } = new URL(own)
  const heard = async (bytes: string) => {
    const socket = connect(Number(port), '127.0.0.1')
    let text = ''
    socket.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    socket.write(bytes)
    await once(socket, 'close')
    return text
  }
  const [silent, half, wrong] = await Promise.all([
    heard(''),
    heard('GET / HTTP/1.1\r\nHost: loc'),
    heard('no request at all\r\n\r\n'),
  ])
  expect(silent).toBe('')
  expect(half).toBe('')
  expect(wrong).toMatch(/^HTTP\/1\.1 400 /)
})
