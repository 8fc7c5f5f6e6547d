import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Connection, ServerChannel } from 'ssh2'
import { expect, test } from 'vitest'
import {
  Client,
  exchangeKeys,
  guardWindow,
  isExchangingKeys,
  mendWaiting,
  onOddChannel,
  Server,
  sendBanner,
  sendEof,
  sendExit,
  sessionIdOf,
  socketOf,
  generateKeyPair,
  utils,
} from '../../vault/ssh/library.ts'
import { openBackChannel } from '../../recorder/broker/ssh/back-channel.ts'
import { hasNativeCiphers } from '../../recorder/broker/ssh/native-binding.ts'
import { lastTerminalModes, parseModes, readTerminalModes } from '../../recorder/broker/ssh/terminal-modes.ts'
import { Transport } from '../../recorder/broker/ssh/transport.ts'
import { describeHostKey, isPinned, makeHostVerifier } from '../../vault/ssh/verify-host-key.ts'
import { until } from '../support/gateway.ts'

/** What the broker relies on in ssh2, and the traps that it stays out of: an upgrade that changes either fails here. */

const hostKey = generateKeyPair('ed25519').private
const otherKey = generateKeyPair('ed25519').private
const blobOf = (text: string) => {
  const key = utils.parseKey(text)
  if (key instanceof Error) throw key
  return key.getPublicSSH()
}

type Pair = AsyncDisposable & {
  readonly client: InstanceType<typeof Client>
  readonly connection: Connection
  readonly port: number
}

/** An ssh2 server that lets anybody in, and a client on it. */
async function pair(
  serve: (connection: Connection) => void,
  options: object = { hostVerifier: makeHostVerifier(() => true) },
): Promise<Pair> {
  const { promise: connected, resolve } = Promise.withResolvers<Connection>()
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => context.accept())
    connection.on('ready', () => resolve(connection))
    serve(connection)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()))
  const { port } = server.address() as { port: number }
  const client = new Client()
  client.on('error', () => undefined)
  client.connect({ host: '127.0.0.1', port, username: 'x', password: 'x', ...options })
  const isIn = await Promise.race([
    once(client, 'ready').then(
      () => true,
      () => false,
    ),
    once(client, 'close').then(() => false),
  ])
  const dispose = async () => {
    client.destroy()
    await new Promise((closed) => server.close(closed))
  }
  if (!isIn) {
    await dispose()
    throw new Error('refused')
  }
  return { client, connection: await connected, port, [Symbol.asyncDispose]: dispose }
}

const connects = (hostVerifier: unknown) =>
  pair(() => undefined, hostVerifier === undefined ? {} : { hostVerifier }).then(
    async (made) => {
      await made[Symbol.asyncDispose]()
      return true
    },
    () => false,
  )

test.each([
  ['no verifier', undefined],
  ['an async verifier that answers false', async () => false],
  ['a verifier that returns 0', () => 0],
  ['a verifier that returns null', () => null],
  [
    'a verifier that calls back with undefined',
    (_key: Buffer, verify: (verdict: unknown) => void) => verify(undefined),
  ],
])('trap: ssh2 connects with %s', async (_what, verifier) => {
  expect(await connects(verifier)).toBe(true)
})

test.each([
  ['false', () => false],
  ['0', () => 0],
  ['null', () => null],
  ['undefined', () => undefined],
  ['a promise of true', async () => true],
  ['a promise of false', async () => false],
  ['an empty text', () => ''],
  ['the text true', () => 'true'],
  [
    'an exception',
    () => {
      throw new Error('no')
    },
  ],
])('the one verifier refuses when its decision is %s', async (_what, decide) => {
  expect(await connects(makeHostVerifier(decide as () => boolean))).toBe(false)
})

test('every client of the recorder is given the one verifier', () => {
  const folder = join(import.meta.dirname, '../../recorder')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n')
  const clients = sources.match(/new Client\(/g)?.length
  expect(clients).toBeGreaterThan(0)
  expect(sources.match(/hostVerifier: makeHostVerifier\(/g)?.length).toBe(clients)
  expect(sources.match(/hostVerifier:/g)?.length).toBe(clients)
})

test('the one verifier connects to the pinned key and to no other', async () => {
  const { type, fingerprint } = describeHostKey(blobOf(hostKey))
  const other = describeHostKey(blobOf(otherKey))
  expect(await connects(makeHostVerifier((key) => isPinned([{ type, fingerprint }], key)))).toBe(true)
  expect(await connects(makeHostVerifier((key) => isPinned([other], key)))).toBe(false)
  expect(await connects(makeHostVerifier((key) => isPinned([], key)))).toBe(false)
  expect(await connects(makeHostVerifier((key) => isPinned([{ type: 'ssh-rsa', fingerprint }], key)))).toBe(
    false,
  )
})

test('the host key is verified again at each exchange of keys', async () => {
  let seen = 0
  await using made = await pair(() => undefined, { hostVerifier: makeHostVerifier(() => (seen += 1) > 0) })
  const done = once(made.client, 'handshake')
  exchangeKeys(made.client)
  expect(isExchangingKeys(made.client)).toBe(true)
  await done
  expect(isExchangingKeys(made.client)).toBe(false)
  expect(seen).toBe(2)
})

test('a connection has a session id of the length of its hash, the same on both sides after new keys', async () => {
  await using made = await pair(() => undefined)
  const before = Buffer.from(sessionIdOf(made.connection))
  expect(before.length).toBe(32)
  const done = once(made.client, 'handshake')
  exchangeKeys(made.client)
  await done
  expect(sessionIdOf(made.connection).equals(before)).toBe(true)
  expect(socketOf(made.connection)).toBeDefined()
})

test('a line reaches a client before it logs in, also while keys are exchanged', async () => {
  const shown: string[] = []
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      sendBanner(connection, 'first')
      exchangeKeys(connection)
      sendBanner(connection, 'zweite · Zeile')
      context.accept()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()))
  const { port } = server.address() as { port: number }
  const client = new Client()
  client.on('banner', (text) => shown.push(text))
  const ready = once(client, 'ready')
  client.connect({ host: '127.0.0.1', port, username: 'u', hostVerifier: makeHostVerifier(() => true) })
  await ready
  expect(shown).toEqual(['first\r\n', 'zweite · Zeile\r\n'])
  client.destroy()
  server.close()
})

test('an exit status reaches the client after the end of the output', async () => {
  await using made = await pair((connection) =>
    connection.on('session', (accept) =>
      accept().on('exec', (run) => {
        const channel = run()
        channel.write('all', () => {
          sendEof(channel)
          sendExit(channel, { code: 7 })
          channel.close()
        })
      }),
    ),
  )
  // Output, exit and end may come in the packet that answers the request.
  const request = { kind: 'exec', command: 'x', scp: undefined, terminal: undefined, env: {} } as const
  const { channel, exit } = await openBackChannel(made.client, request, () => undefined)
  expect((await channel.toArray()).join('')).toBe('all')
  await until(() => exit() !== undefined)
  expect(exit()).toEqual({ code: 7 })
})

test('trap: ssh2 takes more than its window, and the guard says so', async () => {
  let violations = 0
  const { promise: over, resolve } = Promise.withResolvers<void>()
  await using made = await pair((connection) =>
    connection.on('session', (accept) =>
      accept().on('exec', (run) => {
        guardWindow(run(), () => {
          violations += 1
          resolve()
        })
      }),
    ),
  )
  const [channel] = await opened(made, 'x')
  // A peer that ignores the window: 3 MiB against the 2 MiB that were granted, nobody reading.
  const inside = channel as unknown as { outgoing: { id: number; window: number } }
  const protocol = (
    made.client as unknown as { _protocol: { channelData: (id: number, data: Buffer) => void } }
  )._protocol
  for (let sent = 0; sent < 3 * 2 ** 20; sent += 30_000)
    protocol.channelData(inside.outgoing.id, Buffer.alloc(30_000))
  await over
  expect(violations).toBeGreaterThan(0)
})

test('output and errors that wait for the same window arrive once each, whole', async () => {
  // Without mending, ssh2 sends the last waiting piece of output again when errors wait next.
  const out = Buffer.alloc(5 * 2 ** 20, 'o')
  const err = Buffer.alloc(5 * 2 ** 20, 'e')
  await using made = await pair((connection) =>
    connection.on('session', (accept) =>
      accept().on('exec', (run) => {
        const channel = run()
        mendWaiting(channel)
        let left = 2
        const done = () => {
          left -= 1
          if (left === 0) channel.end()
        }
        interleave(channel, out, err, done)
      }),
    ),
  )
  const [channel] = await opened(made, 'x')
  const [gotOut, gotErr] = await Promise.all([channel.toArray(), channel.stderr.toArray()])
  expect([Buffer.concat(gotOut).length, Buffer.concat(gotErr).length]).toEqual([out.length, err.length])
  expect(Buffer.concat(gotOut).equals(out) && Buffer.concat(gotErr).equals(err)).toBe(true)
})

function interleave(channel: ServerChannel, out: Buffer, err: Buffer, done: () => void): void {
  const step = 700_000
  for (let at = 0; at < out.length; at += step) {
    const isLast = at + step >= out.length
    channel.write(out.subarray(at, at + step), isLast ? done : () => undefined)
    channel.stderr.write(err.subarray(at, at + step), isLast ? done : () => undefined)
  }
}

test('terminal modes of a client are read whole', async () => {
  expect(parseModes(Buffer.from('8100009600' + '0300000008' + '2a00000001' + '00', 'hex'))).toEqual({
    TTY_OP_OSPEED: 38_400,
    VERASE: 8,
    IUTF8: 1,
  })
  const { promise: seen, resolve } = Promise.withResolvers<Record<string, number>>()
  await using made = await pair((connection) => {
    readTerminalModes(connection)
    connection.on('session', (accept) => {
      const session = accept()
      session.on('pty', (yes) => {
        resolve(lastTerminalModes(connection))
        yes?.()
      })
      session.on('shell', (yes) => yes().end())
    })
  })
  made.client.shell({ term: 'xterm', modes: { VERASE: 8, IUTF8: 1, ECHO: 0 } as never }, () => undefined)
  expect(await seen).toEqual({ VERASE: 8, IUTF8: 1, ECHO: 0 })
})

test('a channel of a type that ssh2 refuses silently is told', async () => {
  const { promise: told, resolve } = Promise.withResolvers<string>()
  await using made = await pair((connection) => onOddChannel(connection, resolve))
  const packet = Buffer.concat([
    Buffer.from([90]),
    Buffer.from([0, 0, 0, 15]),
    Buffer.from('tun@openssh.com'),
    Buffer.alloc(20),
  ])
  sendRaw(made.client, packet)
  expect(await told).toBe('tun@openssh.com')
})

test('a peer that does not read its answers is not read either, until it does', async () => {
  await using made = await pair(() => undefined)
  using transport = new Transport(
    made.connection,
    { rekeyBytes: 2 ** 40, rekeyAfter: 2 ** 30 },
    () => undefined,
  )
  const socket = socketOf(made.connection) as Socket
  const peer = socketOf(made.client) as Socket
  peer.pause()
  socket.write(Buffer.alloc(32 * 2 ** 20))
  expect(transport.isFull).toBe(true)
  ;(made.client as unknown as { _protocol: { ping: () => void } })._protocol.ping()
  await until(() => socket.isPaused())
  peer.removeAllListeners('data')
  peer.resume()
  await until(() => !socket.isPaused() && !transport.isFull)
})

test('keys are exchanged anew by volume and by time', async () => {
  await using made = await pair(() => undefined)
  let exchanges = 0
  made.connection.on('rekey', () => (exchanges += 1))
  using transport = new Transport(made.connection, { rekeyBytes: 1_000, rekeyAfter: 300 }, () => undefined)
  transport.count(600)
  expect(exchanges).toBe(0)
  transport.count(600)
  expect(transport.isFull).toBe(true)
  await until(() => exchanges === 1)
  transport.count(1)
  await until(() => exchanges === 2)
})

/** Sends a packet as it is. */
function sendRaw(client: InstanceType<typeof Client>, payload: Buffer): void {
  type Inside = {
    _protocol: { _cipher: { allocPacket: (n: number) => Buffer; encrypt: (p: Buffer) => void } }
  }
  const { _cipher: cipher } = (client as unknown as Inside)._protocol
  const packet = cipher.allocPacket(payload.length)
  packet.set(payload, 5)
  cipher.encrypt(packet)
}

test.skipIf(!hasNativeCiphers())('trap: the native ciphers outlive the garbage collector', () => {
  // Built with the plain headers of Node 24.19 or later, the process aborts here (nodejs/node#65446).
  const binding = createRequire(import.meta.url).resolve(
    'ssh2/lib/protocol/crypto/build/Release/sshcrypto.node',
  )
  const script = `const { AESGCMDecipher } = require(process.argv[1])
    for (let made = 0; made < 50000; made += 1) new AESGCMDecipher('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))`
  const { status, signal } = spawnSync(process.execPath, ['-e', script, binding])
  expect([status, signal]).toEqual([0, null])
})

test('trap: an ssh2 server waits for a login without end', async () => {
  const server = new Server({ hostKeys: [hostKey] }, (connection) => connection.on('error', () => undefined))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()))
  const socket: Socket = connectTcp((server.address() as { port: number }).port, '127.0.0.1')
  const closed = once(socket, 'close').then(() => 'closed')
  const waited = new Promise((resolve) => setTimeout(() => resolve('open'), 1_500))
  expect(await Promise.race([closed, waited])).toBe('open')
  socket.destroy()
  await new Promise((done) => server.close(done))
})

test('trap: ssh2 calls a key offered without a signature acceptable when its user says accept, and lets nobody in', async () => {
  const calls: boolean[] = []
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      if (context.method !== 'publickey') return context.reject(['publickey'])
      calls.push(context.signature !== undefined)
      if (context.signature === undefined) return context.accept()
      context.reject()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()))
  const client = new Client()
  client.on('error', () => undefined)
  client.connect({
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    username: 'x',
    privateKey: otherKey,
    hostVerifier: makeHostVerifier(() => true),
  })
  await new Promise((closed) => client.on('close', () => closed(undefined)))
  expect(calls).toEqual([false, true])
  await new Promise((done) => server.close(done))
})

async function opened(made: Pair, command: string) {
  const { promise, resolve, reject } = Promise.withResolvers<import('ssh2').ClientChannel>()
  made.client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)))
  return [await promise] as const
}

test('every key pair that it makes is read again', () => {
  // One in 200 of ssh2's own is not.
  const unread = Array.from({ length: 1500 }, () =>
    utils.parseKey(generateKeyPair('ed25519').private),
  ).filter((key) => key instanceof Error)
  expect(unread).toEqual([])
  for (const pair of [generateKeyPair('rsa', 2048), generateKeyPair('ecdsa', 256)])
    expect(utils.parseKey(pair.public)).not.toBeInstanceOf(Error)
})
