import type { Socket } from 'node:net'
import { Fault, type FaultCode, faultCodes } from './fault.ts'
import type { Outcome, Refusal } from './outcome.ts'

/**
 * Calls between planes over a byte stream (Unix socket, or mTLS between hosts).
 *
 * Frame: u32 length of the JSON, u32 length of the attachment, JSON in UTF-8, attachment. A message is a call
 * `{id, method, params}`, an answer `{id, value}`, `{id, refusal}` or `{id, fault}`. Both ends may call.
 * A frame over the limits, or one that does not parse, closes the connection.
 */
export const maxJsonBytes = 16 * 1024 * 1024
export const maxAttachmentBytes = 8 * 1024 * 1024

export type Handler = (
  params: unknown,
  attachment: Uint8Array | undefined,
) => Promise<Outcome<unknown> | { readonly ok: true; readonly value: unknown; readonly bytes: Uint8Array }>

/** Answers a call, or `undefined` for a method that this end does not have. */
export type Dispatch = (method: string) => Handler | undefined

export type PeerOptions = {
  readonly dispatch: Dispatch
  /** Calls that this end answers at once; further ones wait. Default 256. */
  readonly maxConcurrent?: number
  /** Milliseconds after which an unanswered call fails with `timeout`. Default 30,000. */
  readonly timeout?: number
  /** Told of faults thrown by handlers; the other end only sees the code and a message safe to log. */
  readonly onFault?: (method: string, error: unknown) => void
}

export type Answer = Outcome<unknown> & { readonly bytes?: Uint8Array }

type Waiting = {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Fault) => void
  readonly timer: NodeJS.Timeout
}

/** One end of a connection between planes. It closes when the stream does; calls then fail with `closed`. */
export class Peer implements AsyncDisposable {
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #options: PeerOptions
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #running = 0
  #buffer: Buffer[] = []
  #buffered = 0

  constructor(socket: Socket, options: PeerOptions) {
    this.#socket = socket
    this.#options = options
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject, timer } of this.#waiting.values()) {
          clearTimeout(timer)
          reject(new Fault('closed', 'the other plane closed the connection'))
        }
        this.#waiting.clear()
        resolve()
      })
    })
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  get #limit(): number {
    return this.#options.maxConcurrent ?? 256
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  /**
   * Calls `method` at the other end. A refusal is a value; a fault there, a time-out or a lost connection throws
   * `Fault`.
   */
  call(method: string, params: unknown, bytes?: Uint8Array, timeout?: number): Promise<Answer> {
    if (this.#socket.destroyed) return Promise.reject(new Fault('closed', 'the other plane is away'))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const limit = timeout ?? this.#options.timeout ?? 30_000
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Fault('timeout', `${method} was not answered within ${limit} ms`))
      }, limit)
      this.#waiting.set(id, { resolve, reject, timer })
      try {
        this.#send({ id, method, params }, bytes)
      } catch (error) {
        clearTimeout(timer)
        this.#waiting.delete(id)
        reject(
          error instanceof Fault
            ? error
            : new Fault('protocol', `${method} cannot be sent`, { cause: error }),
        )
      }
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }

  #send(message: object, bytes: Uint8Array | undefined): void {
    const json = Buffer.from(JSON.stringify(message))
    const attached = bytes?.length ?? 0
    if (json.length > maxJsonBytes || attached > maxAttachmentBytes)
      throw new Fault('protocol', 'a frame is too large')
    const head = Buffer.alloc(8)
    head.writeUInt32BE(json.length, 0)
    // An attachment of no bytes is still an attachment: its length is stored plus one, zero means none.
    head.writeUInt32BE(bytes === undefined ? 0 : attached + 1, 4)
    this.#socket.cork()
    this.#socket.write(head)
    this.#socket.write(json)
    if (bytes !== undefined) this.#socket.write(bytes)
    this.#socket.uncork()
  }

  #receive(chunk: Buffer): void {
    this.#buffer.push(chunk)
    this.#buffered += chunk.length
    this.#drain()
  }

  /** Handles whole frames in the buffer, as long as the limit of concurrent calls is not reached. */
  #drain(): void {
    while (this.#buffered >= 8 && this.#running < this.#limit && !this.#socket.destroyed) {
      const head = this.#peek(8)
      const jsonLength = head.readUInt32BE(0)
      const marked = head.readUInt32BE(4)
      const attached = marked === 0 ? 0 : marked - 1
      if (jsonLength > maxJsonBytes || attached > maxAttachmentBytes) return this.close()
      if (this.#buffered < 8 + jsonLength + attached) return
      const frame = this.#peek(8 + jsonLength + attached)
      this.#drop(frame.length)
      let message: unknown
      try {
        message = JSON.parse(frame.toString('utf8', 8, 8 + jsonLength))
      } catch {
        return this.close()
      }
      this.#handle(message, marked === 0 ? undefined : frame.subarray(8 + jsonLength))
    }
  }

  #peek(size: number): Buffer {
    const first = this.#buffer[0]
    if (first !== undefined && first.length >= size) return first.subarray(0, size)
    const all = Buffer.concat(this.#buffer)
    this.#buffer = [all]
    return all.subarray(0, size)
  }

  #drop(size: number): void {
    const first = this.#buffer[0]
    if (first === undefined) return
    this.#buffered -= size
    if (first.length > size) this.#buffer[0] = first.subarray(size)
    else this.#buffer.shift()
  }

  #handle(message: unknown, bytes: Uint8Array | undefined): void {
    if (typeof message !== 'object' || message === null || !('id' in message)) return this.close()
    const { id } = message
    if (typeof id !== 'number') return this.close()
    if ('method' in message && typeof message.method === 'string') {
      const params = 'params' in message ? message.params : undefined
      void this.#answer(id, message.method, params, bytes)
      return
    }
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if ('refusal' in message) waiting.resolve({ ok: false, refusal: message.refusal as Refusal })
    else if ('fault' in message) waiting.reject(parseFault(message.fault))
    else {
      const value = 'value' in message ? message.value : undefined
      waiting.resolve(bytes === undefined ? { ok: true, value } : { ok: true, value, bytes })
    }
  }

  async #answer(id: number, method: string, params: unknown, bytes: Uint8Array | undefined): Promise<void> {
    // Past the limit of concurrent calls the other end is asked to wait by not being read.
    this.#running += 1
    if (this.#running >= this.#limit) this.#socket.pause()
    try {
      const handler = this.#options.dispatch(method)
      if (handler === undefined) throw new Fault('protocol', 'there is no such method')
      const answer = await handler(params, bytes)
      if (this.#socket.destroyed) return
      if (!answer.ok) this.#send({ id, refusal: answer.refusal }, undefined)
      else this.#send({ id, value: answer.value }, 'bytes' in answer ? answer.bytes : undefined)
    } catch (error) {
      this.#options.onFault?.(method, error)
      const code: FaultCode = error instanceof Fault ? error.code : 'internal'
      const text = error instanceof Fault ? error.message : 'an internal fault'
      if (!this.#socket.destroyed) this.#send({ id, fault: { code, message: text } }, undefined)
    } finally {
      this.#running -= 1
      this.#drain()
      if (this.#running < this.#limit) this.#socket.resume()
    }
  }
}

function parseFault(value: unknown): Fault {
  if (typeof value === 'object' && value !== null && 'code' in value && 'message' in value) {
    const code = faultCodes.find((known) => known === value.code) ?? 'internal'
    return new Fault(code, String(value.message))
  }
  return new Fault('protocol', 'the other plane sent a malformed fault')
}
