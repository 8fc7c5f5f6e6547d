import type { Permit } from '../../vault/contract.ts'

/** What a recording says of itself, in clear and signed by the session's key. Keys and hashes are base64. */
export type RecordingHeader = Omit<Permit, 'auditorLists' | 'credential'> & {
  readonly format: 'tagout-recording'
  readonly version: 1
  readonly cipher: 'aes-256-gcm'
  readonly credential: Permit['credential']['kind']
  readonly node: string
  readonly worker: string
  /** Zero of the recording's time. */
  readonly createdAt: string
  /** The list of auditors that it is sealed to. */
  readonly auditors: { readonly version: number; readonly hash: string }
  /** Ed25519, the session's own. */
  readonly publicKey: string
  /** The recording's key, sealed (`crypto_box_seal`) to each. */
  readonly recipients: readonly {
    readonly kind: 'auditors' | 'recovery'
    readonly key: string
    readonly sealed: string
  }[]
}
