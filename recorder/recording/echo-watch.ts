/** A stretch that was typed without echo: how many bytes, and from when to when (nanoseconds). */
export type HiddenStretch = { readonly length: number; readonly from: number; readonly to: number }

type Found = { readonly seen: number; readonly silent: number; readonly hidden: number }

const maxAwaited = 1024
/** Keys that no program echoes (`i` and `dd` in an editor, `q` in a pager) may stand before a byte that comes back. */
const silentKeys = 2
/** What did not come back for so long (nanoseconds) when typing goes on is a stretch of its own. */
const staleAfter = 5e9
/** An echo is there so long (nanoseconds) after Enter at the latest, where anything at all was printed since. */
const answeredAfter = 250e6
const lineEnd = 0x0d
const enter = new Set([0x0d, 0x0a, 0x03, 0x04])

/**
 * Tells which typed bytes the target echoed, by looking for them in what it prints. The bytes are held only until
 * they come back or their line ends, and never leave here: what comes out is a length.
 */
export class EchoWatch {
  /** Typed and not seen yet; Enter stands for itself as `lineEnd`. */
  #awaited = new Uint8Array(64)
  #count = 0
  #from = 0
  #to = 0
  /** Bytes of the first awaited line that came back already, and those that they were found behind. */
  #echoed = 0
  #passedOver = 0
  #enteredAt = 0
  /** Something was printed since the last Enter. */
  #isAnswered = false
  /** The first awaited line was typed before the one before it had ended: whose a line end is, is not known. */
  #isAhead = false

  /** Takes typed bytes. Answers with the stretch before them where that never came back. */
  typed(bytes: Uint8Array, at: number): HiddenStretch | undefined {
    const before = this.#count > 0 && at - this.#to > staleAfter ? this.settle() : this.#closeEntered(at)
    // Cursor keys and the like come as one escape sequence and are not echoed by anybody.
    if (bytes[0] === 0x1b) return before
    for (const byte of bytes) {
      if (enter.has(byte)) {
        if (this.#count > 0) this.#await(lineEnd, at)
        this.#enteredAt = at
        this.#isAnswered = false
      } else if (byte === 0x7f || byte === 0x08) {
        if (this.#count > 0 && this.#awaited[this.#count - 1] !== lineEnd) this.#count -= 1
      } else if (byte >= 0x20) this.#await(byte, at)
    }
    this.#to = at
    return before
  }

  /** Takes output. Answers with a stretch when a line ended that was not echoed. */
  printed(bytes: Uint8Array): HiddenStretch | undefined {
    if (this.#count === 0) return undefined
    this.#isAnswered = true
    let seen = 0
    let length = 0
    for (const byte of bytes) {
      if (seen >= this.#count) break
      if (byte === 0x0a) {
        const end = this.#endOfLine(seen)
        if (end === this.#count || this.#isAhead) continue
        length += this.#hiddenIn(end - seen)
        seen = end + 1
        this.#isAhead = true
      } else {
        const next = this.#after(byte, seen)
        if (next === undefined) continue
        length += next.hidden
        this.#echoed += 1
        this.#passedOver += next.silent
        seen = next.seen
      }
    }
    const stretch = length === 0 ? undefined : { length, from: this.#from, to: this.#to }
    this.#drop(seen)
    return stretch
  }

  /** Nothing more comes: what has not come back was typed without echo. */
  settle(): HiddenStretch | undefined {
    return this.#close(this.#count)
  }

  /** Lines that were entered before something else was printed will not come back any more. */
  #closeEntered(at: number): HiddenStretch | undefined {
    if (!this.#isAnswered || at - this.#enteredAt < answeredAfter) return undefined
    return this.#close(this.#awaited.subarray(0, this.#count).lastIndexOf(lineEnd) + 1)
  }

  /** Gives up the first `until` awaited bytes. */
  #close(until: number): HiddenStretch | undefined {
    if (until === 0) return undefined
    let length = 0
    for (let start = 0; start < until; ) {
      const end = Math.min(this.#endOfLine(start), until)
      length += this.#hiddenIn(end - start)
      start = end + 1
    }
    const stretch = length === 0 ? undefined : { length, from: this.#from, to: this.#to }
    this.#drop(until)
    this.#isAhead = false
    return stretch
  }

  /**
   * How many bytes of the first awaited line were typed without echo, `left` of which did not come back. Where few of
   * a line came back it was chance: a prompt has letters of its own.
   */
  #hiddenIn(left: number): number {
    const whole = this.#echoed + this.#passedOver + left
    const length = left > 0 && this.#echoed * 2 < whole ? whole : left
    this.#echoed = 0
    this.#passedOver = 0
    return length
  }

  /**
   * Where the awaited bytes go on after `byte` was printed, and how many were passed over that nobody will echo now:
   * those of whole lines before. `silent` bytes of its own line stand before it.
   */
  #after(byte: number, seen: number): Found | undefined {
    let hidden = 0
    let start = seen
    while (start < this.#count) {
      const end = this.#endOfLine(start)
      for (let at = start; at < end && at <= start + silentKeys; at += 1)
        if (this.#awaited[at] === byte) return { seen: at + 1, silent: at - start, hidden }
      if (!this.#isAhead) return undefined
      hidden += start === seen ? this.#hiddenIn(end - start) : end - start
      start = end + 1
    }
    return undefined
  }

  #endOfLine(from: number): number {
    const end = this.#awaited.subarray(0, this.#count).indexOf(lineEnd, from)
    return end < 0 ? this.#count : end
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

  #drop(seen: number): void {
    if (seen >= this.#count) this.#isAhead = false
    if (seen === 0) return
    this.#awaited.copyWithin(0, seen, this.#count)
    this.#count -= seen
    this.#awaited.fill(0, this.#count)
    // When each byte was typed is not kept; what is left was typed lately.
    this.#from = this.#to
  }
}
