import type { Instruction } from './instruction.ts'

/** Milliseconds after which a machine that has not taken a size is asked for it again, each time. */
const again: readonly number[] = [1_500, 3_000, 6_000]
/** Pixels by which what a machine shows may differ from what it was asked for: some take even widths alone. */
const near = 4

/**
 * How many pixels a machine is asked to show, as its user's window has room for. Asked in the first moments of a session
 * xrdp drops it without a word, so it is said again until the machine shows as many, and not for ever: many cannot.
 */
export class DesktopRoom implements Disposable {
  readonly #write: (bytes: Buffer) => void
  #wanted: { readonly width: number; readonly height: number } | undefined
  #timers: readonly NodeJS.Timeout[] = []

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  /** Asks for so many, `bytes` being the instruction. */
  ask(width: number, height: number, bytes: Buffer): void {
    this[Symbol.dispose]()
    this.#wanted = { width, height }
    this.#write(bytes)
    this.#timers = again.map((ms) => setTimeout(() => this.#write(bytes), ms))
  }

  /** What the machine shows. */
  shown(instructions: readonly Instruction[]): void {
    const wanted = this.#wanted
    if (wanted === undefined) return
    const isTaken = instructions.some(
      ({ opcode, args: [layer, width, height] }) =>
        opcode === 'size' &&
        layer === '0' &&
        Math.abs(Number(width) - wanted.width) < near &&
        Math.abs(Number(height) - wanted.height) < near,
    )
    if (isTaken) this[Symbol.dispose]()
  }

  /** Asks no more, until `ask`. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
    this.#wanted = undefined
  }
}
