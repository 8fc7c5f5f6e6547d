import type { VerbAnswer, VerbInput, VerbName } from '../../../vault/contract.ts'
import type { RecordingId, SessionId } from '../../../vault/kernel/id.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import type { OpenRecordingOptions, RecordingWriter } from '../../recording/index.ts'
import type { GuacdPlace } from '../desktop/guacd-connection.ts'
import type { Tap } from '../desktop/tap.ts'
import type { RecordingStore } from '../../store/index.ts'

export type SessionEnd = Omit<VerbInput<'session.end'>, 'session'> & { readonly session: SessionId }

/** Asks the vault. Away, it answers the refusal `unavailable`. */
export type AskVault = <Name extends VerbName>(
  verb: Name,
  input: VerbInput<Name>,
) => Promise<Outcome<VerbAnswer<Name>>>

/** Things worth a line in the log: a fixed sentence and data without secrets. */
export type Log = (message: string, data?: Readonly<Record<string, unknown>>) => void

/** What the broker needs of the rest of the recorder. */
export type BrokerPorts = {
  readonly ask: AskVault
  readonly store: RecordingStore
  readonly openRecording: (options: OpenRecordingOptions) => Promise<RecordingWriter>
  /** Tells the vault that a session is over, again and again until it has heard. */
  readonly reportEnd: (recording: RecordingId, end: SessionEnd) => Promise<void>
  /** Names of this node and worker, as the vault knows them. */
  readonly node: string
  readonly worker: string
  readonly log: Log
  /** What carries desktops. */
  readonly desktops?: { readonly guacd: GuacdPlace; readonly tap: Tap }
}

/** Bounds of the broker; tests make them small. Times in milliseconds. */
export type Limits = {
  readonly loginGrace: number
  /** Failed signatures, passwords and codes on one connection. */
  readonly loginAttempts: number
  /** Keys offered without a signature on one connection. */
  readonly keyOffers: number
  readonly connectionsPerUser: number
  readonly channelsPerConnection: number
  /** Channels, forwardings and requests refused on one connection before it is closed. */
  readonly refusalsPerConnection: number
  readonly targetConnect: number
  readonly rekeyBytes: number
  readonly rekeyAfter: number
  readonly keepAlive: number
  readonly quotaBytes: number
}

export const defaultLimits: Limits = {
  loginGrace: 30_000,
  loginAttempts: 4,
  keyOffers: 20,
  connectionsPerUser: 100,
  channelsPerConnection: 64,
  refusalsPerConnection: 100,
  targetConnect: 20_000,
  rekeyBytes: 1024 ** 3,
  rekeyAfter: 3_600_000,
  keepAlive: 15_000,
  quotaBytes: 1024 ** 3,
}
