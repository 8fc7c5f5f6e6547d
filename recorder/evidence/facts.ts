import { canonicalBytes, encodeParts, fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import type { RecordingKey } from '../replay/replay.ts'

/** `evidence.json` of a package (docs/evidence-format.md). Runs in browsers too. */

/** Keys of what is in it: of the whole recording, or of each segment of a cut. Base64. */
export type OpenKey =
  | { readonly kind: 'recording'; readonly recording: string }
  | {
      readonly kind: 'segments'
      readonly segments: readonly { readonly segment: number; readonly key: string }[]
    }

/** The keys sealed under a passphrase: PBKDF2-HMAC-SHA256, AES-256-GCM. */
export type SealedKey = {
  readonly kind: 'passphrase'
  readonly iterations: number
  readonly salt: string
  readonly nonce: string
  readonly sealed: string
}

export type EvidenceFacts = {
  readonly format: 'tagout-evidence'
  readonly version: 1
  readonly recording: string
  readonly session: string
  /** When it was made, by the clock of whoever made it. */
  readonly madeAt: string
  readonly madeBy: string
  /** Nanoseconds from the start; null: all of the recording. */
  readonly cut: { readonly from: number; readonly to: number } | null
  readonly key: OpenKey | SealedKey
  /** Hashes that prove that the log begins with the one that the recording's header names. */
  readonly consistency: readonly string[]
}

const purpose = 'tagout/v1/evidence-key'
/** What OWASP asked for in 2023, and half a second of a laptop. */
const iterations = 600_000

export function openKeyOf(key: RecordingKey): OpenKey {
  if (key instanceof Uint8Array) return { kind: 'recording', recording: toBase64(key) }
  return {
    kind: 'segments',
    segments: [...key].map(([segment, bytes]) => ({ segment, key: toBase64(bytes) })),
  }
}

export function recordingKeyOf(key: OpenKey): RecordingKey {
  return key.kind === 'recording'
    ? fromBase64(key.recording)
    : new Map(key.segments.map(({ segment, key: bytes }) => [segment, fromBase64(bytes)]))
}

/** Seals keys to who is told a passphrase, for this recording. */
export async function sealKey(recording: string, key: OpenKey, passphrase: string): Promise<SealedKey> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  const nonce = crypto.getRandomValues(new Uint8Array(12))
  const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: contextOf(recording) }
  const under = await derived(passphrase, salt, iterations)
  const sealed = new Uint8Array(
    await crypto.subtle.encrypt(algorithm, under, Uint8Array.from(canonicalBytes(key))),
  )
  return {
    kind: 'passphrase',
    iterations,
    salt: toBase64(salt),
    nonce: toBase64(nonce),
    sealed: toBase64(sealed),
  }
}

/** Opens keys with a passphrase; undefined where it is another one. */
export async function unsealKey(
  recording: string,
  key: SealedKey,
  passphrase: string,
): Promise<OpenKey | undefined> {
  if (key.iterations > 10_000_000) return undefined
  try {
    const algorithm = { name: 'AES-GCM', iv: fromBase64(key.nonce), additionalData: contextOf(recording) }
    const under = await derived(passphrase, fromBase64(key.salt), key.iterations)
    const plain = await crypto.subtle.decrypt(algorithm, under, fromBase64(key.sealed))
    return JSON.parse(new TextDecoder().decode(plain)) as OpenKey
  } catch {
    // WebCrypto throws where the tag is wrong.
    return undefined
  }
}

function contextOf(recording: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encodeParts(purpose, recording))
}

async function derived(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  rounds: number,
): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(passphrase.normalize('NFC'))
  const base = await crypto.subtle.importKey('raw', bytes, 'PBKDF2', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: rounds },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}
