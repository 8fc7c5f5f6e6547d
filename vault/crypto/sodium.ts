import sodium from 'libsodium-wrappers'

await sodium.ready

/**
 * libsodium, ready. Its functions copy what they are given into a WebAssembly heap that nobody can wipe: the vault's
 * own process, without core dumps and inspector, is what keeps keys in.
 */
export { sodium }
