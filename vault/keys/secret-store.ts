import type { Kysely } from 'kysely'
import { type Context, open, type Padding, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import type { Secret } from '../kernel/secret.ts'
import type { Keyring } from './keyring.ts'
import { lockRoot } from './root-key.ts'

/** Which secret: a field (`password`, `private-key`, `passphrase`) of a version of an account's credential. */
export type SecretPlace = {
  readonly safe: string
  readonly account: string
  readonly version: number
  readonly field: string
  readonly kind: string
  /** What the secret may be used for only, where it is bound to something; empty if left out. */
  readonly binding?: string
}

export type SecretStorePorts = {
  readonly database: Kysely<Database>
  /** The keys of the unsealed vault; throws while it is sealed. */
  readonly keyring: () => Keyring
  readonly clock: () => Date
}

type Tx = { readonly db: Kysely<Database> }

const pageOfSecrets = 1_000

/**
 * Secrets at rest: safe key → data key of a credential version → payload. Each envelope is bound to the names of
 * its place, so that none opens anywhere else.
 */
export class SecretStore {
  readonly #ports: SecretStorePorts

  constructor(ports: SecretStorePorts) {
    this.#ports = ports
  }

  /** Makes the first key of a new safe. */
  async addSafe(tx: Tx, safe: string): Promise<void> {
    const keyring = this.#ports.keyring()
    using key = Key.random()
    const root_version = await lockRoot(tx.db, keyring)
    const envelope = wrapSafeKey(keyring, safe, 1, key, root_version)
    await tx.db
      .insertInto('safe_key')
      .values({ safe, version: 1, envelope, root_version, created_at: this.#ports.clock() })
      .execute()
  }

  /** Seals a secret in its place, once: a place is never written twice. The caller still owns the Secret. */
  async put(tx: Tx, place: SecretPlace, secret: Secret): Promise<void> {
    const keyring = this.#ports.keyring()
    using dataKey = await this.#dataKeyFor(tx, keyring, place)
    const padding: Padding = place.field === 'password' ? 'password' : 'ssh-key'
    const envelope = seal(dataKey, secret, payloadContext(keyring, place), padding)
    await tx.db
      .insertInto('secret_payload')
      .values({
        account: place.account,
        version: place.version,
        field: place.field,
        kind: place.kind,
        binding: place.binding ?? '',
        envelope,
      })
      .execute()
  }

  /**
   * Opens the secret in a place. The caller owns it. Throws `Fault('envelope')` when what lies there was not put
   * there, or is gone.
   */
  async take(place: SecretPlace, tx?: Tx): Promise<Secret> {
    const keyring = this.#ports.keyring()
    const db = tx?.db ?? this.#ports.database
    const row = await db
      .selectFrom('secret_payload as payload')
      .innerJoin('secret_key as key', (join) =>
        join.onRef('key.account', '=', 'payload.account').onRef('key.version', '=', 'payload.version'),
      )
      .innerJoin('safe_key as by', (join) =>
        join.onRef('by.safe', '=', 'key.safe').onRef('by.version', '=', 'key.safe_key_version'),
      )
      .select([
        'payload.envelope as payload',
        'key.envelope as data_key',
        'by.envelope as safe_key',
        'by.version',
        'by.root_version',
      ])
      .where('payload.account', '=', place.account)
      .where('payload.version', '=', place.version)
      .where('payload.field', '=', place.field)
      .executeTakeFirst()
    if (row === undefined)
      throw new Fault('envelope', `version ${place.version} of ${place.account} has no ${place.field}`)
    using safeKey = openSafeKey(keyring, place.safe, row, row.safe_key)
    using dataKey = openKey(safeKey, row.data_key, dataKeyContext(keyring, place, row.version))
    return open(dataKey, row.payload, payloadContext(keyring, place))
  }

  /**
   * Opens every secret there is and wipes it again: what a drill proves. Tells how many opened, and the places of those that did
   * not.
   */
  async openAll(): Promise<{ readonly opened: number; readonly broken: readonly string[] }> {
    const broken: string[] = []
    let opened = 0
    let last: { readonly account: string; readonly version: number; readonly field: string } | undefined
    for (;;) {
      let page = this.#ports.database
        .selectFrom('secret_payload as payload')
        .leftJoin('secret_key as key', (join) =>
          join.onRef('key.account', '=', 'payload.account').onRef('key.version', '=', 'payload.version'),
        )
        .select(['payload.account', 'payload.version', 'payload.field', 'payload.kind', 'payload.binding'])
        .select('key.safe')
        .orderBy('payload.account')
        .orderBy('payload.version')
        .orderBy('payload.field')
        .limit(pageOfSecrets)
      if (last !== undefined) {
        const { account, version, field } = last
        page = page.where((at) =>
          at.eb(
            at.refTuple('payload.account', 'payload.version', 'payload.field'),
            '>',
            at.tuple(account, version, field),
          ),
        )
      }
      const rows = await page.execute()
      for (const { safe, ...place } of rows) {
        // Its data key was destroyed, as the keys of old versions are: nothing of it is left to open.
        if (safe === null) continue
        try {
          using _secret = await this.take({ safe, ...place })
          opened += 1
        } catch (error) {
          if (!(error instanceof Fault) || error.code !== 'envelope') throw error
          broken.push(`version ${place.version} of ${place.account}: ${place.field}`)
        }
      }
      last = rows.at(-1)
      if (rows.length < pageOfSecrets) return { opened, broken }
    }
  }

  /** Destroys the data key of a version and with it all its fields. */
  async destroy(tx: Tx, account: string, version: number): Promise<void> {
    await tx.db
      .deleteFrom('secret_key')
      .where('account', '=', account)
      .where('version', '=', version)
      .execute()
  }

  async #dataKeyFor(tx: Tx, keyring: Keyring, place: SecretPlace): Promise<Key> {
    const known = await tx.db
      .selectFrom('secret_key as key')
      .innerJoin('safe_key as by', (join) =>
        join.onRef('by.safe', '=', 'key.safe').onRef('by.version', '=', 'key.safe_key_version'),
      )
      .select(['key.envelope as data_key', 'by.envelope as safe_key', 'by.version', 'by.root_version'])
      .where('key.account', '=', place.account)
      .where('key.version', '=', place.version)
      .executeTakeFirst()
    if (known !== undefined) {
      using by = openSafeKey(keyring, place.safe, known, known.safe_key)
      return openKey(by, known.data_key, dataKeyContext(keyring, place, known.version))
    }
    const latest = await tx.db
      .selectFrom('safe_key')
      .select(['version', 'root_version', 'envelope'])
      .where('safe', '=', place.safe)
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (latest === undefined) throw new Fault('envelope', `safe ${place.safe} has no key`)
    using wrapping = openSafeKey(keyring, place.safe, latest, latest.envelope)
    const key = Key.random()
    await tx.db
      .insertInto('secret_key')
      .values({
        account: place.account,
        version: place.version,
        safe: place.safe,
        safe_key_version: latest.version,
        envelope: seal(wrapping, key.secret, dataKeyContext(keyring, place, latest.version)),
      })
      .execute()
    return key
  }
}

/** Opens the key of a safe. The caller owns it. */
export function openSafeKey(
  keyring: Keyring,
  safe: string,
  at: { readonly version: number; readonly root_version: number },
  envelope: Uint8Array,
): Key {
  return openKey(keyring.safeWrapping(at.root_version), envelope, safeKeyContext(keyring, safe, at.version))
}

/** Wraps the key of a safe under the root of this version. */
export function wrapSafeKey(
  keyring: Keyring,
  safe: string,
  version: number,
  key: Key,
  rootVersion: number,
): Uint8Array {
  return seal(keyring.safeWrapping(rootVersion), key.secret, safeKeyContext(keyring, safe, version))
}

/** Opens a wrapped key. The caller owns it. Throws `Fault('envelope')` for one of another place. */
export function openKey(by: Key, envelope: Uint8Array, context: Context): Key {
  using bytes = open(by, envelope, context)
  return Key.of(bytes)
}

function safeKeyContext(keyring: Keyring, safe: string, version: number): Context {
  return ['safe-key', keyring.installation, safe, String(version)]
}

/** What a data key is bound to: its safe, account and version, and the version of the safe's key. */
export function dataKeyContext(
  keyring: Keyring,
  place: Pick<SecretPlace, 'safe' | 'account' | 'version'>,
  safeKeyVersion: number,
): Context {
  const { safe, account, version } = place
  return ['data-key', keyring.installation, safe, account, String(version), String(safeKeyVersion)]
}

// The safe key's version is left out: re-wrapping a data key must not touch its payloads.
function payloadContext(keyring: Keyring, place: SecretPlace): Context {
  const { safe, account, version, field, kind, binding } = place
  return ['secret', keyring.installation, safe, account, String(version), field, kind, binding ?? '']
}
