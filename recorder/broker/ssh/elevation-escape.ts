/** What a user types on a line of its own to be elevated. */
const act = Buffer.from('~e')
const lineEnds = new Set([0x0d, 0x0a, 0x03, 0x04])

export type Typed = {
  /** What goes on to the target. */
  readonly pass: Buffer
  /** The user asked to be elevated: nothing of it goes to the target. */
  readonly isAct: boolean
}

/**
 * Finds `~e` and Enter, typed alone on a line. Until it is sure that something else is meant, what may become it is
 * held back; OpenSSH's client passes `~e` on, which means nothing to it.
 */
export class ElevationEscape {
  #held = 0
  #isLineBegun = false

  /** Has something been typed since the last Enter? What is held back is nothing. */
  get isLineBegun(): boolean {
    return this.#isLineBegun
  }

  typed(bytes: Buffer): Typed {
    if (this.#isLineBegun) return this.#pass(bytes)
    const line = Buffer.concat([act.subarray(0, this.#held), bytes])
    if (line.length <= act.length && act.subarray(0, line.length).equals(line)) {
      this.#held = line.length
      return { pass: Buffer.alloc(0), isAct: false }
    }
    const isAct =
      line.length === act.length + 1 &&
      line.subarray(0, act.length).equals(act) &&
      (line[act.length] === 0x0d || line[act.length] === 0x0a)
    this.#held = 0
    return isAct ? { pass: Buffer.alloc(0), isAct } : this.#pass(line)
  }

  #pass(bytes: Buffer): Typed {
    const last = bytes.at(-1)
    if (last !== undefined) this.#isLineBegun = !lineEnds.has(last)
    return { pass: bytes, isAct: false }
  }
}
