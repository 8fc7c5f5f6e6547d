import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RotatedProtocol } from '../../vault/contract.ts'
import { connectPinned } from '../../vault/tls/connect.ts'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { seenCertificate } from '../../vault/tls/seen-certificate.ts'
import { makeDirectoryCertificates } from '../support/directory-certificates.ts'

/** Whoever answers at the address of a directory, a database or a device, and does not begin TLS as they should. */

let folder: string
let certificate: { readonly cert: Buffer; readonly key: Buffer }
let pin: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-tls-'))
  const { files, certificate: pem } = makeDirectoryCertificates(folder)
  certificate = { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
  pin = fingerprintOf(new X509Certificate(pem).raw)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Connects to a server that does `answer`; what came of it, and all that it heard in clear. */
async function meets(
  protocol: RotatedProtocol,
  answer: (socket: Socket) => void,
  host = '127.0.0.1',
  port = 0,
) {
  const heard: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => heard.push(chunk))
    answer(socket)
  })
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const place = { name: 'dc-1', host, port: address.port, pins: [{ fingerprint: pin }] }
  const connected = await connectPinned(protocol, place, AbortSignal.timeout(3_000))
  if (connected.kind === 'open') connected.socket.destroy()
  for (const socket of sockets) socket.destroy()
  server.close()
  return { connected, heard: Buffer.concat(heard) }
}

/** Says this at once, or as soon as it has heard something. */
const saying =
  (bytes: Buffer, first = false) =>
  (socket: Socket) => {
    if (first) socket.write(bytes)
    else socket.once('data', () => socket.write(bytes))
  }
const startTlsDone = Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 0, 4, 0, 4, 0])
const startTlsRefused = Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 53, 4, 0, 4, 0])
/** A greeting of MySQL whose server has these lower capabilities. */
const greeting = (capabilities: number) => {
  const body = Buffer.concat([
    Buffer.from([10]),
    Buffer.from('8.4.0\0'),
    Buffer.alloc(13, 1),
    Buffer.from([capabilities & 255, capabilities >> 8]),
    Buffer.alloc(30),
  ])
  return Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body])
}
const own = () => `127.${64 + Math.floor(Math.random() * 60)}.7.9`

test.each([
  ['PostgreSQL without TLS', 'postgresql', saying(Buffer.from('N')), 'takes no TLS'],
  ['PostgreSQL that errs', 'postgresql', saying(Buffer.from('E')), 'does not speak PostgreSQL'],
  ['a word in clear after its S', 'postgresql', saying(Buffer.from('SR')), 'says more before TLS'],
  ['MySQL without TLS', 'mysql', saying(greeting(0x0200), true), 'takes no TLS'],
  [
    'a word in clear after its greeting',
    'mysql',
    saying(Buffer.concat([greeting(0x0a00), Buffer.from('x')]), true),
    'says more before TLS',
  ],
  [
    'a greeting that is none',
    'mysql',
    saying(Buffer.from([2, 0, 0, 0, 10, 1]), true),
    'does not speak MySQL',
  ],
  [
    'a host that is blocked',
    'mysql',
    saying(Buffer.from([3, 0, 0, 0, 0xff, 1, 1]), true),
    'refuses connections',
  ],
  ['who never stops', 'mysql', saying(Buffer.alloc(9_000, 0xff), true), 'says more before TLS'],
  ['who hangs up', 'https', (socket: Socket) => socket.destroy(), 'before it showed a certificate'],
  ['noise', 'https', saying(Buffer.alloc(100, 7), true), 'does not come to terms about TLS'],
] as const)('%s gets nothing', async (_, protocol, answer, why) => {
  const { connected, heard } = await meets(protocol, answer)
  expect(connected).toMatchObject({ kind: 'failed', why: expect.stringContaining(why) })
  // The opening of TLS at most; of a database no more than the wish for it.
  if (protocol !== 'https') expect(heard.length).toBeLessThanOrEqual(36)
})

test.each([
  ['a directory that refuses StartTLS', startTlsRefused, 'refuses StartTLS'],
  [
    'a word in clear after its answer to StartTLS',
    Buffer.concat([startTlsDone, Buffer.from([0x30, 12, 2, 1, 2, 0x61, 7, 0x0a, 1, 0, 4, 0, 4, 0])]),
    'says more before TLS',
  ],
  ['an answer without end', Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), 'does not speak LDAP'],
])('%s gets nothing', async (_, answer, why) => {
  const { connected, heard } = await meets('ldap', saying(answer), own(), 389)
  expect(connected).toMatchObject({ kind: 'failed', why: expect.stringContaining(why) })
  expect(heard.length).toBe(31)
})

test('another certificate, however the connection began, is told nothing', async () => {
  const folder2 = await mkdtemp(join(tmpdir(), 'tagout-tls-'))
  const { files } = makeDirectoryCertificates(folder2)
  const other = { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
  await rm(folder2, { recursive: true, force: true })
  const heard: Buffer[] = []
  const { connected } = await meets('https', (socket) => {
    const tls = new TLSSocket(socket, { isServer: true, ...other })
    tls.on('error', () => undefined)
    tls.on('data', (chunk: Buffer) => heard.push(chunk))
  })
  expect(connected).toMatchObject({ kind: 'failed', why: expect.stringContaining('not the pinned one') })
  expect(Buffer.concat(heard).length).toBe(0)
})

test('who shows the pinned certificate is let through, and who never finishes is given up', async () => {
  const { connected } = await meets('https', (socket) => {
    new TLSSocket(socket, { isServer: true, ...certificate }).on('error', () => undefined)
  })
  expect(connected.kind).toBe('open')
  const silent = await meets('postgresql', () => undefined)
  expect(silent.connected).toMatchObject({ why: 'dc-1 does not answer in time' })
})

test('a certificate of a hostile machine: long names are cut, what drives a terminal is not in them, and nonsense has no facts', () => {
  const file = join(folder, 'odd.der')
  const units = Array.from({ length: 9 }, () => `/OU=${'x'.repeat(60)}`).join('')
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-utf8', '-outform', 'der'],
      ...['-keyout', join(folder, 'odd.pem'), '-out', file, '-subj', `/CN=scada\u202e\u2028-1${units}`],
    ],
    { stdio: 'ignore' },
  )
  const { certificate: facts } = seenCertificate(readFileSync(file))
  expect(facts?.subject.length).toBeLessThanOrEqual(301)
  expect(facts?.subject).toMatch(/^CN=scada/)
  expect(facts?.subject).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  expect(Date.parse(facts?.notAfter ?? '')).toBeGreaterThan(Date.now())
  expect(seenCertificate(Buffer.from('no certificate')).certificate).toBeUndefined()
})
