/**
 * Auditors' keys and the chain of auditor lists. Runs in Node and in browsers: libsodium is passed in.
 * Node's Argon2id is in `argon2-node.ts`, the browser's in `argon2-sumo.ts`.
 */
export * from './ceremony.ts'
export * from './identity.ts'
export { KeyFileError } from './key-file.ts'
export * from './list.ts'
export { type RecoveryKey, readRecoveryFile } from './recovery.ts'
export type { Sodium } from './sodium.ts'
