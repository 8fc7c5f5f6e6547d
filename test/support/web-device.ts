import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { makeDirectoryCertificates } from './directory-certificates.ts'

/** What the device does with a new password beside what it says. */
export type WebMood =
  | 'obeys'
  | 'refuses it'
  | 'takes it and hangs up'
  | 'takes it and answers an error'
  | 'says so and does not'

export type WebDevice = AsyncDisposable & {
  readonly port: number
  readonly pin: string
  /** Passwords by login; `saved` is what it has after a restart. */
  readonly users: Map<string, string>
  readonly saved: Map<string, string>
  readonly sessions: Map<string, string>
  mood: WebMood
  /** Logins that it refused. */
  refused: number
  /** Method and path of each request, in order. */
  readonly asked: string[]
}

/**
 * A simulator of a device with a web page: a login by a form with a token against forgery and a cookie, the same by JSON as
 * Redfish has it, and pages by digest authentication. No device is behind it.
 */
export async function startWebDevice(): Promise<WebDevice> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-web-'))
  const { files } = makeDirectoryCertificates(folder, 'device')
  const certificate = readFileSync(files.certificate)
  const device = {
    users: new Map<string, string>(),
    saved: new Map<string, string>(),
    sessions: new Map<string, string>(),
    mood: 'obeys' as WebMood,
    refused: 0,
    asked: [] as string[],
  }
  const server = createServer({ key: readFileSync(files.key), cert: certificate }, (request, response) => {
    void (async () => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer)
      device.asked.push(`${request.method} ${request.url}`)
      answer(device, request, Buffer.concat(pieces).toString(), response)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(device, {
    port: (server.address() as AddressInfo).port,
    pin: fingerprintOf(new X509Certificate(certificate).raw),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  })
}

type Of = Omit<WebDevice, 'port' | 'pin' | typeof Symbol.asyncDispose>

function answer(of: Of, request: IncomingMessage, body: string, response: ServerResponse): void {
  const { method, url = '' } = request
  const cookie = /(?:^|; )sid=([0-9a-f]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const form = new URLSearchParams(body)
  const letsIn = (login: string, password: string): string | undefined => {
    const user = of.users.get(login)
    if (user === undefined || user !== password) {
      of.refused += 1
      return undefined
    }
    const session = randomBytes(16).toString('hex')
    of.sessions.set(session, login)
    return session
  }
  const page = (text: string, status = 200, headers = {}) =>
    void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(text)
  switch (`${method} ${url.split('?')[0]}`) {
    case 'GET /login':
      return page(`<form><input name="csrf" value="${tokenOf('login')}"></form>`, 200, {
        'set-cookie': ['lang=de; Path=/', 'pre=1; HttpOnly'],
      })
    case 'POST /login': {
      if (form.get('csrf') !== tokenOf('login')) return page('forged', 403)
      const session = letsIn(form.get('user') ?? '', form.get('password') ?? '')
      // As many devices do: the same page again, with 200.
      if (session === undefined) return page('<p>Wrong user name or password</p>')
      return page('', 302, { location: '/home', 'set-cookie': `sid=${session}; Path=/; HttpOnly; Secure` })
    }
    case 'GET /home':
      return of.sessions.has(cookie)
        ? page(`<h1>Press 3</h1><input name="csrf" value="${tokenOf(cookie)}">`)
        : page('', 302, { location: '/login' })
    case 'POST /password': {
      const login = of.sessions.get(cookie)
      if (login === undefined || form.get('csrf') !== tokenOf(cookie)) return page('forged', 403)
      if (form.get('old') !== of.users.get(login)) return page('<p>The old password is wrong</p>')
      return change(of, login, form.get('new') ?? '', request, (took) =>
        took ? page('<p>Password changed</p>') : page('<p>Not strong enough</p>'),
      )
    }
    case 'POST /save':
      if (!of.sessions.has(cookie)) return page('', 302, { location: '/login' })
      for (const [login, password] of of.users) of.saved.set(login, password)
      return page('saved')
    case 'POST /end-others':
      for (const one of of.sessions.keys()) if (one !== cookie) of.sessions.delete(one)
      return page('ended')
    case 'GET /logout':
      of.sessions.delete(cookie)
      return page('', 302, { location: '/login' })
    default:
      return redfish(of, request, body, response, letsIn)
  }
}

function redfish(
  of: Of,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
  letsIn: (login: string, password: string) => string | undefined,
): void {
  const { method, url = '' } = request
  const json = (status: number, value: unknown, headers = {}) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(value))
  const given = (): Readonly<Record<string, string>> => JSON.parse(body) as Readonly<Record<string, string>>
  const token = String(request.headers['x-auth-token'] ?? '')
  const [, account] = /^\/redfish\/v1\/AccountService\/Accounts\/([^/]+)$/.exec(url) ?? []
  const [, session] = /^\/redfish\/v1\/SessionService\/Sessions\/([^/]+)$/.exec(url) ?? []
  if (method === 'POST' && url === '/redfish/v1/SessionService/Sessions') {
    const { UserName = '', Password = '' } = given()
    const made = letsIn(UserName, Password)
    return made === undefined
      ? json(401, { error: { code: 'Base.1.8.ResourceAtUriUnauthorized' } })
      : json(201, { Id: made }, { 'x-auth-token': made, location: `${url}/${made}` })
  }
  if (method === 'PATCH' && account !== undefined) {
    const by = of.sessions.get(token)
    const login = decodeURIComponent(account)
    if (by === undefined || (by !== login && !by.startsWith('admin'))) return json(403, { error: {} })
    return change(of, login, given()['Password'] ?? '', request, (took) =>
      took ? json(204, undefined) : json(400, { error: { code: 'Base.1.8.PropertyValueFormatError' } }),
    )
  }
  if (method === 'DELETE' && session !== undefined) {
    of.sessions.delete(session)
    return json(204, undefined)
  }
  return digest(of, request, body, response)
}

/** Pages by digest authentication (RFC 7616). */
function digest(of: Of, request: IncomingMessage, body: string, response: ServerResponse): void {
  const { method = '', url = '' } = request
  const said = request.headers.authorization ?? ''
  const param = (name: string) => new RegExp(`${name}="?([^",]*)`).exec(said)?.[1] ?? ''
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const login = param('username')
  const password = of.users.get(login) ?? ''
  const expected = hash(
    [
      hash(`${login}:device:${password}`),
      ...[param('nonce'), param('nc'), param('cnonce'), 'auth', hash(`${method}:${url}`)],
    ].join(':'),
  )
  if (said === '' || param('response') !== expected || param('nonce') !== tokenOf('nonce')) {
    if (said !== '') of.refused += 1
    return void response
      .writeHead(401, {
        'www-authenticate': [
          'Basic realm="device"',
          `Digest realm="device", nonce="x", algorithm=MD5, qop="auth"`,
          `Digest realm="device", nonce="${tokenOf('nonce')}", algorithm=SHA-256, qop="auth,auth-int", opaque="o"`,
        ],
      })
      .end()
  }
  if (method === 'POST' && url === '/cgi/password')
    return change(
      of,
      login,
      new URLSearchParams(body).get('pwd') ?? '',
      request,
      (took) => void response.writeHead(took ? 200 : 400).end(took ? 'OK' : 'Error'),
    )
  return void response.writeHead(url === '/cgi/whoami' ? 200 : 404).end(login)
}

function change(
  of: Of,
  login: string,
  password: string,
  request: IncomingMessage,
  say: (took: boolean) => void,
): void {
  if (of.mood === 'refuses it') return say(false)
  if (of.mood !== 'says so and does not') of.users.set(login, password)
  if (of.mood === 'takes it and hangs up') return void request.socket.destroy()
  return say(of.mood !== 'takes it and answers an error')
}

/** What a page has against forgery: its own for each session. */
function tokenOf(session: string): string {
  return createHash('sha256').update(`csrf ${session}`).digest('base64')
}

/** A recipe for its form, with all parts that a recipe has. */
export const webFormRecipe = {
  format: 'tagout/http/1',
  name: 'press-panel',
  version: 1,
  title: 'The panels of the presses',
  tried: 'simulator',
  profile: 'web',
  enter: [
    {
      method: 'GET',
      path: '/login',
      expect: { status: [200] },
      take: [{ name: 'csrf', from: 'text', after: 'name="csrf" value="', before: '"' }],
    },
    {
      method: 'POST',
      path: '/login',
      form: { user: '{login}', password: '{password}', csrf: '{csrf}' },
      expect: { status: [302], location: '/home' },
      rejected: { says: ['Wrong user name or password'] },
    },
    {
      method: 'GET',
      path: '/home',
      expect: { status: [200], says: 'Press 3' },
      take: [{ name: 'csrf', from: 'text', after: 'name="csrf" value="', before: '"' }],
    },
  ],
  change: [
    {
      method: 'POST',
      path: '/password',
      form: { old: '{current}', new: '{candidate}', csrf: '{csrf}' },
      expect: { status: [200], says: 'Password changed' },
      refused: { says: ['Not strong enough'] },
    },
  ],
  persist: [{ method: 'POST', path: '/save', expect: { status: [200], says: 'saved' } }],
  retire: [{ method: 'POST', path: '/end-others', expect: { status: [200], says: 'ended' } }],
  leave: [{ method: 'GET', path: '/logout', expect: { status: [302], location: '/login' } }],
}

/** A recipe for its pages by digest authentication. */
export const webDigestRecipe = {
  format: 'tagout/http/1',
  name: 'press-camera',
  version: 1,
  title: 'The cameras of the presses',
  tried: 'simulator',
  profile: 'web',
  auth: 'digest',
  enter: [
    {
      method: 'GET',
      path: '/cgi/whoami',
      expect: { status: [200], says: 'oper' },
      rejected: { status: [401] },
    },
  ],
  change: [
    {
      method: 'POST',
      path: '/cgi/password',
      form: { pwd: '{candidate}' },
      expect: { status: [200], says: 'OK' },
      refused: { status: [400] },
    },
  ],
}
