import { timingSafeEqual } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import type { Keyring } from '../keys/keyring.ts'
import { entryMac } from './append.ts'
import { originOf, signCheckpoint } from './checkpoint.ts'
import { compareWitness, type Head, type LogKey, readHead } from './head.ts'
import { indexRow } from './index-row.ts'
import { leafBytes } from './leaf.ts'
import { insertIndex } from './stored-index.ts'
import { levelStep } from './stored-tree.ts'
import { leafHash, type Node } from './tree.ts'
import type { FileWitness } from './witness.ts'

/** Milliseconds between batches at most while there is something to sequence. */
const batchMs = 250
/** Milliseconds after which it looks by itself, should a wake have been lost. */
const idleMs = 2_000
const batchEntries = 5_000
/** Ordinals before `settled` that are looked at again: cheap, and forgives an insert that was slow to begin. */
const marginOrdinals = 1_000

export type SequencerPorts = {
  readonly database: Kysely<Database>
  readonly witness: FileWitness
  readonly clock: () => Date
  readonly onFault: (fault: unknown) => void
  /** False while another vault might be on the database: nothing is sequenced then. */
  readonly mayRun: () => boolean
}

/** A moment in the order of entries: transactions that begin after `xmax` make entries after `ordinal`. */
type Marker = { readonly xmax: bigint; readonly ordinal: number }

/**
 * Gives entries their place in the log: number, chain, tree, signature, witness.
 *
 * INVARIANT: leaves, their rows of the index and the checkpoint over them commit together. A leaf that no checkpoint covers was not made here.
 */
export class Sequencer {
  readonly #ports: SequencerPorts
  readonly #keyring: Keyring
  #head: Head
  #settled: number
  #marker: Marker | undefined
  #timer: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined
  #lastBatch = 0
  #running: Promise<void> = Promise.resolve()
  #stopped = false
  #unwitnessed: string | undefined
  /** Leaves known to have committed. */
  #committed: number
  /** The head may be ahead of the database: a commit failed, and nobody knows how far it got. */
  #inDoubt = false

  private constructor(ports: SequencerPorts, keyring: Keyring, head: Head) {
    this.#ports = ports
    this.#keyring = keyring
    this.#head = head
    this.#settled = head.settled
    this.#committed = head.frontier.size
  }

  /**
   * Reads where the log ends and compares it with the witness. `finding` is what the witness has against it: the
   * caller decides whether to go on. Nothing is sequenced before `start`.
   */
  static async open(
    ports: SequencerPorts,
    keyring: Keyring,
  ): Promise<{ readonly sequencer: Sequencer; readonly finding: string | undefined }> {
    const key = logKey(keyring)
    const head = await readHead(ports.database, key)
    const finding = await compareWitness(ports.database, ports.witness, key, head.frontier.size)
    return { sequencer: new Sequencer(ports, keyring, head), finding }
  }

  start(): void {
    this.#idle = setInterval(() => this.wake(), idleMs)
    this.#idle.unref()
    this.wake()
  }

  /** The latest signed checkpoint as text; empty while the log is. */
  get checkpoint(): string {
    return this.#head.checkpoint
  }

  get size(): number {
    return this.#committed
  }

  /** Says that an entry has committed. */
  wake(): void {
    if (this.#stopped || this.#timer !== undefined) return
    const wait = Math.max(0, this.#lastBatch + batchMs - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.drain().catch(this.#ports.onFault)
    }, wait)
  }

  /** Sequences everything that has committed by now. */
  drain(): Promise<void> {
    const mine = this.#running.then(
      () => this.#run(),
      () => this.#run(),
    )
    this.#running = mine
    return mine
  }

  /** Sequences what is left and stops. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#idle)
    await this.drain()
  }

  /** Stops without another word to the database. */
  async abandon(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#idle)
    await this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    this.#lastBatch = performance.now()
    if (!this.#ports.mayRun()) return
    if (this.#inDoubt) await this.#reload()
    while ((await this.#batch()) === batchEntries);
    // After the commit: a witness must never have seen what the database then lost.
    if (this.#unwitnessed !== undefined) await this.#ports.witness.append(this.#unwitnessed)
    this.#unwitnessed = undefined
  }

  async #reload(): Promise<void> {
    const head = await readHead(this.#ports.database, logKey(this.#keyring))
    const size = head.frontier.size
    if (size < this.#committed)
      throw new Fault('audit', `the audit log went back from ${this.#committed} entries to ${size}`)
    if (size > this.#committed) this.#unwitnessed = head.checkpoint
    this.#head = head
    this.#committed = size
    this.#marker = undefined
    this.#inDoubt = false
  }

  async #batch(): Promise<number> {
    const db = this.#ports.database
    // In this order: ordinals given out, then transactions that may still use them, then what has committed.
    const given = await sql<{ last_value: number }>`select last_value from audit_entry_ordinal_seq`.execute(
      db,
    )
    const snapshot = await sql<{ xmin: string; xmax: string }>`
      select pg_snapshot_xmin(s)::text as xmin, pg_snapshot_xmax(s)::text as xmax
      from pg_current_snapshot() as s`.execute(db)
    const rows = await db
      .selectFrom('audit_entry as entry')
      .select(['entry.id', 'entry.body', 'entry.mac'])
      .where('entry.ordinal', '>', this.#settled - marginOrdinals)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb.selectFrom('audit_leaf as leaf').select('leaf.seq').whereRef('leaf.entry', '=', 'entry.id'),
          ),
        ),
      )
      .orderBy('entry.ordinal')
      .limit(batchEntries)
      .execute()
    if (rows.length < batchEntries) this.#settle(snapshot.rows[0], given.rows[0]?.last_value ?? this.#settled)
    if (rows.length > 0) await this.#commit(rows)
    return rows.length
  }

  /** All transactions that could hold an ordinal before the marker are over, and their entries were just read. */
  #settle(snapshot: { readonly xmin: string; readonly xmax: string } | undefined, given: number): void {
    if (snapshot === undefined) return
    if (this.#marker !== undefined && BigInt(snapshot.xmin) < this.#marker.xmax) return
    if (this.#marker !== undefined) this.#settled = this.#marker.ordinal
    this.#marker = { xmax: BigInt(snapshot.xmax), ordinal: given }
  }

  async #commit(
    rows: readonly { readonly id: Uint8Array; readonly body: Uint8Array; readonly mac: Uint8Array | null }[],
  ): Promise<void> {
    const { frontier } = this.#head
    this.#inDoubt = true
    let { last } = this.#head
    const seqs: number[] = []
    const unprovens: boolean[] = []
    const hashes: Uint8Array[] = []
    const nodes: Node[] = []
    for (const { id, body, mac } of rows) {
      const seq = frontier.size
      const unproven = mac === null || !timingSafeEqual(mac, entryMac(this.#keyring, id, body))
      last = leafHash(leafBytes(seq, last, body, unproven))
      seqs.push(seq)
      unprovens.push(unproven)
      hashes.push(last)
      for (const node of frontier.add(last))
        if (node.level > 0 && node.level % levelStep === 0) nodes.push(node)
    }
    const checkpoint = signCheckpoint(this.#keyring.auditKey, {
      origin: originOf(this.#keyring.installation),
      size: frontier.size,
      root: frontier.root(),
      time: this.#ports.clock().toISOString(),
    })
    await this.#ports.database.transaction().execute(async (tx) => {
      const ids = rows.map((row) => row.id)
      await sql`
        insert into audit_leaf (seq, entry, unproven, hash)
        select * from unnest(${seqs}::bigint[], ${ids}::bytea[], ${unprovens}::boolean[], ${hashes}::bytea[])`.execute(
        tx,
      )
      await insertIndex(
        tx,
        rows.map(({ body }, at) => indexRow(seqs[at] ?? 0, body)),
      )
      if (nodes.length > 0) await tx.insertInto('audit_node').values(nodes).execute()
      await tx
        .insertInto('audit_checkpoint')
        .values({ size: frontier.size, body: checkpoint, settled: this.#settled })
        .execute()
    })
    this.#head = { frontier, last, checkpoint, settled: this.#settled }
    this.#committed = frontier.size
    this.#inDoubt = false
    this.#unwitnessed = checkpoint
  }
}

function logKey(keyring: Keyring): LogKey {
  return { installation: keyring.installation, publicKey: keyring.auditKey.publicKey }
}
