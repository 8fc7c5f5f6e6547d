const maxLine = 8192

/**
 * Makes printable lines of a terminal's output: takes escape sequences out (ECMA-48 §5: CSI, OSC, DCS and the like),
 * shows other controls as `^X`, and neutralises what reorders text in a line.
 *
 * `search`: as words are looked for in them. What a backspace takes back is gone, what is written from the left again is a line
 * of its own, and what stands apart on the screen stands apart in the line.
 */
export class Plainer {
  readonly #text = new TextDecoder()
  #state: 'ground' | 'escape' | 'sequence' | 'string' | 'string-escape' = 'ground'
  #line = ''
  #isReturned = false
  readonly #use: 'print' | 'search'

  constructor(use: 'print' | 'search' = 'print') {
    this.#use = use
  }

  /** Adds output; returns the lines that it finished. */
  add(bytes: Uint8Array): string[] {
    const lines: string[] = []
    for (const char of this.#text.decode(bytes, { stream: true })) {
      const code = char.codePointAt(0) as number
      if (this.#state !== 'ground' && this.#skip(code)) continue
      if (code === 0x0a) lines.push(this.#take())
      else if (this.#use === 'search') this.#gather(char, code, lines)
      else this.#show(char, code)
      if (this.#line.length >= maxLine) lines.push(this.#take())
    }
    return lines
  }

  /** What has no line end yet. */
  rest(): string {
    return this.#take()
  }

  #gather(char: string, code: number, lines: string[]): void {
    if (this.#isReturned && code !== 0x0d) lines.push(this.#take())
    if (code === 0x0d) this.#isReturned = this.#line !== ''
    else if (code === 0x08 || code === 0x7f) this.#line = this.#line.slice(0, -1)
    else if (code < 0x20 && code !== 0x1b) this.#line += ' '
    else this.#show(char, code)
  }

  #take(): string {
    this.#isReturned = false
    const line = this.#line.replace(/\r+$/, '').replaceAll('\r', '^M')
    this.#line = ''
    return line
  }

  #show(char: string, code: number): void {
    if (code === 0x1b) this.#state = 'escape'
    else if (code === 0x9b) this.#state = 'sequence'
    else if (code === 0x90 || code === 0x9d || code === 0x98 || code === 0x9e || code === 0x9f)
      this.#state = 'string'
    else if (code === 0x0d || code === 0x09) this.#line += char
    else if (code < 0x20) this.#line += `^${String.fromCharCode(code + 0x40)}`
    else if (code === 0x7f) this.#line += '^?'
    else if (code < 0xa0 && code > 0x7f) this.#line += '�'
    // SECURITY: bidirectional overrides and line separators make a log say something else than it holds.
    else if (/[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(char)) this.#line += '�'
    else this.#line += char
  }

  /** Whether the character belongs to an escape sequence. */
  #skip(code: number): boolean {
    switch (this.#state) {
      case 'escape':
        if (code === 0x5b) this.#state = 'sequence'
        else if ([0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(code)) this.#state = 'string'
        else if (!(code >= 0x20 && code <= 0x2f)) this.#state = 'ground'
        return code >= 0x20 || code === 0x1b
      case 'sequence':
        // Anything but parameters and a final byte breaks the sequence off and counts as itself.
        if (code >= 0x40 && code <= 0x7e) {
          this.#state = 'ground'
          // Neither a colour nor an erased rest of a line moves the cursor.
          if (this.#use === 'search' && code !== 0x6d && code !== 0x4b) this.#line += ' '
        } else if (code < 0x20 || code > 0x7e) {
          this.#state = 'ground'
          return false
        }
        return true
      case 'string':
        if (code === 0x1b) this.#state = 'string-escape'
        else if (code === 0x07 || code === 0x9c || code === 0x18 || code === 0x1a) this.#state = 'ground'
        return true
      case 'string-escape':
        this.#state = code === 0x5c ? 'ground' : 'escape'
        return code === 0x5c ? true : this.#skip(code)
      default:
        return false
    }
  }
}
