import type { Sodium } from './sodium.ts'

/** Argon2id, 32 bytes out. Lanes is 1 always: libsodium knows no other. */
export type Argon2id = (request: {
  readonly passphrase: Uint8Array
  readonly salt: Uint8Array // 16 bytes
  readonly passes: number
  readonly memoryKiB: number
}) => Promise<Uint8Array>

/** What everybody may know of an auditor: the content of the `.pub` file. */
export type AuditorPublic = {
  readonly name: string
  readonly signKey: Uint8Array // Ed25519
  readonly boxKey: Uint8Array // X25519
}
/** An auditor with the private halves in memory. Wipe it with `forget`. */
export type AuditorIdentity = AuditorPublic & {
  readonly signPrivate: Uint8Array
  readonly boxPrivate: Uint8Array
}

export declare function makeIdentity(sodium: Sodium, name: string): AuditorIdentity
/** The identity file's text, private halves sealed under `passphrase`. */
export declare function writeIdentity(
  sodium: Sodium,
  argon2id: Argon2id,
  identity: AuditorIdentity,
  passphrase: string,
  cost?: { readonly passes: number; readonly memoryKiB: number },
): Promise<string>
/** Throws `IdentityError` for a wrong passphrase or a malformed file. */
export declare function readIdentity(
  sodium: Sodium,
  argon2id: Argon2id,
  text: string,
  passphrase: string,
): Promise<AuditorIdentity>
/** The `.pub` file's text. */
export declare function writePublic(auditor: AuditorPublic): Promise<string>
export declare function readPublic(text: string): Promise<AuditorPublic>
/** `SHA256:…` over name and both keys, for people to compare. */
export declare function fingerprint(auditor: AuditorPublic): Promise<string>
export declare function forget(sodium: Sodium, identity: AuditorIdentity): void
