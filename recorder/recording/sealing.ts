import type { Frame } from '../replay/frame.ts'
import { decodeFrames, FrameBuffer } from '../replay/frame-codec.ts'
import { CommandMarks } from './command-marks.ts'
import type { Container } from './container.ts'
import { TerminalModel } from './terminal-model.ts'

type Channel = { readonly model: TerminalModel; readonly commands: CommandMarks }

const maxMarksBytes = 4 * 1024 * 1024
const maxKeyframeBytes = 512 * 1024

/**
 * One recording in the sealing thread: puts chunks of frames into the container, begins each segment with keyframes,
 * and adds the marks that only the screen shows (commands, titles).
 */
export class Sealing {
  readonly container: Container
  readonly #channels = new Map<number, Channel>()
  readonly #marks = new FrameBuffer()
  #lastAt = 0

  constructor(container: Container) {
    this.container = container
  }

  /** Seals the frames of one encoded chunk. `plain` is borrowed. */
  chunk(plain: Uint8Array): void {
    const added: Frame[] = []
    let isFirst = true
    for (const frame of decodeFrames(plain)) {
      if (isFirst && this.container.needsSegment(frame.at, plain.length)) this.#beginSegment(frame.at)
      isFirst = false
      this.#lastAt = Math.max(this.#lastAt, frame.at)
      this.#observe(frame, added)
    }
    this.container.chunk(added.length === 0 ? plain : withAdded(plain, added, this.#lastAt), this.#lastAt)
  }

  /** Writes the end. */
  finish(reason: string): { readonly size: number; readonly root: Uint8Array } {
    const added: Frame[] = []
    for (const [channel, { model }] of this.#channels) {
      model.settle()
      this.#addTitles(channel, model, added)
      model.dispose()
    }
    if (added.length > 0) this.container.chunk(encode(added), this.#lastAt)
    return this.container.finish(reason, this.#marks.take())
  }

  abandon(): void {
    for (const { model } of this.#channels.values()) model.dispose()
    this.container.abandon()
  }

  /** Called every few minutes: gives up terminals to which nothing happened since the last time. */
  rest(): void {
    for (const { model } of this.#channels.values()) {
      if (model.isIdle) model.rest()
      model.isIdle = true
    }
  }

  #beginSegment(at: number): void {
    this.container.beginSegment(at)
    for (const [channel, { model }] of this.#channels) {
      const bytes = model.keyframe()
      // A screen that a hostile target made absurd is no keyframe: readers begin at one before it.
      if (bytes === undefined || bytes.length > maxKeyframeBytes) continue
      const { columns, rows } = model
      this.container.chunk(encode([{ kind: 'keyframe', channel, columns, rows, bytes, at }]), at)
    }
  }

  #observe(frame: Frame, added: Frame[]): void {
    const { channel } = frame
    switch (frame.kind) {
      case 'output': {
        const model = this.#channels.get(channel)?.model
        if (model === undefined) return
        model.feed(frame.bytes)
        return this.#addTitles(channel, model, added)
      }
      case 'resize':
        this.#channels.get(channel)?.model.resize(frame.columns, frame.rows)
        return
      case 'timing':
        return this.#typed(channel, frame.submit, frame.at, added)
      case 'input':
        return this.#typed(channel, frame.bytes.includes(0x0d) || frame.bytes.includes(0x0a), frame.at, added)
      case 'mark': {
        this.#keepMark(frame)
        const { mark } = frame
        if (mark.kind === 'open' && mark.columns !== undefined && mark.rows !== undefined) {
          const model = new TerminalModel(mark.columns, mark.rows)
          this.#channels.set(channel, { model, commands: new CommandMarks(model) })
        } else if (mark.kind === 'close') {
          const closed = this.#channels.get(channel)
          closed?.model.settle()
          if (closed !== undefined) this.#addTitles(channel, closed.model, added)
          closed?.model.dispose()
          this.#channels.delete(channel)
        }
        return
      }
      default:
    }
  }

  #typed(channel: number, submit: boolean, at: number, added: Frame[]): void {
    const line = this.#channels.get(channel)?.commands.typed(submit)
    if (line !== undefined) this.#add({ kind: 'mark', channel, mark: { kind: 'command', line }, at }, added)
  }

  #addTitles(channel: number, model: TerminalModel, added: Frame[]): void {
    for (const title of model.takeTitles())
      this.#add({ kind: 'mark', channel, mark: { kind: 'title', title }, at: this.#lastAt }, added)
  }

  #add(frame: Frame & { readonly kind: 'mark' }, added: Frame[]): void {
    added.push(frame)
    this.#keepMark(frame)
  }

  #keepMark(frame: Frame): void {
    if (this.#marks.length < maxMarksBytes) this.#marks.add(frame)
  }
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
  for (const frame of added) buffer.add(frame)
  return buffer.take()
}
