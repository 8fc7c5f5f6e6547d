import {
  type ClientMessage,
  liveBounds,
  liveProtocol,
  type ServerMessage,
} from '../../recorder/live/protocol.ts'

export type LiveEvents = {
  readonly message: (message: ServerMessage) => void
  /** Bytes of the terminal: say by `taken` how many have been drawn. */
  readonly output: (bytes: Uint8Array) => void
  /** Bytes of the files beside a desktop; where it is missing, there are none. */
  readonly files?: (bytes: Uint8Array) => void
  /** Milliseconds from input that was sent to the word that it is recorded and on its way to the target. */
  readonly lag?: (ms: number) => void
  /** Nothing has been heard of the gateway for `quietAfter`; or it is heard again. */
  readonly silent?: (isSilent: boolean) => void
  /** The socket is closed; `code` is RFC 6455's or one of `liveClose`. */
  readonly closed: (code: number) => void
}

/** What has been drawn is said so in pieces of this size, and at once when nothing more waits. */
const takenBytes = 16 * 1024

/** Milliseconds without a word, where one comes every five seconds: its user is told, and the socket is given up. */
const quietAfter = 12_000
const lostAfter = 35_000
/** A page whose clock stood so long (asleep, in the background) has not listened. */
const sleptAfter = 5_000

/** The browser's end of a live socket (docs/live-protocol.md). */
export class LiveClient {
  readonly #socket: WebSocket
  readonly #queue: Uint8Array[] = []
  #open = 0
  #drawn = 0
  #waiting = 0
  /** When the input was sent that nothing was on its way before. */
  #sentAt = 0
  #heardAt = performance.now()
  #isSilent = false

  constructor(path: string, first: ClientMessage, events: LiveEvents) {
    const url = new URL(path, window.location.href)
    url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:'
    this.#socket = new WebSocket(url, liveProtocol)
    this.#socket.binaryType = 'arraybuffer'
    this.#socket.addEventListener('open', () => this.send(first))
    const listening = this.#listen(events)
    this.#socket.addEventListener('close', ({ code }) => {
      clearInterval(listening)
      events.closed(code)
    })
    this.#socket.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer | string>) => {
      this.#heardAt = performance.now()
      if (this.#isSilent) {
        this.#isSilent = false
        events.silent?.(false)
      }
      if (typeof data !== 'string') {
        const bytes = new Uint8Array(data)
        if (events.files !== undefined && bytes[0] === liveBounds.filesMark)
          return events.files(bytes.subarray(1))
        this.#waiting += bytes.length
        return events.output(bytes)
      }
      const message = JSON.parse(data) as ServerMessage
      if (message.kind === 'taken') {
        this.#open -= message.bytes
        if (this.#open === 0) events.lag?.(performance.now() - this.#sentAt)
        return this.#flush()
      }
      if (message.kind !== 'alive') events.message(message)
    })
  }

  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /** Sends input, as much at a time as there is room for. */
  type(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += liveBounds.inputFrameBytes)
      this.#queue.push(bytes.subarray(at, at + liveBounds.inputFrameBytes))
    this.#flush()
  }

  /** Sends bytes of the files beside a desktop, a request of SFTP at a time. */
  files(bytes: Uint8Array): void {
    const most = liveBounds.inputFrameBytes - 1
    for (let at = 0; at < bytes.length; at += most) {
      const frame = new Uint8Array(Math.min(most, bytes.length - at) + 1)
      frame[0] = liveBounds.filesMark
      frame.set(bytes.subarray(at, at + most), 1)
      this.#queue.push(frame)
    }
    this.#flush()
  }

  /** So many more bytes of output have been drawn: the far side sends more. */
  taken(bytes: number): void {
    this.#waiting -= bytes
    this.#drawn += bytes
    if (this.#drawn < takenBytes && this.#waiting > 0) return
    this.send({ kind: 'taken', bytes: this.#drawn })
    this.#drawn = 0
  }

  close(): void {
    this.#queue.length = 0
    this.#socket.close(1000)
  }

  /** Looks every second whether the gateway is still heard: a network that is gone closes no socket for minutes. */
  #listen(events: LiveEvents): ReturnType<typeof setInterval> {
    let looked = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      if (now - looked > sleptAfter) this.#heardAt = now
      looked = now
      const quiet = now - this.#heardAt
      if (quiet > lostAfter) {
        clearInterval(timer)
        this.#queue.length = 0
        this.#socket.close()
        events.closed(1006)
      } else if (quiet > quietAfter && !this.#isSilent) {
        this.#isSilent = true
        events.silent?.(true)
      }
    }, 1_000)
    return timer
  }

  #flush(): void {
    while (this.#socket.readyState === WebSocket.OPEN) {
      const next = this.#queue[0]
      if (next === undefined || this.#open + next.length > liveBounds.inputWindow) return
      this.#queue.shift()
      if (this.#open === 0) this.#sentAt = performance.now()
      this.#open += next.length
      this.#socket.send(next as Uint8Array<ArrayBuffer>)
    }
  }
}
