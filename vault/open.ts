import { existsSync } from 'node:fs'
import type { Kysely } from 'kysely'
import { append } from './audit/append.ts'
import type { Actor, EntryInput } from './audit/entry.ts'
import { type FindOptions, type Found, findEntries } from './audit/find.ts'
import { type Filling, IndexKeeper } from './audit/index-keeper.ts'
import { type ListOptions, listEntries } from './audit/read.ts'
import { exportPage, proveLeaves, verifyStored } from './audit/report.ts'
import { Sequencer } from './audit/sequencer.ts'
import { forgetBeyond } from './audit/stored-index.ts'
import { FileWitness } from './audit/witness.ts'
import type { AuditLeafView, AuditVerdict, SealKind, VerbAnswers } from './contract.ts'
import { Key } from './crypto/key.ts'
import type { PassphraseCosts } from './crypto/passphrase.ts'
import type { Purpose } from './crypto/purpose.ts'
import { Fence } from './db/fence.ts'
import { openDatabase } from './db/open.ts'
import type { Database } from './db/tables.ts'
import { sha256, fingerprintText, sameBytes } from './kernel/digest.ts'
import { Fault } from './kernel/fault.ts'
import { newId } from './kernel/id.ts'
import { done, type Outcome, refuse } from './kernel/outcome.ts'
import type { Secret } from './kernel/secret.ts'
import { Guard, type GuardedShapes } from './keys/guard.ts'
import { type GuardedRow, type GuardedTable, guardedTables, type Stamp } from './keys/guarded.ts'
import { type GuardMemory, initialiseGuards, loadGuards } from './keys/guard-load.ts'
import { Keyring } from './keys/keyring.ts'
import { LocalState, readLocalState, statePath } from './keys/local-state.ts'
import { newRecoveryKey, recoveryKeyText } from './keys/recovery-key.ts'
import { openRoots, rootKeyRow } from './keys/root-key.ts'
import { type SealProvider, type Unsealing, unwrapRoot, wrapFor } from './keys/seal-provider.ts'
import { type SealSet, sealSetName, verifySealSet, writeSealSet } from './keys/seal-set.ts'
import { boxKeyOf } from './keys/seal-wrap.ts'
import { noSealers, type SealerSettings } from './keys/sealers.ts'
import { Rotations } from './keys/rotation.ts'
import { exchanged, Seals } from './keys/seals.ts'
import { SecretStore } from './keys/secret-store.ts'
import { isInTransaction, runTransaction, type Tx } from './transaction.ts'

export type { SealProvider, Unsealing } from './keys/seal-provider.ts'
export type { SecretPlace } from './keys/secret-store.ts'

export type OpenVaultOptions = {
  readonly databaseUrl: string
  readonly dataDir: string
  readonly clock?: () => Date
  /** Milliseconds by which that clock was set forward after a moment. Default: none. */
  readonly skippedSince?: (moment: Date) => number
  /** Told of faults of what runs by itself (sequencer, witness, lost connections). */
  readonly onFault?: (fault: unknown) => void
  /** Connections to the database at most. Default 10. */
  readonly connections?: number
  /** Milliseconds to wait for another vault on the database to end. Default 5,000. */
  readonly patience?: number
  readonly guarded?: GuardedShapes
  /** Costs of a new passphrase seal. Default: `sealCosts`. */
  readonly passphraseCosts?: PassphraseCosts
  /** Tokens' libraries and plug-ins that may seal the vault. Default: none. */
  readonly sealers?: SealerSettings
}

export type VaultState = {
  readonly initialised: boolean
  readonly sealed: boolean
  readonly installation: string | null
  readonly intakeKey: Uint8Array | null
  /** SHA256:… of the intake key. */
  readonly fingerprint: string | null
  readonly sealProviders: readonly {
    readonly kind: SealKind
    readonly path?: string
    readonly byItself?: true
  }[]
}

type Unsealed = {
  readonly keyring: Keyring
  readonly guard: Guard
  readonly sequencer: Sequencer
  readonly local: LocalState
  /** The ways to unseal, as the vault last wrote them. */
  sealSet: SealSet | undefined
}

/** Milliseconds for which whoever searches the log waits for its index. */
const indexPatienceMs = 2_000
/** Milliseconds for which sealing waits for transactions that have begun. */
const sealPatienceMs = 10_000

/**
 * Opens the vault's keys, guards and audit log over one database and one data folder. It begins sealed. Throws
 * `Fault('configuration')` while another vault runs on the same database. Close it.
 */
export async function openVault(options: OpenVaultOptions): Promise<Vault> {
  const fence = await Fence.take(options.databaseUrl, (error) => options.onFault?.(error), options.patience)
  return new Vault(options, fence)
}

/** The vault's keys, guards and audit log: sealed until somebody opens it. */
export class Vault implements AsyncDisposable {
  readonly #database: Kysely<Database>
  readonly clock: () => Date
  readonly secrets: SecretStore
  readonly seals: Seals
  readonly rotations: Rotations
  readonly #options: OpenVaultOptions
  readonly #shapes: GuardedShapes
  readonly #fence: Fence
  readonly #witness: FileWitness
  readonly #onFault: (fault: unknown) => void
  readonly #running = new Set<Promise<unknown>>()
  readonly #index: IndexKeeper
  #unsealed: Unsealed | undefined
  #isClosed = false
  #lifecycle: Promise<unknown> = Promise.resolve()

  /** Takes ownership of `fence`. Use `openVault`. */
  constructor(options: OpenVaultOptions, fence: Fence) {
    this.#options = options
    this.#fence = fence
    this.#database = openDatabase(options.databaseUrl, {
      onFault: (cause) => {
        if (!this.#isClosed)
          this.#onFault(new Fault('database', 'an idle connection to the database broke', { cause }))
      },
      ...(options.connections === undefined ? {} : { connections: options.connections }),
    })
    this.clock = options.clock ?? (() => new Date())
    this.#shapes = options.guarded ?? guardedTables
    this.#witness = new FileWitness(options.dataDir)
    this.#onFault = options.onFault ?? (() => {})
    this.#index = new IndexKeeper(this.#database)
    this.secrets = new SecretStore({
      database: this.#database,
      keyring: () => this.#open().keyring,
      clock: this.clock,
    })
    this.seals = new Seals({
      database: this.#database,
      unsealed: () => this.#open(),
      isSealed: () => this.isSealed,
      inTransaction: (act) => this.inTransaction(act),
      costs: options.passphraseCosts,
      sealers: options.sealers ?? noSealers,
    })
    this.rotations = new Rotations({
      database: this.#database,
      unsealed: () => this.#open(),
      inTransaction: (act) => this.inTransaction(act),
      seals: this.seals,
      onFault: this.#onFault,
    })
  }

  /** The pool, for what runs outside of a transaction. Throws `Fault` within one: `tx.db` is the way there. */
  get database(): Kysely<Database> {
    if (isInTransaction()) throw new Fault('internal', 'the pool was asked within a transaction')
    return this.#database
  }

  get isSealed(): boolean {
    return this.#unsealed === undefined
  }

  async state(): Promise<VaultState> {
    const known = await this.#installation()
    const seals = await this.seals.list()
    // While unsealed the vault's own key is shown, whatever the database says.
    const intakeKey = this.#unsealed?.keyring.intake.publicKey ?? known?.intake_key ?? null
    return {
      initialised: known !== undefined,
      sealed: this.isSealed,
      installation: known?.id ?? null,
      intakeKey,
      fingerprint: intakeKey === null ? null : fingerprintText(await sha256(intakeKey)),
      sealProviders: seals.map(({ kind, path, byItself }) => ({
        kind,
        ...(path === undefined ? {} : { path }),
        ...(byItself ? { byItself } : {}),
      })),
    }
  }

  /**
   * Makes the root key, wraps it for `provider` and for a recovery key, and leaves the vault unsealed. The recovery
   * key is the caller's to show once.
   */
  initialise(
    provider: SealProvider,
    actor: Actor,
  ): Promise<Outcome<{ readonly recoveryKey: string; readonly fingerprint: string }>> {
    return this.#alone(async () => {
      if ((await this.#installation()) !== undefined)
        return refuse('conflict', 'this vault is initialised already')
      const path = statePath(this.#options.dataDir)
      if (existsSync(path))
        return refuse(
          'conflict',
          `${path} exists: this data folder belongs to a vault whose database is another`,
          'restore that database, or move the file away to begin anew',
        )
      const now = this.clock()
      const installation = newId('ins', now.getTime())
      const keyring = new Keyring(Key.random(), new Map([[1, Key.random()]]), installation)
      const root = { key: keyring.root, version: 1 }
      const wrapped = await wrapFor(provider, root, installation, now, this.#options.passphraseCosts)
      if (!wrapped.ok) return wrapped
      using secret = newRecoveryKey()
      const recovery = await wrapFor({ kind: 'recovery', secret }, root, installation, now)
      if (!recovery.ok) return recovery
      const fingerprint = fingerprintText(await sha256(keyring.intake.publicKey))
      const guard = new Guard(keyring, this.#shapes)
      const unsealed = { keyring, guard, sealSet: undefined as SealSet | undefined }
      const local = this.#localState(unsealed)
      await this.#database.transaction().execute(async (db) => {
        await db
          .insertInto('installation')
          .values({
            id: installation,
            root_key_id: keyring.root.id,
            intake_key: keyring.intake.publicKey,
            audit_key: keyring.auditKey.publicKey,
            created_at: now,
          })
          .execute()
        await db.insertInto('seal_wrap').values([wrapped.value, recovery.value]).execute()
        await db
          .insertInto('root_key')
          .values(rootKeyRow(1, keyring.root, keyring.base, undefined, installation, now))
          .execute()
        unsealed.sealSet = await writeSealSet(db, keyring)
        await initialiseGuards(db, guard, Object.keys(this.#shapes))
        const happened: EntryInput = {
          kind: 'vault.initialised',
          actor,
          installation,
          provider: provider.kind,
          fingerprint,
        }
        await forgetBeyond(db, 0)
        await append(db, keyring, [{ ...happened, at: now.toISOString() }])
        // Before the commit: a vault whose file is missing does not unseal.
        await local.flush()
      })
      const { sequencer } = await Sequencer.open(this.#sequencerPorts(), keyring)
      this.#unsealed = Object.assign(unsealed, { sequencer, local })
      sequencer.start()
      this.#fillIndex(sequencer.size)
      return done({ recoveryKey: recoveryKeyText(secret), fingerprint })
    })
  }

  /**
   * Unseals the vault: opens the root key, then checks every guarded row and the end of the audit log. A wrong
   * passphrase, and a database older than the vault remembers, are refusals; `acceptRollback` accepts the latter (a
   * backup was restored), audited. Throws `Fault` where rows or the log were forged. It stays sealed in all these cases.
   */
  unseal(
    how: Unsealing,
    actor: Actor,
    options: { readonly acceptRollback?: boolean } = {},
  ): Promise<Outcome<null>> {
    return this.#alone(async () => {
      const known = await this.#installation()
      if (known === undefined)
        return refuse('not_initialised', 'this vault is not initialised', 'npm start sets it up')
      if (!this.isSealed) return done(null)
      const wraps = await this.#database.selectFrom('seal_wrap').selectAll().execute()
      const opened = await unwrapRoot(wraps, how, known.id, this.#options.sealers)
      const rootRows = await this.#database.selectFrom('root_key').selectAll().execute()
      const roots = opened.ok ? openRoots(rootRows, opened.value.root, known.id) : undefined
      if (!opened.ok || roots === undefined) {
        await this.inTransaction((tx) =>
          tx.audit({ kind: 'vault.unseal-refused', actor, provider: how.kind }),
        )
        return opened.ok ? exchanged(opened.value.wrap) : opened
      }
      using key = opened.value.key
      const keyring = new Keyring(roots.base, roots.roots, known.id)
      try {
        const begun = await this.#verified(keyring, known)
        const { finding, unsealed } = begun
        if (finding !== undefined && options.acceptRollback !== true) {
          keyring[Symbol.dispose]()
          return refuse(
            'conflict',
            `the database is not the one that this vault last wrote: ${finding}`,
            'if you put this database back: tagout unseal --accept-rollback; otherwise find out who did',
          )
        }
        if (finding !== undefined) await this.#witness.putAside(this.clock())
        // A log that was cut back has left rows of entries that are no more.
        await forgetBeyond(this.#database, unsealed.sequencer.size)
        this.#unsealed = unsealed
        const { wrap } = opened.value
        await this.inTransaction(async (tx) => {
          if (rootRows.length === 0 || unsealed.sealSet === undefined || wrap.box_key === null)
            unsealed.sealSet = await this.#adopt(tx, keyring, rootRows.length === 0, wrap.id, boxKeyOf(key))
          if (finding !== undefined) await tx.audit({ kind: 'vault.rollback-accepted', actor, finding })
          await tx.audit({ kind: 'vault.unsealed', actor, provider: how.kind })
        })
        await unsealed.local.flush()
        unsealed.sequencer.start()
        this.#fillIndex(unsealed.sequencer.size)
        await this.rotations.resume()
        return done(null)
      } catch (error) {
        this.#unsealed = undefined
        keyring[Symbol.dispose]()
        throw error
      }
    })
  }

  /** Seals the vault: running transactions end, what is in the log is signed, the keys are wiped. */
  seal(actor: Actor, sessions: 'end' | 'keep'): Promise<void> {
    return this.#alone(async () => {
      if (this.isSealed) return
      await this.inTransaction((tx) => tx.audit({ kind: 'vault.sealed', actor, sessions }))
      await this.#wipe()
    })
  }

  /** Runs `act` in one transaction (`runTransaction`): rows, guards and audit entries together or not at all. */
  inTransaction<T>(act: (tx: Tx) => Promise<T>): Promise<T> {
    const running = runTransaction(
      {
        database: this.#database,
        clock: this.clock,
        skippedSince: this.#options.skippedSince ?? (() => 0),
        unsealed: () => this.#unsealed,
        onCommit: ({ audit, guards }) => {
          if (audit) this.#unsealed?.sequencer.wake()
          if (guards) this.#unsealed?.local.touch()
        },
      },
      act,
    )
    this.#running.add(running)
    const over = () => this.#running.delete(running)
    running.then(over, over)
    return running
  }

  /** The 32 bytes of one purpose, derived from the root. Borrowed: they are wiped when the vault is sealed. */
  purposeKey(purpose: Purpose): Uint8Array {
    return this.#open().keyring.purposeKey(purpose)
  }

  /** Which root key this is: it counts up with each exchange. */
  get rootVersion(): number {
    return this.#open().keyring.rootVersion
  }

  /** Opens what was sealed to the intake key. */
  openIntake(sealed: Uint8Array): Outcome<Secret> {
    return this.#open().keyring.intake.open(sealed)
  }

  /** Checks of rows read outside a transaction; inside, `tx.guard` knows better what may be seen. */
  readonly guard = {
    check: (table: GuardedTable, row: GuardedRow & Stamp): void => this.#open().guard.check(table, row),
    checkAbsent: (table: GuardedTable, row: GuardedRow): void => this.#open().guard.checkAbsent(table, row),
    checkWhole: (table: GuardedTable, rows: readonly GuardedRow[]): void =>
      this.#open().guard.checkWhole(table, rows),
  }

  /** The latest signed checkpoint of the audit log, as text; empty while there is none or the vault is sealed. */
  get auditCheckpoint(): string {
    return this.#unsealed?.sequencer.checkpoint ?? ''
  }

  /** Entries in the log's order. What has committed by now is in it, unless the vault is sealed. */
  async listAudit(options: ListOptions): Promise<readonly AuditLeafView[]> {
    await this.sequenceNow()
    return await listEntries(this.#database, options)
  }

  /** Entries by what they are about. Throws `Fault('audit')` where index and log do not agree. */
  async findAudit(options: FindOptions): Promise<Found> {
    await this.sequenceNow()
    return await findEntries({ db: this.#database, keyring: this.#open().keyring }, options)
  }

  /** Undefined once every entry can be found; waits for that a moment. */
  async auditFilling(): Promise<Filling | undefined> {
    await this.#index.settled(indexPatienceMs)
    return this.#index.filling
  }

  /** Forgets by what the log is searched, and makes it anew. */
  async reindexAudit(): Promise<void> {
    await this.sequenceNow()
    await this.#index.stop()
    await this.#database.deleteFrom('audit_index').execute()
    // What was given its place meanwhile has its row, or is made like the others.
    this.#fillIndex(this.#open().sequencer.size)
  }

  /** The leaves of these numbers, with what proves that the log's last signed checkpoint covers them. */
  async proveAudit(seqs: readonly number[]): Promise<VerbAnswers['audit.prove']> {
    const { consistency: _unasked, ...proven } = await this.proveEvidence(seqs, 0)
    return proven
  }

  /** The same, and what proves that the log begins with its first `from` entries. */
  async proveEvidence(seqs: readonly number[], from: number): ReturnType<typeof proveLeaves> {
    await this.sequenceNow()
    return await proveLeaves(this.#database, await this.#auditKey(), seqs, from)
  }

  async verifyAudit(): Promise<AuditVerdict> {
    await this.sequenceNow()
    const isWhole = this.#index.filling === undefined
    return await verifyStored(this.#database, this.#witness, await this.#auditKey(), isWhole)
  }

  async exportAudit(from: number, limit: number): Promise<VerbAnswers['audit.export']> {
    await this.sequenceNow()
    return await exportPage(this.#database, await this.#auditKey(), from, limit)
  }

  /** Gives everything that has committed its place in the log; does nothing while the vault is sealed. */
  async sequenceNow(): Promise<void> {
    await this.#unsealed?.sequencer.drain()
  }

  /** Stops as the process is about to: like sealing, without an entry. */
  async close(): Promise<void> {
    await this.#alone(async () => {
      if (this.#isClosed) return
      this.#isClosed = true
      try {
        await this.#wipe()
      } finally {
        await this.#witness.close()
        await this.#fence[Symbol.asyncDispose]()
        await this.#database.destroy()
      }
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #verified(
    keyring: Keyring,
    known: { readonly id: string; readonly intake_key: Uint8Array; readonly audit_key: Uint8Array },
  ): Promise<{ readonly unsealed: Unsealed; readonly finding: string | undefined }> {
    // SECURITY: while the vault was sealed, the public keys that it showed came from the database.
    if (
      !sameBytes(known.intake_key, keyring.intake.publicKey) ||
      !sameBytes(known.audit_key, keyring.auditKey.publicKey)
    )
      throw new Fault('forged_row', 'the public keys of the installation are not this vault’s')
    const state = await readLocalState(this.#options.dataDir, keyring)
    const memory: GuardMemory = 'guards' in state ? state.guards : {}
    const guard = new Guard(keyring, this.#shapes)
    const rows = await this.#database
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute((db) => loadGuards(db, guard, this.#shapes, memory))
    const seals = await verifySealSet(this.#database, keyring, memory)
    const { sequencer, finding } = await Sequencer.open(this.#sequencerPorts(), keyring)
    const findings = ['finding' in state ? state.finding : undefined, rows, seals.finding, finding]
    const all = findings.filter((one) => one !== undefined).join('; ')
    const unsealed = { keyring, guard, sequencer, sealSet: seals.set }
    return {
      unsealed: Object.assign(unsealed, { local: this.#localState(unsealed) }),
      finding: all === '' ? undefined : all,
    }
  }

  /**
   * Brings the seals of an older version to the present: writes the row of the first root key, and the public half of
   * the wrap that has just opened, so that it follows when the root key is exchanged.
   */
  async #adopt(tx: Tx, keyring: Keyring, isFirst: boolean, wrap: string, box: Uint8Array): Promise<SealSet> {
    if (isFirst)
      await tx.db
        .insertInto('root_key')
        .values(rootKeyRow(1, keyring.root, keyring.base, undefined, keyring.installation, this.clock()))
        .execute()
    await tx.db
      .updateTable('seal_wrap')
      .set({ box_key: box })
      .where('id', '=', wrap)
      .where('box_key', 'is', null)
      .execute()
    return await writeSealSet(tx.db, keyring)
  }

  async #wipe(): Promise<void> {
    const unsealed = this.#unsealed
    if (unsealed === undefined) return
    const stopped = Promise.all([this.rotations.stop(), this.#index.stop()])
    this.#unsealed = undefined
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, sealPatienceMs)
    })
    await Promise.race([Promise.allSettled([stopped, ...this.#running]), patience])
    clearTimeout(timer)
    try {
      await unsealed.sequencer.stop()
      await unsealed.local.flush()
    } catch (error) {
      // The keys go, whatever the disk says; entries that are not yet in the log wait for the next unseal.
      this.#onFault(error)
    } finally {
      unsealed.keyring[Symbol.dispose]()
    }
  }

  #localState(of: Pick<Unsealed, 'keyring' | 'guard' | 'sealSet'>): LocalState {
    const memory = (): GuardMemory => {
      const known: [string, { readonly counter: number; readonly mac: Uint8Array }][] = [...of.guard.tables]
      if (of.sealSet !== undefined) known.push([sealSetName, of.sealSet])
      return Object.fromEntries(
        known.map(([name, { counter, mac }]) => [name, { counter, mac: Buffer.from(mac).toString('hex') }]),
      )
    }
    return new LocalState(this.#options.dataDir, of.keyring, memory, this.#onFault)
  }

  #fillIndex(size: number): void {
    this.#index.start(
      size,
      (rows) =>
        this.inTransaction((tx) => tx.audit({ kind: 'audit.indexed', actor: { kind: 'vault' }, rows })),
      this.#onFault,
    )
  }

  #sequencerPorts() {
    return {
      database: this.#database,
      witness: this.#witness,
      clock: this.clock,
      onFault: this.#onFault,
      mayRun: () => this.#fence.isHeld,
    }
  }

  #installation() {
    return this.#database.selectFrom('installation').selectAll().executeTakeFirst()
  }

  async #auditKey(): Promise<Uint8Array> {
    if (this.#unsealed !== undefined) return this.#unsealed.keyring.auditKey.publicKey
    const known = await this.#installation()
    if (known === undefined) throw new Fault('closed', 'this vault is not initialised')
    return known.audit_key
  }

  #open(): Unsealed {
    if (this.#unsealed === undefined) throw new Fault('closed', 'the vault is sealed')
    return this.#unsealed
  }

  /** Initialising, unsealing, sealing and closing happen one after another. */
  #alone<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#lifecycle.then(act, act)
    this.#lifecycle = mine
    return mine
  }
}
