import type { TerminalModel } from './terminal-model.ts'

const maxLine = 4096
/** Prompts of shells and consoles end so, when what stood before the first key is not known. */
const usualPrompt = /^.{0,200}?[$#%>❯»]+ /
/** After lines that were pasted or typed ahead, so much output is looked through for the next of them. */
const followedBytes = 16 * 1024

/** Enter without a line end for so long (nanoseconds) was no line: a menu, a clearing of the screen. */
const staleAfter = 5e9
const mostAhead = 64

export type Command = { readonly line: string; readonly at: number }

/** Enter was typed, and the target has not ended the line yet. `shown` is what stood there at Enter. */
type Entered = {
  readonly shown: string
  readonly prompt: string | undefined
  readonly at: number
  /** Typed before the target had shown its prompt again. */
  readonly isAhead: boolean
}

/**
 * Finds the commands that were entered, from the line as the target shows it when it ends: after line editing,
 * history and completion, and also where a whole line came in one piece and its echo only afterwards. What was
 * typed without echo is not on the screen and so in no command.
 */
export class CommandMarks {
  readonly #model: TerminalModel
  #prompt: string | undefined
  #isNewLine = true
  #entered: Entered[] = []
  #followed = 0
  #lastAt = 0

  constructor(model: TerminalModel) {
    this.#model = model
  }

  /** Whether output has to be looked at line by line. */
  get isWaiting(): boolean {
    return this.#entered.length > 0 || this.#followed > 0
  }

  /** Told of each input before the output that answers it. `several`: more came with Enter, maybe further lines. */
  typed(submit: boolean, at: number, several = false): readonly Command[] {
    const last = this.#entered.at(-1)
    const found = last !== undefined && at - last.at > staleAfter ? this.settle() : []
    const isAhead = this.#entered.length > 0
    if (this.#isNewLine) {
      if (!isAhead) this.#prompt = this.#model.cursorLine()?.before
      this.#isNewLine = false
    }
    if (!submit) return found
    this.#isNewLine = true
    this.#lastAt = at
    const shown = this.#model.cursorLine()
    if (shown === undefined || this.#entered.length === mostAhead) return found
    this.#entered.push({ shown: shown.line, prompt: this.#prompt, at, isAhead })
    if (several || isAhead) this.#followed = followedBytes
    return found
  }

  /** Shows output to the terminal; where a line is awaited, it is read before the target leaves it. */
  printed(bytes: Uint8Array): readonly Command[] {
    const found: Command[] = []
    let rest = bytes
    while (this.isWaiting) {
      const end = rest.indexOf(0x0a)
      if (end < 0) break
      this.#model.feed(rest.subarray(0, end))
      found.push(...this.#lineEnds())
      this.#model.feed(rest.subarray(end, end + 1))
      rest = rest.subarray(end + 1)
      this.#followed = Math.max(0, this.#followed - end - 1)
      if (this.#followed === 0) found.push(...this.settle())
    }
    if (rest.length > 0) this.#model.feed(rest)
    return found
  }

  /** No line end came: the commands are what stood there at Enter. */
  settle(): readonly Command[] {
    this.#followed = 0
    return this.#entered
      .splice(0)
      .filter(({ isAhead }) => !isAhead)
      .flatMap(({ shown, prompt, at }) => commandOf(shown, prompt, at))
  }

  #lineEnds(): readonly Command[] {
    const line = this.#model.cursorLine()?.line
    if (line === undefined) return []
    const [entered] = this.#entered
    if (entered !== undefined && !entered.isAhead) {
      this.#entered.shift()
      const found = commandOf(line, entered.prompt, entered.at)
      return found.length > 0 ? found : commandOf(entered.shown, entered.prompt, entered.at)
    }
    // A line that was pasted or typed ahead stands behind the same prompt; output does not.
    const prompt = (entered?.prompt ?? this.#prompt)?.trimEnd() ?? ''
    if (prompt.length < 2 || !line.startsWith(prompt)) return []
    if (entered !== undefined) this.#entered.shift()
    this.#followed = followedBytes
    return commandOf(line, prompt, entered?.at ?? this.#lastAt)
  }
}

function commandOf(line: string, prompt: string | undefined, at: number): readonly Command[] {
  const command = withoutPrompt(line, prompt).trim().slice(0, maxLine).toWellFormed()
  return command === '' ? [] : [{ line: command, at }]
}

/** Takes the prompt off a line: what stood there before the first key, or else what looks like one. */
export function withoutPrompt(line: string, prompt: string | undefined): string {
  if (prompt !== undefined && prompt.trim() !== '' && line.startsWith(prompt.trimEnd()))
    return line.slice(Math.min(prompt.length, line.length))
  // The line comes trimmed: a bare prompt has lost the space that ends it.
  return `${line} `.replace(usualPrompt, '').trimEnd()
}
