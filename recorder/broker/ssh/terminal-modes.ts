import { createRequire } from 'node:module'
import type { Connection } from 'ssh2'

const constants: { readonly TERMINAL_MODE: Record<string, number> } = createRequire(import.meta.url)(
  'ssh2/lib/protocol/constants.js',
)
// ssh2 1.17 does not know this one (RFC 8160), and sends only what it knows.
constants.TERMINAL_MODE['IUTF8'] ??= 42
const names = new Map(Object.entries(constants.TERMINAL_MODE).map(([name, code]) => [code, name]))

const channelRequest = 98
const modesOf = new WeakMap<Connection, Record<string, number>>()

/**
 * Keeps the terminal modes (RFC 4254 §8) that a client asks for: what its keys for erase and interrupt are, whether
 * it speaks UTF-8. ssh2 1.17 reads them from their second byte on, and so finds none.
 */
export function readTerminalModes(connection: Connection): void {
  type Protocol = { _onPayload: (payload: Buffer) => unknown }
  const protocol = (connection as unknown as { _protocol: Protocol })._protocol
  const onPayload = protocol._onPayload
  protocol._onPayload = (payload) => {
    if (payload[0] === channelRequest) {
      const modes = parseRequest(payload)
      if (modes !== undefined) modesOf.set(connection, modes)
    }
    return onPayload(payload)
  }
}

/** The modes of the terminal request that is being handled. */
export function lastTerminalModes(connection: Connection): Record<string, number> {
  return modesOf.get(connection) ?? {}
}

function parseRequest(payload: Buffer): Record<string, number> | undefined {
  try {
    const nameLength = payload.readUInt32BE(5)
    if (payload.toString('latin1', 9, 9 + nameLength) !== 'pty-req') return undefined
    // After the name: want-reply, term, four sizes, modes.
    const term = 9 + nameLength + 1
    const modes = term + 4 + payload.readUInt32BE(term) + 16
    return parseModes(payload.subarray(modes + 4, modes + 4 + payload.readUInt32BE(modes)))
  } catch {
    return undefined // a request that ends too early is for ssh2 to refuse
  }
}

/** Parses encoded terminal modes: pairs of a code and a number, to the code 0 or one that is not known to have a number. */
export function parseModes(bytes: Buffer): Record<string, number> {
  const modes: Record<string, number> = {}
  for (let at = 0; at + 5 <= bytes.length; at += 5) {
    const code = bytes[at] ?? 0
    if (code === 0 || code >= 160) break
    const name = names.get(code)
    if (name !== undefined) modes[name] = bytes.readUInt32BE(at + 1)
  }
  return modes
}
