import type { Frame } from '../replay/frame.ts'
import { type Command, CommandMarks } from './command-marks.ts'
import { TerminalModel } from './terminal-model.ts'
import { TitleScan } from './title-scan.ts'

type Step =
  | { readonly kind: 'output'; readonly bytes: Uint8Array }
  | { readonly kind: 'typed'; readonly submit: boolean; readonly several: boolean; readonly at: number }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }

/** With so much unread output a screen is caught up with in the next free moment; with so much, at once. */
const soonBytes = 64 * 1024
const mostBytes = 256 * 1024

/**
 * What happens on one channel's terminal, read behind its recording: the steps are kept in order, and shown to the
 * terminal when a command was entered, a keyframe is due, or much has gathered. Sealing never waits for a screen.
 */
export class ScreenWatch {
  readonly model: TerminalModel
  readonly #channel: number
  readonly #commands: CommandMarks
  readonly #titles = new TitleScan()
  #steps: Step[] = []
  #bytes = 0
  #isLineBegun = false
  #isLineAwaited = false
  /** Something is worth reading soon. */
  isDue = false

  constructor(channel: number, columns: number, rows: number) {
    this.#channel = channel
    this.model = new TerminalModel(columns, rows)
    this.#commands = new CommandMarks(this.model)
  }

  /** Takes output (copied); returns the marks that it gives at once. */
  output(bytes: Uint8Array, at: number): readonly Frame[] {
    this.#steps.push({ kind: 'output', bytes: bytes.slice() })
    this.#bytes += bytes.length
    if (this.#bytes > soonBytes || this.#isLineAwaited) this.isDue = true
    const marks: Frame[] = this.#bytes > mostBytes ? [...this.catchUp()] : []
    for (const title of this.#titles.scan(bytes))
      marks.push({ kind: 'mark', channel: this.#channel, mark: { kind: 'title', title }, at })
    return marks
  }

  /** Takes note of typing: `length` bytes, Enter among them or not. */
  typed(length: number, submit: boolean, at: number): void {
    // The first key of a line says where its prompt ends, Enter where the line does; what is between says nothing.
    if (this.#isLineBegun && !submit) return
    this.#isLineBegun = !submit
    this.#isLineAwaited = submit
    this.#steps.push({ kind: 'typed', submit, several: length > 1, at })
    if (submit) this.isDue = true
  }

  resize(columns: number, rows: number): void {
    this.#steps.push({ kind: 'resize', columns, rows })
  }

  /** Reads everything up to now; returns the commands found. */
  catchUp(): readonly Frame[] {
    const steps = this.#steps
    this.#steps = []
    this.#bytes = 0
    this.isDue = false
    const found: Command[] = []
    for (const step of steps) {
      if (step.kind === 'output') found.push(...this.#commands.printed(step.bytes))
      else if (step.kind === 'resize') this.model.resize(step.columns, step.rows)
      else found.push(...this.#commands.typed(step.submit, step.at, step.several))
    }
    this.#isLineAwaited = this.#commands.isWaiting
    return this.#marks(found)
  }

  /** The channel is over: returns the command whose line never ended. */
  close(): readonly Frame[] {
    return [...this.catchUp(), ...this.#marks(this.#commands.settle())]
  }

  #marks(found: readonly Command[]): readonly Frame[] {
    return found.map(({ line, at }) => ({
      kind: 'mark',
      channel: this.#channel,
      mark: { kind: 'command', line },
      at,
    }))
  }
}
