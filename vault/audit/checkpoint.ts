import { hash, type KeyObject } from 'node:crypto'
import { isSignatureOf, type SigningKey, signBytes } from '../crypto/signing.ts'
import { toBase64 } from '../kernel/encoding.ts'
import { type Checkpoint, namedKey, readNote } from '../proof/note.ts'

export type { Checkpoint } from '../proof/note.ts'

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
  const note = readNote(text)
  if (note === undefined || Buffer.compare(note.keyHash, keyHash(note.origin, publicKey)) !== 0)
    return undefined
  return isSignatureOf(key, note.signed, note.signature) ? note : undefined
}

/** The first four bytes by which a signature line names its key (C2SP signed-note). */
function keyHash(origin: string, publicKey: Uint8Array): Uint8Array {
  return hash('sha256', namedKey(origin, publicKey), 'buffer').subarray(0, 4)
}
