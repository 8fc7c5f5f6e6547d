import type { Instruction } from './instruction.ts'

/** What a stream is answered with (the Guacamole protocol's reference, status codes). */
export const streamStatus = {
  done: 0,
  malformed: 0x300,
  forbidden: 0x303,
  tooLong: 0x30d,
  otherType: 0x30f,
  tooOften: 0x31d,
} as const

export type StreamStatus = (typeof streamStatus)[keyof typeof streamStatus]

/** What a piece of a clipboard's stream comes to. */
export type Gathered =
  /** It is none of a clipboard's. */
  | { readonly kind: 'other' }
  | { readonly kind: 'more'; readonly stream: string }
  | { readonly kind: 'refused'; readonly stream: string; readonly status: StreamStatus; readonly why: string }
  | { readonly kind: 'whole'; readonly stream: string; readonly bytes: Buffer }

/** The number of a stream, as both ends write it. */
const number = /^(0|[1-9]\d{0,4})$/
/** The canonical form alone: what somebody else could read otherwise is refused. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Puts the text of one side's clipboard together, out of the pieces of its stream.
 *
 * SECURITY: nothing of it goes on before all of it was looked at: what is too long, no text, or not in its place never
 * reaches the other side, not even in part. One stream is open at a time; what is kept of it is bounded.
 */
export class ClipboardStream {
  readonly #mostBytes: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #stream: string | undefined
  #pieces: Buffer[] = []
  #size = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Takes what one side sent; `may`: it may have a text on its way now. */
  push({ opcode, args }: Instruction, may: boolean): Gathered {
    const [stream = ''] = args
    if (opcode === 'clipboard') return this.#begin(args, may)
    if ((opcode !== 'blob' && opcode !== 'end') || stream !== this.#stream) return { kind: 'other' }
    if (!may) return this.#refuse(stream, streamStatus.forbidden, 'not allowed any more')
    return opcode === 'end' ? this.#end(stream) : this.#add(stream, args)
  }

  /** Whether this stream is open. */
  has(stream: string): boolean {
    return this.#stream === stream
  }

  /** Forgets a stream that has not ended, and says which. */
  drop(): string | undefined {
    const stream = this.#stream
    this.#stream = undefined
    this.#pieces = []
    this.#size = 0
    return stream
  }

  #begin(args: readonly string[], may: boolean): Gathered {
    const [stream = '', mimetype] = args
    if (args.length !== 2 || !number.test(stream)) return { kind: 'other' }
    // Begun anew, it is another.
    if (this.#stream === stream) this.drop()
    if (!may) return this.#refuse(stream, streamStatus.forbidden, 'not allowed')
    if (mimetype !== 'text/plain') return this.#refuse(stream, streamStatus.otherType, 'no plain text')
    if (this.#stream !== undefined)
      return {
        kind: 'refused',
        stream,
        status: streamStatus.tooOften,
        why: 'a second one before the first has ended',
      }
    this.#stream = stream
    return { kind: 'more', stream }
  }

  #add(stream: string, args: readonly string[]): Gathered {
    const [, text = ''] = args
    if (args.length !== 2 || !base64.test(text))
      return this.#refuse(stream, streamStatus.malformed, 'no base64')
    const piece = Buffer.from(text, 'base64')
    this.#size += piece.length
    if (this.#size > this.#mostBytes)
      return this.#refuse(stream, streamStatus.tooLong, `more than ${this.#mostBytes} bytes`)
    if (piece.length > 0) this.#pieces.push(piece)
    return { kind: 'more', stream }
  }

  #end(stream: string): Gathered {
    const bytes = Buffer.concat(this.#pieces)
    this.drop()
    try {
      this.#decoder.decode(bytes)
    } catch {
      return { kind: 'refused', stream, status: streamStatus.malformed, why: 'no UTF-8' }
    }
    return { kind: 'whole', stream, bytes }
  }

  #refuse(stream: string, status: StreamStatus, why: string): Gathered {
    if (this.#stream === stream) this.drop()
    return { kind: 'refused', stream, status, why }
  }
}

/** The stream that an instruction would open, which waits for an answer: of the browser's, or of guacd's. */
export function openedStream({ opcode, args }: Instruction): string | undefined {
  const stream = opcode === 'put' || opcode === 'body' ? args[1] : args[0]
  return openers.has(opcode) && stream !== undefined && number.test(stream) ? stream : undefined
}

const openers: ReadonlySet<string> = new Set([
  ...['clipboard', 'file', 'pipe', 'argv', 'audio', 'video', 'put', 'body'],
])
