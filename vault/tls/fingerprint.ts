import { createHash } from 'node:crypto'

/** The fingerprint of a certificate (DER), in the form of a host key's. */
export function fingerprintOf(certificate: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(certificate).digest('base64').replace(/=+$/, '')}`
}
