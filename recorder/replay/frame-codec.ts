import { type Canonical, canonicalJson } from '../../vault/kernel/encoding.ts'
import type { Frame, Mark } from './frame.ts'

/**
 * Frames inside a chunk (docs/recording-format.md §6): the chunk's start in nanoseconds, then per frame the
 * nanoseconds since the one before, a kind, the channel plus one, and what the kind has. Numbers are LEB128.
 */
export const frameKinds = {
  output: 1,
  stderr: 2,
  input: 3,
  resize: 4,
  timing: 5,
  hidden: 6,
  mark: 7,
  keyframe: 8,
} as const

const utf8 = new TextEncoder()
const strictText = new TextDecoder('utf-8', { fatal: true })

/** Bytes that grow; what is written is taken out with `take`. */
export class FrameBuffer {
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0
  #last = 0
  #fresh = true

  constructor(bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512)) {
    this.#bytes = bytes
  }

  get length(): number {
    return this.#length
  }

  get capacity(): number {
    return this.#bytes.length
  }

  add(frame: Frame): void {
    const { kind } = frame
    if (kind === 'output' || kind === 'stderr' || kind === 'input')
      return this.addBytes(kind, frame.channel, frame.at, frame.bytes)
    this.#begin(frameKinds[kind], frame.channel, frame.at)
    switch (kind) {
      case 'resize':
        this.#number(frame.columns)
        this.#number(frame.rows)
        break
      case 'timing':
        this.#number(frame.length * 2 + (frame.submit ? 1 : 0))
        break
      case 'hidden':
        this.#number(frame.length)
        this.#number(frame.duration)
        break
      case 'mark': {
        this.#block(utf8.encode(canonicalJson(frame.mark as Canonical)))
        break
      }
      case 'keyframe':
        this.#number(frame.columns)
        this.#number(frame.rows)
        this.#block(frame.bytes)
        break
    }
  }

  addBytes(kind: 'output' | 'stderr' | 'input', channel: number, at: number, bytes: Uint8Array): void {
    this.#begin(frameKinds[kind], channel, at)
    this.#block(bytes)
  }

  /** Goes on after the frames of `chunk`, the last of which is at `last`. */
  continueFrom(chunk: Uint8Array, last: number): void {
    this.#reserve(chunk.length)
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
    this.#last = last
    this.#fresh = false
  }

  /** Takes what was written; the buffer is then empty, over `next`. */
  take(next: Uint8Array<ArrayBuffer> = new Uint8Array(512)): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#length)
    this.#bytes = next
    this.#length = 0
    this.#fresh = true
    return taken
  }

  /** Takes a copy of what was written; the buffer is then empty, and small again. */
  takeCopy(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length)
    if (this.#bytes.length > 16 * 1024) this.#bytes = new Uint8Array(512)
    this.#length = 0
    this.#fresh = true
    return taken
  }

  #begin(kind: number, channel: number, at: number): void {
    if (this.#fresh) {
      this.#number(at)
      this.#number(0)
      this.#fresh = false
    } else {
      this.#number(Math.max(0, at - this.#last))
    }
    this.#last = Math.max(this.#last, at)
    this.#reserve(1)
    this.#bytes[this.#length++] = kind
    this.#number(channel + 1)
  }

  #number(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  #block(bytes: Uint8Array): void {
    this.#number(bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Why the inside of a chunk is not what the format says. */
export class FrameError extends Error {}

/** Reads a chunk's frames. `bytes` of a frame are views into `chunk`. Throws `FrameError`. */
export function* decodeFrames(chunk: Uint8Array): Generator<Frame> {
  let place = 0
  const number = (): number => {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count += 1) {
      const byte = chunk[place++]
      if (byte === undefined) throw new FrameError('a frame is cut short')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break
        return value
      }
      scale *= 0x80
    }
    throw new FrameError('a number in a frame is too large')
  }
  const block = (): Uint8Array => {
    const length = number()
    if (length > chunk.length - place) throw new FrameError('a frame is cut short')
    place += length
    return chunk.subarray(place - length, place)
  }

  let at = number()
  while (place < chunk.length) {
    at += number()
    const kind = chunk[place++]
    const channel = number() - 1
    switch (kind) {
      case frameKinds.output:
        yield { kind: 'output', channel, bytes: block(), at }
        break
      case frameKinds.stderr:
        yield { kind: 'stderr', channel, bytes: block(), at }
        break
      case frameKinds.input:
        yield { kind: 'input', channel, bytes: block(), at }
        break
      case frameKinds.resize:
        yield { kind: 'resize', channel, columns: number(), rows: number(), at }
        break
      case frameKinds.timing: {
        const value = number()
        yield { kind: 'timing', channel, length: Math.floor(value / 2), submit: value % 2 === 1, at }
        break
      }
      case frameKinds.hidden:
        yield { kind: 'hidden', channel, length: number(), duration: number(), at }
        break
      case frameKinds.mark:
        yield { kind: 'mark', channel, mark: parseMark(block()), at }
        break
      case frameKinds.keyframe:
        yield { kind: 'keyframe', channel, columns: number(), rows: number(), bytes: block(), at }
        break
      default:
        throw new FrameError('a frame is of no known kind')
    }
  }
}

function parseMark(bytes: Uint8Array): Mark {
  try {
    const mark: unknown = JSON.parse(strictText.decode(bytes))
    if (typeof mark === 'object' && mark !== null && 'kind' in mark && typeof mark.kind === 'string')
      // The writer is the recorder itself and the chunk is authenticated: readers ignore kinds that they do not know.
      return mark as Mark
  } catch {
    // Told below.
  }
  throw new FrameError('a mark is malformed')
}
