import type { Duplex } from 'node:stream'

/** Bytes that a machine says in one connection before it is let go: a hostile one says more. */
const mostSaid = 512 * 1024
/** Of an answer, so many bytes from its beginning are looked at. */
const mostAnswer = 64 * 1024
const mostLine = 400

/** Why nothing more is waited for. */
export type Ended = 'closed' | 'silent' | 'flood'

/** What a machine has said since the last line was entered. */
export type Answer = {
  /** The line on which its cursor stands. */
  readonly line: string
  /** All of it, bounded. */
  readonly text: string
  readonly isNewLine: boolean
}

/**
 * Listens to a machine with a command line. Keeps what it said since the last line was entered, and the line on which it has
 * stopped, as a terminal without a screen would show it.
 */
export class Terminal {
  readonly #stream: Duplex
  #answer: Buffer[] = []
  #kept = 0
  #total = 0
  #line = ''
  #escape = ''
  #returned = false
  #isNewLine = false
  #ended: Ended | undefined
  #wake: () => void = () => undefined

  constructor(stream: Duplex, signal: AbortSignal) {
    this.#stream = stream
    const over = () => this.#end('closed')
    stream.on('data', (piece: Buffer) => this.hear(piece))
    stream.on('error', over)
    stream.once('close', over)
    signal.addEventListener('abort', over, { once: true })
    if (signal.aborted || stream.destroyed) over()
  }

  /** Takes what the machine said. */
  hear(piece: Uint8Array): void {
    this.#total += piece.length
    if (this.#total > mostSaid) return this.#end('flood')
    if (this.#kept < mostAnswer) {
      this.#answer.push(Buffer.from(piece))
      this.#kept += piece.length
    }
    for (const byte of piece) this.#put(byte)
    this.#wake()
  }

  /** Enters bytes; what was said before is over. The machine gets a copy, which is wiped when it has left. */
  enter(bytes: Uint8Array): void {
    this.forget()
    const copy = Buffer.from(bytes)
    if (this.#ended === undefined && this.#stream.writable) this.#stream.write(copy, () => copy.fill(0))
    else copy.fill(0)
  }

  /** A key that goes on with an answer: what was said of it stays. */
  press(key: string): void {
    this.#line = ''
    if (this.#ended === undefined && this.#stream.writable) this.#stream.write(key)
  }

  /** Was this said since the last line? */
  hasSaid(bytes: Uint8Array): boolean {
    return (
      bytes.length > 0 &&
      Buffer.concat(this.#answer).includes(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    )
  }

  forget(): void {
    for (const piece of this.#answer) piece.fill(0)
    this.#answer = []
    this.#kept = 0
    this.#line = ''
    this.#isNewLine = false
  }

  /**
   * Waits until what is said makes `judge` answer; says why it never did where the machine is gone, or silent for the time.
   * `restsMs`: it is asked only when the machine has said nothing for so long.
   */
  async until<T>(
    judge: (answer: Answer) => T | undefined,
    withinMs: number,
    restsMs = 0,
  ): Promise<T | Ended> {
    const deadline = performance.now() + withinMs
    for (;;) {
      const before = this.#total
      if (restsMs > 0 && this.#ended === undefined) await this.#more(restsMs)
      const isResting = restsMs === 0 || this.#total === before
      const found = isResting || this.#ended !== undefined ? judge(this.#now()) : undefined
      if (found !== undefined) return found
      if (this.#ended !== undefined) return this.#ended
      const left = deadline - performance.now()
      if (left <= 0) return 'silent'
      if (isResting && this.#total === before) await this.#more(left)
    }
  }

  #now(): Answer {
    return {
      line: this.#line,
      text: Buffer.concat(this.#answer).toString('latin1'),
      isNewLine: this.#isNewLine,
    }
  }

  #end(why: Ended): void {
    this.#ended ??= why
    if (why === 'flood') this.#stream.destroy()
    this.#wake()
  }

  async #more(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, withinMs)
    await promise
    clearTimeout(timer)
  }

  #put(byte: number): void {
    if (this.#escape !== '') {
      // A sequence of a terminal (ECMA-48): what it draws, or calls its window, is nothing that a line says.
      this.#escape += String.fromCharCode(byte)
      const isTitle = this.#escape[1] === ']'
      const isOver =
        this.#escape.length === 2
          ? !isTitle && byte !== 0x5b
          : isTitle
            ? byte === 0x07 || this.#escape.endsWith('\x1b\\')
            : byte >= 0x40 && byte <= 0x7e
      if (isOver || this.#escape.length > 300) this.#escape = ''
      return
    }
    if (byte === 0x0a) {
      this.#line = ''
      this.#isNewLine = true
      this.#returned = false
    } else if (byte === 0x0d) this.#returned = true
    else if (byte === 0x1b) this.#escape = '\x1b'
    else if (byte === 0x08) this.#line = this.#line.slice(0, -1)
    else if (byte >= 0x20 && byte !== 0x7f) {
      // Written over from the beginning: a line without an end.
      if (this.#returned) this.#line = ''
      this.#returned = false
      if (this.#line.length < mostLine) this.#line += String.fromCharCode(byte)
    }
  }
}
