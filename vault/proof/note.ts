import { sameBytes, sha256 } from '../kernel/digest.ts'
import { fromBase64 } from '../kernel/encoding.ts'

/** Signed checkpoints of the audit log as text (docs/audit-format.md). Runs in browsers too. */

/** What a signed checkpoint of the log says (C2SP tlog-checkpoint and signed-note). */
export type Checkpoint = {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  readonly time: string
}

/** A checkpoint's text taken apart; nothing of it is verified. */
export type Note = Checkpoint & {
  /** The bytes that are signed. */
  readonly signed: Uint8Array
  /** The first four bytes of the hash of name and key. */
  readonly keyHash: Uint8Array
  readonly signature: Uint8Array
}

/** Whether `signature` over `message` is of the log's key. */
export type IsSigned = (message: Uint8Array, signature: Uint8Array) => boolean

const ed25519 = 0x01
const utf8 = new TextEncoder()

/** Takes a checkpoint apart; undefined where it has not the form of one. */
export function readNote(text: string): Note | undefined {
  const end = text.indexOf('\n\n')
  if (end < 0) return undefined
  const note = text.slice(0, end + 1)
  const [origin, size, root, time, ...rest] = note.slice(0, -1).split('\n')
  if (
    origin === undefined ||
    size === undefined ||
    root === undefined ||
    time === undefined ||
    rest.length > 0
  )
    return undefined
  const signed = text.slice(end + 2)
  const start = `— ${origin} `
  if (!signed.startsWith(start) || !signed.endsWith('\n') || !/^(0|[1-9]\d{0,15})$/.test(size))
    return undefined
  const line = decode(signed.slice(start.length, -1))
  const rootBytes = decode(root)
  if (line?.length !== 68 || rootBytes?.length !== 32 || !time.startsWith('time ')) return undefined
  return {
    origin,
    size: Number(size),
    root: rootBytes,
    time: time.slice(5),
    signed: utf8.encode(note),
    keyHash: line.subarray(0, 4),
    signature: line.subarray(4),
  }
}

/** What the hash in a signature line is of (C2SP signed-note). */
export function namedKey(origin: string, publicKey: Uint8Array): Uint8Array {
  const name = utf8.encode(`${origin}\n`)
  const named = new Uint8Array(name.length + 1 + publicKey.length)
  named.set(name)
  named[name.length] = ed25519
  named.set(publicKey, name.length + 1)
  return named
}

/** Reads a checkpoint and checks its signature; undefined when either does not hold. */
export async function openNote(
  text: string,
  publicKey: Uint8Array,
  isSigned: IsSigned,
): Promise<Checkpoint | undefined> {
  const note = readNote(text)
  if (note === undefined) return undefined
  const keyHash = (await sha256(namedKey(note.origin, publicKey))).subarray(0, 4)
  return sameBytes(keyHash, note.keyHash) && isSigned(note.signed, note.signature) ? note : undefined
}

/** Strict: of two texts of the same bytes one is refused. */
function decode(text: string): Uint8Array | undefined {
  try {
    const bytes = fromBase64(text)
    return btoa(String.fromCharCode(...bytes)) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
