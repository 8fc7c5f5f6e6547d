import type { AuditorChain } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import type { ByteSource, RecordingVerdict } from '../replay/index.ts'

export type StoreOptions = {
  /** The recorder's data folder; recordings lie in `<folder>/recordings/<yyyy-mm-dd>/<rec_…>.tgr`. */
  readonly folder: string
  /** Sessions are refused (`no_space`) below this much free space. Default 1 GiB. */
  readonly floorBytes?: number
  /** Size of the reserve file, which `releaseReserve` frees. Default 256 MiB. */
  readonly reserveBytes?: number
}
export type StoredRecording = {
  readonly recording: RecordingId
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

export declare function openStore(options: StoreOptions): Promise<RecordingStore>

export declare class RecordingStore {
  readonly folder: string
  /** Refuses with `no_space` below the floor. Ask before `session.open`. */
  hasRoom(): Promise<Outcome<{ readonly freeBytes: number }>>
  /** Verifies the chain of auditor lists against `auditors.pin` (made on first use) and moves the pin on. */
  acceptLists(links: readonly AuditorListLink[]): Promise<Outcome<AuditorChain>>
  list(): Promise<readonly StoredRecording[]>
  stat(recording: RecordingId): Promise<Outcome<StoredRecording>>
  /** Ranged reads of a recording's ciphertext; dispose it. */
  read(recording: RecordingId): Promise<Outcome<ByteSource & AsyncDisposable>>
  releaseReserve(): Promise<void>
}

export type Abandoned = {
  readonly recording: RecordingId
  readonly sizeBytes: number
  readonly verdict: RecordingVerdict
}
/**
 * After a crash: verifies each recording without a signed end that nobody writes any more (`isLive` says so), and reports what is
 * readable. Files are evidence and are not touched.
 */
export declare function findAbandoned(
  store: RecordingStore,
  isLive: (recording: RecordingId) => boolean,
): AsyncGenerator<Abandoned>
