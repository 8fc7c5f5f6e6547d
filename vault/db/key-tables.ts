import type { ColumnType, Generated } from 'kysely'
import type { SealKind } from '../contract.ts'

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
    readonly kind: SealKind
    /** What the provider needs to give its key again, nothing secret: canonical JSON. */
    readonly parameters: string
    readonly envelope: Uint8Array
    readonly created_at: Date
    /** X25519 key to which the next root key is sealed; null in wraps of versions that had none. */
    readonly box_key: Uint8Array | null
    /** The key of the envelope, sealed to `box_key`; null where the provider's own key wraps. */
    readonly key_box: Uint8Array | null
    readonly root_version: Generated<number>
  }
  root_key: {
    readonly version: number
    readonly key_id: Uint8Array
    /** The base key, wrapped by this root. */
    readonly base_key: Uint8Array
    /** The root before this one, wrapped by this one, while anything is still wrapped by that. */
    readonly previous: Uint8Array | null
    readonly created_at: Date
  }
  /** One row: the vault's MAC over its wraps and root keys. */
  seal_set: {
    readonly only_row: Generated<boolean>
    readonly generation: number
    readonly mac: Uint8Array
  }
  safe_key: {
    readonly safe: string
    readonly version: number
    readonly envelope: Uint8Array
    readonly created_at: Date
    readonly root_version: Generated<number>
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
  key_rotation: {
    readonly id: string
    readonly what: 'root' | 'safe'
    /** Empty for the root. */
    readonly safe: string
    readonly to_version: number
    readonly total: number
    readonly done: ColumnType<number, number | undefined, number>
    readonly started_by: string
    readonly started_at: Date
    readonly finished_at: ColumnType<Date | null, Date | null | undefined, Date>
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
