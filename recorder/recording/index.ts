import { closeSync } from 'node:fs'
import type { AuditorChain } from '../../vault/auditors/list.ts'
import type { Permit } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { indexPath, type RecordingStore } from '../store/index.ts'
import { makeHeader } from './header.ts'
import { sealer } from './sealer.ts'
import { RecordingWriter, type WriterEvents } from './writer.ts'

export type { AppendedFrame, Mark } from '../replay/frame.ts'
export type { ScreenNow } from './seal-message.ts'
export {
  type FinishedRecording,
  type Follower,
  QuotaReached,
  RecordingWriter,
  type SignedCheckpoint,
  type WriterEvents,
} from './writer.ts'

export type OpenRecordingOptions = WriterEvents & {
  readonly store: RecordingStore
  readonly permit: Permit
  /** Checked against the recorder's pin: `store.acceptLists(permit.auditorLists)`. */
  readonly chain: AuditorChain
  readonly node: string
  readonly worker: string
}

/**
 * Makes the session's signing key and the recording's file, and resolves when its header is durable. Throws
 * `Fault('recording')` when the file cannot be made; nothing is left open then.
 */
export async function openRecording(options: OpenRecordingOptions): Promise<RecordingWriter> {
  const { permit, chain, store, node, worker } = options
  await sealer.ready()
  const header = await makeHeader(permit, chain, { node, worker })
  const file = await store.create(permit.recording, permit.startedAt, header.bytes)
  try {
    const { inputPolicy, quotaBytes } = permit
    const rules = { inputPolicy, quotaBytes, indexPath: indexPath(file.path) }
    return new RecordingWriter(header, permit.recording, file.fd, rules, options)
  } catch (error) {
    closeSync(file.fd)
    throw new Fault('recording', 'the recording cannot be sealed', { cause: error })
  }
}
