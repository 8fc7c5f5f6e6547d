import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { z } from 'zod'
import { type AccountId, isId } from '../../vault/kernel/id.ts'
import type { Flow, Sink } from '../broker/ssh/front-channel.ts'
import { type ClientMessage, liveBounds, liveClose, type ServerMessage } from './protocol.ts'

const size = z.int().min(1).max(liveBounds.size)
const accountId = z.string().refine((text): text is AccountId => isId('acc', text))
const clientMessage = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ticket'),
    ticket: z.string().min(1).max(200),
    columns: size,
    rows: size,
  }),
  z.strictObject({ kind: z.literal('resize'), columns: size, rows: size }),
  z.strictObject({ kind: z.literal('taken'), bytes: z.int().min(1).max(Number.MAX_SAFE_INTEGER) }),
  z.strictObject({ kind: z.literal('elevate') }),
  z.strictObject({ kind: z.literal('type-in'), account: accountId, enter: z.boolean() }),
  z.strictObject({ kind: z.literal('files'), open: z.boolean() }),
  z.strictObject({ kind: z.literal('into'), channel: z.int().min(0).max(1_000_000) }),
  z.strictObject({ kind: z.literal('leave') }),
])

const filesMark = Buffer.of(liveBounds.filesMark)

/** Bytes waiting in the socket above which nothing more is handed to it. */
const highWater = 1024 * 1024
/** Bytes waiting in the socket above which its reader is given up: it makes us answer and does not read. */
const floodWater = 4 * 1024 * 1024
const pingEvery = 15_000
/** How often the browser hears that the worker is there: a page sees no pings. */
const aliveEvery = 5_000
/**
 * Input that was taken is said so in pieces of this size, or this much later: soon, as the browser shows how long its keys
 * took by it.
 */
const takenBytes = 16 * 1024
const takenAfter = 5

export type LiveListener = {
  readonly message: (message: Exclude<ClientMessage, { kind: 'taken' }>) => void
  readonly input: (bytes: Buffer) => void
  readonly gone: () => void
}

/**
 * One browser's live socket, as the worker sees it: frames checked and bounded both ways.
 *
 * SECURITY: whoever sits at the other end is not trusted. A frame that is malformed, too large or beyond the window ends
 * the socket; one who does not read makes the sender wait, and is given up when the answers to them pile up.
 */
export class LiveSocket {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  readonly #timers: NodeJS.Timeout[] = []
  readonly #untaken: { readonly upTo: number; readonly taken: () => void }[] = []
  #listener: LiveListener | undefined
  #sent = 0
  #taken = 0
  #inputUntold = 0
  #inputOpen = 0
  #tellTimer: NodeJS.Timeout | undefined
  #isAnswering = true
  #isGone = false

  /** `stream` is what carries the frames: it knows what waits to be written. */
  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket
    this.#stream = stream
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary))
    socket.on('ping', () => {
      if (!this.#isFlooded()) socket.pong()
    })
    socket.on('pong', () => {
      this.#isAnswering = true
    })
    // SECURITY: without a handler one malformed frame ends the process, and everybody's sessions with it.
    socket.on('error', () => socket.terminate())
    socket.on('close', () => this.#gone())
    this.#timers.push(
      setInterval(() => {
        if (!this.#isAnswering) return socket.terminate()
        this.#isAnswering = false
        socket.ping()
      }, pingEvery),
      setInterval(() => this.send({ kind: 'alive' }), aliveEvery),
    )
  }

  get isGone(): boolean {
    return this.#isGone
  }

  listen(listener: LiveListener): void {
    this.#listener = listener
    if (this.#isGone) listener.gone()
  }

  /** SECURITY: who does not read what is said to them, whatever else they send, is given up before it piles up. */
  send(message: ServerMessage): void {
    if (!this.#isGone && !this.#isFlooded()) this.#socket.send(JSON.stringify(message))
  }

  /** Sends bytes of the terminal. `taken` is called when the browser says that it has drawn them. */
  readonly output: Sink = {
    write: (bytes, taken) => {
      if (this.#isGone) return
      this.#sent += bytes.length
      this.#untaken.push({ upTo: this.#sent, taken })
      this.#socket.send(bytes, { binary: true })
    },
  }

  /** Sends bytes of the files beside a desktop; `taken` is called when the connection has them. */
  sendFiles(bytes: Uint8Array, taken: () => void): void {
    if (!this.#isGone) this.#socket.send(Buffer.concat([filesMark, bytes]), { binary: true }, () => taken())
  }

  readonly flow: Flow = flowOf(() => this.#stream)

  /** Says to the browser that so much of its input has been taken. */
  takeInput(bytes: number): void {
    this.#inputUntold += bytes
    if (this.#inputUntold >= takenBytes) this.#tellTaken()
    else this.#tellTimer ??= setTimeout(() => this.#tellTaken(), takenAfter)
  }

  /** Closes after what was sent. A browser that does not answer is cut off. */
  close(code: number, reason = ''): void {
    if (this.#isGone) return
    this.#socket.close(code, reason)
    this.#timers.push(setTimeout(() => this.#socket.terminate(), 2_000))
  }

  #tellTaken(): void {
    clearTimeout(this.#tellTimer)
    this.#tellTimer = undefined
    const bytes = this.#inputUntold
    if (bytes === 0) return
    this.#inputUntold = 0
    this.#inputOpen -= bytes
    this.send({ kind: 'taken', bytes })
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#isGone || this.#isFlooded()) return
    const bytes = Buffer.isBuffer(data)
      ? data
      : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)])
    if (isBinary) return this.#hearInput(bytes)
    const message = bytes.length > liveBounds.messageBytes ? undefined : parseMessage(bytes)
    if (message === undefined) return this.close(liveClose.malformed, 'not a message of this protocol')
    if (message.kind === 'taken') return this.#hearTaken(message.bytes)
    this.#listener?.message(message)
  }

  #hearInput(bytes: Buffer): void {
    this.#inputOpen += bytes.length
    if (bytes.length > liveBounds.inputFrameBytes || this.#inputOpen > liveBounds.inputWindow)
      return this.close(liveClose.flood, 'more input than there was room for')
    this.#listener?.input(bytes)
  }

  #hearTaken(bytes: number): void {
    this.#taken += bytes
    if (this.#taken > this.#sent) return this.close(liveClose.malformed, 'more was taken than was sent')
    let count = 0
    for (const { upTo } of this.#untaken) {
      if (upTo > this.#taken) break
      count += 1
    }
    for (const { taken } of this.#untaken.splice(0, count)) taken()
  }

  #isFlooded(): boolean {
    if (this.#stream.writableLength <= floodWater) return false
    this.#socket.terminate()
    return true
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    for (const timer of this.#timers) clearTimeout(timer)
    clearTimeout(this.#tellTimer)
    this.#untaken.length = 0
    this.#listener?.gone()
  }
}

function parseMessage(bytes: Buffer): ClientMessage | undefined {
  try {
    const parsed = clientMessage.safeParse(JSON.parse(bytes.toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

function flowOf(stream: () => Duplex): Flow {
  return {
    get isFull() {
      return stream().writableLength > highWater
    },
    whenRoom: (callback) => {
      const again = () => {
        stream().off('drain', again)
        stream().off('close', again)
        setImmediate(callback)
      }
      stream().on('drain', again)
      stream().on('close', again)
    },
    count: () => undefined,
  }
}
