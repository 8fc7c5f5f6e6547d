import { isChangeDemanded, whatIsAsked } from '../../../vault/ssh/password-words.ts'
import { readableLines } from '../../../vault/ssh/readable.ts'

/** A demand stands at the very beginning of what a machine prints. */
const mostCharacters = 8 * 1024

/**
 * Notices where a machine lets somebody in only to have the password changed, as sshd does by running passwd in place
 * of the shell: it asks for the present or a new password before the user has entered anything.
 */
export class ChangeDemand {
  #text = ''
  #isOver = false

  /** The user has entered something: what is printed from now on may be an answer to it. */
  entered(bytes: Uint8Array): void {
    if (bytes.includes(0x0d) || bytes.includes(0x0a)) this.#isOver = true
  }

  /** Does the machine, by what it prints now, ask for a new password? True once. */
  printed(bytes: Buffer, login: string): boolean {
    if (this.#isOver) return false
    this.#text += bytes.toString('utf8')
    if (this.#text.length > mostCharacters) {
      this.#isOver = true
      return false
    }
    const last = readableLines(this.#text).at(-1) ?? ''
    if (!/[:：]$/u.test(last) || last.length > 120) return false
    this.#isOver = whatIsAsked(login, '', [{ prompt: last, echo: false }]) === 'password change'
    return this.#isOver
  }

  /** Does the machine refuse to run anything without a terminal, since the password has to be changed first? True once. */
  complained(bytes: Buffer): boolean {
    if (this.#isOver) return false
    this.#text += bytes.toString('utf8')
    const isDemanded = isChangeDemanded(this.#text) || /^Password change required/m.test(this.#text)
    this.#isOver = isDemanded || this.#text.length > 1_000
    return isDemanded
  }
}
