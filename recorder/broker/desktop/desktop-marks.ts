import type { Mark } from '../../recording/index.ts'
import type { Instruction } from './instruction.ts'

export type DesktopMarksPorts = {
  /** Into the recording, before what it is about. */
  readonly mark: (mark: Mark) => void
  /** Milliseconds, never back. */
  readonly now: () => number
}

/** Milliseconds in which nothing is drawn and nothing done, from which on that is marked. */
const idleAfter = 60_000
/** Says when something was drawn, and draws nothing. */
const quiet: readonly string[] = ['sync', 'nop']

/** Marks in the recording of a desktop what is read off what it shows and is sent: other sizes of its screen, and that nothing happened. */
export class DesktopMarks {
  readonly #ports: DesktopMarksPorts
  #size: { readonly width: number; readonly height: number } | undefined
  #at: number

  constructor(ports: DesktopMarksPorts) {
    this.#ports = ports
    this.#at = ports.now()
  }

  /** Instructions are about to be recorded and shown. */
  shown(instructions: readonly Instruction[]): void {
    if (instructions.some(({ opcode }) => !quiet.includes(opcode))) this.happened()
    for (const { opcode, args } of instructions) {
      // Layer 0 is the screen; others are of the drawing.
      if (opcode !== 'size' || args[0] !== '0') continue
      const [width, height] = [Number(args[1]), Number(args[2])]
      const before = this.#size
      this.#size = { width, height }
      // The first size is the one that it begins with.
      if (before !== undefined && (before.width !== width || before.height !== height))
        this.#ports.mark({ kind: 'resize', width, height })
    }
  }

  /** Something was drawn or done; or the desktop ends. */
  happened(): void {
    const now = this.#ports.now()
    const idle = now - this.#at
    this.#at = now
    if (idle >= idleAfter) this.#ports.mark({ kind: 'idle', seconds: Math.floor(idle / 1000) })
  }
}
