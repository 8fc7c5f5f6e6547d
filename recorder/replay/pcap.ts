import type { Mark } from './frame.ts'
import type { Replay } from './replay.ts'

/**
 * Writes what a forwarding carried as a packet capture (libpcap, nanoseconds, raw IPv4), so that the tools of a network
 * engineer open it. What a recording holds is the byte stream: the packets, their numbers and addresses are made for it.
 * The user's end is 192.0.2.1 and the destination 192.0.2.2 (RFC 5737), or its own address where that is IPv4; the
 * port of the destination is its own.
 */
export async function* toPcap(replay: Replay): AsyncGenerator<Uint8Array> {
  yield fileHeader()
  const origin = BigInt(Date.parse(replay.header.createdAt)) * 1_000_000n
  const connections = new Map<number, Connection>()
  for await (const frame of replay.frames()) {
    const at = origin + BigInt(frame.at)
    if (frame.kind === 'mark' && frame.mark.kind === 'open' && frame.mark.type === 'forward') {
      const connection = new Connection(frame.channel, destinationOf(frame.mark))
      connections.set(frame.channel, connection)
      yield* connection.open(at)
      continue
    }
    const connection = connections.get(frame.channel)
    if (connection === undefined) continue
    if (frame.kind === 'input' || frame.kind === 'output')
      yield* connection.carry(frame.kind, frame.bytes, at)
    else if (frame.kind === 'mark' && frame.mark.kind === 'close') {
      yield* connection.close(at)
      connections.delete(frame.channel)
    }
  }
}

/** Payload of one packet: an Ethernet's, so that no tool takes it for a jumbo frame. */
const segmentBytes = 1_400
const flags = { fin: 0x01, syn: 0x02, push: 0x08, ack: 0x10 } as const

type Destination = { readonly address: number; readonly port: number }

function destinationOf(mark: Mark & { readonly kind: 'open' }): Destination {
  const found = /^(.*):(\d+)$/.exec(mark.command ?? '')
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
    .exec(found?.[1] ?? '')
    ?.slice(1)
    .map(Number)
  const address =
    bytes === undefined || bytes.some((byte) => byte > 255)
      ? 0xc0000202
      : bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return { address, port: Number(found?.[2] ?? 0) % 65_536 }
}

/** The sequence numbers of one TCP connection (RFC 9293). */
class Connection {
  readonly #user: Destination
  readonly #destination: Destination
  /** What either side sends next. */
  readonly #next = { input: 0, output: 0 }

  constructor(channel: number, destination: Destination) {
    this.#user = { address: 0xc0000201, port: 49_152 + (channel % 16_384) }
    this.#destination = destination
  }

  *open(at: bigint): Generator<Uint8Array> {
    yield this.#packet('input', flags.syn, none, at)
    yield this.#packet('output', flags.syn | flags.ack, none, at)
    yield this.#packet('input', flags.ack, none, at)
  }

  *carry(kind: 'input' | 'output', bytes: Uint8Array, at: bigint): Generator<Uint8Array> {
    for (let from = 0; from < bytes.length; from += segmentBytes)
      yield this.#packet(kind, flags.push | flags.ack, bytes.subarray(from, from + segmentBytes), at)
  }

  *close(at: bigint): Generator<Uint8Array> {
    yield this.#packet('input', flags.fin | flags.ack, none, at)
    yield this.#packet('output', flags.fin | flags.ack, none, at)
    yield this.#packet('input', flags.ack, none, at)
  }

  #packet(kind: 'input' | 'output', flag: number, payload: Uint8Array, at: bigint): Uint8Array {
    const [from, to] = kind === 'input' ? [this.#user, this.#destination] : [this.#destination, this.#user]
    const other = kind === 'input' ? 'output' : 'input'
    const bytes = new Uint8Array(16 + 40 + payload.length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, Number(at / 1_000_000_000n), true)
    view.setUint32(4, Number(at % 1_000_000_000n), true)
    view.setUint32(8, 40 + payload.length, true)
    view.setUint32(12, 40 + payload.length, true)

    const ip = 16
    view.setUint8(ip, 0x45)
    view.setUint16(ip + 2, 40 + payload.length)
    view.setUint16(ip + 6, 0x4000)
    view.setUint8(ip + 8, 64)
    view.setUint8(ip + 9, 6)
    view.setUint32(ip + 12, from.address)
    view.setUint32(ip + 16, to.address)
    view.setUint16(ip + 10, checksum(bytes.subarray(ip, ip + 20), 0))

    const tcp = ip + 20
    view.setUint16(tcp, from.port)
    view.setUint16(tcp + 2, to.port)
    view.setUint32(tcp + 4, this.#next[kind] >>> 0)
    view.setUint32(tcp + 8, (flag & flags.ack) === 0 ? 0 : this.#next[other] >>> 0)
    view.setUint8(tcp + 12, 0x50)
    view.setUint8(tcp + 13, flag)
    view.setUint16(tcp + 14, 65_535)
    bytes.set(payload, tcp + 20)
    // The checksum covers the addresses, the protocol and the length too (RFC 9293 §3.1).
    const pseudo = sum16(bytes.subarray(ip + 12, ip + 20)) + 6 + 20 + payload.length
    view.setUint16(tcp + 16, checksum(bytes.subarray(tcp), pseudo))

    const counts = (flag & (flags.syn | flags.fin)) === 0 ? 0 : 1
    this.#next[kind] = (this.#next[kind] + payload.length + counts) % 2 ** 32
    return bytes
  }
}

const none = new Uint8Array(0)

function fileHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24))
  view.setUint32(0, 0xa1b23c4d, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, 65_535, true)
  // LINKTYPE_RAW: packets begin with the IP header.
  view.setUint32(20, 101, true)
  return new Uint8Array(view.buffer)
}

function sum16(bytes: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  return sum
}

/** The internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array, start: number): number {
  let sum = sum16(bytes) + start
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}
