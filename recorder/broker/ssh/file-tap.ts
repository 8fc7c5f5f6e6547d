import type { VerbInput } from '../../../vault/contract.ts'
import type { Mark } from '../../recording/index.ts'
import type { ChannelRequest } from './channel-request.ts'
import type { FileRoom } from './file-room.ts'
import type { Step } from './relay.ts'
import { ScpAudit } from './scp-audit.ts'
import { SftpAudit } from './sftp-audit.ts'

export type AuditedFile = Omit<VerbInput<'session.file'>, 'session'>

/** What a tap may do and whom it tells. */
export type TapPorts = {
  readonly mayRead: boolean
  readonly mayWrite: boolean
  /** What the session's files may still carry. */
  readonly room: Pick<FileRoom, 'take' | 'expect'>
  /** Into the recording. Throws when the recording cannot take it. */
  readonly mark: (mark: Mark) => void
  readonly file: (file: AuditedFile) => void
  readonly refused: (detail: string) => void
  /** Records bytes as they are. Throws or rejects when the recording cannot take them. */
  readonly record: (kind: 'input' | 'output', bytes: Uint8Array) => Promise<void> | undefined
}

/**
 * Watches a channel that transfers files. Contents count as accepted by the recording when they are hashed; names,
 * sizes and digests go to the recording and the vault.
 */
export type Tap = {
  readonly fromUser: (bytes: Buffer) => Step
  readonly fromTarget: (bytes: Buffer) => Step
  /** Gives the tap a way to answer the user itself, where it refuses a request. */
  readonly answerUser: (write: (bytes: Uint8Array) => void) => void
  /** The channel is over: transfers under way are incomplete. */
  readonly finish: () => void
}

/** The tap of a request, or undefined where the channel is recorded whole. */
export function makeTap(request: ChannelRequest, ports: TapPorts): Tap | undefined {
  if (request.kind === 'sftp') return new SftpAudit(ports)
  if (request.kind === 'exec' && request.scp?.isPlain === true) return new ScpAudit(request.scp, ports)
  return undefined
}
