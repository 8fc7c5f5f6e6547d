import { hash, type KeyObject } from 'node:crypto'
import { isSignatureOf, type SigningKey, signBytes } from '../crypto/signing.ts'
import { fromBase64, toBase64 } from '../kernel/encoding.ts'

/**
 * A signed checkpoint of the log, in the form of C2SP tlog-checkpoint and signed-note: origin, size, root, time, an
 * empty line, and the signature line. It can be checked by any tool that reads these.
 */
export type Checkpoint = {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  readonly time: string
}

const ed25519 = 0x01

/** The name under which the log of an installation signs. */
export function originOf(installation: string): string {
  return `tagout/${installation}`
}

/** Signs a checkpoint; answers its text. */
export function signCheckpoint(key: SigningKey, checkpoint: Checkpoint): string {
  const { origin, size, root, time } = checkpoint
  const note = `${origin}\n${size}\n${toBase64(root)}\ntime ${time}\n`
  const signature = signBytes(key, Buffer.from(note))
  const line = toBase64(Buffer.concat([keyHash(origin, key.publicKey), signature]))
  return `${note}\n— ${origin} ${line}\n`
}

/** Reads a checkpoint and checks its signature; undefined when either does not hold. `publicKey` is the raw key. */
export function openCheckpoint(text: string, key: KeyObject, publicKey: Uint8Array): Checkpoint | undefined {
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
  if (Buffer.compare(line.subarray(0, 4), keyHash(origin, publicKey)) !== 0) return undefined
  if (!isSignatureOf(key, Buffer.from(note), line.subarray(4))) return undefined
  return { origin, size: Number(size), root: rootBytes, time: time.slice(5) }
}

/** The first four bytes by which a signature line names its key (C2SP signed-note). */
function keyHash(origin: string, publicKey: Uint8Array): Uint8Array {
  const named = Buffer.concat([Buffer.from(`${origin}\n`), Buffer.from([ed25519]), publicKey])
  return hash('sha256', named, 'buffer').subarray(0, 4)
}

function decode(text: string): Uint8Array | undefined {
  try {
    return fromBase64(text)
  } catch {
    return undefined
  }
}
