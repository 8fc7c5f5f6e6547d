import { StringDecoder } from 'node:string_decoder'
import type { Caller, Machine, Reply } from './shell.ts'

const longestLine = 1_000
const longestHistory = 100

export type EditorPorts = {
  readonly write: (text: string) => void
  /** The shell is over, with this exit code. */
  readonly end: (code: number) => void
}

/** A small line editor of a terminal: echo, backspace, history by the arrow keys, Ctrl-A to Ctrl-W where people use them. */
export class LineEditor {
  readonly #machine: Machine
  readonly #caller: Caller
  readonly #ports: EditorPorts
  readonly #decoder = new StringDecoder('utf8')
  readonly #history: string[] = []
  #at = 0
  #line: string[] = []
  #escape = ''
  /** What is typed is the answer to a question that shows nothing of it. */
  #asked: ((answer: string) => Reply) | undefined
  #lastCode = 0
  #isOver = false
  #isAfterReturn = false

  constructor(machine: Machine, caller: Caller, ports: EditorPorts) {
    this.#machine = machine
    this.#caller = caller
    this.#ports = ports
    this.#write(machine.greeting(caller))
    this.#prompt()
  }

  /** Takes what came from the keyboard. */
  type(bytes: Buffer): void {
    for (const char of this.#decoder.write(bytes)) {
      if (this.#isOver) return
      this.#key(char)
    }
  }

  #key(char: string): void {
    if (this.#escape !== '' || char === '\u001b') return this.#escaped(char)
    // Return sends CR; a pasted CR LF is one end of a line.
    const isSecondHalf = char === '\n' && this.#isAfterReturn
    this.#isAfterReturn = char === '\r'
    if (isSecondHalf) return
    switch (char) {
      case '\r':
      case '\n':
        return this.#enter()
      case '\u0003':
        this.#write('^C\n')
        this.#line = []
        this.#asked = undefined
        this.#lastCode = 130
        return this.#prompt()
      case '\u0004':
        return this.#line.length === 0 ? this.#end('logout\n') : undefined
      case '\u0008':
      case '\u007f':
        return this.#erase(1)
      case '\u0015':
        return this.#erase(this.#line.length)
      case '\u0017':
        return this.#erase(this.#line.length - this.#line.join('').trimEnd().lastIndexOf(' ') - 1)
      case '\u000c':
        this.#ports.write('\u001b[2J\u001b[H')
        this.#prompt()
        return this.#show(this.#line.join(''))
      default:
        if (/\p{C}/u.test(char) || this.#line.length >= longestLine) return
        this.#line.push(char)
        this.#show(char)
    }
  }

  /** Collects an escape sequence; of all there are, the arrows up and down mean something here. */
  #escaped(char: string): void {
    this.#escape += char
    if (/^\u001b[[O]?[\d;]*$/.test(this.#escape) && this.#escape.length < 16) return
    const sequence = this.#escape
    this.#escape = ''
    if (/^\u001b[[O]A$/.test(sequence)) this.#recall(this.#at - 1)
    if (/^\u001b[[O]B$/.test(sequence)) this.#recall(this.#at + 1)
  }

  #recall(at: number): void {
    if (this.#asked !== undefined || at < 0 || at > this.#history.length) return
    this.#erase(this.#line.length)
    this.#at = at
    this.#line = [...(this.#history[at] ?? '')]
    this.#ports.write(this.#line.join(''))
  }

  #erase(count: number): void {
    const erased = Math.min(count, this.#line.length)
    this.#line.splice(this.#line.length - erased)
    this.#show('\b \b'.repeat(erased))
  }

  /** Echoes what is typed, where it may be seen. */
  #show(text: string): void {
    if (this.#asked === undefined) this.#ports.write(text)
  }

  #enter(): void {
    const typed = this.#line.join('')
    const line = typed.trim()
    const asked = this.#asked
    this.#line = []
    this.#asked = undefined
    this.#write('\n')
    if (asked !== undefined) this.#answer(asked(typed))
    else if (line !== '') {
      if (this.#history.at(-1) !== line) this.#history.push(line)
      if (this.#history.length > longestHistory) this.#history.shift()
      this.#answer(this.#machine.run(line, this.#caller))
    }
    if (this.#isOver) return
    this.#at = this.#history.length
    this.#prompt()
  }

  #answer(reply: Reply): void {
    this.#lastCode = reply.code
    this.#asked = reply.asks
    if (reply.clears === true) this.#ports.write('\u001b[2J\u001b[H')
    if (reply.ends === true) this.#end(reply.text)
    else this.#write(reply.text)
  }

  /** Asks for the next command, unless something else is asked. */
  #prompt(): void {
    if (this.#asked !== undefined) return
    this.#ports.write(this.#machine.prompt(this.#caller))
  }

  #write(text: string): void {
    this.#ports.write(text.replaceAll('\n', '\r\n'))
  }

  #end(text: string): void {
    this.#isOver = true
    this.#write(text)
    this.#ports.end(this.#lastCode)
  }
}
