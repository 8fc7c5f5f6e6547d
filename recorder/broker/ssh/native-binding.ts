import { createRequire } from 'node:module'

/**
 * True where ssh2's compiled ciphers load. Without them it falls back to JavaScript, which works and carries a quarter
 * of the bytes.
 */
export function hasNativeCiphers(): boolean {
  try {
    const crypto: { readonly bindingAvailable?: boolean } = createRequire(import.meta.url)(
      'ssh2/lib/protocol/crypto.js',
    )
    return crypto.bindingAvailable === true
  } catch {
    return false
  }
}
