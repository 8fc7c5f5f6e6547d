/**
 * The part of libsodium that auditors' keys and recordings need. `libsodium-wrappers` (Node) and
 * `libsodium-wrappers-sumo` (browsers) both have it: pass the module after its `ready` has resolved.
 */
export type Sodium = {
  readonly crypto_sign_keypair: () => { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
  readonly crypto_sign_seed_keypair: (seed: Uint8Array) => {
    readonly publicKey: Uint8Array
    readonly privateKey: Uint8Array
  }
  readonly crypto_sign_detached: (message: Uint8Array, privateKey: Uint8Array) => Uint8Array
  readonly crypto_sign_verify_detached: (
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ) => boolean
  readonly crypto_box_keypair: () => { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
  readonly crypto_box_seal: (message: Uint8Array, publicKey: Uint8Array) => Uint8Array
  readonly crypto_box_seal_open: (
    sealed: Uint8Array,
    publicKey: Uint8Array,
    privateKey: Uint8Array,
  ) => Uint8Array
  readonly crypto_scalarmult_base: (privateKey: Uint8Array) => Uint8Array
  readonly crypto_aead_xchacha20poly1305_ietf_encrypt: (
    message: Uint8Array,
    additional: Uint8Array,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ) => Uint8Array
  readonly crypto_aead_xchacha20poly1305_ietf_decrypt: (
    secretNonce: null,
    sealed: Uint8Array,
    additional: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ) => Uint8Array
  readonly randombytes_buf: (length: number) => Uint8Array
  readonly memzero: (bytes: Uint8Array) => void
}
