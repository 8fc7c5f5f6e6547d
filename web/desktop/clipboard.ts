import { liveBounds } from '../../recorder/live/protocol.ts'
import { encode } from './instructions.ts'

/** What became of a text that was sent, beside that it is there. */
export type ClipboardRefusal = 'held' | 'too often' | 'too long' | 'refused' | 'over'

/** The stream that the browser sends texts in, and the one that the recorder does. */
const ownStream = '0'
const theirStream = '1024'
const pieceBytes = 4_096
const refusals: Readonly<Record<string, ClipboardRefusal>> = {
  '771': 'held',
  '781': 'too long',
  '797': 'too often',
}

/**
 * The browser's end of a desktop's clipboard (docs/live-protocol.md). It touches no clipboard itself: what somebody sends
 * is given to it, and what the machine copied is kept until somebody takes it, or the session ends.
 */
export class MachineClipboard implements Disposable {
  readonly #send: (bytes: Uint8Array) => void
  readonly #listeners = new Set<() => void>()
  #copied: string | null = null
  #pieces: Uint8Array[] | undefined
  #size = 0
  #answer: ((refusal: ClipboardRefusal | null) => void) | undefined
  #isOver = false

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send
  }

  /** What was copied on the machine last, as it is: no text to show, or to copy, without looking at it. */
  readonly copied = (): string | null => this.#copied

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  forget(): void {
    this.#copied = null
    this.#tell()
  }

  /** Has a text put on the machine's clipboard. One at a time. Answers null when it is there, or why it is not. */
  async put(text: string): Promise<ClipboardRefusal | null> {
    const bytes = bytesOf(text)
    if (bytes.length > liveBounds.clipboardBytes) return 'too long'
    if (this.#isOver) return 'over'
    if (this.#answer !== undefined) return 'too often'
    const { promise, resolve } = Promise.withResolvers<ClipboardRefusal | null>()
    this.#answer = resolve
    this.#send(encode(['clipboard', ownStream, 'text/plain']))
    for (let at = 0; at < bytes.length; at += pieceBytes)
      this.#send(encode(['blob', ownStream, base64(bytes.subarray(at, at + pieceBytes))]))
    this.#send(encode(['end', ownStream]))
    return promise
  }

  /** Takes an instruction. True: it is the clipboard's, and nobody else's. */
  heard(opcode: string, [stream, value, status]: readonly string[]): boolean {
    if (opcode === 'ack' && stream === ownStream && this.#answer !== undefined) {
      this.#settle(status === '0' ? null : (refusals[status ?? ''] ?? 'refused'))
      return true
    }
    if (stream !== theirStream) return false
    if (opcode === 'clipboard') {
      this.#pieces = []
      this.#size = 0
    } else if (opcode === 'blob' && this.#pieces !== undefined) {
      const piece = bytesFrom(value ?? '')
      this.#size += piece.length
      if (this.#size > liveBounds.clipboardBytes) this.#pieces = undefined
      else this.#pieces.push(piece)
    } else if (opcode === 'end' && this.#pieces !== undefined) {
      this.#copied = textFrom(this.#pieces, this.#size)
      this.#pieces = undefined
      this.#tell()
    } else return opcode === 'blob' || opcode === 'end'
    return true
  }

  #settle(refusal: ClipboardRefusal | null): void {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(refusal)
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#copied = null
    this.#settle('over')
  }
}

const encoder = new TextEncoder()

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

/** How many bytes a text has on its way. */
export function sizeOf(text: string): number {
  return bytesOf(text).length
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function bytesFrom(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}

function textFrom(pieces: readonly Uint8Array[], size: number): string {
  const whole = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole)
}
