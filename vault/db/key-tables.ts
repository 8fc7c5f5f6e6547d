import type { Generated } from 'kysely'

/** Tables of the keys: who the installation is, how its root key is wrapped, safe keys and sealed secrets. */
export type KeyTables = {
  installation: {
    readonly only_row: Generated<boolean>
    readonly id: string
    readonly root_key_id: Uint8Array
    readonly intake_key: Uint8Array
    readonly audit_key: Uint8Array
    readonly created_at: Date
  }
  seal_wrap: {
    readonly id: string
    readonly kind: 'passphrase' | 'key-file' | 'recovery'
    /** Salt and costs of the derivation (passphrase), or where the key file lies: canonical JSON. */
    readonly parameters: string
    readonly envelope: Uint8Array
    readonly created_at: Date
  }
  safe_key: {
    readonly safe: string
    readonly version: number
    readonly envelope: Uint8Array
    readonly created_at: Date
  }
  /** The data key of one credential version, wrapped by the safe's key. */
  secret_key: {
    readonly account: string
    readonly version: number
    readonly safe: string
    readonly safe_key_version: number
    readonly envelope: Uint8Array
  }
  /** One sealed field (password, private key, passphrase) of a credential version. */
  secret_payload: {
    readonly account: string
    readonly version: number
    readonly field: string
    readonly kind: string
    readonly binding: string
    readonly envelope: Uint8Array
  }
  /** One row per guarded table: what the vault last wrote there, in a form that only it can write. */
  guard: {
    readonly guarded: string
    readonly counter: number
    readonly epoch: number
    readonly row_count: number
    readonly mac: Uint8Array
  }
}
