import type { TerminalModel } from './terminal-model.ts'

const maxLine = 4096
/** Prompts of shells and consoles end so, when what stood before the first key is not known. */
const usualPrompt = /^.{0,200}?[$#%>❯»]+ /

/**
 * Finds the commands that were entered, from the line as it stood on the screen when Enter was typed: after line
 * editing, history and completion. What was typed without echo is not on the screen and so in no command.
 */
export class CommandMarks {
  readonly #model: TerminalModel
  #prompt: string | undefined
  #isNewLine = true

  constructor(model: TerminalModel) {
    this.#model = model
  }

  /** Told of each input before the output that answers it. Returns the command line when there is one. */
  typed(submit: boolean): string | undefined {
    if (this.#isNewLine) {
      this.#prompt = this.#model.cursorLine()?.before
      this.#isNewLine = false
    }
    if (!submit) return undefined
    this.#isNewLine = true
    const shown = this.#model.cursorLine()
    if (shown === undefined) return undefined
    const command = withoutPrompt(shown.line, this.#prompt).trim().slice(0, maxLine).toWellFormed()
    return command === '' ? undefined : command
  }
}

/** Takes the prompt off a line: what stood there before the first key, or else what looks like one. */
export function withoutPrompt(line: string, prompt: string | undefined): string {
  if (prompt !== undefined && prompt.trim() !== '' && line.startsWith(prompt.trimEnd()))
    return line.slice(Math.min(prompt.length, line.length))
  return line.replace(usualPrompt, '')
}
