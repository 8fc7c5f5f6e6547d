import type { Kysely } from 'kysely'
import type { Actor } from '../audit/entry.ts'
import { actorText } from '../audit/describe.ts'
import { Key } from '../crypto/key.ts'
import type { Database } from '../db/tables.ts'
import { newId, type SafeId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { sqlState } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Keyring } from './keyring.ts'
import { rewrapDataKeys, rewrapSafeKeys } from './rewrap.ts'
import { lockRoot, rootKeyRow } from './root-key.ts'
import { sealNouns } from './seal-provider.ts'
import { rewrap } from './seal-wrap.ts'
import type { Seals } from './seals.ts'
import { wrapSafeKey } from './secret-store.ts'

export type RotationPorts = {
  readonly database: Kysely<Database>
  /** Throws while the vault is sealed. */
  readonly unsealed: () => { readonly keyring: Keyring }
  readonly inTransaction: <T>(act: (tx: Tx) => Promise<T>) => Promise<T>
  readonly seals: Seals
  readonly onFault: (fault: unknown) => void
}

/** A key that is exchanged: the root, or that of a safe. */
export type Exchanged =
  | { readonly what: 'root' }
  | { readonly what: 'safe'; readonly safe: string; readonly name: string }

export type Rotation = {
  readonly id: string
  readonly what: 'root' | 'safe'
  readonly safe: string
  readonly version: number
  readonly total: number
  readonly done: number
  readonly startedBy: string
  readonly startedAt: Date
  readonly finishedAt: Date | null
  /** It goes on by itself in this process. Otherwise it waits for the next unsealing. */
  readonly running: boolean
}

/** Milliseconds for which a root key that nothing uses any more is kept for who has just read what it wrapped. */
const graceMs = 30_000

/**
 * Exchanges keys while everything goes on. The next key is there first, then what lies under the old one is wrapped
 * anew in batches, then the old one goes. Payloads are not touched.
 *
 * INVARIANT: every key that anything is wrapped by can be opened, at each moment: a crash costs the rest of the work,
 * which goes on at the next unsealing.
 */
export class Rotations {
  readonly #ports: RotationPorts
  readonly #going = new Map<string, Promise<void>>()
  #stopping = false

  constructor(ports: RotationPorts) {
    this.#ports = ports
  }

  /** Begins to exchange a key. It goes on in the background; `settled` waits for it. */
  async start(of: Exchanged, actor: Actor): Promise<Outcome<Rotation>> {
    const begun = of.what === 'root' ? await this.#beginRoot(actor) : await this.#beginSafe(of, actor)
    if (!begun.ok) return begun
    this.#go(begun.value)
    return done({ ...begun.value, running: true })
  }

  /** What would hinder an exchange, or how many keys it would wrap anew. Changes nothing; audited. */
  async rehearse(of: Exchanged, actor: Actor): Promise<Outcome<{ readonly total: number }>> {
    const { database, seals, inTransaction } = this.#ports
    const versions =
      of.what === 'root'
        ? await database.selectFrom('root_key').select('version').execute()
        : await database.selectFrom('safe_key').select('version').where('safe', '=', of.safe).execute()
    if (versions.length > 1) return goesOn(of)
    if (of.what === 'root')
      for (const { kind, followsRotation } of await seals.list())
        if (!followsRotation) return cannotFollow(kind)
    return await inTransaction(async (tx) => {
      const total = of.what === 'root' ? await countOf(tx.db) : await countIn(tx.db, of.safe)
      const safeName = of.what === 'safe' ? of.name : ''
      await tx.audit({ kind: 'keys.rotation-rehearsed', actor, what: of.what, safeName, total })
      return done({ total })
    })
  }

  /** Goes on with what was interrupted: called when the vault has been unsealed. */
  async resume(): Promise<void> {
    this.#stopping = false
    for (const rotation of await this.list()) if (rotation.finishedAt === null) this.#go(rotation)
  }

  /** The latest exchanges, newest first. */
  async list(): Promise<readonly Rotation[]> {
    const rows = await this.#ports.database
      .selectFrom('key_rotation')
      .selectAll()
      .orderBy('started_at', 'desc')
      .orderBy('id', 'desc')
      .limit(50)
      .execute()
    return rows.map((row) => ({
      id: row.id,
      what: row.what,
      safe: row.safe,
      version: row.to_version,
      total: row.total,
      done: row.done,
      startedBy: row.started_by,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      running: this.#going.has(row.id),
    }))
  }

  /** Waits until nothing is exchanged any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#going.values()])
  }

  /** Stops after the present batch: the vault is about to be sealed. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.settled()
  }

  async #beginRoot(actor: Actor): Promise<Outcome<Rotation>> {
    let next: Key | undefined
    const begun = await this.#ports.seals.change(async (tx, keyring): Promise<Outcome<Rotation>> => {
      next?.[Symbol.dispose]()
      next = Key.random()
      const version = keyring.rootVersion + 1
      const rows = await tx.db.selectFrom('root_key').select('version').execute()
      if (rows.length > 1) return goesOn({ what: 'root' })
      const wraps = await tx.db.selectFrom('seal_wrap').selectAll().execute()
      for (const wrap of wraps) {
        const wrapped = rewrap(wrap, { key: next, version }, keyring.installation)
        if (wrapped === undefined) return cannotFollow(wrap.kind)
        const { envelope, key_box, root_version } = wrapped
        await tx.db
          .updateTable('seal_wrap')
          .set({ envelope, key_box, root_version })
          .where('id', '=', wrap.id)
          .execute()
      }
      await tx.db
        .insertInto('root_key')
        .values(rootKeyRow(version, next, keyring.base, keyring.root, keyring.installation, tx.now))
        .execute()
      return done(await begin(tx, { what: 'root' }, version, await countOf(tx.db), actor))
    })
    if (next !== undefined && begun.ok) this.#ports.unsealed().keyring.addRoot(begun.value.version, next)
    else next?.[Symbol.dispose]()
    return begun
  }

  #beginSafe(of: Exchanged & { readonly what: 'safe' }, actor: Actor): Promise<Outcome<Rotation>> {
    const { keyring } = this.#ports.unsealed()
    return this.#ports.inTransaction(async (tx): Promise<Outcome<Rotation>> => {
      const rows = await tx.db
        .selectFrom('safe_key')
        .select('version')
        .where('safe', '=', of.safe)
        .orderBy('version')
        .forUpdate()
        .execute()
      if (rows.length > 1) return goesOn(of)
      const version = (rows[0]?.version ?? 0) + 1
      using key = Key.random()
      const root_version = await lockRoot(tx.db, keyring)
      await tx.db
        .insertInto('safe_key')
        .values({
          safe: of.safe,
          version,
          envelope: wrapSafeKey(keyring, of.safe, version, key, root_version),
          root_version,
          created_at: tx.now,
        })
        .execute()
      return done(await begin(tx, of, version, await countIn(tx.db, of.safe), actor))
    })
  }

  #go(rotation: Rotation): void {
    if (this.#going.has(rotation.id)) return
    const going = this.#run(rotation)
      .catch((fault: unknown) => this.#ports.onFault(fault))
      .finally(() => this.#going.delete(rotation.id))
    this.#going.set(rotation.id, going)
  }

  async #run(rotation: Rotation): Promise<void> {
    const { keyring } = this.#ports.unsealed()
    const batches =
      rotation.what === 'root'
        ? rewrapSafeKeys(this.#ports, keyring, rotation.id)
        : rewrapDataKeys(this.#ports, keyring, rotation.id, rotation.safe, rotation.version)
    while (!this.#stopping) {
      const { done: isDone } = await batches.next()
      if (isDone !== true) continue
      const finished =
        rotation.what === 'root' ? await this.#finishRoot(rotation) : await this.#finishSafe(rotation)
      if (finished) return
      // Something was wrapped by the old key meanwhile: once more.
      return await this.#run(rotation)
    }
  }

  /** Takes the old root key away, unless something still lies under it. */
  async #finishRoot(rotation: Rotation): Promise<boolean> {
    const { keyring } = this.#ports.unsealed()
    const finished = await this.#ports.seals
      .change(async (tx): Promise<Outcome<null>> => {
        // Waits for who is about to wrap a new safe's key by the old root (`lockRoot`).
        await tx.db.deleteFrom('root_key').where('version', '<', rotation.version).execute()
        const left = await tx.db
          .selectFrom('safe_key')
          .select('safe')
          .where('root_version', '<', rotation.version)
          .executeTakeFirst()
        if (left !== undefined) throw new StillUsed()
        await tx.db
          .updateTable('root_key')
          .set({ previous: null })
          .where('version', '=', rotation.version)
          .execute()
        await end(tx, rotation, '')
        return done(null)
      })
      .catch((error: unknown) => {
        if (error instanceof StillUsed) return undefined
        throw error
      })
    if (finished?.ok !== true) return false
    setTimeout(() => keyring.dropRoot(rotation.version - 1), graceMs).unref()
    return true
  }

  /** Takes the old key of a safe away. The database refuses while a data key lies under it. */
  async #finishSafe(rotation: Rotation): Promise<boolean> {
    try {
      await this.#ports.inTransaction(async (tx) => {
        await tx.db
          .deleteFrom('safe_key')
          .where('safe', '=', rotation.safe)
          .where('version', '<', rotation.version)
          .execute()
        const safe = await tx.db
          .selectFrom('safe')
          .select('name')
          .where('id', '=', rotation.safe as SafeId)
          .executeTakeFirst()
        await end(tx, rotation, safe?.name ?? rotation.safe)
      })
      return true
    } catch (error) {
      if (sqlState(error) === '23503') return false
      throw error
    }
  }
}

/** Undoes the transaction that would have taken a key away too early. */
class StillUsed extends Error {}

function cannotFollow(kind: keyof typeof sealNouns): Outcome<never> {
  return refuse(
    'conflict',
    `the ${sealNouns[kind]} was made by a version that could not exchange root keys`,
    kind === 'recovery'
      ? 'make a new one: tagout keys recovery-key --recovery-out FILE'
      : 'unseal the vault by it once, or take it away: tagout keys remove',
  )
}

async function countOf(db: Kysely<Database>): Promise<number> {
  const { total } = await db
    .selectFrom('safe_key')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  return Number(total)
}

/** Data keys that lie under the key of a safe. */
async function countIn(db: Kysely<Database>, safe: string): Promise<number> {
  const { total } = await db
    .selectFrom('secret_key')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .where('safe', '=', safe)
    .executeTakeFirstOrThrow()
  return Number(total)
}

function goesOn(of: Exchanged): Outcome<never> {
  const key = of.what === 'root' ? 'the root key' : `the key of safe ${of.name}`
  return refuse('conflict', `${key} is being exchanged already`, 'tagout keys status')
}

async function begin(tx: Tx, of: Exchanged, version: number, total: number, actor: Actor): Promise<Rotation> {
  const row = {
    id: newId('rot', tx.now.getTime()),
    what: of.what,
    safe: of.what === 'safe' ? of.safe : '',
    to_version: version,
    total,
    started_by: actorText(actor),
    started_at: tx.now,
  }
  await tx.db.insertInto('key_rotation').values(row).execute()
  const safeName = of.what === 'safe' ? of.name : ''
  await tx.audit({ kind: 'keys.rotation-started', actor, what: of.what, safeName, version, total })
  return {
    id: row.id,
    what: row.what,
    safe: row.safe,
    version,
    total,
    done: 0,
    startedBy: row.started_by,
    startedAt: tx.now,
    finishedAt: null,
    running: true,
  }
}

async function end(tx: Tx, { id, what, version, total }: Rotation, safeName: string): Promise<void> {
  await tx.db.updateTable('key_rotation').set({ finished_at: tx.now }).where('id', '=', id).execute()
  await tx.audit({
    kind: 'keys.rotation-finished',
    actor: { kind: 'vault' },
    what,
    safeName,
    version,
    total,
  })
}
