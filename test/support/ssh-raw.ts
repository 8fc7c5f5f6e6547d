import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Client as SshClient } from 'ssh2'
import { Client } from '../../vault/ssh/library.ts'

/** A client or server that does what the library would never do: sends whatever bytes it likes. */

type Inside = {
  readonly _protocol: {
    readonly _kex: { sessionID: Buffer }
    readonly _cipher: { allocPacket: (length: number) => Buffer; encrypt: (packet: Buffer) => void }
    readonly channelData: (channel: number, data: Buffer) => void
    readonly channelWindowAdjust: (channel: number, amount: number) => void
  }
}

/** Sends one SSH packet with this payload, encrypted as the connection is. */
export function sendPayload(peer: object, payload: Buffer): void {
  const { _cipher: cipher } = (peer as Inside)._protocol
  const packet = cipher.allocPacket(payload.length)
  packet.set(payload, 5)
  cipher.encrypt(packet)
}

export function protocolOf(peer: object): Inside['_protocol'] {
  return (peer as Inside)._protocol
}

/** An SSH string. */
export function sshString(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

export type LoggedIn = AsyncDisposable & { readonly client: SshClient; readonly closed: Promise<void> }

/** Logs in with a key as ssh2's own client does; refuses to settle for less. */
export async function logInWith(port: number, username: string, privateKey: Buffer): Promise<LoggedIn> {
  const client = new Client()
  client.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const isIn = new Promise<boolean>((resolve) => {
    client.once('ready', () => resolve(true))
    client.once('close', () => resolve(false))
  })
  client.connect({ host: '127.0.0.1', port, username, privateKey, hostVerifier: () => true })
  if (!(await isIn)) throw new Error('the login was refused')
  return {
    client,
    closed,
    [Symbol.asyncDispose]: async () => {
      client.destroy()
      await closed
    },
  }
}

/** A plain TCP connection that collects what it is sent. */
export async function rawSocket(
  port: number,
): Promise<{ readonly socket: Socket; readonly received: () => Buffer; readonly closed: Promise<void> }> {
  const socket = connect(port, '127.0.0.1')
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  return { socket, received: () => Buffer.concat(pieces), closed }
}
