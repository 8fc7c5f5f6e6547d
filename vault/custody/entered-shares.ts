import { combineShares, type CustodianParameters } from '../keys/custodians.ts'
import type { Share } from '../keys/share.ts'
import type { Secret } from '../kernel/secret.ts'

/** Milliseconds for which shares wait for the next one. */
export const shareLife = 30 * 60_000

/** What is known of shares that wait for others. */
export type SharesWaiting = {
  readonly set: string
  readonly threshold: number
  readonly custodians: readonly string[]
  readonly given: readonly { readonly index: number; readonly name: string }[]
  readonly until: Date
}

type Waiting = {
  readonly wrap: string
  readonly parameters: CustodianParameters
  readonly shares: Map<number, Secret>
  until: number
  timer: NodeJS.Timeout
}

/**
 * Shares of custodians that have been entered and wait for the others: in memory only, of one set at a time, wiped
 * when they have opened the root key, when nobody comes for half an hour, and when the vault ends.
 */
export class EnteredShares implements Disposable {
  readonly #now: () => number
  readonly #onExpired: (given: number) => void
  #waiting: Waiting | undefined

  constructor(now: () => number, onExpired: (given: number) => void) {
    this.#now = now
    this.#onExpired = onExpired
  }

  /**
   * Takes a share that was found right; it owns its value from now on. Answers whether it was there already. The
   * shares of another set that wait are forgotten.
   */
  enter(wrap: string, parameters: CustodianParameters, share: Share): 'entered' | 'already' {
    if (this.waiting?.set !== parameters.set) this.forget()
    const waiting = (this.#waiting ??= {
      wrap,
      parameters,
      shares: new Map(),
      until: 0,
      timer: setTimeout(() => {}, 0),
    })
    clearTimeout(waiting.timer)
    waiting.until = this.#now() + shareLife
    waiting.timer = setTimeout(() => this.#expire(), shareLife)
    waiting.timer.unref()
    if (waiting.shares.has(share.index)) {
      share.value[Symbol.dispose]()
      return 'already'
    }
    waiting.shares.set(share.index, share.value)
    return 'entered'
  }

  get waiting(): SharesWaiting | undefined {
    const waiting = this.#waiting
    if (waiting !== undefined && waiting.until <= this.#now()) this.#expire()
    if (this.#waiting === undefined) return undefined
    const { parameters, shares, until } = this.#waiting
    return {
      set: parameters.set,
      threshold: parameters.threshold,
      custodians: parameters.custodians.map(({ name }) => name),
      given: parameters.custodians
        .filter(({ index }) => shares.has(index))
        .map(({ index, name }) => ({ index, name })),
      until: new Date(until),
    }
  }

  /** What the shares give once there are enough of them. The caller owns the secret; the shares stay. */
  async combine(): Promise<{ readonly wrap: string; readonly secret: Secret } | undefined> {
    const waiting = this.#waiting
    if (waiting === undefined || waiting.shares.size < waiting.parameters.threshold) return undefined
    const values = [...waiting.shares.values()].slice(0, waiting.parameters.threshold)
    return { wrap: waiting.wrap, secret: await combineShares(values) }
  }

  /** Wipes what was entered; answers how many shares that were. */
  forget(): number {
    const waiting = this.#waiting
    if (waiting === undefined) return 0
    this.#waiting = undefined
    clearTimeout(waiting.timer)
    for (const value of waiting.shares.values()) value[Symbol.dispose]()
    return waiting.shares.size
  }

  [Symbol.dispose](): void {
    this.forget()
  }

  #expire(): void {
    const given = this.forget()
    if (given > 0) this.#onExpired(given)
  }
}
