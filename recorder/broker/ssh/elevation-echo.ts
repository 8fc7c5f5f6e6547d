import type { Secret } from '../../../vault/kernel/secret.ts'

const star = 0x2a
const lineFeed = 0x0a
const backspace = 0x08
const space = 0x20

/**
 * Takes a secret out of what a target prints after it was typed, whole or in pieces, and the stars that stand for its
 * characters, with what takes them back. What may be the beginning of it is held back until more comes, or `flush`.
 *
 * SECURITY: this is for a target that echoes after all. One that means harm knows the secret and can print it backwards.
 */
export class EchoBlank implements Disposable {
  readonly #secret: Secret
  #held: Buffer = Buffer.alloc(0)
  #isFirstLine = true
  #isErasing = false
  hasBlanked = false

  /** Takes ownership of `secret`. */
  constructor(secret: Secret) {
    this.#secret = secret
  }

  get isHolding(): boolean {
    return this.#held.length > 0
  }

  filter(bytes: Buffer): Buffer {
    const text = Buffer.concat([this.#held, this.#withoutStars(bytes)])
    return this.#secret.expose((secret) => {
      const kept: Buffer[] = []
      let from = 0
      for (;;) {
        const at = text.indexOf(secret, from)
        if (at < 0) break
        kept.push(text.subarray(from, at))
        from = at + secret.length
        this.hasBlanked = true
      }
      const rest = text.subarray(from)
      const begun = beginning(rest, secret)
      this.#held = Buffer.from(rest.subarray(rest.length - begun))
      kept.push(rest.subarray(0, rest.length - begun))
      return Buffer.concat(kept)
    })
  }

  /** What is held back, after all. */
  flush(): Buffer {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    return held
  }

  /** Sudo takes its stars back one by one, as the secret is long. */
  #withoutStars(bytes: Buffer): Buffer {
    if (!this.#isFirstLine) return bytes
    const end = bytes.indexOf(lineFeed)
    const line = end < 0 ? bytes : bytes.subarray(0, end)
    if (end >= 0) this.#isFirstLine = false
    if (!line.includes(star) && !line.includes(backspace) && !this.#isErasing) return bytes
    const kept = line.filter((byte) => {
      const isErased = this.#isErasing && byte === space
      this.#isErasing = byte === backspace
      return !isErased && byte !== star && byte !== backspace
    })
    return Buffer.concat([kept, bytes.subarray(line.length)])
  }

  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]()
    this.#held.fill(0)
  }
}

/** Length of the longest end of `text` that `secret` begins with. */
function beginning(text: Buffer, secret: Uint8Array): number {
  for (let length = Math.min(text.length, secret.length - 1); length > 0; length -= 1)
    if (text.subarray(text.length - length).equals(secret.subarray(0, length))) return length
  return 0
}
