import sodium from 'libsodium-wrappers'
import { Fault } from '../../../vault/kernel/fault.ts'
import { Secret } from '../../../vault/kernel/secret.ts'

/** A session's X25519 key pair, kept as long as further secrets may come sealed to it. */
export class SessionBox implements Disposable {
  readonly publicKey: Uint8Array
  readonly #privateKey: Secret

  /** Needs `sodium.ready`. */
  constructor() {
    const pair = sodium.crypto_box_keypair()
    this.publicKey = pair.publicKey
    this.#privateKey = new Secret(pair.privateKey)
  }

  /** Opens what was sealed to the session. The caller owns the Secret. */
  open(sealed: Uint8Array): Secret {
    return this.#privateKey.expose((key) => {
      try {
        return new Secret(sodium.crypto_box_seal_open(sealed, this.publicKey, key))
      } catch (cause) {
        throw new Fault('protocol', 'what the vault sealed to this session does not open', { cause })
      }
    })
  }

  [Symbol.dispose](): void {
    this.#privateKey[Symbol.dispose]()
  }
}
