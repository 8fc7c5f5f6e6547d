/** Bytes that a browser has not drawn yet, above which guacd is kept waiting. */
const mostUndrawn = 1024 * 1024
/** Milliseconds in which a browser that has so many draws some; guacd gives it up soon after. */
const stalledMs = 12_000

export type DrawingPorts = {
  readonly pause: () => void
  readonly resume: () => void
  /** The browser draws nothing any more: with a sentence for its user. */
  readonly stalled: (text: string) => void
}

/** What a browser has been sent of a desktop and has not drawn: who has much of it waits, and is given up in the end. */
export class DesktopDrawing implements Disposable {
  readonly #ports: DrawingPorts
  #undrawn = 0
  #stall: NodeJS.Timeout | undefined
  /** Who waits for the browser to have drawn. */
  #waiting: (() => void)[] = []
  #isOver = false

  constructor(ports: DrawingPorts) {
    this.#ports = ports
  }

  /** So many bytes are being sent; what it answers is called when they are drawn. */
  sent(bytes: number): () => void {
    this.#undrawn += bytes
    if (this.#undrawn > mostUndrawn && this.#stall === undefined) {
      this.#ports.pause()
      this.#stall = this.#await()
    }
    return () => {
      this.#undrawn -= bytes
      if (this.#stall === undefined) return
      clearTimeout(this.#stall)
      this.#stall = this.#undrawn > mostUndrawn / 2 && !this.#isOver ? this.#await() : undefined
      if (this.#stall !== undefined) return
      this.#ports.resume()
      this.#wake()
    }
  }

  /** Resolves when guacd is not kept waiting, or all is over. */
  async done(): Promise<void> {
    if (this.#stall !== undefined && !this.#isOver)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #await(): NodeJS.Timeout {
    const text = 'your browser took no more of the picture, so this session ends: connect again'
    return setTimeout(() => this.#ports.stalled(text), stalledMs)
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    clearTimeout(this.#stall)
    this.#wake()
  }
}
