import { createHash } from 'node:crypto'

/** What is known of one file's way through a channel. */
export type TransferResult = {
  readonly size: number
  readonly sha256: string
  /** From the first byte in order, each byte once: then the digest is the content's. */
  readonly isSequential: boolean
}

/** Bytes that came ahead of a gap and are kept until it closes: of one file, and of all that share a `HeldBytes`. */
const mostHeld = 4 * 1024 * 1024
const mostHeldTogether = 16 * 1024 * 1024
/** What keeping a piece costs beside its bytes. */
const pieceCost = 256

/** What the transfers of one channel keep, counted together: the user decides how many there are. */
export class HeldBytes {
  bytes = 0
}

/**
 * Hashes a file's content as its pieces pass, by their offsets. Pieces ahead of a gap wait for it; where too much waits,
 * or a piece comes twice, the order is lost: the digest then covers what passed, in the order it came.
 */
export class Transfer {
  readonly #hash = createHash('sha256')
  readonly #held = new Map<number, Buffer>()
  readonly #together: HeldBytes
  #heldBytes = 0
  #next = 0
  #size = 0
  #isSequential = true

  constructor(together = new HeldBytes()) {
    this.#together = together
  }

  /** The offset that continues the content. */
  get next(): number {
    return this.#next
  }

  get size(): number {
    return this.#size
  }

  /** Takes the piece at `offset`. The bytes are not kept, but for those ahead of a gap, which are copied. */
  add(offset: number, bytes: Uint8Array): void {
    this.#size += bytes.length
    if (!this.#isSequential || offset === this.#next) {
      this.#update(bytes)
      if (this.#held.size > 0 && this.#isSequential) this.#release()
      return
    }
    if (bytes.length === 0) return
    if (offset > this.#next && this.#hasRoom(bytes.length) && !this.#held.has(offset)) {
      this.#held.set(offset, Buffer.from(bytes))
      this.#count(bytes.length + pieceCost)
      return
    }
    this.#loseOrder()
    this.#update(bytes)
  }

  result(): TransferResult {
    if (this.#held.size > 0) this.#loseOrder()
    return { size: this.#size, sha256: this.#hash.copy().digest('hex'), isSequential: this.#isSequential }
  }

  #update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#next += bytes.length
  }

  #release(): void {
    for (;;) {
      const bytes = this.#held.get(this.#next)
      if (bytes === undefined) return
      this.#held.delete(this.#next)
      this.#count(-bytes.length - pieceCost)
      this.#update(bytes)
    }
  }

  #loseOrder(): void {
    this.#isSequential = false
    for (const bytes of this.#held.values()) this.#update(bytes)
    this.#held.clear()
    this.#count(-this.#heldBytes)
  }

  #hasRoom(length: number): boolean {
    const cost = length + pieceCost
    return this.#heldBytes + cost <= mostHeld && this.#together.bytes + cost <= mostHeldTogether
  }

  #count(cost: number): void {
    this.#heldBytes += cost
    this.#together.bytes += cost
  }
}
