import type { Frame } from '../replay/frame.ts'
import { decodeFrames, FrameBuffer } from '../replay/frame-codec.ts'
import type { Container } from './container.ts'
import type { ScreenNow } from './seal-message.ts'
import type { SearchWriter } from './search-writer.ts'
import { ScreenWatch } from './screen-watch.ts'

/** Of the list of marks at the end: a reader finds the marks of a recording with more by reading all of it. */
const maxMarksBytes = 8 * 1024 * 1024
/** Of titles, which a target makes at will: they are in its output, and marked no more after that many. */
const maxTitlesBytes = 1024 * 1024
const maxKeyframeBytes = 512 * 1024

/**
 * One recording in the sealing thread: puts chunks of frames into the container, begins each segment with keyframes,
 * and adds the marks that only the screen shows (commands, titles).
 */
export class Sealing {
  readonly container: Container
  readonly #screens = new Map<number, ScreenWatch>()
  /** For the list at the end; undefined when they were too many for one. */
  #marks: Frame[] | undefined = []
  #marksBytes = 0
  #titlesBytes = 0
  /** Found on the screen, to be sealed with the next chunk. */
  #found: Frame[] = []
  #lastAt = 0
  #commands: { readonly channel: number; readonly line: string }[] | undefined

  readonly #search: SearchWriter | undefined

  constructor(container: Container, search?: SearchWriter) {
    this.container = container
    this.#search = search
  }

  /** A screen is worth reading: call `readScreens` when nothing is waiting to be sealed. */
  get isDue(): boolean {
    for (const screen of this.#screens.values()) if (screen.isDue) return true
    return false
  }

  /** Seals the frames of one encoded chunk. `plain` is borrowed. */
  chunk(plain: Uint8Array): void {
    let isFirst = true
    for (const frame of decodeFrames(plain)) {
      if (isFirst && (isKeyframe(frame) || this.container.needsSegment(frame.at, plain.length)))
        this.#beginSegment(frame.at)
      isFirst = false
      this.#lastAt = Math.max(this.#lastAt, frame.at)
      this.#observe(frame)
      this.#search?.add(frame)
    }
    const found = this.#found
    this.#found = []
    this.container.chunk(found.length === 0 ? plain : withAdded(plain, found, this.#lastAt), this.#lastAt)
  }

  readScreens(): void {
    for (const screen of this.#screens.values()) if (screen.isDue) this.#add(screen.catchUp())
  }

  /** Seals what was found on screens and no further chunk has taken along. */
  flushFound(): void {
    if (this.#found.length === 0) return
    const found = this.#found.map((frame) => ({ ...frame, at: this.#lastAt }))
    this.#found = []
    this.container.chunk(encode(found), this.#lastAt)
  }

  /** The terminals as they are now. */
  screens(): readonly ScreenNow[] {
    return [...this.#screens].map(([channel, screen]) => {
      this.#add(screen.catchUp())
      const { columns, rows } = screen.model
      const bytes = screen.model.keyframe()
      const isSane = bytes !== undefined && bytes.length <= maxKeyframeBytes
      // Posted to another thread: a view of a pool would take the pool along.
      return { channel, columns, rows, bytes: isSane ? Uint8Array.from(bytes) : null }
    })
  }

  /** Whether commands are kept for `takeCommands`. */
  follow(on: boolean): void {
    this.#commands = on ? [] : undefined
  }

  /** The commands that were found since this was asked last, where somebody follows them. */
  takeCommands(): readonly { readonly channel: number; readonly line: string }[] {
    return this.#commands?.splice(0) ?? []
  }

  /** Writes the end. */
  finish(reason: string): { readonly size: number; readonly root: Uint8Array } {
    for (const screen of this.#screens.values()) {
      this.#add(screen.close())
      screen.model.dispose()
    }
    this.flushFound()
    // Commands are found a little after what follows on them.
    const marks = this.#marks?.sort((a, b) => a.at - b.at)
    return this.container.finish(reason, {
      marks: marks === undefined ? undefined : encode(marks),
      search: this.#search?.finish(),
    })
  }

  /** Texts wait to be indexed: call `indexTexts` when nothing is waiting to be sealed. */
  get isIndexDue(): boolean {
    return this.#search?.isDue === true
  }

  indexTexts(until: number): void {
    this.#search?.index(until)
  }

  /** Writes the search index beside the recording, where that is due. */
  writeIndex(): void {
    this.#search?.sweep()
  }

  abandon(): void {
    for (const { model } of this.#screens.values()) model.dispose()
    this.container.abandon()
  }

  /** Called every few minutes: gives up terminals to which nothing happened since the last time. */
  rest(): void {
    for (const { model } of this.#screens.values()) {
      if (model.isIdle) model.rest()
      model.isIdle = true
    }
  }

  #beginSegment(at: number): void {
    this.container.beginSegment(at)
    for (const [channel, screen] of this.#screens) {
      this.#add(screen.catchUp())
      const bytes = screen.model.keyframe()
      // A screen that a hostile target made absurd is no keyframe: readers begin at one before it.
      if (bytes === undefined || bytes.length > maxKeyframeBytes) continue
      const { columns, rows } = screen.model
      this.container.chunk(encode([{ kind: 'keyframe', channel, columns, rows, bytes, at }]), at)
    }
  }

  #observe(frame: Frame): void {
    const screen = this.#screens.get(frame.channel)
    switch (frame.kind) {
      case 'output':
        if (screen !== undefined) this.#add(screen.output(frame.bytes, frame.at))
        return
      case 'resize':
        screen?.resize(frame.columns, frame.rows)
        return
      case 'timing':
        screen?.typed(frame.length, frame.submit, frame.at)
        return
      case 'input':
        screen?.typed(frame.bytes.length, frame.bytes.includes(0x0d) || frame.bytes.includes(0x0a), frame.at)
        return
      case 'mark': {
        const { mark, channel } = frame
        if (mark.kind === 'close' && screen !== undefined) {
          this.#add(screen.close())
          screen.model.dispose()
          this.#screens.delete(channel)
        }
        this.#keepMark(frame)
        if (mark.kind === 'open' && mark.columns !== undefined && mark.rows !== undefined)
          this.#screens.set(channel, new ScreenWatch(channel, mark.columns, mark.rows))
        return
      }
      default:
    }
  }

  #add(marks: readonly Frame[]): void {
    for (const found of marks) {
      const frame = this.#withinTitles(found)
      if (frame === undefined) continue
      this.#found.push(frame)
      this.#search?.add(frame)
      if (frame.kind === 'mark' && frame.mark.kind === 'command')
        this.#commands?.push({ channel: frame.channel, line: frame.mark.line })
      this.#keepMark(frame)
    }
  }

  /** A title too many is left out, the first of them with a warning in its place. */
  #withinTitles(frame: Frame): Frame | undefined {
    if (frame.kind !== 'mark' || frame.mark.kind !== 'title') return frame
    if (this.#titlesBytes > maxTitlesBytes) return undefined
    this.#titlesBytes += bytesOf(frame)
    if (this.#titlesBytes <= maxTitlesBytes) return frame
    return {
      ...frame,
      mark: { kind: 'warning', text: 'too many titles: later ones are in the output alone' },
    }
  }

  /**
   * SECURITY: a list that says less than the recording would hide what follows on a flood of marks. It is whole, or
   * there is none.
   */
  #keepMark(frame: Frame): void {
    if (this.#marks === undefined) return
    this.#marksBytes += bytesOf(frame)
    if (this.#marksBytes > maxMarksBytes) this.#marks = undefined
    else this.#marks.push(frame)
  }
}

/** Whether a desktop's keyframe begins here. */
function isKeyframe(frame: Frame): boolean {
  return frame.kind === 'mark' && frame.mark.kind === 'keyframe'
}

/** What a mark takes in the list, at most. */
function bytesOf(frame: Frame): number {
  return frame.kind === 'mark' ? Buffer.byteLength(JSON.stringify(frame.mark)) + 32 : 0
}

function encode(frames: readonly Frame[]): Uint8Array {
  const buffer = new FrameBuffer()
  for (const frame of frames) buffer.add(frame)
  return buffer.take()
}

/** Frames are self-delimiting: further ones follow a chunk's own with a difference in time of nothing. */
function withAdded(plain: Uint8Array, added: readonly Frame[], at: number): Uint8Array {
  const buffer = new FrameBuffer(new Uint8Array(plain.length + 1024))
  buffer.continueFrom(plain, at)
  for (const frame of added) buffer.add({ ...frame, at })
  return buffer.take()
}
