/** What a command answered: text with `\n` at the ends of lines, and an exit code. */
export type Reply = {
  readonly text: string
  readonly code: number
  /** The shell ends after it. */
  readonly ends?: true
  /** The screen is cleared before. */
  readonly clears?: true
  /** The text is a question; what is typed in answer to it is not shown, and comes here. */
  readonly asks?: (answer: string) => Reply
}

/** Who types, in one shell or command of theirs. */
export type Caller = {
  readonly login: string
  /** After `enable`, on the machine that has it. */
  isPrivileged: boolean
}

/** One machine of the plant, as its shell shows it. State is shared by all who are on it, as on a real one. */
export type Machine = {
  readonly greeting: (caller: Caller) => string
  readonly prompt: (caller: Caller) => string
  readonly run: (line: string, caller: Caller) => Reply
}

export const ok = (text: string): Reply => ({ text, code: 0 })
export const failed = (text: string, code = 1): Reply => ({ text, code })

const colours = { red: 91, green: 32, yellow: 33, blue: 34, cyan: 36, grey: 90 } as const

/** Text in a colour of the terminal. */
export function paint(colour: keyof typeof colours, text: string): string {
  return `\u001b[${colours[colour]}m${text}\u001b[0m`
}

/** The same text for who has no terminal. */
export function withoutColours(text: string): string {
  // biome-ignore lint: the control characters are the point
  return text.replace(/\u001b\[[\d;]*m/g, '')
}

/** Words of a command line, without those that are empty. */
export function words(line: string): readonly string[] {
  return line.split(/\s+/).filter((word) => word !== '')
}

/** A moment as machines write it in their logs. */
export function stamp(at: Date): string {
  return at.toISOString().slice(0, 19).replace('T', ' ')
}
