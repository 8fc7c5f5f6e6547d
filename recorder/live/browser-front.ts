import type { EndReason } from '../../vault/contract.ts'
import type { AccountId } from '../../vault/kernel/id.ts'
import type { DesktopFront } from '../broker/desktop/desktop-front.ts'
import type { LiveSocket } from './live-socket.ts'
import type { NoticeTopic } from './protocol.ts'

/** The user's end of a desktop that is a page in the browser. */
export class BrowserFront implements DesktopFront {
  readonly #live: LiveSocket
  #heard: Parameters<DesktopFront['listen']>[0] | undefined
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

  listen(heard: Parameters<DesktopFront['listen']>[0]): void {
    this.#heard = heard
    for (const bytes of this.#early.splice(0)) heard.bytes(bytes)
    if (this.#live.isGone) heard.gone()
  }

  taken(bytes: number): void {
    this.#live.takeInput(bytes)
  }

  hear(bytes: Uint8Array): void {
    if (this.#heard === undefined) this.#early.push(bytes)
    else this.#heard.bytes(bytes)
  }

  gone(): void {
    this.#heard?.gone()
  }

  /** Before the desktop is shown nobody can have chosen where a secret goes: it is asked for in vain. */
  typeIn(account: AccountId, withEnter: boolean): void {
    this.#heard?.typeIn(account, withEnter)
  }
}
