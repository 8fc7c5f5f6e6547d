import type { Socket } from 'node:net'

/** What a machine offers for a connection, in the clear before any key is exchanged (RFC 4253 §7.1). */
export type Offer = {
  readonly kex: readonly string[]
  readonly serverHostKey: readonly string[]
  readonly cipher: readonly string[]
  readonly hmac: readonly string[]
}

const kexInit = 20
/** Lines before the version, the version, and one packet: nobody needs more. */
const mostBytes = 64 * 1024

/**
 * Reads a server's offer out of the first bytes that it sends: undefined while more is needed or it is none. Only names
 * that servers and clients both take in the direction to the client are given.
 *
 * SECURITY: parses what a hostile machine sends: every length is checked, and nothing is looked at twice.
 */
export function readOffer(bytes: Buffer): Offer | undefined {
  let at = 0
  // A server may say other lines before its version (RFC 4253 §4.2).
  for (;;) {
    const end = bytes.indexOf(0x0a, at)
    if (end < 0) return undefined
    const isVersion = bytes.subarray(at, at + 4).toString('latin1') === 'SSH-'
    at = end + 1
    if (isVersion) break
  }
  if (bytes.length < at + 6) return undefined
  const length = bytes.readUInt32BE(at)
  if (length < 2 + 16 || bytes.length < at + 4 + length || bytes[at + 5] !== kexInit) return undefined
  const payload = bytes.subarray(at + 6 + 16, at + 4 + length - (bytes[at + 4] ?? 0))
  const lists: string[][] = []
  let from = 0
  while (lists.length < 6) {
    if (payload.length < from + 4) return undefined
    const size = payload.readUInt32BE(from)
    if (payload.length < from + 4 + size) return undefined
    lists.push(
      payload
        .toString('latin1', from + 4, from + 4 + size)
        .split(',')
        .filter(Boolean),
    )
    from += 4 + size
  }
  const [kex = [], serverHostKey = [], cipherUp = [], cipherDown = [], macUp = [], macDown = []] = lists
  return {
    // What servers say of themselves among the key exchanges is none.
    kex: kex.filter((name) => !/^(?:kex-strict-|ext-info-)/.test(name)),
    serverHostKey,
    cipher: cipherUp.filter((name) => cipherDown.includes(name)),
    hmac: macUp.filter((name) => macDown.includes(name)),
  }
}

/** Listens along for a server's offer on a connection that somebody else reads too. */
export function overhearOffer(socket: Socket): () => Offer | undefined {
  let gathered: Buffer = Buffer.alloc(0)
  let offer: Offer | undefined
  const listen = (piece: Buffer) => {
    gathered = Buffer.concat([gathered, piece])
    offer = readOffer(gathered)
    if (offer === undefined && gathered.length < mostBytes) return
    gathered = Buffer.alloc(0)
    socket.off('data', listen)
  }
  socket.on('data', listen)
  return () => offer
}

/** Listens along for what a machine says before its version, or in its place. */
export function overhearGreeting(
  socket: Socket,
): () => { readonly said: string; readonly isSpeaking: boolean } {
  let said: Buffer = Buffer.alloc(0)
  let isSpeaking = false
  const listen = (piece: Buffer) => {
    said = Buffer.concat([said, piece]).subarray(0, mostBytes)
    isSpeaking = /^SSH-/m.test(said.toString('latin1'))
    if (isSpeaking || said.length >= mostBytes) socket.off('data', listen)
  }
  socket.on('data', listen)
  return () => ({ said: said.toString('utf8', 0, 512), isSpeaking })
}
