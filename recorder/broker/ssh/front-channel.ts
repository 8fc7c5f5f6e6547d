import type { Readable } from 'node:stream'
import type { EndReason } from '../../../vault/contract.ts'
import type { NoticeTopic } from '../../live/protocol.ts'
import type { Exit } from '../../../vault/ssh/library.ts'

/** Where a direction is written to. `taken` is called when the reader has taken the bytes. */
export type Sink = {
  readonly write: (bytes: Uint8Array, taken: () => void) => unknown
  /** Keeps what was written and not handed over yet, until `uncork`. The user's end of a terminal has no need to. */
  readonly cork?: () => void
  readonly uncork?: () => void
}

/** What carries a channel: whether it has room, and how much has passed. */
export type Flow = {
  readonly isFull: boolean
  /** Calls back once, when there may be room again or the carrier is gone. */
  readonly whenRoom: (callback: () => void) => void
  readonly count: (bytes: number) => void
}

export type TerminalSize = {
  readonly cols: number
  readonly rows: number
  readonly width: number
  readonly height: number
}

/** What the user's end says beside its bytes. */
export type FrontListener = {
  readonly resize: (size: TerminalSize) => void
  /** False where the signal is not passed on. */
  readonly signal: (name: string) => boolean
  /** The user asks to be elevated in another way than by typing. */
  readonly elevate: () => void
  readonly gone: () => void
}

/**
 * The user's end of a channel, whatever they sit at: a channel of an SSH client, or a terminal in the browser. The
 * session does not know which.
 */
export type FrontChannel = {
  /** What the user sends, as bytes. */
  readonly input: Readable
  readonly output: Sink
  readonly errors: Sink
  readonly flow: Flow
  /** From now on what the user's end says is heard. */
  readonly listen: (listener: FrontListener) => void
  /** All of the target's output has been handed over. */
  readonly sendEof: () => void
  /** What ran on the target is over and everything of it delivered. Throws where the carrier is gone. */
  readonly finish: (exit: Exit | undefined) => void
  /** Ends the channel with a sentence for its user; resolves when that is delivered, or after `within` milliseconds. */
  readonly tell: (text: string | undefined, reason: EndReason, within: number) => Promise<void>
  /** Shows a sentence while the session goes on. `inject` writes into the terminal after all that was relayed so far. */
  readonly notify: (text: string, about: NoticeTopic | undefined, inject: (bytes: Uint8Array) => void) => void
  /** Shows who watches now, where there is room beside the terminal: a line in the terminal says who comes and goes. */
  readonly watchers?: (names: readonly string[]) => void
  /** Shows that the session ends at another moment than was said, in so many seconds from now. */
  readonly ends?: (endsAt: string, secondsLeft: number) => void
}
