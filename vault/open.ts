import type { Kysely } from 'kysely'
import type { Actor } from './audit/entry.ts'
import type { Database } from './db/tables.ts'
import type { Secret } from './kernel/secret.ts'
import type { Outcome } from './kernel/outcome.ts'
import type { Tx } from './transaction.ts'
import type { Purpose } from './crypto/purpose.ts'
import type { GuardedRow, GuardedTable, Stamp } from './keys/guarded.ts'

export type SealProvider =
  | { readonly kind: 'passphrase'; readonly passphrase: Secret }
  | { readonly kind: 'key-file'; readonly path: string }

export type Unsealing =
  | SealProvider
  | { readonly kind: 'recovery'; readonly recoveryKey: string }
  | { readonly kind: 'stored-key-file' }

export type VaultState = {
  readonly initialised: boolean
  readonly sealed: boolean
  readonly intakeKey: Uint8Array | null
  readonly sealProviders: readonly {
    readonly kind: 'passphrase' | 'key-file' | 'recovery'
    readonly path?: string
  }[]
}

/** The names of a sealed field: which secret it is, and in which safe it lies. */
export type SecretPlace = {
  readonly safe: string
  readonly account: string
  readonly version: number
  readonly field: string
  readonly kind: string
  readonly binding?: string
}

export type OpenVaultOptions = {
  readonly databaseUrl: string
  readonly dataDir: string
  readonly clock?: () => Date
  /** Told of faults of what runs by itself (sequencer, witness, lost connections). */
  readonly onFault?: (fault: unknown) => void
}

/** The vault's keys, guards and audit log over one database and one data folder. */
export type Vault = AsyncDisposable & {
  readonly database: Kysely<Database>
  readonly clock: () => Date
  readonly isSealed: boolean
  state(): Promise<VaultState>
  initialise(
    provider: SealProvider,
    actor: Actor,
  ): Promise<Outcome<{ readonly recoveryKey: string; readonly intakeKey: Uint8Array }>>
  unseal(
    how: Unsealing,
    actor: Actor,
    options?: { readonly acceptRollback?: boolean },
  ): Promise<Outcome<null>>
  seal(actor: Actor, sessions: 'end' | 'keep'): Promise<void>
  /** Runs `act` in one transaction. It may run again after a deadlock: it must change nothing but `tx`. */
  inTransaction<T>(act: (tx: Tx) => Promise<T>): Promise<T>
  /** A key for one purpose, derived from the root. Valid until the vault is sealed. */
  purposeKey(purpose: Purpose): Uint8Array
  /** Opens what was sealed to the intake key; a refusal when it does not open. */
  openIntake(sealed: Uint8Array): Outcome<Secret>
  readonly guard: {
    check(table: GuardedTable, row: GuardedRow & Stamp): void
    checkAbsent(table: GuardedTable, row: GuardedRow): void
  }
  readonly secrets: {
    /** Makes the key of a new safe. */
    addSafe(tx: Tx, safe: string): Promise<void>
    put(tx: Tx, place: SecretPlace, secret: Secret): Promise<void>
    take(place: SecretPlace): Promise<Secret>
    /** Destroys the data key of a version: its fields can never be opened again, from no backup of this table. */
    destroy(tx: Tx, account: string, version: number): Promise<void>
  }
  /** The latest signed checkpoint of the audit log, as text; empty while there is none. */
  readonly auditCheckpoint: string
  close(): Promise<void>
}

export declare function openVault(options: OpenVaultOptions): Promise<Vault>
