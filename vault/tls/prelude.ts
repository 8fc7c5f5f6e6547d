import type { Socket } from 'node:net'
import type { RotatedProtocol } from '../contract.ts'

/** Bytes of the longest answer that a server may give before TLS. */
const mostAnswer = 4_096

/** A server that does not begin TLS. `message`: what it does instead, after its name. */
export class NoTls extends Error {}

/**
 * Brings a connection to where its TLS begins, as its protocol does that. Answers what the server said of itself before:
 * nothing of it is proven.
 *
 * SECURITY: nothing that is secret is sent here, nor to a server that refuses TLS: there is no way on without it. Whatever a
 * server says in clear beyond its answer would be taken for what comes under TLS, so it ends the connection.
 */
export async function beginTls(protocol: RotatedProtocol, socket: Socket, port: number): Promise<Buffer> {
  switch (protocol) {
    case 'https':
      return Buffer.alloc(0)
    case 'ldap':
      return startsInClear(port) ? startTls(socket) : Buffer.alloc(0)
    case 'postgresql':
      return sslRequest(socket)
    case 'mysql':
      return sslSwitch(socket)
  }
}

/** LDAP at its own ports begins in clear, and goes on under TLS by StartTLS; at every other it is TLS from the first byte. */
function startsInClear(port: number): boolean {
  return port === 389 || port === 3268
}

/** RFC 4511 §4.14: a request of its name alone, as message 1. */
async function startTls(socket: Socket): Promise<Buffer> {
  const name = Buffer.from('1.3.6.1.4.1.1466.20037')
  socket.write(Buffer.concat([Buffer.from([0x30, 29, 2, 1, 1, 0x77, 24, 0x80, name.length]), name]))
  const answer = await readAnswer(socket, (bytes) => {
    const long = bytes[1] ?? 0
    // The length in one byte, or in as many as the first one says (X.690 §8.1.3).
    const more = long < 0x80 ? 0 : long & 0x7f
    if (bytes[0] !== 0x30 || more > 2) throw new NoTls('does not speak LDAP')
    if (bytes.length < 2 + more) return undefined
    return 2 + more + (more === 0 ? long : bytes.readUIntBE(2, more))
  })
  // Its result is the first ENUMERATED in an ExtendedResponse.
  const at = answer.indexOf(Buffer.from([0x0a, 1]))
  const isResponse = answer.includes(0x78)
  if (!isResponse || at === -1) throw new NoTls('does not speak LDAP')
  if (answer[at + 2] !== 0) throw new NoTls('refuses StartTLS')
  return Buffer.alloc(0)
}

/** PostgreSQL's protocol 3, SSLRequest. */
async function sslRequest(socket: Socket): Promise<Buffer> {
  socket.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]))
  const [answer] = await readAnswer(socket, () => 1)
  if (answer === 'S'.charCodeAt(0)) return Buffer.alloc(0)
  throw new NoTls(answer === 'N'.charCodeAt(0) ? 'takes no TLS' : 'does not speak PostgreSQL')
}

/** What we can as a client of MySQL: protocol 4.1 under TLS, plug-ins of authentication, and their answers of any length. */
const mysqlCapabilities = 0x00000200 | 0x00000800 | 0x00008000 | 0x00080000 | 0x00200000
const mysqlTls = 0x0800
/** What each answer to the greeting begins with: what we can, the longest packet, utf8mb4. */
export function mysqlClient(): Buffer {
  const client = Buffer.alloc(32)
  client.writeUInt32LE(mysqlCapabilities, 0)
  client.writeUInt32LE(0x00ffffff, 4)
  client[8] = 45
  return client
}

/** MySQL: the server greets, and TLS begins where both can. Answers the greeting, whose nonce the login needs. */
async function sslSwitch(socket: Socket): Promise<Buffer> {
  const packet = await readAnswer(socket, (bytes) =>
    bytes.length < 4 ? undefined : 4 + bytes.readUIntLE(0, 3),
  )
  const greeting = packet.subarray(4)
  if (greeting[0] === 0xff) throw new NoTls('refuses connections from here')
  const end = greeting.indexOf(0, 1)
  if (greeting[0] !== 10 || end === -1 || greeting.length < end + 16) throw new NoTls('does not speak MySQL')
  if ((greeting.readUInt16LE(end + 14) & mysqlTls) === 0) throw new NoTls('takes no TLS')
  socket.write(Buffer.concat([Buffer.from([32, 0, 0, 1]), mysqlClient()]))
  return Buffer.from(greeting)
}

/** Reads one answer whose length `lengthOf` tells as soon as it can, and not a byte more. */
async function readAnswer(socket: Socket, lengthOf: (bytes: Buffer) => number | undefined): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let bytes = Buffer.alloc(0)
  const hear = (chunk: Buffer) => {
    try {
      bytes = Buffer.concat([bytes, chunk])
      const length = lengthOf(bytes)
      if ((length ?? bytes.length) > mostAnswer) throw new NoTls('says more before TLS than it should')
      if (length === undefined || bytes.length < length) return
      if (bytes.length > length) throw new NoTls('says more before TLS than it should')
      resolve(bytes)
    } catch (error) {
      reject(error)
    }
  }
  const gone = () => reject(new NoTls('closed the connection before TLS'))
  socket.on('data', hear)
  socket.once('close', gone)
  try {
    return await promise
  } finally {
    socket.off('data', hear)
    socket.off('close', gone)
    socket.pause()
  }
}
