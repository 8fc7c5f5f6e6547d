import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { Key } from '../crypto/key.ts'
import { derive, type Purpose } from '../crypto/purpose.ts'
import { BoxKeyPair } from '../crypto/sealed-box.ts'
import { type SigningKey, signingKeyOf } from '../crypto/signing.ts'
import { Fault } from '../kernel/fault.ts'

type Root = { readonly key: Key; readonly wrapping: Key }

/**
 * The keys of an unsealed vault: the root key, which wraps the keys of safes and can be exchanged; and the base key,
 * from which everything else is derived and which stays. Disposing wipes them, as far as JavaScript can
 * (docs/envelope-format.md says how far that is).
 */
export class Keyring implements Disposable {
  readonly installation: string
  readonly intake: BoxKeyPair
  readonly auditKey: SigningKey
  /** Seals the local state file. */
  readonly stateKey: Key
  readonly #base: Key
  readonly #roots = new Map<number, Root>()
  readonly #purposes = new Map<Purpose, Uint8Array>()
  readonly #macKeys = new Map<Purpose, KeyObject>()
  #rootVersion = 0
  #wiped = false

  /** Takes ownership of all keys. The root of the highest version is the present one. */
  constructor(base: Key, roots: ReadonlyMap<number, Key>, installation: string) {
    this.#base = base
    this.installation = installation
    for (const [version, root] of [...roots].sort(([a], [b]) => a - b)) this.addRoot(version, root)
    this.intake = this.#with('intake', (seed) => new BoxKeyPair(seed))
    this.auditKey = this.#with('audit-sign', signingKeyOf)
    this.stateKey = this.#with('local-state', (bytes) => new Key(bytes.slice()))
  }

  /** The version of the present root key. */
  get rootVersion(): number {
    return this.#rootVersion
  }

  /** The present root key. Borrowed. */
  get root(): Key {
    return this.#root(this.#rootVersion).key
  }

  /** Borrowed. The root itself encrypts no data. */
  get base(): Key {
    return this.#base
  }

  /** Wraps safe keys under the root of this version. Borrowed. Throws `Fault('envelope')` where that is gone. */
  safeWrapping(rootVersion: number): Key {
    return this.#root(rootVersion).wrapping
  }

  /** Takes ownership of a root key; the highest version is the present one. */
  addRoot(version: number, key: Key): void {
    const wrapping = key.secret.expose((bytes) => new Key(derive(bytes, 'safe-keys')))
    this.#roots.set(version, { key, wrapping })
    this.#rootVersion = Math.max(this.#rootVersion, version)
  }

  /** Wipes the root key of a version. */
  dropRoot(version: number): void {
    const root = this.#roots.get(version)
    root?.key[Symbol.dispose]()
    root?.wrapping[Symbol.dispose]()
    this.#roots.delete(version)
    if (version === this.#rootVersion) this.#rootVersion = Math.max(...this.#roots.keys(), 0)
  }

  /** The 32 bytes of a purpose. Borrowed: they are wiped when the vault is sealed. */
  purposeKey(purpose: Purpose): Uint8Array {
    let key = this.#purposes.get(purpose)
    if (key === undefined) {
      key = this.#base.secret.expose((bytes) => derive(bytes, purpose))
      this.#purposes.set(purpose, key)
    }
    return key
  }

  /** HMAC-SHA256 under the key of a purpose. */
  mac(purpose: Purpose, bytes: Uint8Array): Buffer {
    if (this.#wiped) throw new Error('keyring used after it was wiped')
    let key = this.#macKeys.get(purpose)
    if (key === undefined) {
      key = createSecretKey(this.purposeKey(purpose))
      this.#macKeys.set(purpose, key)
    }
    return createHmac('sha256', key).update(bytes).digest()
  }

  [Symbol.dispose](): void {
    this.#wiped = true
    for (const key of this.#purposes.values()) key.fill(0)
    this.#purposes.clear()
    this.#macKeys.clear()
    this.intake[Symbol.dispose]()
    this.stateKey[Symbol.dispose]()
    for (const version of [...this.#roots.keys()]) this.dropRoot(version)
    this.#base[Symbol.dispose]()
  }

  #root(version: number): Root {
    const root = this.#roots.get(version)
    if (root === undefined) throw new Fault('envelope', `the root key of version ${version} is gone`)
    return root
  }

  #with<T>(purpose: Purpose, make: (bytes: Uint8Array) => T): T {
    const bytes = this.#base.secret.expose((base) => derive(base, purpose))
    try {
      return make(bytes)
    } finally {
      bytes.fill(0)
    }
  }
}
