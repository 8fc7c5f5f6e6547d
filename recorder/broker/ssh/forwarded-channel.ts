import type { Duplex } from 'node:stream'
import type { ClientChannel, TcpipRequestInfo } from 'ssh2'
import type { ForwardRule } from '../../../vault/contract.ts'
import type { Mark } from '../../recording/index.ts'
import { guardWindow } from '../../../vault/ssh/library.ts'
import { NestedSsh } from './nested-ssh.ts'
import { Pump, type Step } from './relay.ts'
import type { BrokeredSession } from './session.ts'
import type { Transport } from './transport.ts'

/** A client that asks for a connection to somewhere (`direct-tcpip`, RFC 4254 §7.2). */
export type ForwardRequest = {
  readonly info: TcpipRequestInfo
  readonly accept: () => Duplex
  /** Refuses it; the user's client shows why. */
  readonly reject: (why: string) => void
}

/** One connection of a forwarding session: the user's end, the target's end, and the recording between them. */
export class ForwardedChannel {
  readonly closed: Promise<void>
  readonly hasFinished = true
  readonly hasTerminal = false
  readonly #session: BrokeredSession
  readonly #number: number
  readonly #rule: ForwardRule
  readonly #request: ForwardRequest
  readonly #frontTransport: Transport
  #ends: readonly Duplex[] = []
  #pumps: readonly Pump[] = []
  #up: Pump | undefined
  #isFrozen = false
  #isOver = false
  #left = 2
  readonly #bytes = { up: 0, down: 0 }
  #resolveClosed: () => void = () => undefined

  constructor(
    session: BrokeredSession,
    number: number,
    rule: ForwardRule,
    request: ForwardRequest,
    frontTransport: Transport,
  ) {
    this.#session = session
    this.#number = number
    this.#rule = rule
    this.#request = request
    this.#frontTransport = frontTransport
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Opens the target's end and relays. Resolves when both ends are open, or the target refused. */
  async run(): Promise<void> {
    const { host, port } = this.#rule
    await this.#append({
      kind: 'open',
      type: 'forward',
      command: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    })
    const back = await this.#openBack()
    if (back === undefined || this.#isOver) {
      back?.close()
      this.#request.reject(`the target does not reach ${host}:${port}, or not now`)
      if (!this.#isOver) this.#close()
      return
    }
    this.#session.countConnection()
    const front = this.#request.accept()
    this.#relay(front, back)
  }

  #openBack(): Promise<ClientChannel | undefined> {
    const { host, port } = this.#rule
    return new Promise((resolve) => {
      try {
        // Where the user's own connection came from is nobody's business beyond the gateway.
        this.#session.link.client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
          if (error !== undefined) {
            this.#session.event('forwarding refused', `the target does not reach ${host}:${port}`)
            return resolve(undefined)
          }
          channel.on('error', () => undefined)
          guardWindow(channel, () => {
            void this.#session.end('protocol error', 'the target sent more than it was asked for')
          })
          resolve(channel)
        })
      } catch {
        resolve(undefined)
      }
    })
  }

  #relay(front: Duplex, back: ClientChannel): void {
    this.#ends = [front, back]
    front.on('error', () => undefined)
    guardWindow(front, () => this.#close())
    const nested = new NestedSsh(() =>
      this.#session.event(
        'nested ssh',
        `an SSH connection inside the forwarding to ${this.#rule.host}:${this.#rule.port}`,
      ),
    )
    const step =
      (direction: 'up' | 'down') =>
      (bytes: Buffer): Step => {
        nested.see(direction, bytes)
        this.#bytes[direction] += bytes.length
        this.#session.carried(direction, bytes.length)
        return { accepted: this.#keep(direction === 'up' ? 'input' : 'output', bytes), pass: [bytes] }
      }
    const onFailed = (error: unknown) => this.#session.recordingFailed(error)
    const half = (to: Duplex) => () => {
      to.end()
      this.#left -= 1
      if (this.#left === 0) this.#close()
    }
    const { transport: targetTransport } = this.#session.link
    this.#up = new Pump({
      from: front,
      to: back,
      transport: targetTransport,
      step: step('up'),
      onDone: half(back),
      onFailed,
    })
    // Frozen while the target opened it.
    if (this.#isFrozen) this.#up.freeze()
    this.#pumps = [
      this.#up,
      new Pump({
        from: back,
        to: front,
        transport: this.#frontTransport,
        step: step('down'),
        onDone: half(front),
        onFailed,
      }),
    ]
    // An end that closes altogether takes the other with it, when what it sent is delivered.
    front.once('close', () => this.#close())
    back.once('close', () => {
      if (this.#left < 2 || !back.readableEnded) this.#close()
    })
  }

  #keep(kind: 'input' | 'output', bytes: Buffer): Promise<void> | undefined {
    if (this.#rule.record !== 'stream') return undefined
    return this.#session.writer.append({ kind, channel: this.#number, bytes })
  }

  #close(): void {
    if (this.#isOver) return
    this.#stop()
    this.#append({ kind: 'close', ...this.#bytes }).catch((error: unknown) =>
      this.#session.recordingFailed(error),
    )
    this.#resolveClosed()
  }

  /** Reads nothing more from the user until `thaw`; what comes back from the destination goes on. */
  freeze(): void {
    this.#isFrozen = true
    this.#up?.freeze()
  }

  thaw(): void {
    this.#isFrozen = false
    this.#up?.thaw()
  }

  /** There is no terminal in a forwarding to show anything in. */
  notify(): void {}

  watchers(): void {}

  ends(): void {}

  /** Ends the connection now. */
  async cut(): Promise<void> {
    if (this.#isOver) return
    // A recording that takes nothing any more ends its session itself, and says so.
    await this.#append({ kind: 'close', ...this.#bytes }).catch(() => undefined)
    this.#stop()
    this.#resolveClosed()
  }

  #stop(): void {
    this.#isOver = true
    for (const pump of this.#pumps) pump.stop()
    for (const end of this.#ends) {
      try {
        ;(end as ClientChannel).close()
      } catch {
        // The connection below is gone.
      }
    }
  }

  async #append(mark: Mark): Promise<void> {
    await this.#session.writer.append({ kind: 'mark', channel: this.#number, mark })
  }
}
