import { createHmac, timingSafeEqual } from 'node:crypto'

/** Time-based one-time codes (RFC 6238): SHA-1, six digits, steps of 30 s, as every authenticator knows them. */
const stepSeconds = 30
const digits = 6
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The code of a step. */
export function totpCode(secret: Uint8Array, step: number, length: number = digits): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = (mac[mac.length - 1] ?? 0) & 15
  const value = mac.readUInt32BE(offset) & 0x7fffffff
  return String(value % 10 ** length).padStart(length, '0')
}

/** The step in which a moment lies. */
export function totpStep(now: number): number {
  return Math.floor(now / 1000 / stepSeconds)
}

/**
 * The step that `code` belongs to: the present one or a neighbour, and later than `lastStep`. Null when there is
 * none. Blanks inside the code are not taken: a code has one spelling, so that it is used once.
 */
export function matchTotp(secret: Uint8Array, code: string, now: number, lastStep: number): number | null {
  if (!/^\d{6}$/.test(code)) return null
  const given = Buffer.from(code)
  const present = totpStep(now)
  let matched: number | null = null
  for (const step of [present - 1, present, present + 1]) {
    const holds = timingSafeEqual(Buffer.from(totpCode(secret, step)), given)
    if (holds && step > lastStep) matched = step
  }
  return matched
}

/** RFC 4648 base32 without padding, the spelling that authenticators take. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value & 31) << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >>> bits) & 31]
    }
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text
}

/** The `otpauth:` address that an authenticator scans. */
export function totpUri(secret: Uint8Array, name: string): string {
  const label = encodeURIComponent(`Tagout:${name}`)
  return `otpauth://totp/${label}?secret=${toBase32(secret)}&issuer=Tagout&algorithm=SHA1&digits=6&period=30`
}
