import { hkdfSync } from 'node:crypto'

/**
 * The registry of everything that a key of ours is used for. Each text enters a derivation, a MAC or a signature and
 * keeps one use from standing in for another; a text once used is never used again for something else.
 */
export const purposes = {
  'key-id': 'tagout/v1/key-id',
  envelope: 'tagout/v1/envelope',
  'seal-passphrase': 'tagout/v1/seal-passphrase',
  'seal-key-file': 'tagout/v1/seal-key-file',
  'seal-recovery': 'tagout/v1/seal-recovery',
  'seal-custodians': 'tagout/v1/seal-custodians',
  'seal-pkcs-eleven': 'tagout/v1/seal-pkcs-eleven',
  'seal-plug-in': 'tagout/v1/seal-plug-in',
  /** Seed of the key pair to which the next root key is sealed for a way to unseal. */
  'seal-box': 'tagout/v1/seal-box',
  /** Vouches for the ways to unseal and the versions of the root key. */
  'seal-set': 'tagout/v1/seal-set',
  /** Wraps the base key, and the root before this one. */
  'root-keys': 'tagout/v1/root-keys',
  'share-checksum': 'tagout/v1/share-checksum',
  'share-commitment': 'tagout/v1/share-commitment',
  'recovery-checksum': 'tagout/v1/recovery-checksum',
  'safe-keys': 'tagout/v1/safe-keys',
  'row-mac': 'tagout/v1/row-mac',
  'row-element': 'tagout/v1/row-element',
  guard: 'tagout/v1/guard',
  'local-state': 'tagout/v1/local-state',
  intake: 'tagout/v1/intake',
  'audit-sign': 'tagout/v1/audit-sign',
  'audit-entry': 'tagout/v1/audit-entry',
  /** Enters password hashes, so that a stolen table alone cannot be guessed against. */
  'password-pepper': 'tagout/v1/password-pepper',
  /** Keys of TOTP secrets, which rest in user rows. */
  totp: 'tagout/v1/totp',
  /** Hashes of tokens, tickets and enrolment links. */
  token: 'tagout/v1/token',
  /** Keys with which switches at the plant sign their calls. */
  'plant-switch': 'tagout/v1/plant-switch',
  /** Links in mail, which open a page of the console. */
  'notification-link': 'tagout/v1/notification-link',
  /** Seed of the key that signs what the webhook is told. */
  'webhook-sign': 'tagout/v1/webhook-sign',
  /** Challenges that passkeys sign (vault/kernel/act-challenge.ts, which runs in browsers too). */
  act: 'tagout/v1/act',
  /** Keys of what the vault proves itself with at directories, which rests in their rows. */
  'directory-secret': 'tagout/v1/directory-secret',
  /** Hashes of recovery codes. */
  'recovery-code': 'tagout/v1/recovery-code',
  /** Seed of the key pair of an emergency kit, of the secret that its custodians' shares give. */
  'kit-box': 'tagout/v1/kit-box',
  /** Seed of the key that signs emergency kits, and what enters the signature. */
  'kit-sign': 'tagout/v1/kit-sign',
  /** Seed of the key that signs evidence packages. */
  'evidence-sign': 'tagout/v1/evidence-sign',
  'search-day': 'tagout/v1/search-day',
} as const

export type Purpose = keyof typeof purposes

/**
 * Derives the 32 bytes of one purpose from a key (HKDF-SHA256, RFC 5869; the purpose is the `info`, there is no
 * salt: the input is uniformly random already).
 */
export function derive(key: Uint8Array, purpose: Purpose, length = 32): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), purposes[purpose], length))
}
