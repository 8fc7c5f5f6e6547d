import type { LdapSettings, OidcSettings } from './contract.ts'
import { canonicalJson, fromBase64, toBase64 } from './kernel/encoding.ts'

/**
 * Secrets on their way into the vault: sealed where they are typed (`crypto_box_seal` to the intake key), opened by
 * the vault alone. Runs in browsers too: no Node imports here.
 *
 * SECURITY: each payload says what it is for, so that whoever carries it cannot give one secret where another is
 * asked: the vault refuses a payload with another purpose, name or account than the call says, and a login password
 * older than five minutes.
 */
export type Sealing = {
  readonly crypto_box_seal: (message: Uint8Array, publicKey: Uint8Array) => Uint8Array
}

export type IntakePayload =
  | {
      readonly purpose: 'login-password'
      readonly name: string
      readonly password: string
      readonly at: string
    }
  /** `secret` in base64: the password in UTF-8, or the text of the private key file. */
  | { readonly purpose: 'account-secret'; readonly account: string; readonly secret: string }
  | { readonly purpose: 'account-passphrase'; readonly account: string; readonly secret: string }
  /** What the vault proves itself with at a directory: `secret` is its UTF-8 in base64, `goesTo` where it may go. */
  | {
      readonly purpose: 'directory-secret'
      readonly directory: string
      readonly goesTo: string
      readonly secret: string
    }

/** Milliseconds for which a sealed login password is taken, either way of the vault's clock. */
export const loginPasswordLife = 5 * 60_000

/**
 * Seals a login password of the user `name` for `login.start`, `enrolment.finish` and `ssh.password`, as base64.
 * `intakeKey` is the one of `status`, in base64.
 */
export function makeSealedLoginPassword(
  sodium: Sealing,
  intakeKey: string,
  name: string,
  password: string,
  at: Date = new Date(),
): string {
  return seal(sodium, intakeKey, { purpose: 'login-password', name, password, at: at.toISOString() })
}

/**
 * Seals the secret of an account for `account.add` and `account.secret`, as base64. `account` is its full name as
 * the vault writes it: `press-3/engineer`. `secret` is a password in UTF-8 or the text of a private key file.
 */
export function makeSealedAccountSecret(
  sodium: Sealing,
  intakeKey: string,
  account: string,
  secret: Uint8Array,
): string {
  return seal(sodium, intakeKey, { purpose: 'account-secret', account, secret: toBase64(secret) })
}

/** Seals the passphrase of an account's private key file, as base64. */
export function makeSealedAccountPassphrase(
  sodium: Sealing,
  intakeKey: string,
  account: string,
  passphrase: Uint8Array,
): string {
  return seal(sodium, intakeKey, {
    purpose: 'account-passphrase',
    account,
    secret: toBase64(passphrase),
  })
}

type WhereSecretGoes =
  | Pick<LdapSettings, 'kind' | 'url' | 'certificates' | 'bindName'>
  | Pick<OidcSettings, 'kind' | 'issuer' | 'certificates' | 'clientId'>

/**
 * Where the secret of a directory goes, and who it is shown as: address, certificates, and name of who shows it.
 *
 * SECURITY: a secret that was sealed for one of these is opened for no other, on its way in and where it rests: who kept
 * an old one has it sent nowhere else by a change of the address.
 */
export function whereSecretGoes(settings: WhereSecretGoes): string {
  const { kind, certificates } = settings
  return settings.kind === 'ldap'
    ? canonicalJson({ kind, at: settings.url, certificates, as: settings.bindName })
    : canonicalJson({ kind, at: settings.issuer, certificates, as: settings.clientId })
}

/**
 * Seals what the vault proves itself with at the directory of this name, with these settings, for `directory.add` and
 * `directory.change`, as base64.
 */
export function makeSealedDirectorySecret(
  sodium: Sealing,
  intakeKey: string,
  directory: string,
  settings: WhereSecretGoes,
  secret: string,
): string {
  return seal(sodium, intakeKey, {
    purpose: 'directory-secret',
    directory,
    goesTo: whereSecretGoes(settings),
    secret: toBase64(new TextEncoder().encode(secret)),
  })
}

function seal(sodium: Sealing, intakeKey: string, payload: IntakePayload): string {
  const plain = new TextEncoder().encode(JSON.stringify(payload))
  const sealed = sodium.crypto_box_seal(plain, fromBase64(intakeKey))
  plain.fill(0)
  return toBase64(sealed)
}
