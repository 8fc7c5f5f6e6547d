import { fingerprintText, sameBytes, sha256 } from '../kernel/digest.ts'
import { encodeParts, toBase64 } from '../kernel/encoding.ts'
import { bytesField, KeyFileError, readKeyFile, textField, wholeField, writeKeyFile } from './key-file.ts'
import type { Sodium } from './sodium.ts'

/** Argon2id (RFC 9106), 32 bytes out. One lane always: libsodium knows no other number. */
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
  readonly signPrivate: Uint8Array // 64 bytes: seed and public key, as libsodium has it
  readonly boxPrivate: Uint8Array
}

const identityTitle = 'tagout-auditor-identity 1'
const publicTitle = 'tagout-auditor-public 1'
const purpose = 'tagout/v1/auditor-identity'
const usualCost = { passes: 3, memoryKiB: 256 * 1024 }
const namePattern = /^[a-z0-9_][a-z0-9._-]{0,62}$/i

/** Makes an auditor's two key pairs. Throws `TypeError` for a name that a user could not have. */
export function makeIdentity(sodium: Sodium, name: string): AuditorIdentity {
  if (!namePattern.test(name)) throw new TypeError('use 1 to 63 letters, digits, dots, dashes or underscores')
  const sign = sodium.crypto_sign_keypair()
  const box = sodium.crypto_box_keypair()
  return {
    name,
    signKey: sign.publicKey,
    boxKey: box.publicKey,
    signPrivate: sign.privateKey,
    boxPrivate: box.privateKey,
  }
}

/** Writes the identity file's text, private halves sealed under `passphrase` (NFC, UTF-8). */
export async function writeIdentity(
  sodium: Sodium,
  argon2id: Argon2id,
  identity: AuditorIdentity,
  passphrase: string,
  cost: { readonly passes: number; readonly memoryKiB: number } = usualCost,
): Promise<string> {
  const salt = sodium.randombytes_buf(16)
  const nonce = sodium.randombytes_buf(24)
  const fields = {
    name: identity.name,
    'sign-key': toBase64(identity.signKey),
    'box-key': toBase64(identity.boxKey),
    kdf: 'argon2id',
    passes: String(cost.passes),
    'memory-kib': String(cost.memoryKiB),
    salt: toBase64(salt),
    nonce: toBase64(nonce),
  }
  const key = await argon2id({ passphrase: passphraseBytes(passphrase), salt, ...cost })
  const plain = new Uint8Array(96)
  plain.set(identity.signPrivate)
  plain.set(identity.boxPrivate, 64)
  const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, context(fields), null, nonce, key)
  sodium.memzero(plain)
  sodium.memzero(key)
  return writeKeyFile(
    identityTitle,
    ['The private key of an auditor, sealed under a passphrase. Keep it off the servers.'],
    { ...fields, sealed: toBase64(sealed) },
  )
}

/** Opens an identity file. Throws `KeyFileError` for a malformed file, and for a passphrase that does not open it. */
export async function readIdentity(
  sodium: Sodium,
  argon2id: Argon2id,
  text: string,
  passphrase: string,
): Promise<AuditorIdentity> {
  const fields = readKeyFile(identityTitle, text, [
    'name',
    'sign-key',
    'box-key',
    'kdf',
    'passes',
    'memory-kib',
    'salt',
    'nonce',
    'sealed',
  ])
  if (textField(fields, 'kdf') !== 'argon2id') throw new KeyFileError('the kdf in the key file is not known')
  const name = nameField(fields)
  const signKey = bytesField(fields, 'sign-key', 32)
  const boxKey = bytesField(fields, 'box-key', 32)
  const salt = bytesField(fields, 'salt', 16)
  const nonce = bytesField(fields, 'nonce', 24)
  const sealed = bytesField(fields, 'sealed', 96 + 16)
  // SECURITY: the file names its own cost; one that asks for all memory, or for none, is refused.
  const passes = wholeField(fields, 'passes', 1, 16)
  const memoryKiB = wholeField(fields, 'memory-kib', 8 * 1024, 2 * 1024 * 1024)

  const key = await argon2id({ passphrase: passphraseBytes(passphrase), salt, passes, memoryKiB })
  let plain: Uint8Array
  try {
    const bound = context(Object.fromEntries(fields))
    plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, bound, nonce, key)
  } catch (error) {
    throw new KeyFileError('the passphrase does not open this identity file', { cause: error })
  } finally {
    sodium.memzero(key)
  }
  const identity = { name, signKey, boxKey, signPrivate: plain.slice(0, 64), boxPrivate: plain.slice(64) }
  sodium.memzero(plain)
  if (
    !sameBytes(identity.signPrivate.subarray(32), signKey) ||
    !sameBytes(sodium.crypto_scalarmult_base(identity.boxPrivate), boxKey)
  )
    throw new KeyFileError('the keys in the identity file do not belong together')
  return identity
}

/** Writes the `.pub` file's text. */
export async function writePublic(auditor: AuditorPublic): Promise<string> {
  return writeKeyFile(
    publicTitle,
    ['The public key of an auditor. Compare the fingerprint by another way.'],
    {
      name: auditor.name,
      'sign-key': toBase64(auditor.signKey),
      'box-key': toBase64(auditor.boxKey),
      fingerprint: await fingerprint(auditor),
    },
  )
}

/** Reads a `.pub` file. Throws `KeyFileError` for a malformed one, or one whose fingerprint is of other keys. */
export async function readPublic(text: string): Promise<AuditorPublic> {
  const fields = readKeyFile(publicTitle, text, ['name', 'sign-key', 'box-key', 'fingerprint'])
  const auditor = {
    name: nameField(fields),
    signKey: bytesField(fields, 'sign-key', 32),
    boxKey: bytesField(fields, 'box-key', 32),
  }
  if (textField(fields, 'fingerprint') !== (await fingerprint(auditor)))
    throw new KeyFileError('the fingerprint in the key file does not belong to its keys')
  return auditor
}

/** `SHA256:…` over both keys (not the name, which an administrator may choose otherwise), for people to compare. */
export async function fingerprint(auditor: Omit<AuditorPublic, 'name'>): Promise<string> {
  return fingerprintText(
    await sha256(encodeParts('tagout/v1/auditor-public', auditor.signKey, auditor.boxKey)),
  )
}

/** Zeroes the private halves. Copies in libsodium's own memory remain until it reuses them. */
export function forget(sodium: Sodium, identity: AuditorIdentity): void {
  sodium.memzero(identity.signPrivate)
  sodium.memzero(identity.boxPrivate)
}

function nameField(fields: Map<string, string>): string {
  const name = textField(fields, 'name')
  if (!namePattern.test(name)) throw new KeyFileError('the name in the key file is not a name')
  return name
}

function passphraseBytes(passphrase: string): Uint8Array {
  return new TextEncoder().encode(passphrase.normalize('NFC'))
}

/** Everything in clear is bound to what is sealed: a changed line makes the file unreadable. */
function context(fields: Record<string, string>): Uint8Array {
  const names = ['name', 'sign-key', 'box-key', 'kdf', 'passes', 'memory-kib', 'salt', 'nonce']
  return encodeParts(purpose, ...names.map((name) => fields[name] ?? ''))
}
