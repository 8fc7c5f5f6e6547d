import { totpCode, totpStep } from '../../vault/identity/totp.ts'

/**
 * Codes of an authenticator app that holds `secret` (base32). Each code is given once: the vault takes it once.
 *
 * With `behind`, of somebody whose clock is behind: their first code is that of the step before, which the vault takes
 * too, so that two more can be had at once. For who shows it within seconds.
 */
export function authenticator(
  secret: string,
  options: { readonly behind?: true } = {},
): () => Promise<string> {
  const bytes = fromBase32(secret.replaceAll(/\s/g, ''))
  let last = 0
  return async () => {
    // The vault takes the code of the next step too, so that hardly anybody has to wait.
    const deadline = Date.now() + 65_000
    for (;;) {
      const now = Date.now()
      const step = totpStep(now)
      // The code of the step before ends with the present one: it is not given when that is about to be over.
      const isEarly = options.behind === true && last === 0 && now % 30_000 < 15_000
      const next = Math.max(isEarly ? step - 1 : step, last + 1)
      if (next <= step + 1) {
        last = next
        return totpCode(bytes, next)
      }
      if (Date.now() > deadline) throw new Error('no fresh code came')
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** RFC 4648 base32, as authenticators write it. */
export function fromBase32(text: string): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const out: number[] = []
  let bits = 0
  let value = 0
  for (const char of text) {
    value = (value << 5) | alphabet.indexOf(char)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out.push((value >>> bits) & 255)
    }
    value &= 0xff
  }
  return Buffer.from(out)
}
