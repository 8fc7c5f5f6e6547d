import { WireReader } from './ssh-wire.ts'

/** A `publickey` userauth request, as it is signed (RFC 4252 §7). */
export type UserauthRequest = {
  readonly sessionId: Buffer
  readonly user: string
  readonly algorithm: string
  readonly key: Buffer
}

const sshMsgUserauthRequest = 50

/** Parses the bytes that a client signs. Undefined for anything but exactly such a request. */
export function parseUserauthRequest(bytes: Uint8Array): UserauthRequest | undefined {
  try {
    const reader = new WireReader(bytes)
    const sessionId = reader.string()
    if (sessionId.length < 20 || sessionId.length > 64) return undefined
    if (reader.byte() !== sshMsgUserauthRequest) return undefined
    const user = reader.text()
    if (reader.text() !== 'ssh-connection' || reader.text() !== 'publickey') return undefined
    if (reader.byte() !== 1) return undefined
    const algorithm = reader.text()
    const key = reader.string()
    return reader.isDone ? { sessionId, user, algorithm, key } : undefined
  } catch {
    return undefined
  }
}
