import type { EndReason } from '../../vault/contract.ts'
import type { FrontChannel, FrontListener, TerminalSize } from '../broker/ssh/front-channel.ts'
import { InputQueue } from './input-queue.ts'
import type { LiveSocket } from './live-socket.ts'
import type { NoticeTopic, ServerMessage } from './protocol.ts'

/** The user's end of a channel that is a terminal in the browser. */
export class TerminalChannel implements FrontChannel {
  readonly output: FrontChannel['output']
  readonly errors: FrontChannel['errors']
  readonly flow: FrontChannel['flow']
  /** Resolves when the last message is sent, or the browser is gone. */
  readonly over: Promise<void>
  readonly #live: LiveSocket
  readonly #queue: InputQueue
  #listener: FrontListener | undefined
  #size: TerminalSize | undefined
  #isOver = false
  #resolveOver: () => void = () => undefined

  constructor(live: LiveSocket) {
    this.#live = live
    this.output = live.output
    this.errors = live.output
    this.flow = live.flow
    // The window bounds what waits here.
    this.#queue = new InputQueue((bytes) => live.takeInput(bytes))
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve
    })
  }

  get input() {
    return this.#queue.stream
  }

  /** Takes what was typed. */
  type(bytes: Buffer): void {
    if (!this.#isOver) this.#queue.push(bytes)
  }

  resize(columns: number, rows: number): void {
    this.#size = { cols: columns, rows, width: 0, height: 0 }
    this.#listener?.resize(this.#size)
  }

  elevate(): void {
    this.#listener?.elevate()
  }

  gone(): void {
    this.#listener?.gone()
    this.#close()
  }

  listen(listener: FrontListener): void {
    this.#listener = listener
    // Whoever resized while the target was being reached.
    if (this.#size !== undefined) listener.resize(this.#size)
    if (this.#live.isGone) listener.gone()
  }

  sendEof(): void {
    // A terminal has no end of file of its own: `finish` follows.
  }

  finish(exit: Parameters<FrontChannel['finish']>[0]): void {
    this.#end({
      kind: 'ended',
      reason: 'finished',
      ...(exit === undefined ? {} : { exit: 'code' in exit ? { code: exit.code } : { signal: exit.signal } }),
    })
  }

  async tell(text: string | undefined, reason: EndReason): Promise<void> {
    this.#end({ kind: 'ended', reason, ...(text === undefined ? {} : { message: text }) })
  }

  notify(text: string, about: NoticeTopic | undefined): void {
    this.#live.send({ kind: 'warning', text, ...(about === undefined ? {} : { about }) })
  }

  watchers(names: readonly string[]): void {
    this.#live.send({ kind: 'watchers', names })
  }

  ends(endsAt: string, secondsLeft: number): void {
    this.#live.send({ kind: 'ends', endsAt, secondsLeft })
  }

  #end(message: ServerMessage): void {
    if (this.#isOver) return
    this.#live.send(message)
    this.#close()
  }

  #close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#queue.close()
    this.#resolveOver()
  }
}
