import type { Action, EndReason } from '../../vault/contract.ts'
import type { FilesFront } from '../broker/desktop/desktop-files.ts'
import type { FrontChannel, FrontListener } from '../broker/ssh/front-channel.ts'
import { InputQueue } from './input-queue.ts'
import type { LiveSocket } from './live-socket.ts'

/** Bytes of requests that may wait here: what a browser sends before it has heard of any, several times over. */
const mostWaiting = 1024 * 1024

/** The user's end of the files beside a desktop: bytes of SFTP over the desktop's own socket. */
export class FilesChannel implements FilesFront {
  readonly output: FrontChannel['output']
  readonly errors: FrontChannel['errors']
  readonly flow: FrontChannel['flow']
  readonly #live: LiveSocket
  readonly #queue: InputQueue
  #waiting = 0
  #ways: readonly Action[] = []
  #listener: FrontListener | undefined
  #isOver = false

  constructor(live: LiveSocket) {
    this.#live = live
    this.output = { write: (bytes, taken) => live.sendFiles(bytes, taken) }
    // Nothing that a program of the machine says beside its answers is anybody's file.
    this.errors = { write: (_bytes, taken) => taken() }
    this.flow = live.flow
    this.#queue = new InputQueue((bytes) => {
      this.#waiting -= bytes
    })
  }

  get input() {
    return this.#queue.stream
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Takes bytes of SFTP. The window of the socket is the desktop's: held files must not keep its picture waiting, so that
   * what waits here is bounded here.
   */
  hear(bytes: Buffer): void {
    if (this.#isOver) return
    this.#waiting += bytes.length
    if (this.#waiting > mostWaiting) return this.#end('more was sent than there was room for')
    this.#queue.push(bytes)
  }

  may(ways: readonly Action[]): void {
    this.#ways = ways
  }

  listen(listener: FrontListener): void {
    this.#listener = listener
    if (this.#isOver || this.#live.isGone) return listener.gone()
    const has = (way: Action) => this.#ways.includes(way)
    this.#live.send({ kind: 'files', open: true, reads: has('sftp-read'), writes: has('sftp-write') })
  }

  /** The browser closes it, or is gone. */
  gone(): void {
    this.#end(undefined)
  }

  sendEof(): void {
    // `finish` follows.
  }

  finish(): void {
    this.#end('the machine closed the files')
  }

  async tell(text: string | undefined, _reason: EndReason): Promise<void> {
    this.#end(text)
  }

  notify(): void {
    // The desktop says it.
  }

  #end(message: string | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#live.send({ kind: 'files', open: false, ...(message === undefined ? {} : { message }) })
    this.#listener?.gone()
    this.#queue.close()
  }
}
