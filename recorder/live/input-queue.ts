import { Readable } from 'node:stream'

/** What a browser sends, as a stream that is read at its reader's pace. What bounds what waits is its owner's. */
export class InputQueue {
  readonly stream: Readable
  readonly #waiting: Buffer[] = []
  readonly #taken: (bytes: number) => void
  #hasRoom = true
  #isOver = false

  /** `taken` is called when so many bytes have left the queue for the stream. */
  constructor(taken: (bytes: number) => void) {
    this.#taken = taken
    this.stream = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        this.#hasRoom = true
        this.#pass()
      },
    })
    this.stream.on('error', () => undefined)
  }

  push(bytes: Buffer): void {
    if (this.#isOver) return
    this.#waiting.push(bytes)
    this.#pass()
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting.length = 0
    this.stream.push(null)
  }

  #pass(): void {
    while (this.#hasRoom) {
      const bytes = this.#waiting.shift()
      if (bytes === undefined) return
      this.#hasRoom = this.stream.push(bytes)
      this.#taken(bytes.length)
    }
  }
}
