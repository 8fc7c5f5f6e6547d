import { type Outcome, done, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { sodium } from './sodium.ts'

/** An X25519 key pair to which anybody can seal (`crypto_box_seal`) and whose holder alone can open. */
export class BoxKeyPair implements Disposable {
  readonly publicKey: Uint8Array
  readonly #privateKey: Secret

  /** Makes the pair of a 32-byte seed (`crypto_box_seed_keypair`). The caller still owns `seed`. */
  constructor(seed: Uint8Array) {
    const { publicKey, privateKey } = sodium.crypto_box_seed_keypair(seed)
    this.publicKey = publicKey
    this.#privateKey = new Secret(privateKey)
  }

  /** Opens what was sealed to the public key. What does not open is somebody's bad input: a refusal. */
  open(sealed: Uint8Array): Outcome<Secret> {
    try {
      return this.#privateKey.expose((bytes) =>
        done(new Secret(sodium.crypto_box_seal_open(sealed, this.publicKey, bytes))),
      )
    } catch {
      return refuse(
        'invalid',
        'the secret was not sealed to this vault',
        'fetch the vault’s public key again and compare its fingerprint',
      )
    }
  }

  [Symbol.dispose](): void {
    this.#privateKey[Symbol.dispose]()
  }
}

/** Seals a secret to somebody's X25519 key. Throws `RangeError` unless the key has 32 bytes. The caller still owns both. */
export function sealToBox(publicKey: Uint8Array, secret: Secret): Uint8Array {
  if (publicKey.length !== 32) throw new RangeError('a box key has 32 bytes')
  return secret.expose((bytes) => sodium.crypto_box_seal(bytes, publicKey))
}
