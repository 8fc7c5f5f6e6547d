import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../vault/kernel/secret.ts'
import type { Credential, Place } from '../../vault/rotation/connector.ts'
import { httpRecipe } from '../../vault/rotation/connectors/http-recipe.ts'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { makeDirectoryCertificates } from '../support/directory-certificates.ts'
import { startWebDevice, webDigestRecipe, webFormRecipe } from '../support/web-device.ts'

/**
 * Devices with a web page that have the pinned certificate, and are hostile all the same: what they are told of the
 * passwords of a rotation, how long they hold its worker, and what is believed of what they say.
 */

let folder: string
let identity: { readonly cert: Buffer; readonly key: Buffer }
let pin: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-hostile-web-'))
  const { files, certificate } = makeDirectoryCertificates(folder)
  identity = { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
  pin = fingerprintOf(new X509Certificate(certificate).raw)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const present = 'Present-canary-7411'
const coming = 'Coming-canary-9922'
const password = (text: string): Credential & { readonly kind: 'password' } => ({
  kind: 'password',
  secret: new Secret(Buffer.from(text)),
})

/** Answers the n-th request; nothing: it says nothing. */
type Answer = (request: string, socket: TLSSocket, count: number) => void

async function meets(
  answer: Answer,
  {
    recipe = webFormRecipe as object,
    login = 'oper',
    pins = [{ type: 'x509', fingerprint: pin }],
    withinMs = 4_000,
    next = coming,
  } = {},
) {
  let heard = ''
  let count = 0
  const sockets = new Set<TLSSocket>()
  const server: Server = createServer(identity, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let request = ''
    socket.on('data', (piece: Buffer) => {
      heard += piece.toString('latin1')
      request += piece.toString('latin1')
      const [head = '', body] = request.split('\r\n\r\n')
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
      if (body === undefined || body.length < length) return
      count += 1
      answer(request, socket, count)
      request = ''
    })
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const at: Place = {
    target: { ...{ name: 'press', host: '127.0.0.1', port: address.port, legacy: null }, pins },
    account: { login, name: `press/${login}` },
    recipe: JSON.stringify(recipe),
    ...{ withinMs, signal: AbortSignal.timeout(withinMs) },
  }
  const begun = performance.now()
  const seen = await httpRecipe.change(at, password(present), password(next))
  const tookMs = performance.now() - begun
  for (const socket of sockets) socket.destroy()
  server.close()
  return { ...seen, heard, tookMs, requests: heard.split(' HTTP/1.1\r\n').length - 1 }
}

const says = (head: string, body = '') =>
  `HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const form = says('200 OK', '<input name="csrf" value="t0ken">')
const inside = (answer: Answer): Answer => {
  const begin = [
    form,
    says('302 Found\r\nlocation: /home\r\nset-cookie: sid=1'),
    form.replace('<', '<!--Press 3-->\n<'),
  ]
  return (request, socket, count) => {
    const said = begin[count - 1]
    if (said === undefined) answer(request, socket, count)
    else
      socket.write(
        said.replace(/content-length: \d+/, `content-length: ${said.split('\r\n\r\n')[1]?.length ?? 0}`),
      )
  }
}

describe('a device', () => {
  test('with another certificate hears nothing', async () => {
    const met = await meets(() => undefined, {
      pins: [{ type: 'x509', fingerprint: `SHA256:${'A'.repeat(43)}` }],
    })
    expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false, heard: '' })
  })

  test.each<readonly [string, Answer, string]>([
    ['hangs up', (_, socket) => void socket.destroy(), 'did not answer to its end'],
    [
      'says a head without end',
      (_, socket) => flood(socket, 'HTTP/1.1 200 OK\r\n', 'x: y\r\n'),
      'to its end',
    ],
    [
      'says a body without end',
      (_, socket) => flood(socket, 'HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(4096)),
      'end',
    ],
    [
      'says chunks without end',
      (_, socket) =>
        flood(
          socket,
          'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
          `1000\r\n${'x'.repeat(4096)}\r\n`,
        ),
      'to its end',
    ],
    [
      'says a chunk that is too long for anybody',
      (_, socket) =>
        void socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n'),
      'to its end',
    ],
    [
      'promises more than it says',
      (_, socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'),
      'to its end',
    ],
    [
      'says two lengths',
      (_, socket) => void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n${form.slice(17)}`),
      'end',
    ],
    [
      'asks for another protocol',
      (_, socket) =>
        void socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      'to its end',
    ],
    ['speaks no HTTP', (_, socket) => void socket.write('SSH-2.0-x\r\n'), 'to its end'],
    [
      'compresses its page',
      (_, socket) => void socket.write(says('200 OK\r\ncontent-encoding: gzip', '\x1f\x8b')),
      'csrf',
    ],
    ['has no token', (_, socket) => void socket.write(says('200 OK', '<p>hello')), 'did not say its csrf'],
    [
      'has a token that would end its place',
      (_, socket) => void socket.write(says('200 OK', 'name="csrf" value="a\r\nb: c"')),
      'csrf',
    ],
    [
      'redirects',
      (_, socket) => void socket.write(says('302 Found\r\nlocation: https://127.0.0.1:1/')),
      'status 302',
    ],
  ])('that %s at once gets no password', async (_, answer, why) => {
    const met = await meets(answer)
    expect(met.result).toMatchObject({ kind: 'untouched', why: expect.stringContaining(why) })
    expect(met.sent).toBe(false)
    expect(met.heard).not.toMatch(/canary/)
    expect(met.requests).toBe(1)
    expect(met.tookMs).toBeLessThan(3_500)
  })

  test('that drips is left when its time is over', async () => {
    const met = await meets(
      (_, socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
        const timer = setInterval(() => socket.write('x'), 20)
        socket.once('close', () => clearInterval(timer))
      },
      { withinMs: 700 },
    )
    expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false })
    expect(met.tookMs).toBeLessThan(2_500)
  })

  test('that redirects a login elsewhere has nothing sent there, and the new password stays here', async () => {
    const elsewhere: string[] = []
    const other = createServer(identity, (socket) =>
      socket.on('data', (piece) => elsewhere.push(String(piece))),
    )
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { readonly port: number }
    for (const to of [
      `https://127.0.0.1:${port}/home`,
      `//127.0.0.1:${port}/home`,
      '/elsewhere',
      'http://x/home',
    ]) {
      const met = await meets((_, socket, count) => {
        socket.write(count === 1 ? form : says(`302 Found\r\nlocation: ${to}`))
      })
      expect(met).toMatchObject({
        result: { kind: 'untouched', why: expect.stringContaining('redirects elsewhere') },
        sent: true,
      })
      expect(met.heard).not.toContain(coming)
    }
    expect(elsewhere).toEqual([])
    other.close()
  })

  test.each<readonly [string, Answer, string]>([
    ['repeats it in an error', (r, s) => void s.write(says('500 Oops', r)), 'unknown'],
    [
      'repeats it in a header',
      (r, s) => void s.write(says(`302 Found\r\nlocation: /${r.split('\r\n\r\n')[1]}`)),
      'unknown',
    ],
    [
      'repeats it in its refusal',
      (r, s) => void s.write(says('200 OK', `Not strong enough: ${r}`)),
      'refused',
    ],
    ['hangs up', (_, s) => void s.destroy(), 'unknown'],
    ['says nothing of it', (_, s) => void s.write(says('200 OK', '<p>hello')), 'unknown'],
  ])(
    'that has heard the new password and %s is not quoted, and believed by a login alone',
    async (_, answer, kind) => {
      const met = await meets(inside(answer))
      expect(met.result.kind).toBe(kind)
      expect(met.sent).toBe('let in')
      expect(met.heard.split(coming).length - 1).toBe(1)
      expect(JSON.stringify(met.result)).not.toMatch(/canary/)
    },
  )

  test('that refuses the login has refused it, and hears no new one', async () => {
    const met = await meets((_, socket, count) => {
      socket.write(count === 1 ? form : says('200 OK', 'Wrong user name or password'))
    })
    expect(met).toMatchObject({ result: { kind: 'untouched', rejected: true }, sent: true })
    expect(met.heard).not.toContain(coming)
  })

  test('that is to be asked by digest gets neither a password nor a body before it asks so', async () => {
    const met = await meets(
      (_, socket) => void socket.write(says('401 Unauthorized\r\nwww-authenticate: Basic realm="x"')),
      { recipe: webDigestRecipe },
    )
    expect(met).toMatchObject({
      result: { kind: 'untouched', why: expect.stringContaining('does not ask for digest') },
      sent: false,
    })
    expect(met.heard).not.toMatch(/canary|authorization/i)
  })

  test('by digest tells the new password from the one before', async () => {
    await using device = await startWebDevice()
    device.users.set('oper', present)
    const at: Place = {
      target: {
        ...{ name: 'press', host: '127.0.0.1', port: device.port, legacy: null },
        pins: [{ type: 'x509', fingerprint: device.pin }],
      },
      account: { login: 'oper', name: 'press/oper' },
      recipe: JSON.stringify(webDigestRecipe),
      ...{ withinMs: 4_000, signal: AbortSignal.timeout(4_000) },
    }
    const seen = await httpRecipe.change(at, password(present), password(coming))
    expect(seen).toMatchObject({ result: { kind: 'changed' }, sent: 'let in' })
    expect(await httpRecipe.login(at, password(present))).toMatchObject({
      result: { kind: 'rejected' },
      sent: true,
    })
    expect(await httpRecipe.login(at, password(coming))).toMatchObject({ result: { kind: 'accepted' } })
  })
})

describe('nothing breaks out of its place', () => {
  const query = {
    ...webFormRecipe,
    auth: 'basic',
    enter: [
      {
        method: 'GET',
        path: '/users/{login}',
        expect: { status: [200] },
        rejected: { status: [401] },
      },
    ],
    change: [
      {
        method: 'POST',
        path: '/query',
        form: { q: `SET PASSWORD FOR "{login}" = '{candidate}'` },
        expect: { status: [200] },
      },
    ],
    persist: undefined,
    retire: undefined,
    leave: undefined,
  }
  const silent: Answer = (_, socket) => void socket.write(says('200 OK'))

  test.each([
    ['a quote', `x' WITH ALL PRIVILEGES --`],
    ['another quote', 'x"y'],
    ['a line', 'x\ny'],
    ['a space', 'x y'],
    ['nothing', ''],
  ])('a password with %s is not sent into a query, and nobody logs in', async (_, next) => {
    const met = await meets(silent, { recipe: query, next })
    expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false, heard: '' })
    if (next !== '') expect(JSON.stringify(met.result)).not.toContain(next)
  })

  test.each(['..', '.', `x" = 'y`, 'a\r\nhost: b', 'a:b', '', 'é'])(
    'a login name %j is sent nowhere',
    async (login) => {
      const met = await meets(silent, { recipe: query, login })
      expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false, heard: '' })
    },
  )

  test('a login name stays one segment of a path', async () => {
    const met = await meets(silent, { recipe: query, login: 'a/../admin?x=%2e' })
    expect(met.heard).not.toContain('/users/a/')
  })
})

function flood(socket: TLSSocket, begin: string, piece: string): void {
  socket.write(begin)
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}
