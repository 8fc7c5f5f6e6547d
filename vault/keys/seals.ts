import type { Kysely } from 'kysely'
import type { Actor } from '../audit/entry.ts'
import type { PassphraseCosts } from '../crypto/passphrase.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Tx } from '../transaction.ts'
import { type CustodianParameters, custodiansOf } from './custodians.ts'
import type { Keyring } from './keyring.ts'
import type { LocalState } from './local-state.ts'
import { openRoots } from './root-key.ts'
import {
  newSealKey,
  opensByItself,
  outsideOf,
  pinOf,
  type SealProvider,
  sealNouns,
  storedPath,
  type Unsealing,
  unwrapRoot,
} from './seal-provider.ts'
import { type SealSet, sealSetName, verifySealSet, writeSealSet } from './seal-set.ts'
import { makeWrap, openWrap, type Wrap } from './seal-wrap.ts'
import { examineToken, type SealerSettings } from './sealers.ts'

/** What changes of the seals need of the open vault. `sealSet` is set to what was last written. */
export type OpenSeals = {
  readonly keyring: Keyring
  readonly local: LocalState
  sealSet: SealSet | undefined
}

export type SealPorts = {
  readonly database: Kysely<Database>
  /** Throws while the vault is sealed. */
  readonly unsealed: () => OpenSeals
  readonly isSealed: () => boolean
  readonly inTransaction: <T>(act: (tx: Tx) => Promise<T>) => Promise<T>
  readonly costs: PassphraseCosts | undefined
  readonly sealers: SealerSettings
}

/** A way to unseal, for people: nothing of it is secret. */
export type Seal = {
  readonly id: string
  readonly kind: Wrap['kind']
  readonly createdAt: Date
  /** Can the next root key be wrapped for it without it? */
  readonly followsRotation: boolean
  readonly path: string | undefined
  readonly outside: string | undefined
  readonly byItself: boolean
  readonly custodians: CustodianParameters | undefined
}

/**
 * The ways to unseal the vault: each wraps the root key by itself. Adding, changing and taking away needs the open
 * vault, which checks first that nobody else has changed them.
 */
export class Seals {
  readonly #ports: SealPorts

  constructor(ports: SealPorts) {
    this.#ports = ports
  }

  /** All ways to unseal, what one opens a vault with before what is kept for bad days. */
  async list(): Promise<readonly Seal[]> {
    const rows = await this.#ports.database
      .selectFrom('seal_wrap')
      .selectAll()
      .orderBy((eb) => eb('kind', '=', 'recovery'))
      .orderBy('created_at')
      .orderBy('id')
      .execute()
    return rows.map(sealOf)
  }

  /**
   * Adds a way to unseal. With `replaces`, the ways of the same kind are taken away with it: whoever holds their
   * keys, files or shares opens nothing with them from then on, but copies of the database from before.
   */
  async add(provider: SealProvider, actor: Actor, replaces: boolean): Promise<Outcome<Seal>> {
    // Before the transaction: a token may take its time, and makes one key only.
    const { installation } = this.#ports.unsealed().keyring
    const given = await newSealKey(provider, installation, this.#ports.costs, this.#ports.sealers)
    if (!given.ok) return given
    using key = given.value.key
    const { parameters } = given.value
    return await this.change(async (tx, keyring) => {
      const root = { key: keyring.root, version: keyring.rootVersion }
      const wrapped = makeWrap(provider.kind, parameters, key, root, installation, tx.now)
      const before = await tx.db
        .selectFrom('seal_wrap')
        .select(['id', 'kind', 'parameters'])
        .where('kind', '=', provider.kind)
        .execute()
      if (replaces && before.length > 0)
        await tx.db
          .deleteFrom('seal_wrap')
          .where(
            'id',
            'in',
            before.map(({ id }) => id),
          )
          .execute()
      await tx.db.insertInto('seal_wrap').values(wrapped).execute()
      const { id, kind } = wrapped
      await tx.audit({
        kind: 'seal.added',
        actor,
        seal: id,
        provider: kind,
        detail: detailOf(wrapped),
        replaced: replaces ? before.map(detailOf) : [],
      })
      return done(sealOf(wrapped))
    })
  }

  /** Tries what is outside of the vault, a token or a plug-in, as for a new way to unseal, and changes nothing. */
  async rehearseAdding(provider: SealProvider, actor: Actor): Promise<Outcome<null>> {
    const { sealers } = this.#ports
    const { installation } = this.#ports.unsealed().keyring
    const tried = await tryOutside(provider, installation, sealers)
    if (!tried.ok) return tried
    await this.#ports.inTransaction((tx) =>
      tx.audit({ kind: 'seal.rehearsed', actor, seal: '', provider: `${provider.kind}, before it is added` }),
    )
    return tried
  }

  /** Shows that a new way of this kind would open the root key: makes it, opens the key by it, forgets it. Audited. */
  async rehearseExchange(provider: SealProvider, actor: Actor): Promise<Outcome<null>> {
    const { database, costs, sealers } = this.#ports
    const open = this.#ports.unsealed()
    await this.#verify(database, open)
    const { keyring } = open
    const given = await newSealKey(provider, keyring.installation, costs, sealers)
    if (!given.ok) return given
    using key = given.value.key
    const root = { key: keyring.root, version: keyring.rootVersion }
    const { kind } = provider
    const wrap = makeWrap(kind, given.value.parameters, key, root, keyring.installation, new Date())
    using opened = openWrap(wrap, key, keyring.installation)
    if (opened === undefined || !Buffer.from(opened.id).equals(Buffer.from(keyring.root.id)))
      throw new Fault('internal', `a new ${sealNouns[kind]} does not open the root key`)
    await this.#ports.inTransaction((tx) =>
      tx.audit({
        kind: 'seal.rehearsed',
        actor,
        seal: '',
        provider: `a new ${sealNouns[kind]}, before it is exchanged`,
      }),
    )
    return done(null)
  }

  /** Takes a way to unseal away; never the last, nor the recovery key. `rehearsal`: says only whether it could be. */
  remove(id: string, actor: Actor, rehearsal: boolean): Promise<Outcome<Seal>> {
    return this.change(async (tx) => {
      const wraps = await tx.db.selectFrom('seal_wrap').selectAll().execute()
      const gone = wraps.find((wrap) => wrap.id === id)
      if (gone === undefined) return refuse('not_found', 'there is no such way to unseal', 'tagout keys list')
      if (gone.kind === 'recovery')
        return refuse(
          'conflict',
          'the recovery key is the way back when all others are lost: it is not taken away',
          'exchange it: tagout keys recovery-key --recovery-out FILE',
        )
      if (!wraps.some((wrap) => wrap.kind !== 'recovery' && wrap.id !== id))
        return refuse(
          'conflict',
          `the ${sealNouns[gone.kind]} is the last way to unseal this vault but its recovery key`,
          'add another one first: tagout keys add, or tagout custody init',
        )
      if (rehearsal) return done(sealOf(gone))
      await tx.db.deleteFrom('seal_wrap').where('id', '=', id).execute()
      await tx.audit({
        kind: 'seal.removed',
        actor,
        seal: id,
        provider: gone.kind,
        detail: detailOf(gone),
      })
      return done(sealOf(gone))
    })
  }

  /** Proves that a way to unseal opens this vault's root key, and changes nothing. Audited. */
  async rehearse(how: Unsealing, actor: Actor): Promise<Outcome<null>> {
    const { database } = this.#ports
    const known = await database.selectFrom('installation').select('id').executeTakeFirst()
    if (known === undefined)
      return refuse('not_initialised', 'this vault is not initialised', 'npm start sets it up')
    if (!this.#ports.isSealed()) await this.#verify(database, this.#ports.unsealed())
    const wraps = await database.selectFrom('seal_wrap').selectAll().execute()
    const roots = await database.selectFrom('root_key').selectAll().execute()
    const opened = await unwrapRoot(wraps, how, known.id, this.#ports.sealers)
    if (!opened.ok) {
      await this.#ports.inTransaction((tx) =>
        tx.audit({ kind: 'vault.unseal-refused', actor, provider: `${how.kind}, in a rehearsal` }),
      )
      return opened
    }
    const { root, key, wrap } = opened.value
    key[Symbol.dispose]()
    const all = openRoots(roots, root, known.id)
    if (all === undefined) {
      root[Symbol.dispose]()
      return exchanged(wrap)
    }
    for (const one of [all.base, ...all.roots.values()]) one[Symbol.dispose]()
    await this.#ports.inTransaction((tx) =>
      tx.audit({ kind: 'seal.rehearsed', actor, seal: wrap.id, provider: wrap.kind }),
    )
    return done(null)
  }

  /**
   * Changes the seals in one transaction.
   *
   * INVARIANT: what is there is checked before anything is written: the MAC over what is there afterwards vouches for
   * all of it.
   */
  async change<T>(act: (tx: Tx, keyring: Keyring) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const open = this.#ports.unsealed()
    let written: SealSet | undefined
    const outcome = await this.#ports.inTransaction(async (tx) => {
      written = undefined
      await tx.db.selectFrom('seal_set').select('generation').forUpdate().execute()
      await this.#verify(tx.db, open)
      const result = await act(tx, open.keyring)
      if (result.ok) written = await writeSealSet(tx.db, open.keyring)
      return result
    })
    if (written !== undefined) {
      open.sealSet = written
      await open.local.flush()
    }
    return outcome
  }

  async #verify(db: Kysely<Database>, { keyring, sealSet }: OpenSeals): Promise<void> {
    const memory =
      sealSet === undefined
        ? {}
        : { [sealSetName]: { counter: sealSet.counter, mac: Buffer.from(sealSet.mac).toString('hex') } }
    const { finding } = await verifySealSet(db, keyring, memory)
    if (finding !== undefined) throw new Fault('rolled_back_row', finding)
  }
}

/** What is said of a wrap that opens a root key which is no longer this vault's. */
export function exchanged(wrap: Pick<Wrap, 'kind'>): Outcome<never> {
  return refuse(
    'unauthenticated',
    `that ${sealNouns[wrap.kind]} opened a root key that was exchanged since`,
    'unseal by a way of now: tagout status names them; find out who put an old one back',
  )
}

function sealOf(wrap: Wrap): Seal {
  return {
    id: wrap.id,
    kind: wrap.kind,
    createdAt: wrap.created_at,
    followsRotation: wrap.box_key !== null,
    path: storedPath(wrap),
    outside: outsideOf(wrap),
    byItself: opensByItself(wrap),
    custodians: custodiansOf(wrap),
  }
}

async function tryOutside(
  provider: SealProvider,
  installation: string,
  sealers: SealerSettings,
): Promise<Outcome<null>> {
  if (provider.kind === 'pkcs11') {
    const pin = await pinOf(provider.pin, provider.pinFile)
    if (!pin.ok) return pin
    using given = pin.value
    return await examineToken(sealers, provider, given)
  }
  if (provider.kind !== 'plug-in')
    return refuse(
      'invalid',
      'only a token or a plug-in can be tried before it is added',
      'leave --dry-run out',
    )
  const given = await newSealKey(provider, installation, undefined, sealers)
  if (!given.ok) return given
  given.value.key[Symbol.dispose]()
  return done(null)
}

/** A wrap in the audit log's words. */
function detailOf(wrap: Pick<Wrap, 'kind' | 'parameters'>): string {
  const custodians = custodiansOf(wrap)
  if (custodians !== undefined)
    return `custodians ${custodians.set}: any ${custodians.threshold} of ${custodians.custodians.map(({ name }) => name).join(', ')}`
  const path = storedPath(wrap) ?? outsideOf(wrap)
  return path === undefined ? sealNouns[wrap.kind] : `${sealNouns[wrap.kind]} ${path}`
}
