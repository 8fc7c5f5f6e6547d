import { randomBytes } from 'node:crypto'
import { Secret } from '../kernel/secret.ts'
import { derive } from './purpose.ts'

export const keyBytes = 32
export const keyIdBytes = 16

/**
 * A symmetric key with the id by which envelopes name it. The id is derived from the key: it tells keys apart,
 * helps nobody to find one, and cannot be given to another key.
 */
export class Key implements Disposable {
  readonly id: Uint8Array
  readonly secret: Secret

  /** Takes ownership of `bytes`. Throws `RangeError` unless they are 32. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== keyBytes) throw new RangeError('a key has 32 bytes')
    this.id = derive(bytes, 'key-id', keyIdBytes)
    this.secret = new Secret(bytes)
  }

  static random(): Key {
    return new Key(new Uint8Array(randomBytes(keyBytes)))
  }

  /** Copies the bytes out of `secret`, which stays its owner's to dispose of. */
  static of(secret: Secret): Key {
    return secret.expose((bytes) => new Key(bytes.slice()))
  }

  [Symbol.dispose](): void {
    this.secret[Symbol.dispose]()
  }
}
