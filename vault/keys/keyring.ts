import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { Key } from '../crypto/key.ts'
import { derive, type Purpose } from '../crypto/purpose.ts'
import { BoxKeyPair } from '../crypto/sealed-box.ts'
import { type SigningKey, signingKeyOf } from '../crypto/signing.ts'

/**
 * The keys of an unsealed vault: the root and what is derived from it. Disposing wipes them, as far as JavaScript can (docs/envelope-format.md says how far that is).
 */
export class Keyring implements Disposable {
  readonly installation: string
  readonly intake: BoxKeyPair
  readonly auditKey: SigningKey
  /** Wraps safe keys. The root itself encrypts no data. */
  readonly safeWrapping: Key
  /** Seals the local state file. */
  readonly stateKey: Key
  readonly rootId: Uint8Array
  readonly #root: Key
  readonly #purposes = new Map<Purpose, Uint8Array>()
  readonly #macKeys = new Map<Purpose, KeyObject>()
  #wiped = false

  /** Takes ownership of `root`. */
  constructor(root: Key, installation: string) {
    this.#root = root
    this.rootId = root.id
    this.installation = installation
    this.intake = this.#with('intake', (seed) => new BoxKeyPair(seed))
    this.auditKey = this.#with('audit-sign', signingKeyOf)
    this.safeWrapping = this.#with('safe-keys', (bytes) => new Key(bytes.slice()))
    this.stateKey = this.#with('local-state', (bytes) => new Key(bytes.slice()))
  }

  /** The 32 bytes of a purpose. Borrowed: they are wiped when the vault is sealed. */
  purposeKey(purpose: Purpose): Uint8Array {
    let key = this.#purposes.get(purpose)
    if (key === undefined) {
      key = this.#root.secret.expose((bytes) => derive(bytes, purpose))
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
    this.safeWrapping[Symbol.dispose]()
    this.stateKey[Symbol.dispose]()
    this.#root[Symbol.dispose]()
  }

  #with<T>(purpose: Purpose, make: (bytes: Uint8Array) => T): T {
    const bytes = this.#root.secret.expose((root) => derive(root, purpose))
    try {
      return make(bytes)
    } finally {
      bytes.fill(0)
    }
  }
}
