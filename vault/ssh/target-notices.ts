import { readableLines } from './readable.ts'

/** So much is kept of what a machine says before it lets anybody in. */
const mostCharacters = 16 * 1024

/** What a machine says before the login is over: its banner (RFC 4252 §5.4), and what it writes above its questions. */
export class TargetNotices {
  #text = ''

  said(text: string): void {
    const left = mostCharacters - this.#text.length
    if (left <= 0 || text === '') return
    this.#text += `${text.slice(0, left)}\n`
  }

  lines(): readonly string[] {
    return readableLines(this.#text)
  }
}
