import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import type { Client as SshClient, Connection, ServerChannel } from 'ssh2'
import ssh2 from 'ssh2'
import { printable } from './sentence.ts'

/**
 * The ssh2 library (CommonJS), and the few of its insides that the broker needs and the library does not offer.
 * Everything here is pinned by test/protocol/ssh-library.test.ts: an upgrade that moves them fails there first.
 */
export const { Client, Server, BaseAgent, utils } = ssh2

type KeyPair = { readonly private: string; readonly public: string }

/**
 * Makes a key pair in OpenSSH's form. One of ssh2 1.17's ed25519 keys in 200 lacks the zero byte that its public half begins
 * with, and nothing reads it: it is drawn again.
 */
export function generateKeyPair(type: 'ed25519'): KeyPair
export function generateKeyPair(type: 'rsa' | 'ecdsa', bits: number): KeyPair
export function generateKeyPair(type: 'ed25519' | 'rsa' | 'ecdsa', bits = 0): KeyPair {
  const pair =
    type === 'ed25519' ? utils.generateKeyPairSync(type) : utils.generateKeyPairSync(type as 'rsa', { bits })
  return utils.parseKey(pair.private) instanceof Error ? generateKeyPair(type as 'rsa', bits) : pair
}

type Inside = {
  readonly _sock?: Duplex
  readonly _protocol?: {
    readonly _kex?: { readonly sessionID?: Buffer }
    /** Packets held back while keys are exchanged. */
    readonly _queue?: readonly Buffer[]
    readonly _packetRW: {
      readonly write: {
        readonly allocStart: number
        readonly alloc: (length: number) => Buffer
        readonly finalize: (packet: Buffer) => Buffer
      }
    }
    readonly rekey: () => void
    readonly exitStatus: (channel: number, code: number) => void
    readonly exitSignal: (channel: number, name: string, coreDumped: boolean, message: string) => void
  }
}
type ChannelInside = {
  readonly incoming: { readonly window: number }
  readonly outgoing: { readonly id: number; readonly state: string }
  readonly _client: Inside
  eof: () => void
}

const inside = (connection: Connection | SshClient) => connection as unknown as Inside
const channelInside = (channel: Duplex) => channel as unknown as ChannelInside

/** The SSH session id (the first exchange hash) of a connection whose keys are exchanged. */
export function sessionIdOf(connection: Connection): Buffer {
  const id = inside(connection)._protocol?._kex?.sessionID
  if (id === undefined) throw new TypeError('the connection has no session id yet')
  return id
}

/** The stream below a connection: its TCP socket, or the channel that carries an inner connection. */
export function socketOf(connection: Connection | SshClient): Duplex | undefined {
  return inside(connection)._sock
}

/** True while keys are exchanged anew: what is written then is kept in memory. */
export function isExchangingKeys(connection: Connection | SshClient): boolean {
  return inside(connection)._protocol?._queue !== undefined
}

/** Begins to exchange keys anew; neither side of ssh2 ever does by itself. */
export function exchangeKeys(connection: Connection | SshClient): void {
  inside(connection)._protocol?.rekey()
}

/**
 * Refuses a channel with the reason "administratively prohibited" and a sentence, for which ssh2's `reject` has no place.
 * OpenSSH shows it: `channel 2: open failed: administratively prohibited: …`.
 */
export function rejectChannel(connection: Connection, reject: () => void, why: string): void {
  const { _protocol: protocol } = connection as unknown as { readonly _protocol?: Refuser }
  if (protocol === undefined) return reject()
  const fail = protocol.channelOpenFail
  // SECURITY: whatever was said by whomever, it drives no terminal and fits a packet.
  const shown = [...printable(why)].slice(0, longestReason).join('')
  protocol.channelOpenFail = (remote) => fail.call(protocol, remote, administrativelyProhibited, shown)
  try {
    reject()
  } finally {
    protocol.channelOpenFail = fail
  }
}

const administrativelyProhibited = 1
const longestReason = 1_000
type Refuser = { channelOpenFail: (remote: number, reason: number, description?: string) => void }

/** Resolves when the peer has answered a request that was sent after everything so far; rejects when the connection ends. */
export function roundTrip(client: SshClient): Promise<void> {
  const { _callbacks: callbacks, _protocol: protocol } = client as unknown as {
    readonly _callbacks?: ((error: unknown) => void)[]
    readonly _protocol?: { readonly ping: () => void }
  }
  return new Promise((resolve, reject) => {
    if (callbacks === undefined || protocol === undefined) return reject(new TypeError('not connected'))
    // Servers know no such request and say so: both answers are one.
    callbacks.push((error) => (error instanceof Error ? reject(error) : resolve()))
    protocol.ping()
  })
}

const { sendPacket } = createRequire(import.meta.url)('ssh2/lib/protocol/utils.js') as {
  readonly sendPacket: (protocol: object, packet: Buffer) => void
}
const userauthBanner = 53

/**
 * Sends a line to a client that has not logged in yet (RFC 4252 §5.4). ssh2 1.17 knows one banner for all, sent
 * before anything is asked.
 */
export function sendBanner(connection: Connection, line: string): void {
  const protocol = inside(connection)._protocol
  if (protocol === undefined) return
  const { write } = protocol._packetRW
  const text = Buffer.from(`${line}\r\n`)
  const packet = write.alloc(1 + 4 + text.length + 4)
  const at = write.allocStart
  packet[at] = userauthBanner
  packet.writeUInt32BE(text.length, at + 1)
  packet.set(text, at + 5)
  // No language is named.
  packet.writeUInt32BE(0, at + 5 + text.length)
  sendPacket(protocol, write.finalize(packet))
}

/** Sends EOF for our direction and leaves the channel open, so that an exit status can follow (RFC 4254 §5.3). */
export function sendEof(channel: ServerChannel): void {
  channelInside(channel).eof()
}

/**
 * Keeps a channel open after both directions came to their end: ssh2 closes it then, and the exit status that may still
 * follow (RFC 4254 §6.10) would be lost.
 */
export function keepUntilClosed(channel: Duplex): void {
  const states = channel as unknown as Record<'_readableState' | '_writableState', { autoDestroy: boolean }>
  states._readableState.autoDestroy = false
  states._writableState.autoDestroy = false
}

export type Exit =
  | { readonly code: number }
  | { readonly signal: string; readonly coreDumped: boolean; readonly message: string }

/** The signals of RFC 4254 §6.10; of another one a user learns that the program did not end well. */
const signals = /^(?:SIG)?(?:ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2)$/

/** Sends exit-status or exit-signal (RFC 4254 §6.10), after EOF too, which `channel.exit` drops silently. */
export function sendExit(channel: ServerChannel, exit: Exit): void {
  const { outgoing, _client } = channelInside(channel)
  if (outgoing.state !== 'open' && outgoing.state !== 'eof') return
  if ('code' in exit) _client._protocol?.exitStatus(outgoing.id, exit.code)
  else if (!signals.test(exit.signal)) _client._protocol?.exitStatus(outgoing.id, 255)
  else _client._protocol?.exitSignal(outgoing.id, exit.signal, exit.coreDumped, exit.message)
}

/**
 * Calls `onViolation` when the peer sends more than its window allows.
 *
 * SECURITY: ssh2 1.17 only refuses data when the window is exactly zero (#1505), so a peer that ignores its window
 * fills our memory. The window is checked as each piece arrives, read or not.
 */
export function guardWindow(channel: Duplex, onViolation: () => void): void {
  const guard = (stream: { push: (chunk: unknown, encoding?: BufferEncoding) => boolean }) => {
    const push = stream.push.bind(stream)
    stream.push = (chunk, encoding) => {
      if (chunk !== null && channelInside(channel).incoming.window < 0) {
        onViolation()
        return false
      }
      return push(chunk, encoding)
    }
  }
  guard(channel)
  const { stderr } = channel as { stderr?: unknown }
  if (typeof stderr === 'object' && stderr !== null && 'push' in stderr) guard(stderr as Duplex)
}

/**
 * Makes a server channel safe to write on both its streams.
 *
 * ssh2 1.17 keeps a piece that waits for the window after it was sent. When stderr waits next, the old piece of stdout
 * is sent once more; and when both wait, only one goes on. Forgetting pieces as they are retried, and trying the other
 * stream after each, mends both.
 */
export function mendWaiting(channel: ServerChannel): void {
  type Waits = {
    _chunk: Buffer | undefined
    _chunkcb: (() => void) | undefined
    _chunkErr: Buffer | undefined
    _chunkcbErr: (() => void) | undefined
    _waitWindow: boolean
    readonly outgoing: { readonly window: number }
    _write: (data: Buffer, encoding: null, done: () => void) => void
    readonly stderr: { _write: (data: Buffer, encoding: null, done: () => void) => void }
  }
  const waits = channel as unknown as Waits
  const write = waits._write.bind(channel)
  const writeError = waits.stderr._write.bind(channel.stderr)
  const retryError = () => {
    const { _chunkErr: data, _chunkcbErr: done } = waits
    if (data === undefined || done === undefined || waits._chunk !== undefined) return
    if (waits.outgoing.window === 0) waits._waitWindow = true
    else waits.stderr._write(data, null, done)
  }
  waits._write = (data, encoding, done) => {
    waits._chunk = undefined
    waits._chunkcb = undefined
    write(data, encoding, done)
    retryError()
  }
  waits.stderr._write = (data, encoding, done) => {
    waits._chunkErr = undefined
    waits._chunkcbErr = undefined
    writeError(data, encoding, done)
  }
}

const channelTypes = ['session', 'direct-tcpip', 'direct-streamlocal@openssh.com']

/** Calls `tell` when a client opens a channel of a type that ssh2 refuses without saying (tun, X11, made up ones). */
export function onOddChannel(connection: Connection, tell: (type: string) => void): void {
  type Handlers = { CHANNEL_OPEN?: (protocol: unknown, info: { readonly type: string }) => void }
  const handlers = (connection as unknown as { _protocol?: { _handlers?: Handlers } })._protocol?._handlers
  const open = handlers?.CHANNEL_OPEN
  if (handlers === undefined || open === undefined) return
  handlers.CHANNEL_OPEN = (protocol, info) => {
    if (!channelTypes.includes(info.type)) tell(info.type.slice(0, 100))
    open(protocol, info)
  }
}

/**
 * Calls `tell` with what a server writes above its questions (RFC 4256 §3.2: the instruction), of rounds without a
 * question too, which ssh2 answers by itself. Call it after `connect`.
 */
export function onQuestions(client: SshClient, tell: (text: string) => void): void {
  type Handler = (protocol: unknown, name: unknown, instructions: unknown, prompts: unknown) => void
  type Handlers = { USERAUTH_INFO_REQUEST?: Handler }
  const handlers = (client as unknown as { _protocol?: { _handlers?: Handlers } })._protocol?._handlers
  const asked = handlers?.USERAUTH_INFO_REQUEST
  if (handlers === undefined || asked === undefined) return
  handlers.USERAUTH_INFO_REQUEST = (protocol, name, instructions, prompts) => {
    if (typeof instructions === 'string') tell(instructions)
    asked(protocol, name, instructions, prompts)
  }
}

type Offer = { readonly lists: { readonly [name: string]: unknown } }
type OfferLists = {
  readonly kex: { readonly array: string[] }
  readonly serverHostKey: { readonly array: string[] }
  readonly cs: { readonly [name: string]: { readonly array: string[] } }
}
const strictOffers = new WeakMap<object, Offer>()

/**
 * Takes `ssh-rsa`, which signs with SHA-1, out of what a server connection offers. Call it as the connection is greeted.
 *
 * SECURITY: ssh2 1.17 offers it for every RSA host key, whatever algorithms it is given.
 */
export function offerNoSha1(connection: Connection): void {
  const { _protocol: protocol } = connection as unknown as { _protocol: { _offer: Offer } }
  const offer = protocol._offer
  const known = strictOffers.get(offer)
  if (known !== undefined) {
    protocol._offer = known
    return
  }
  const { kex, serverHostKey, cs } = offer.lists as unknown as OfferLists
  const both = Object.fromEntries(
    Object.entries(cs).map(([name, { array }]) => [name, array.filter(Boolean)]),
  )
  const KexInit = offer.constructor as new (lists: object) => Offer
  const strict = new KexInit({
    kex: kex.array,
    serverHostKey: serverHostKey.array.filter((name) => name !== 'ssh-rsa'),
    cs: both,
    sc: both,
  })
  strictOffers.set(offer, strict)
  protocol._offer = strict
}
