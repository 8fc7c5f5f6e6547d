import { inspect } from 'node:util'

/**
 * Plaintext secret bytes with one owner.
 *
 * The bytes leave only through `expose` and are zeroed on dispose. A Secret prints as `[secret]` and throws
 * when serialised: one that reaches a log line is harmless, one that reaches JSON fails loudly.
 *
 * Zeroing is best effort: a callback that makes a string of the bytes leaves a copy for the collector.
 */
export class Secret implements Disposable {
  #bytes: Uint8Array | undefined

  /** Takes ownership of `bytes`; the caller must not keep or reuse them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Makes a Secret of `text` in UTF-8. The string itself cannot be wiped. */
  static fromText(text: string): Secret {
    return new Secret(new TextEncoder().encode(text))
  }

  /** Runs `use` with the plaintext. The bytes are borrowed: do not retain them past the call. */
  expose<T>(use: (bytes: Uint8Array) => T): T {
    if (this.#bytes === undefined) throw new Error('secret used after disposal')
    return use(this.#bytes)
  }

  [Symbol.dispose](): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }

  toString(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }

  toJSON(): never {
    throw new Error('refusing to serialise a secret')
  }
}
