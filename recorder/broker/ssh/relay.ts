import type { Readable } from 'node:stream'
import type { Flow, Sink } from './front-channel.ts'

/**
 * What a direction does with a piece before it may go on: records it and says what to pass on. `undefined` for
 * `accepted` means that the recording took it at once.
 */
export type Step = {
  readonly accepted: Promise<void> | undefined
  readonly pass: readonly Uint8Array[]
}

export type PumpOptions = {
  readonly from: Readable
  readonly to: Sink
  /** The connection that carries `to`. */
  readonly transport: Flow
  /** Throws, or rejects through `accepted`, when the recording cannot take the piece. */
  readonly step: (piece: Buffer) => Step
  /** Once, when `from` has ended and everything has been handed to `to`. */
  readonly onDone: () => void
  readonly onFailed: (error: unknown) => void
}

/** Bytes handed to `to` that its peer has not asked for yet, above and below which `from` rests and goes on. */
const highWater = 512 * 1024
const lowWater = 128 * 1024

/**
 * Passes one direction of a channel on.
 *
 * INVARIANT: recorded before relayed. A piece is written to `to` only after the recording accepted it; until then
 * nothing further is read. A slow recording or a slow reader slows the sender; nothing is dropped.
 */
export class Pump {
  readonly #options: PumpOptions
  readonly #injected: Uint8Array[] = []
  #pending = 0
  #isAccepting = false
  #isHeld = false
  #isWaiting = false
  #hasEnded = false
  #isFrozen = false
  #isLent = false
  /** Taken before the freeze and accepted since: it waits. */
  #kept: Uint8Array[] = []
  #dropped: ((length: number) => void) | undefined
  #isOver = false
  #next: (() => Promise<void>) | undefined

  constructor(options: PumpOptions) {
    this.#options = options
    const { from } = options
    from.on('data', (piece: Buffer) => this.#take(piece))
    from.on('end', () => {
      this.#hasEnded = true
      this.#settle()
    })
  }

  /** Bytes written that the peer has not taken. */
  get pending(): number {
    return this.#pending
  }

  /** Takes and passes on no more. */
  stop(): void {
    this.#isOver = true
    // Read on to nowhere, so that the end of the stream is seen.
    this.#options.from.resume()
  }

  /**
   * Passes nothing more on until `thaw`, not even the end. What waits in `to` stays there; `from` rests, or, where
   * `dropped` is given, is read on to nowhere.
   */
  freeze(dropped?: (length: number) => void): void {
    if (this.#isFrozen || this.#isOver) return
    this.#isFrozen = true
    this.#dropped = dropped
    this.#options.to.cork?.()
    if (dropped === undefined) this.#options.from.pause()
    else if (!this.#isAccepting) this.#options.from.resume()
  }

  /** Goes on where it was frozen. */
  thaw(): void {
    if (!this.#isFrozen) return
    this.#isFrozen = false
    this.#dropped = undefined
    this.#unlend()
    this.#options.to.uncork?.()
    for (const bytes of this.#kept.splice(0)) this.#write(bytes)
    this.#goOn()
    this.#settle()
  }

  /**
   * Lets somebody else write to `to` while this is frozen, until `takeBack` or `thaw`. What waited of this direction is
   * dropped for good; answers how many bytes. Undefined: bytes of this direction stand in `to` that its peer has not
   * taken, and would go on before anything else.
   */
  lend(): number | undefined {
    if (!this.#isFrozen || this.#isOver || this.#pending > 0) return undefined
    const dropped = this.#kept.splice(0).reduce((sum, { length }) => sum + length, 0)
    if (!this.#isLent) this.#options.to.uncork?.()
    this.#isLent = true
    return dropped
  }

  takeBack(): void {
    // Nothing that was accepted while somebody else had it goes on afterwards: they have changed what it was meant for.
    this.#kept = []
    this.#unlend()
  }

  #unlend(): void {
    if (!this.#isLent) return
    this.#isLent = false
    this.#options.to.cork?.()
  }

  /** Writes bytes of our own, which are not the peer's, after all that was taken so far. */
  inject(bytes: Uint8Array): void {
    if (this.#isAccepting) this.#injected.push(bytes)
    else this.#write(bytes)
  }

  /** Reads nothing further until `act`, which never rejects, is over. What was read before goes on before it. */
  during(act: () => Promise<void>): void {
    if (this.#isOver) return
    if (this.#isAccepting) {
      this.#next = act
      return
    }
    this.#isAccepting = true
    this.#hold()
    void act().then(() => this.#accepted([]))
  }

  #accepted(pass: readonly Uint8Array[]): void {
    this.#isAccepting = false
    for (const bytes of [...pass, ...this.#injected.splice(0)]) this.#pass(bytes)
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) return this.during(next)
    this.#goOn()
    this.#settle()
  }

  #take(piece: Buffer): void {
    if (this.#isOver) return
    if (this.#dropped !== undefined) return this.#dropped(piece.length)
    let step: Step
    try {
      step = this.#options.step(piece)
    } catch (error) {
      return this.#fail(error)
    }
    if (step.accepted === undefined) {
      for (const bytes of step.pass) this.#pass(bytes)
      return
    }
    this.#isAccepting = true
    this.#hold()
    step.accepted.then(
      () => this.#accepted(step.pass),
      (error: unknown) => this.#fail(error),
    )
  }

  #pass(bytes: Uint8Array): void {
    if (this.#isFrozen) this.#kept.push(bytes)
    else this.#write(bytes)
  }

  #write(bytes: Uint8Array): void {
    const { to, transport } = this.#options
    if (this.#isOver || bytes.length === 0) return
    this.#pending += bytes.length
    transport.count(bytes.length)
    try {
      to.write(bytes, () => {
        this.#pending -= bytes.length
        if (this.#isHeld && this.#pending <= lowWater) this.#goOn()
        if (this.#pending === 0) this.#settle()
      })
    } catch (error) {
      // ssh2 throws where its connection is gone.
      return this.#fail(error)
    }
    if (this.#pending > highWater || transport.isFull) {
      this.#hold()
      if (transport.isFull) this.#waitForRoom()
    }
  }

  #hold(): void {
    this.#isHeld = true
    this.#options.from.pause()
  }

  #waitForRoom(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#options.transport.whenRoom(() => {
      this.#isWaiting = false
      this.#goOn()
    })
  }

  #goOn(): void {
    if (this.#isOver || this.#isAccepting) return
    if (this.#isFrozen) return void (this.#dropped !== undefined && this.#options.from.resume())
    if (this.#pending > lowWater) return
    const { from, transport } = this.#options
    if (transport.isFull) return this.#waitForRoom()
    this.#isHeld = false
    from.resume()
  }

  #settle(): void {
    if (!this.#hasEnded || this.#isOver || this.#isFrozen || this.#isAccepting || this.#pending > 0) return
    this.#isOver = true
    this.#options.onDone()
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.onFailed(error)
  }
}
