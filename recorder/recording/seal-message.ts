import type { ContainerKeys } from './container.ts'
import type { SearchPlace } from './search-writer.ts'

/** One channel's terminal as it is now: write `bytes` to a fresh one of this size. Null where there are too many. */
export type ScreenNow = {
  readonly channel: number
  readonly columns: number
  readonly rows: number
  readonly bytes: Uint8Array | null
}

/** What a process tells its sealing thread. Order is kept per recording. */
export type SealOrder =
  | {
      readonly op: 'open'
      readonly id: number
      readonly fd: number
      readonly size: number
      readonly keys: ContainerKeys
      /** Missing: no search index is made. */
      readonly search?: SearchPlace
    }
  | { readonly op: 'chunk'; readonly id: number; readonly plain: Uint8Array }
  /** Answered with the screens as they are after all chunks that were sent before. */
  | { readonly op: 'screens'; readonly id: number; readonly request: number }
  /** Whether commands that are found are to be told. */
  | { readonly op: 'follow'; readonly id: number; readonly on: boolean }
  | { readonly op: 'finish'; readonly id: number; readonly reason: string }
  | { readonly op: 'abandon'; readonly id: number }

/** What the thread answers. */
export type SealReport =
  /** A chunk of `plain` bytes lies in the file, which has `size` bytes now. `buffer` comes back for another use. */
  | {
      readonly op: 'written'
      readonly id: number
      readonly plain: number
      readonly size: number
      readonly buffer?: ArrayBuffer
    }
  | {
      readonly op: 'checkpoint'
      readonly id: number
      readonly body: Uint8Array
      readonly signature: Uint8Array
      readonly size: number
    }
  | {
      readonly op: 'screens'
      readonly id: number
      readonly request: number
      readonly screens: readonly ScreenNow[]
    }
  | { readonly op: 'command'; readonly id: number; readonly channel: number; readonly line: string }
  | { readonly op: 'finished'; readonly id: number; readonly size: number; readonly root: Uint8Array }
  /** Writing failed; the recording is closed as it is. */
  | { readonly op: 'failed'; readonly id: number; readonly code: string }
