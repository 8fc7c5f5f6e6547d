/** A stretch that was typed without echo: how many bytes, and from when to when (nanoseconds). */
export type HiddenStretch = { readonly length: number; readonly from: number; readonly to: number }

const maxAwaited = 1024
const enter = new Set([0x0d, 0x0a, 0x03, 0x04])

/**
 * Tells which typed bytes the target echoed, by looking for them in what it prints. The bytes are held only until
 * they come back or the line ends, and never leave here: what comes out is a length.
 */
export class EchoWatch {
  #awaited = new Uint8Array(64)
  #count = 0
  #from = 0
  #to = 0
  #isSubmitted = false

  /** Takes typed bytes. Answers with the stretch before them where that never came back. */
  typed(bytes: Uint8Array, at: number): HiddenStretch | undefined {
    const before = this.#isSubmitted ? this.settle() : undefined
    // Cursor keys and the like come as one escape sequence and are not echoed by anybody.
    if (bytes[0] === 0x1b) return before
    for (const byte of bytes) {
      if (enter.has(byte)) this.#isSubmitted = true
      else if (byte === 0x7f || byte === 0x08) this.#count = Math.max(0, this.#count - 1)
      else if (byte >= 0x20) this.#await(byte, at)
    }
    this.#to = at
    if (this.#count === 0) this.#isSubmitted = false
    return before
  }

  /** Takes output. Answers with a stretch when a line ended that was not echoed. */
  printed(bytes: Uint8Array): HiddenStretch | undefined {
    if (this.#count === 0) return undefined
    let matched = 0
    for (const byte of bytes) {
      if (byte === this.#awaited[matched] && matched < this.#count) matched += 1
      else if (byte === 0x0a && this.#isSubmitted) {
        this.#drop(matched)
        return this.settle()
      }
    }
    this.#drop(matched)
    return undefined
  }

  /** The line is over: what has not come back was typed without echo. */
  settle(): HiddenStretch | undefined {
    const length = this.#count
    this.#awaited.fill(0)
    this.#count = 0
    this.#isSubmitted = false
    return length === 0 ? undefined : { length, from: this.#from, to: this.#to }
  }

  #await(byte: number, at: number): void {
    if (this.#count === 0) this.#from = at
    if (this.#count === maxAwaited) return
    if (this.#count === this.#awaited.length) {
      const grown = new Uint8Array(this.#awaited.length * 4)
      grown.set(this.#awaited)
      this.#awaited.fill(0)
      this.#awaited = grown
    }
    this.#awaited[this.#count++] = byte
  }

  #drop(matched: number): void {
    if (matched === 0) return
    this.#awaited.copyWithin(0, matched, this.#count)
    this.#count -= matched
    this.#awaited.fill(0, this.#count)
    if (this.#count === 0) this.#isSubmitted = false
  }
}
