import { encodeParts, fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { plainBuffer, purposes } from './record.ts'

/**
 * Notes that reviewers write at moments of a recording, sealed by its key (docs/recording-format.md): whoever can open it reads
 * them, and nobody else. Runs in browsers too.
 */

export type NoteText = {
  /** Nanoseconds from the start of the recording. */
  readonly at: number
  readonly text: string
}

/** What a note is bound to: recording, its own id, and who wrote it. */
export type NoteOwner = {
  readonly recording: string
  readonly headerHash: Uint8Array
  readonly note: string
  readonly by: string
}

/** Characters of a note at most. */
export const longestNote = 2_000
const nonceBytes = 12

/** Seals a note by the recording's key; base64 of nonce and AES-256-GCM. */
export async function sealNote(key: Uint8Array, owner: NoteOwner, note: NoteText): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const sealed = await crypto.subtle.encrypt(
    parameters(owner, nonce),
    await noteKey(key, owner, 'encrypt'),
    new TextEncoder().encode(JSON.stringify([note.at, note.text])),
  )
  return toBase64(Uint8Array.of(...nonce, ...new Uint8Array(sealed)))
}

/** Opens a note; undefined where it was changed, is another's, or says what no note says. */
export async function openNote(
  key: Uint8Array,
  owner: NoteOwner,
  sealed: string,
): Promise<NoteText | undefined> {
  try {
    const bytes = fromBase64(sealed)
    const opened = await crypto.subtle.decrypt(
      parameters(owner, bytes.subarray(0, nonceBytes)),
      await noteKey(key, owner, 'decrypt'),
      plainBuffer(bytes.subarray(nonceBytes)),
    )
    const value: unknown = JSON.parse(new TextDecoder().decode(opened))
    if (!Array.isArray(value) || value.length !== 2) return undefined
    const [at, text]: readonly unknown[] = value
    if (typeof at !== 'number' || !Number.isFinite(at) || at < 0 || typeof text !== 'string') return undefined
    return { at, text: text.slice(0, longestNote) }
  } catch {
    // It does not open by this key.
    return undefined
  }
}

function parameters(owner: NoteOwner, nonce: Uint8Array): AesGcmParams {
  const { recording, headerHash, note, by } = owner
  return {
    name: 'AES-GCM',
    iv: plainBuffer(nonce),
    additionalData: plainBuffer(encodeParts(purposes.note, recording, headerHash, note, by)),
    tagLength: 128,
  }
}

async function noteKey(key: Uint8Array, owner: NoteOwner, use: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', plainBuffer(key), 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    {
      name: 'HKDF',
      hash: 'SHA-256',
      salt: plainBuffer(owner.headerHash),
      info: plainBuffer(encodeParts(purposes.note)),
    },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    [use],
  )
}
