import { Fault } from '../../../vault/kernel/fault.ts'

/** One instruction of the Guacamole protocol: an opcode and its arguments. */
export type Instruction = {
  readonly opcode: string
  readonly args: readonly string[]
  /** Exactly as it came. The parser takes the one canonical form alone, so that `encodeInstruction` gives the same. */
  readonly bytes: Uint8Array
}

export type InstructionLimits = {
  /** Longest instruction in bytes, with its lengths and separators. */
  readonly bytes: number
  /** Most elements, the opcode among them. */
  readonly elements: number
}

/** guacd sends and takes at most 8 KiB in an instruction, and 128 elements (libguac, `guacamole/parser-constants.h`). */
export const defaultInstructionLimits: InstructionLimits = { bytes: 64 * 1024, elements: 512 }

/** Digits of a length: more than the longest instruction can need. */
const mostDigits = 6

const zero = 0x30
const nine = 0x39
const dot = 0x2e
const comma = 0x2c
const semicolon = 0x3b

/**
 * Reads instructions (`LENGTH.VALUE,LENGTH.VALUE;`, lengths in Unicode code points) out of bytes that come in any
 * pieces. What it holds is bounded, and each byte is looked at once, however small the pieces are.
 *
 * SECURITY: both ends are hostile to somebody: a target speaks through guacd, a user through the browser. Whatever is
 * not the canonical form (a length with a leading zero, malformed UTF-8, another separator) is refused, since
 * somebody else might read it otherwise. After a refusal the stream has no meaning any more: `push` refuses the rest.
 */
export class InstructionParser {
  readonly #limits: InstructionLimits
  readonly #bytes: Buffer
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #used = 0
  #state: 'length' | 'text' | 'separator' | 'refused' = 'length'
  #digits = 0
  /** Of the present element: its length, the characters still to come, and where it begins. */
  #length = 0
  #left = 0
  #from = 0
  /** Bytes that the present character still needs. */
  #rest = 0
  #elements: string[] = []

  constructor(limits: InstructionLimits = defaultInstructionLimits) {
    this.#limits = limits
    this.#bytes = Buffer.allocUnsafe(limits.bytes)
  }

  /** Whether the bytes so far end between two instructions. */
  get isBetween(): boolean {
    return this.#used === 0 && this.#state !== 'refused'
  }

  /** The instructions that `chunk` completes. Throws `Fault('protocol')` where it is none, or beyond the limits. */
  push(chunk: Uint8Array): Instruction[] {
    if (this.#state === 'refused') throw malformed('comes after what was refused')
    try {
      const complete: Instruction[] = []
      for (const byte of chunk) {
        if (this.#used === this.#limits.bytes) throw malformed(`is longer than ${this.#limits.bytes} bytes`)
        this.#bytes[this.#used++] = byte
        if (this.#state === 'length') this.#takeLength(byte)
        else if (this.#state === 'text') this.#takeText(byte)
        else if (this.#takeSeparator(byte)) complete.push(this.#finish())
      }
      return complete
    } catch (error) {
      this.#state = 'refused'
      throw error
    }
  }

  #takeLength(byte: number): void {
    if (byte >= zero && byte <= nine) {
      if (this.#digits > 0 && this.#length === 0) throw malformed('has a length with a leading zero')
      this.#digits += 1
      if (this.#digits > mostDigits) throw malformed('has a length of too many digits')
      this.#length = this.#length * 10 + byte - zero
      return
    }
    if (byte !== dot || this.#digits === 0) throw malformed('has no length where one must be')
    if (this.#length > this.#limits.bytes - this.#used)
      throw malformed(`is longer than ${this.#limits.bytes} bytes`)
    if (this.#elements.length === this.#limits.elements)
      throw malformed(`has more than ${this.#limits.elements} elements`)
    this.#left = this.#length
    this.#from = this.#used
    this.#state = this.#left === 0 ? 'separator' : 'text'
  }

  #takeText(byte: number): void {
    if (this.#rest > 0) {
      if ((byte & 0xc0) !== 0x80) throw malformed('is not UTF-8')
      this.#rest -= 1
    } else {
      this.#left -= 1
      this.#rest = continuationBytes(byte)
    }
    if (this.#left === 0 && this.#rest === 0) this.#state = 'separator'
  }

  /** Answers whether the instruction is complete. */
  #takeSeparator(byte: number): boolean {
    if (byte !== comma && byte !== semicolon) throw malformed('has no separator where an element ends')
    try {
      this.#elements.push(this.#decoder.decode(this.#bytes.subarray(this.#from, this.#used - 1)))
    } catch {
      throw malformed('is not UTF-8')
    }
    this.#state = 'length'
    this.#digits = 0
    this.#length = 0
    return byte === semicolon
  }

  #finish(): Instruction {
    const [opcode = '', ...args] = this.#elements
    const bytes = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#used)
    this.#elements = []
    this.#used = 0
    return { opcode, args, bytes }
  }
}

/** The bytes of an instruction. Throws `Fault('protocol')` for text with half of a surrogate pair, which has none. */
export function encodeInstruction(opcode: string, ...args: readonly string[]): Buffer {
  const elements = [opcode, ...args].map((text) => {
    if (!text.isWellFormed()) throw malformed('has text with half a character')
    return `${codePoints(text)}.${text}`
  })
  return Buffer.from(`${elements.join(',')};`, 'utf8')
}

/** Characters as the protocol counts them: one beyond the basic plane is one, and has two units in a string. */
function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}

/** How many bytes follow the first one of a character. */
function continuationBytes(byte: number): number {
  if (byte < 0x80) return 0
  if (byte >= 0xc2 && byte <= 0xdf) return 1
  if (byte >= 0xe0 && byte <= 0xef) return 2
  if (byte >= 0xf0 && byte <= 0xf4) return 3
  throw malformed('is not UTF-8')
}

/** SECURITY: says what is wrong, and nothing of what was read: an instruction can hold a password. */
function malformed(how: string): Fault {
  return new Fault('protocol', `an instruction of the Guacamole protocol ${how}`)
}
