import type { GeneratedAlways } from 'kysely'

/** Tables of the audit log. The vault's role can add to them, and neither change nor delete, but for the index. */
export type AuditTables = {
  /** What happened, written in the transaction that did it; not yet in the log's order. */
  audit_entry: {
    readonly id: Uint8Array
    readonly ordinal: GeneratedAlways<number>
    readonly body: Uint8Array
    /** Null for an entry made while the vault was sealed: nobody could vouch for it. */
    readonly mac: Uint8Array | null
  }
  /** The order: entry `entry` is leaf `seq`; `hash` is its leaf hash (RFC 6962). */
  audit_leaf: {
    readonly seq: number
    readonly entry: Uint8Array
    readonly unproven: boolean
    readonly hash: Uint8Array
  }
  /** Hashes of full subtrees of 256, 65,536, … leaves. */
  audit_node: {
    readonly level: number
    readonly position: number
    readonly hash: Uint8Array
  }
  audit_checkpoint: {
    readonly size: number
    readonly body: string
    /** Entries up to this ordinal are all in the log. */
    readonly settled: number
  }
  /** What each leaf is about, for searching: made from its bytes (`vault/audit/index-row.ts`), never believed without them. */
  audit_index: {
    readonly seq: number
    readonly at: Date
    readonly kind: string
    readonly actor: string | null
    readonly person: string | null
    readonly target: string | null
    readonly account: string | null
    readonly company: string | null
    readonly safe: string | null
    readonly session: string | null
    readonly grant_id: string | null
    readonly request: string | null
  }
}
