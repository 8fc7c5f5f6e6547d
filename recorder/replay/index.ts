import type { GroupKeys } from '../../vault/auditors/ceremony.ts'
import type { Sodium } from '../../vault/auditors/sodium.ts'
import type { Permit } from '../../vault/contract.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import type { Frame, Mark } from './frame.ts'

export type * from './frame.ts'

/** Where a recording's bytes come from: a file, HTTP ranges, memory. A read past the end is short. */
export type ByteSource = {
  readonly size: number
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}
/** A checkpoint as the vault keeps it (`session.checkpoint`). */
export type KnownCheckpoint = { readonly checkpoint: Uint8Array; readonly signature: Uint8Array }

export type RecordingHeader = Omit<Permit, 'auditorLists' | 'credential'> & {
  readonly format: 'tagout-recording'
  readonly version: 1
  readonly cipher: 'aes-256-gcm'
  readonly node: string
  readonly worker: string
  readonly createdAt: string
  readonly auditors: { readonly version: number; readonly hash: string }
  readonly publicKey: string
  readonly recipients: readonly {
    readonly kind: 'auditors' | 'recovery'
    readonly key: string
    readonly sealed: string
  }[]
}
export type SegmentPlace = { readonly index: number; readonly offset: number; readonly at: number }
export type RecordingStructure = {
  readonly header: RecordingHeader
  readonly headerHash: Uint8Array
  /** Present where the recording was closed in order. */
  readonly final: {
    readonly reason: string
    readonly endedAt: string
    readonly duration: number
    readonly root: Uint8Array
  } | null
  readonly segments: readonly SegmentPlace[]
  /** Nanoseconds from the start to the last frame (of an incomplete one: to its last segment's start, at least). */
  readonly duration: number
}
export type RecordingVerdict = {
  readonly state: 'complete' | 'incomplete' | 'tampered'
  readonly sentence: string
  /** Offset in the file of the first thing wrong. */
  readonly at?: number
  readonly header?: RecordingHeader
  readonly chunks: number
  readonly duration: number
}

/** Finds header and segments. Reads little: the head, the tail, and of an unfinished file the heads of records. */
export declare function readStructure(
  sodium: Sodium,
  source: ByteSource,
): Promise<Outcome<RecordingStructure>>
/** Verifies all that can be verified without a private key. */
export declare function verifyRecording(
  sodium: Sodium,
  source: ByteSource,
  known?: {
    /** Of the session, from its audit leaf. */
    readonly publicKey?: Uint8Array
    readonly headerHash?: Uint8Array
    readonly checkpoints?: readonly KnownCheckpoint[]
    readonly onProgress?: (done: number, size: number) => void
  },
): Promise<RecordingVerdict>
/** Opens the recording's key with an auditor's group keys or the recovery file's key. */
export declare function openRecordingKey(
  sodium: Sodium,
  header: RecordingHeader,
  keys: GroupKeys,
): Outcome<Uint8Array>

/** A recording opened for replay. */
export declare class Replay {
  readonly structure: RecordingStructure
  readonly header: RecordingHeader
  constructor(sodium: Sodium, source: ByteSource, structure: RecordingStructure, key: Uint8Array)
  /** All frames from the start. Ends at the last readable one; throws `ReplayError` where the file was changed. */
  frames(): AsyncGenerator<Frame>
  /** Frames from the last keyframe at or before `at` (nanoseconds): feed them all, show from `at` on. */
  seek(at: number): AsyncGenerator<Frame>
  /** All marks with their times, for a time line; quick for a complete recording. */
  marks(): Promise<readonly { readonly at: number; readonly channel: number; readonly mark: Mark }[]>
}
/** asciicast v2 or v3 (asciinema), of one channel (default: the first with a terminal, else the first with output). */
export declare function toAsciicast(replay: Replay, version: 2 | 3, channel?: number): AsyncGenerator<string>
/** Plain text of all channels: escapes taken out, controls made visible, marks as lines. Safe to print. */
export declare function toText(replay: Replay): AsyncGenerator<string>
