import type { Duplex } from 'node:stream'

/** Why there is no more to read: it hung up, or said too much. */
export class WireEnd extends Error {}

/**
 * Reads a server's messages, as many bytes at a time as they say of themselves.
 *
 * SECURITY: no more of what a hostile server says is kept than one message, and that is bounded by who reads it.
 */
export class Wire {
  readonly #socket: Duplex
  #bytes = Buffer.alloc(0)
  #isOver = false
  #wake: () => void = () => undefined

  constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      // What nobody has asked for yet waits at the other end.
      if (this.#bytes.length > 64 * 1024) socket.pause()
      this.#wake()
    })
    const over = () => {
      this.#isOver = true
      this.#wake()
    }
    socket.on('error', over)
    socket.once('close', over)
    socket.once('end', over)
  }

  /** So many bytes. Throws `WireEnd` where they do not come. */
  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.#isOver) throw new WireEnd('it hung up')
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      this.#socket.resume()
      await promise
    }
    const found = Buffer.from(this.#bytes.subarray(0, length))
    this.#bytes = this.#bytes.subarray(length)
    return found
  }

  /** Writes, and wipes what was written when it has left. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes, () => bytes.fill(0))
  }
}
