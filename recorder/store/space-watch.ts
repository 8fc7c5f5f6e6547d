import type { SpaceState } from '../../vault/contract.ts'
import type { RecordingStore } from './store.ts'

export type SpaceWatchOptions = {
  readonly store: RecordingStore
  readonly reserveBytes: number
  /** Says the state to who must know; false when that was not possible and is to be tried again. */
  readonly tell: (state: SpaceState, freeBytes: number) => Promise<boolean>
}

/** Milliseconds between two looks. */
const everyMs = 5_000

/**
 * Watches the room for recordings. On a disk that is all but full it gives the reserve up, so that the database on the
 * same disk can still write down how sessions ended; once there is room again it takes the reserve back.
 */
export class SpaceWatch implements Disposable {
  readonly #options: SpaceWatchOptions
  #told: SpaceState = 'enough'
  #isFreed = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: SpaceWatchOptions) {
    this.#options = options
  }

  /** Looks now and from then on; a look that fails is told to `onFault`. */
  start(onFault: (error: unknown) => void): void {
    const again = async () => {
      await this.look().catch(onFault)
      this.#timer = setTimeout(() => void again(), everyMs)
      this.#timer.unref()
    }
    void again()
  }

  async look(): Promise<void> {
    const { store, reserveBytes, tell } = this.#options
    if ((await store.freeBytes()) < reserveBytes / 4 && !this.#isFreed) {
      await store.releaseReserve()
      this.#isFreed = true
    } else if (await store.keepReserve(reserveBytes)) this.#isFreed = false
    const free = await store.freeBytes()
    const state = this.#isFreed ? 'reserve freed' : stateOf(free, store.floorBytes)
    if (state !== this.#told && (await tell(state, free))) this.#told = state
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}

function stateOf(free: number, floor: number): SpaceState {
  if (free < floor) return 'refusing'
  return free < 2 * floor ? 'low' : 'enough'
}
