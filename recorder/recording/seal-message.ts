import type { ContainerKeys } from './container.ts'

/** What a process tells its sealing thread. Order is kept per recording. */
export type SealOrder =
  | {
      readonly op: 'open'
      readonly id: number
      readonly fd: number
      readonly size: number
      readonly keys: ContainerKeys
    }
  | { readonly op: 'chunk'; readonly id: number; readonly plain: Uint8Array }
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
  | { readonly op: 'finished'; readonly id: number; readonly size: number; readonly root: Uint8Array }
  /** Writing failed; the recording is closed as it is. */
  | { readonly op: 'failed'; readonly id: number; readonly code: string }
