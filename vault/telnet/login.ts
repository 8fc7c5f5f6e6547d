/** How a machine asks, at the end of a line, where its target does not say. In small letters. */
const usualUserPrompts = ['login:', 'login as:', 'user name:', 'username:', 'user:', 'name:', 'user id:']
const usualPasswordPrompts = ['password:', 'passwd:', 'passcode:', 'pin:']

/** Characters of a line that are looked at. */
const mostLine = 400

export type TelnetPrompts = { readonly user: string | undefined; readonly password: string | undefined }

/** What to do when a machine has said something and then nothing for a moment. */
export type TelnetStep = 'wait' | 'name' | 'password' | 'in' | 'refused'

/**
 * Follows the login of a machine of Telnet by what it writes. Pure: whoever has it says what is sent, and when it has been
 * quiet. A name is given once, a password once.
 *
 * SECURITY: prompts are compared with the end of a line, letter by letter: no pattern of somebody's is run. After the login
 * nothing is ever typed again, whatever looks like a prompt.
 */
export class TelnetLogin {
  readonly #user: readonly string[]
  readonly #password: readonly string[]
  #line = ''
  #wroteSince = false
  #isNamed = false
  #state: 'asks' | 'answered' | 'over' = 'asks'
  #hides = false

  constructor({ user, password }: TelnetPrompts) {
    this.#user = user === undefined ? usualUserPrompts : [user.toLowerCase()]
    this.#password = password === undefined ? usualPasswordPrompts : [password.toLowerCase()]
  }

  /** Takes what the machine wrote; answers what of it may be shown: what it makes of a password may not. */
  hear(text: Uint8Array): Buffer {
    const shown: number[] = []
    for (const byte of text) {
      const isEnd = byte === 10 || byte === 13
      // A line ends, or the screen is drawn anew.
      if (isEnd || byte === 27) this.#hides = false
      if (isEnd) this.#line = ''
      else if (!this.#hides) {
        this.#line = (this.#line + String.fromCharCode(byte)).slice(-mostLine)
        if (byte > 32) this.#wroteSince = true
      }
      if (!this.#hides) shown.push(byte)
    }
    return Buffer.from(shown)
  }

  /** What to do now that the machine is quiet; `long`: for longer than a prompt takes. */
  quiet(long: boolean): TelnetStep {
    // Colours and the like are no part of a prompt.
    const line = this.#line
      .replaceAll(/\x1b\[[0-9;?]{0,20}[A-Za-z]/g, '')
      .trim()
      .toLowerCase()
    const ends = (prompts: readonly string[]) => prompts.some((prompt) => line.endsWith(prompt))
    switch (this.#state) {
      case 'asks':
        if (ends(this.#password)) {
          this.#state = 'answered'
          this.#hides = true
          this.#begin()
          return 'password'
        }
        if (!ends(this.#user)) return 'wait'
        if (this.#isNamed) return this.#over('refused')
        this.#isNamed = true
        this.#begin()
        return 'name'
      case 'answered':
        if (ends(this.#password) || ends(this.#user)) return this.#over('refused')
        return this.#wroteSince && (line !== '' || long) ? this.#over('in') : 'wait'
      case 'over':
        return 'wait'
    }
  }

  #begin(): void {
    this.#line = ''
    this.#wroteSince = false
  }

  #over(step: 'in' | 'refused'): TelnetStep {
    this.#state = 'over'
    return step
  }
}
