import type { VerbInput } from '../../vault/contract.ts'
import { makeSealedAccountPassphrase, makeSealedAccountSecret, type Sealing } from '../../vault/intake.ts'
import type { Secret } from '../../vault/kernel/secret.ts'
import { misuse } from './complaint.ts'
import type { Io } from './io.ts'
import { readSecret, readSecretFile } from './secret-input.ts'

export type CredentialInput = VerbInput<'account.secret'>['credential']

export type SecretOptions = {
  readonly passwordStdin?: boolean
  readonly keyFile?: string
  readonly keyPassphraseStdin?: boolean
}

/** A secret as it came from the person, not yet sealed. The caller disposes of both. */
export type GivenSecret =
  | { readonly kind: 'password'; readonly secret: Secret }
  | { readonly kind: 'ssh-key'; readonly secret: Secret; readonly passphrase: Secret | undefined }

/** Reads what the options name: a password (piped or asked for), or a private key file. */
export async function readGivenSecret(io: Io, account: string, options: SecretOptions): Promise<GivenSecret> {
  if (options.keyFile === undefined) {
    if (options.keyPassphraseStdin === true)
      throw misuse('--key-passphrase-stdin goes with --key-file', 'say which key: --key-file FILE')
    return {
      kind: 'password',
      secret: await readSecret(io, {
        what: `password of ${account}`,
        fromStdin: options.passwordStdin === true,
        option: '--password-stdin (or give a private key with --key-file FILE)',
        confirm: true,
      }),
    }
  }
  if (options.passwordStdin === true) throw misuse('give either a password or a private key, not both')
  const secret = await readSecretFile(io, options.keyFile)
  const text = secret.expose((bytes) => new TextDecoder().decode(bytes.subarray(0, 200)))
  if (!/PRIVATE KEY|PuTTY-User-Key-File/.test(text)) {
    secret[Symbol.dispose]()
    throw misuse(
      `${options.keyFile} is not a private key`,
      'give the file that ssh-keygen wrote, not the .pub',
    )
  }
  if (options.keyPassphraseStdin !== true) return { kind: 'ssh-key', secret, passphrase: undefined }
  const passphrase = await readSecret(io, {
    what: `passphrase of ${options.keyFile}`,
    fromStdin: true,
    option: '--key-passphrase-stdin',
    confirm: false,
  })
  return { kind: 'ssh-key', secret, passphrase }
}

/** Seals a secret to the vault's intake key and wipes it here. `account` is its full name: `press-3/engineer`. */
export function sealGiven(
  sodium: Sealing,
  intakeKey: string,
  account: string,
  given: GivenSecret,
): CredentialInput {
  using secret = given.secret
  const sealed = secret.expose((bytes) => makeSealedAccountSecret(sodium, intakeKey, account, bytes))
  if (given.kind === 'password') return { kind: 'password', sealed }
  if (given.passphrase === undefined) return { kind: 'ssh-key', sealed }
  using passphrase = given.passphrase
  const sealedPassphrase = passphrase.expose((bytes) =>
    makeSealedAccountPassphrase(sodium, intakeKey, account, bytes),
  )
  return { kind: 'ssh-key', sealed, sealedPassphrase }
}
