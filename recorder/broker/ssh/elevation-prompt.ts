import type { ElevationKind } from '../../../vault/contract.ts'
import { TerminalModel } from '../../recording/terminal-model.ts'
import { passwordWords } from '../../../vault/ssh/password-words.ts'

/** So much of the latest output is read to see where the terminal stands. */
const keptBytes = 64 * 1024

type Prompt = {
  /** The whole line up to the cursor. */
  readonly line: RegExp
  /** The line above it, where the prompt itself does not say whose it is. */
  readonly above?: RegExp
  /** Takes one typed character back in that program. */
  readonly erase: string
}

/**
 * SECURITY: a prompt is the whole line that the cursor stands at the end of, and nothing else is on it. That of su and
 * enable says no more than "Password:", as a login to a further machine does: so the line above must be the command.
 */
export const prompts: Readonly<Record<ElevationKind, Prompt>> = {
  sudo: { line: /^\[sudo[^[\]]{0,60}\] [^[\]:：]{1,120} ?[:：] ?$/u, erase: '\x15' },
  su: {
    line: new RegExp(`^(?:${passwordWords}) ?[:：] ?$`, 'u'),
    above: /(?:^|[\s;&|$#%>])su(?:\s+[\w@.+=/-]+)*$/u,
    erase: '\x15',
  },
  enable: {
    line: new RegExp(`^(?:Enable )?(?:${passwordWords}|Secret) ?[:：] ?$`, 'iu'),
    above: /[>#]\s*en(?:a(?:b(?:le?)?)?)?(?:\s+\d{1,2})?$/iu,
    erase: '\x7f',
  },
}

/** Keeps the end of what a terminal was sent, and tells whether it stands at a prompt. */
export class PromptWatch {
  #pieces: Buffer[] = []
  #bytes = 0
  #columns: number
  #rows: number

  constructor(columns: number, rows: number) {
    this.#columns = columns
    this.#rows = rows
  }

  printed(bytes: Buffer): void {
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
    while (this.#bytes - (this.#pieces[0]?.length ?? 0) > keptBytes)
      this.#bytes -= this.#pieces.shift()?.length ?? 0
    if (this.#pieces.length > 4096) this.#pieces = [Buffer.concat(this.#pieces)]
  }

  resize(columns: number, rows: number): void {
    this.#columns = columns
    this.#rows = rows
  }

  /**
   * The line of the prompt of `kind` at which the terminal stands now, or undefined where it does not.
   *
   * SECURITY: reads what a hostile target printed; of a screen too large or broken nothing is a prompt.
   */
  at(kind: ElevationKind): string | undefined {
    const model = new TerminalModel(this.#columns, this.#rows)
    try {
      model.feed(Buffer.concat(this.#pieces))
      const { line, above } = prompts[kind]
      const shown = model.cursorLine()
      if (shown === undefined || shown.line !== shown.before.trimEnd() || !line.test(shown.before))
        return undefined
      if (above !== undefined && !above.test(model.lineAbove() ?? '')) return undefined
      return shown.before
    } finally {
      model.dispose()
    }
  }
}
