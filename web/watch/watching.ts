import type { ServerMessage, WatchMessage } from '../../recorder/live/protocol.ts'
import type { VerbAnswer } from '../../vault/contract.ts'
import { ask, at, Refused } from '../api.ts'
import { LiveClient } from '../terminal/live-client.ts'

export type WatchState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'watching'; readonly as: Extract<ServerMessage, { kind: 'watching' }> }
  | { readonly kind: 'refused'; readonly error: unknown }
  /** The session has ended, or the right to watch it. */
  | { readonly kind: 'over'; readonly message: string }
  /** The socket broke under the watch. */
  | { readonly kind: 'lost' }

export type WatchEvents = {
  readonly state: (state: WatchState) => void
  readonly told: (message: WatchMessage) => void
  /** Does what this watcher types reach the session? */
  readonly typing: (may: boolean) => void
  /** Draw these bytes in the terminal that was named last, then call back. */
  readonly output: (bytes: Uint8Array, drawn: () => void) => void
}

/** How often a ticket is asked for, and after how many milliseconds again. */
const mostAsked = 30
const askedEvery = 1_000

const unreachable = new Refused({
  status: 503,
  code: 'unavailable',
  title: 'the gateway cannot be reached',
  detail: 'try again in a moment; if it stays so, tell the administrator of the gateway',
})

/** One watch of a live session: a ticket, the live socket of the worker that carries it, and how it ends. */
export class Watching {
  readonly #events: WatchEvents
  #client: LiveClient | undefined
  #isOver = false

  private constructor(events: WatchEvents) {
    this.#events = events
  }

  /** Takes a ticket and watches. Whatever comes of it is told through `events`. */
  static begin(session: string, events: WatchEvents): Watching {
    const watching = new Watching(events)
    events.state({ kind: 'connecting' })
    watching.#connect(session).catch((error: unknown) => watching.#end({ kind: 'refused', error }))
    return watching
  }

  /** Says into which terminal goes what is typed from here on. */
  into(channel: number): void {
    this.#client?.send({ kind: 'into', channel })
  }

  /** Sends keys, where the session was handed to this watch. */
  type(bytes: Uint8Array): void {
    if (!this.#isOver) this.#client?.type(bytes)
  }

  /** Leaves, and says nothing more. */
  close(): void {
    this.#isOver = true
    this.#client?.close()
  }

  async #connect(session: string): Promise<void> {
    const given = await this.#ticket(session)
    if (given === undefined) return
    const { ticket, worker } = given
    let isShown = false
    const client = new LiveClient(
      at`/live/${worker}`,
      // The size is the session's, whatever is said here.
      { kind: 'ticket', ticket, columns: 80, rows: 24 },
      {
        message: (message) => {
          if (this.#isOver) return
          switch (message.kind) {
            case 'watching':
              isShown = true
              return this.#events.state({ kind: 'watching', as: message })
            case 'typing':
              return this.#events.typing(message.may)
            case 'unwatched':
              return this.#end({ kind: 'over', message: message.message })
            case 'refused':
              return this.#end({
                kind: 'refused',
                error: new Refused({
                  status: 403,
                  code: message.code,
                  title: message.message,
                  ...(message.next === undefined ? {} : { detail: message.next }),
                }),
              })
            case 'screen':
            case 'channel':
            case 'resize':
            case 'mark':
            case 'closed':
              return this.#events.told(message)
          }
        },
        output: (bytes) => this.#events.output(bytes, () => client.taken(bytes.length)),
        closed: () => this.#end(isShown ? { kind: 'lost' } : { kind: 'refused', error: unreachable }),
      },
    )
    this.#client = client
  }

  /** A ticket, or nothing once the watch is over. Of a session that is connecting, or a gateway that starts, it is asked again. */
  async #ticket(session: string): Promise<VerbAnswer<'session.watch'> | undefined> {
    for (let left = mostAsked; !this.#isOver; left -= 1)
      try {
        const given = await ask<VerbAnswer<'session.watch'>>('POST', at`/api/sessions/${session}/watch`)
        return this.#isOver ? undefined : given
      } catch (error) {
        if (left <= 1 || !(error instanceof Refused) || error.code !== 'unavailable') throw error
        await new Promise((resolve) => setTimeout(resolve, askedEvery))
      }
    return undefined
  }

  #end(state: WatchState): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#client?.close()
    this.#events.state(state)
  }
}
