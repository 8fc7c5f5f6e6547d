import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type SpaceState, spaceStates } from '../../vault/contract.ts'
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
  #told: SpaceState | undefined
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
    const before = await store.freeBytes()
    if (!this.#isFreed && before < reserveBytes / 4) {
      await store.releaseReserve()
      this.#isFreed = true
    } else if (!this.#isFreed || before >= 2 * reserveBytes) {
      // Taken back only when there is room for more than itself, or it would come and go.
      if (await store.keepReserve(reserveBytes)) this.#isFreed = false
    }
    const free = await store.freeBytes()
    const state = this.#isFreed ? 'reserve freed' : stateOf(free, store.floorBytes)
    this.#told ??= await readTold(store)
    if (state === this.#told || !(await tell(state, free))) return
    this.#told = state
    // A disk without room for a word forgets it: the next start says the state once more.
    await writeFile(toldFile(store), state, { mode: 0o600 }).catch(() => undefined)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}

const toldFile = (store: RecordingStore) => join(store.folder, 'space')

/** What was told last, maybe by an earlier run. */
async function readTold(store: RecordingStore): Promise<SpaceState> {
  const text = await readFile(toldFile(store), 'utf8').catch(() => '')
  return spaceStates.find((state) => state === text) ?? 'enough'
}

function stateOf(free: number, floor: number): SpaceState {
  if (free < floor) return 'refusing'
  return free < 2 * floor ? 'low' : 'enough'
}
