import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CertificateReader, readGreeting } from '../../recorder/broker/desktop/rdp-greeting.ts'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway } from '../support/desktop.ts'
import { until } from '../support/installation.ts'
import { makeCertificate, whyNoRdp } from '../support/rdp.ts'

/** Machines that are not what they say, between guacd and the certificate that is pinned. */

const why = whyNoRdp()
if (why !== undefined) console.warn(`RDP is left out: ${why}`)

const choseNla = Buffer.from([3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 0, 0, 2, 0, 8, 0, 2, 0, 0, 0])
const password = 'Kanarie-of-RDP'

describe.skipIf(why !== undefined)('what answers at the address of a target of RDP', () => {
  let desk: DesktopGateway
  let folder: string
  let certificate: Buffer
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagout-mitm-'))
    makeCertificate(join(folder, 'pinned'))
    makeCertificate(join(folder, 'other'))
    certificate = new X509Certificate(readFileSync(join(folder, 'pinned.pem'))).raw
    desk = await startDesktopGateway()
  }, 60_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** Connects to a machine that does `answer`, and gives what was said to the user and all that the machine heard. */
  const meets = async (name: string, answer: (socket: Socket) => void) => {
    const heard: Buffer[] = []
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => heard.push(chunk))
      answer(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no port')
    desk.gateway.vault.accounts.push({
      target: name,
      login: 'operator',
      host: '127.0.0.1',
      port: address.port,
      protocol: 'rdp',
      pins: [{ type: 'x509', fingerprint: fingerprintOf(certificate) }],
      actions: ['observe', 'interact'],
      credential: { kind: 'password', password },
    })
    const end = await openDesktopEnd(desk.gateway, name, 'operator')
    const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 45_000)
    for (const socket of sockets) socket.destroy()
    server.close()
    const all = Buffer.concat(heard)
    for (const secret of [password, Buffer.from(password, 'utf16le').toString('latin1')])
      expect(all.toString('latin1')).not.toContain(secret)
    return { refused, heard: all }
  }
  const greeted = (socket: Socket, then: Buffer) => {
    let isGreeted = false
    socket.on('data', () => {
      socket.write(isGreeted ? then : choseNla)
      isGreeted = true
    })
  }

  test('says nothing: it is not waited for without end', async () => {
    const { refused } = await meets('silent', () => undefined)
    expect(refused).toMatchObject({
      message: expect.stringMatching(/^silent did not answer (in time|within \d+ s)$/),
    })
  })

  test.each([
    ['garbage', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
    ['long', Buffer.concat([Buffer.from([3, 0, 0xff, 0xff]), Buffer.alloc(100_000)])],
  ])('%s in the place of an answer is no RDP', async (name, bytes) => {
    const { refused } = await meets(name, (socket) => void socket.write(bytes))
    expect(refused).toMatchObject({ message: `${name} does not speak RDP as it should` })
  })

  test('a handshake without end is given up, and kept nowhere', async () => {
    const flood = Buffer.concat(
      Array.from({ length: 40 }, () => {
        const record = Buffer.alloc(5 + 16_384)
        record.set([22, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff])
        return record
      }),
    )
    const { refused } = await meets('flood', (socket) => greeted(socket, flood))
    expect(refused).toMatchObject({ message: 'flood does not speak RDP as it should' })
  })

  const speaksTls = (socket: Socket, name: string, version: 'TLSv1.2' | 'TLSv1.3') => {
    socket.once('data', () => {
      socket.write(choseNla)
      const context = createSecureContext({
        cert: readFileSync(join(folder, `${name}.pem`)),
        key: readFileSync(join(folder, `${name}.key`)),
        minVersion: version,
        maxVersion: version,
      })
      new TLSSocket(socket, { isServer: true, secureContext: context }).on('error', () => undefined)
    })
  }

  test('with another certificate: what guacd said to it is the hello of a handshake and no more', async () => {
    const other = new X509Certificate(readFileSync(join(folder, 'other.pem'))).raw
    const { refused, heard } = await meets('between', (socket) => greeted(socket, flightWith(other)))
    expect(refused).toMatchObject({
      code: 'changed_key',
      message: expect.stringContaining('is not the pinned one, so no credential was sent'),
    })
    expect(recordsIn(heard)).toEqual([22])
  })

  test('that hides its certificate is refused, whichever it has', async () => {
    const { refused } = await meets('hidden', (socket) => speaksTls(socket, 'pinned', 'TLSv1.3'))
    expect(refused).toMatchObject({ code: 'unavailable' })
  })

  test('with the pinned certificate and without its key: the handshake fails, and no password follows', async () => {
    const { refused, heard } = await meets('copied', (socket) => greeted(socket, flightWith(certificate)))
    expect(refused).toMatchObject({ message: expect.stringContaining('copied') })
    // An alert ends what guacd said: nothing under the protection of a key follows.
    expect(recordsIn(heard)).toEqual([22, 21])
  })
})

/** What a machine sends first under TLS 1.2, with a certificate whose key it has not. */
function flightWith(certificate: Buffer): Buffer {
  const message = (type: number, body: Buffer) =>
    Buffer.concat([Buffer.from([type, 0, body.length >> 8, body.length & 255]), body])
  const record = (body: Buffer) =>
    Buffer.concat([Buffer.from([22, 3, 3, body.length >> 8, body.length & 255]), body])
  const three = (length: number) => Buffer.from([0, length >> 8, length & 255])
  const hello = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    // No session; ECDHE-RSA-AES256-GCM-SHA384; no compression.
    Buffer.from([0, 0xc0, 0x30, 0]),
  ])
  const chain = Buffer.concat([three(certificate.length), certificate])
  const point = Buffer.concat([Buffer.from([3, 0, 0x1d, 32]), Buffer.alloc(32, 9)])
  const signed = Buffer.concat([point, Buffer.from([8, 4, 1, 0]), Buffer.alloc(256, 1)])
  return record(
    Buffer.concat([
      message(2, hello),
      message(11, Buffer.concat([three(chain.length), chain])),
      message(12, signed),
      message(14, Buffer.alloc(0)),
    ]),
  )
}

/** The types of the records of TLS that guacd sent after its request for a connection. */
function recordsIn(heard: Buffer): number[] {
  const types: number[] = []
  for (let rest = heard.subarray(heard.readUInt16BE(2)); rest.length >= 5; ) {
    types.push(rest[0] ?? 0)
    rest = rest.subarray(5 + rest.readUInt16BE(3))
  }
  return types
}

test('an answer in pieces is read as one, and anything else is none', () => {
  for (let at = 0; at < choseNla.length; at += 1)
    expect(readGreeting(choseNla.subarray(0, at))).toBeUndefined()
  expect(readGreeting(choseNla)).toEqual({ greeting: { kind: 'chose', protocol: 2 }, length: 19 })
  const refuses = Buffer.from(choseNla)
  refuses.set([3], 11)
  refuses.set([5], 15)
  expect(readGreeting(refuses)?.greeting).toEqual({ kind: 'refused', failure: 5 })
  const old = Buffer.from([3, 0, 0, 11, 6, 0xd0, 0, 0, 0, 0, 0])
  expect(readGreeting(old)?.greeting).toEqual({ kind: 'refused', failure: undefined })
  for (const bytes of [
    [4, 0, 0, 19],
    [3, 0, 0, 3],
    [3, 0, 0xff, 0xff],
  ])
    expect(() => readGreeting(Buffer.from(bytes))).toThrow('does not speak RDP')
})

test('a certificate is found however its records are cut, and nothing is taken for one', () => {
  const own = Buffer.alloc(300, 5)
  const body = Buffer.concat([Buffer.from([0, 1, 47, 0, 1, 44]), own])
  const messages = Buffer.concat([Buffer.from([2, 0, 0, 2, 3, 3, 11, 0, 1, 50]), body])
  for (const size of [1, 7, 100, messages.length]) {
    const reader = new CertificateReader()
    let found: Buffer | undefined
    for (let at = 0; at < messages.length && found === undefined; at += size) {
      const piece = messages.subarray(at, at + size)
      for (const byte of Buffer.concat([
        Buffer.from([22, 3, 3, piece.length >> 8, piece.length & 255]),
        piece,
      ]))
        found ??= reader.push(Buffer.from([byte]))
    }
    expect(found).toEqual(own)
  }
  const refuse = (...bytes: readonly number[]) =>
    expect(() => new CertificateReader().push(Buffer.from(bytes))).toThrow()
  refuse(23, 3, 3, 0, 1, 0)
  refuse(20, 3, 3, 0, 1, 1)
  refuse(21, 3, 3, 0, 2, 2, 40)
  refuse(22, 3, 3, 0xff, 0xff, 0)
  refuse(22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xff)
  refuse(22, 3, 3, 0, 7, 11, 0, 0, 3, 0, 0, 0)
  refuse(22, 3, 3, 0, 10, 11, 0, 0, 6, 0, 0, 3, 0, 0, 9)
})
