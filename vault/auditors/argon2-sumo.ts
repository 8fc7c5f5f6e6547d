import type { Argon2id } from './identity.ts'

/** What this needs of `libsodium-wrappers-sumo`. */
export type PasswordHashing = {
  readonly crypto_pwhash: (
    length: number,
    password: Uint8Array,
    salt: Uint8Array,
    passes: number,
    memoryBytes: number,
    algorithm: number,
  ) => Uint8Array
  readonly crypto_pwhash_ALG_ARGON2ID13: number
}

/** Argon2id by libsodium's larger build, for browsers. It blocks for about a second at 256 MiB: call it in a worker. */
export function argon2idOfSumo(sodium: PasswordHashing): Argon2id {
  return async ({ passphrase, salt, passes, memoryKiB }) =>
    sodium.crypto_pwhash(32, passphrase, salt, passes, memoryKiB * 1024, sodium.crypto_pwhash_ALG_ARGON2ID13)
}
