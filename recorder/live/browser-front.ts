import type { EndReason } from '../../vault/contract.ts'
import type { DesktopFront } from '../broker/desktop/desktop-channel.ts'
import type { LiveSocket } from './live-socket.ts'
import type { NoticeTopic } from './protocol.ts'

/** The user's end of a desktop that is a page in the browser. */
export class BrowserFront implements DesktopFront {
  readonly #live: LiveSocket
  #hear: ((bytes: Uint8Array) => void) | undefined
  #gone: (() => void) | undefined
  /** What was sent before anybody listened: at most what the live socket's window lets in. */
  #early: Uint8Array[] = []

  constructor(live: LiveSocket) {
    this.#live = live
  }

  show(bytes: Buffer, drawn: () => void): void {
    void this.#live.output.write(bytes, drawn)
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

  tell(text: string | undefined, reason: EndReason): void {
    this.#live.send({ kind: 'ended', reason, ...(text === undefined ? {} : { message: text }) })
  }

  listen(hear: (bytes: Uint8Array) => void, gone: () => void): void {
    this.#hear = hear
    this.#gone = gone
    for (const bytes of this.#early.splice(0)) hear(bytes)
    if (this.#live.isGone) gone()
  }

  taken(bytes: number): void {
    this.#live.takeInput(bytes)
  }

  hear(bytes: Uint8Array): void {
    if (this.#hear === undefined) this.#early.push(bytes)
    else this.#hear(bytes)
  }

  gone(): void {
    this.#gone?.()
  }
}
