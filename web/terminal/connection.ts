import type { NoticeTopic, ServerMessage } from '../../recorder/live/protocol.ts'
import type { VerbAnswer } from '../../vault/contract.ts'
import type { AccountId } from '../../vault/kernel/id.ts'
import { ask, Refused } from '../api.ts'
import { LiveClient } from './live-client.ts'

/** When a session ends: by the vault's clock, and on this page's own (`performance.now()`). */
export type Ends = { readonly endsAt: string; readonly endsAtLocal: number }

export type Started = Extract<ServerMessage, { kind: 'started' }> & Ends

export type ConnectionState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live'; readonly started: Started }
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'ended'; readonly message: Extract<ServerMessage, { kind: 'ended' }> }
  /** The socket broke under a session. */
  | { readonly kind: 'lost' }

export type ConnectionEvents = {
  readonly state: (state: ConnectionState) => void
  readonly warning: (text: string, about: NoticeTopic | undefined) => void
  /** Who watches now. */
  readonly watchers: (names: readonly string[]) => void
  /** It ends at another moment than was said when it began. */
  readonly ends: (ends: Ends) => void
  /** Draw these bytes, then call back. */
  readonly output: (bytes: Uint8Array, drawn: () => void) => void
  /** Of a desktop: its files are open, or are not, and what they say. */
  readonly files?: {
    readonly said: (message: Extract<ServerMessage, { kind: 'files' }>) => void
    readonly bytes: (bytes: Uint8Array) => void
  }
  /** Milliseconds from input to the word that it is recorded and on its way to the target. */
  readonly lag?: (ms: number) => void
  /** Nothing is heard of the gateway, or it is again. */
  readonly silent: (isSilent: boolean) => void
}

/** A terminal's way to its target: a ticket, the live socket, and how it ends. */
export class Connection {
  readonly #events: ConnectionEvents
  #client: LiveClient | undefined
  #isOver = false

  private constructor(events: ConnectionEvents) {
    this.#events = events
  }

  /** Takes a ticket and connects. Whatever comes of it is told through `events`. */
  static open(
    account: string,
    size: () => { readonly columns: number; readonly rows: number },
    events: ConnectionEvents,
  ): Connection {
    const connection = new Connection(events)
    events.state({ kind: 'connecting' })
    connection.#connect(account, size).catch((error: unknown) => connection.#end({ kind: 'refused', error }))
    return connection
  }

  type(bytes: Uint8Array): void {
    if (!this.#isOver) this.#client?.type(bytes)
  }

  resize(columns: number, rows: number): void {
    this.#client?.send({ kind: 'resize', columns, rows })
  }

  /** Has the secret typed at the prompt that the terminal stands at. */
  elevate(): void {
    this.#client?.send({ kind: 'elevate' })
  }

  /** Has the secret of a linked account typed into the desktop. */
  typeIn(account: AccountId, enter: boolean): void {
    this.#client?.send({ kind: 'type-in', account, enter })
  }

  /** Wants the files beside the desktop, or has done with them. */
  askFiles(open: boolean): void {
    this.#client?.send({ kind: 'files', open })
  }

  sendFiles(bytes: Uint8Array): void {
    if (!this.#isOver) this.#client?.files(bytes)
  }

  /** Ends the session, if there is one. */
  leave(): void {
    this.#client?.send({ kind: 'leave' })
  }

  /** Lets go of the socket and says nothing more. */
  close(): void {
    this.#isOver = true
    this.#client?.close()
  }

  async #connect(
    account: string,
    size: () => { readonly columns: number; readonly rows: number },
  ): Promise<void> {
    const { ticket } = await ask<VerbAnswer<'ticket.issue'>>('POST', '/api/tickets', {
      account,
      for: 'connect',
    })
    if (this.#isOver) return
    let isLive = false
    const client = new LiveClient(
      '/live',
      { kind: 'ticket', ticket, ...size() },
      {
        message: (message) => {
          if (message.kind === 'started') {
            isLive = true
            const endsAtLocal = performance.now() + message.secondsLeft * 1000
            // Whoever resized while the target was being reached.
            const { columns, rows } = size()
            client.send({ kind: 'resize', columns, rows })
            this.#events.state({ kind: 'live', started: { ...message, endsAtLocal } })
          }
          if (message.kind === 'warning') this.#events.warning(message.text, message.about)
          if (message.kind === 'ends') {
            const endsAtLocal = performance.now() + message.secondsLeft * 1000
            this.#events.ends({ endsAt: message.endsAt, endsAtLocal })
          }
          if (message.kind === 'watchers') this.#events.watchers(message.names)
          if (message.kind === 'files') this.#events.files?.said(message)
          if (message.kind === 'refused')
            this.#end({
              kind: 'refused',
              error: new Refused({
                status: 403,
                code: message.code,
                title: message.message,
                detail: message.next,
              }),
            })
          if (message.kind === 'ended') this.#end({ kind: 'ended', message })
        },
        output: (bytes) => this.#events.output(bytes, () => client.taken(bytes.length)),
        ...(this.#events.files === undefined ? {} : { files: this.#events.files.bytes }),
        lag: (ms) => this.#events.lag?.(ms),
        silent: (isSilent) => {
          if (isLive && !this.#isOver) this.#events.silent(isSilent)
        },
        closed: () => {
          if (isLive) return this.#end({ kind: 'lost' })
          this.#end({
            kind: 'refused',
            error: new Refused({
              status: 503,
              code: 'unavailable',
              title: 'the gateway cannot be reached',
              detail: 'try again in a moment; if it stays so, tell the administrator of the gateway',
            }),
          })
        },
      },
    )
    this.#client = client
  }

  #end(state: ConnectionState): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.state(state)
  }
}
