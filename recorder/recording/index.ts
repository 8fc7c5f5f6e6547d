import type { AuditorChain } from '../../vault/auditors/list.ts'
import type { EndReason, Permit } from '../../vault/contract.ts'
import type { Fault } from '../../vault/kernel/fault.ts'
import type { AppendedFrame } from '../replay/frame.ts'
import type { RecordingStore } from '../store/index.ts'

export type { AppendedFrame, Mark } from '../replay/frame.ts'

export type SignedCheckpoint = {
  readonly checkpoint: Uint8Array
  readonly signature: Uint8Array
  readonly sizeBytes: number
}
export type OpenRecordingOptions = {
  readonly store: RecordingStore
  readonly permit: Permit
  /** Checked against the recorder's pin: `store.acceptLists(permit.auditorLists)`. */
  readonly chain: AuditorChain
  readonly node: string
  readonly worker: string
  /** At most every 5 s, when something was recorded since: for `session.checkpoint`. */
  readonly onCheckpoint?: (checkpoint: SignedCheckpoint) => void
  /** Once, when the recording cannot go on: the session must end. `append` rejects from then on. */
  readonly onFailed?: (fault: Fault) => void
  /** Once, at 90 % of the quota. At 100 % `append` rejects with `QuotaReached`. */
  readonly onQuotaWarning?: (usedBytes: number, quotaBytes: number) => void
}
export type FinishedRecording = {
  readonly state: 'complete' | 'incomplete'
  readonly sizeBytes: number
  readonly root?: Uint8Array
}

/** Makes the session's key and the file, and resolves when the header is durable. Throws `Fault('recording')`. */
export declare function openRecording(options: OpenRecordingOptions): Promise<RecordingWriter>

export declare class RecordingWriter implements AsyncDisposable {
  /** SHA-256 of the header: for `session.start`. */
  readonly headerHash: Uint8Array
  /** Ed25519, the session's own: for `session.start`. */
  readonly publicKey: Uint8Array
  readonly sizeBytes: number
  readonly isFailed: boolean
  /**
   * INVARIANT: relay a frame only after this returned `undefined` or its promise resolved: the frame is then accepted,
   * at most 250 ms from the disk. A promise means that the buffer is full: read no more until it resolves. It rejects
   * (or throws) with `Fault('recording')` when the recording failed. `bytes` are copied, unless large: do not reuse them.
   */
  append(frame: AppendedFrame): Promise<void> | undefined
  /** Resolves when all that was appended so far is written. */
  flush(): Promise<void>
  /** Writes the signed end. Never throws: a recording that failed is reported as `incomplete`. */
  finish(reason: EndReason): Promise<FinishedRecording>
  [Symbol.asyncDispose](): Promise<void>
}
