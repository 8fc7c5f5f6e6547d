import { toBase64 } from './encoding.ts'

/** SHA-256 by WebCrypto: the same in Node and in browsers. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
}

/** A SHA-256 as people compare it: `SHA256:` and base64 without padding, as OpenSSH prints it. */
export function fingerprintText(hash: Uint8Array): string {
  return `SHA256:${toBase64(hash).replace(/=+$/, '')}`
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
