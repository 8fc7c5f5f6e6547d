import type { DirectorySettings, VaultStatus } from '../../vault/contract.ts'
import {
  makeSealedAccountPassphrase,
  makeSealedAccountSecret,
  makeSealedDirectorySecret,
  makeSealedLoginPassword,
} from '../../vault/intake.ts'
import { get, Refused } from '../api.ts'
import { loadSodium } from './sodium.ts'

/**
 * Secrets on their way in: sealed here, in this browser, to the vault's public key. What leaves is ciphertext that neither the
 * console's server nor anybody between can open.
 */
async function intakeKey(): Promise<string> {
  const status = await get<VaultStatus>('/api/status')
  if (status.intakeKey !== null) return status.intakeKey
  throw new Refused({
    status: 503,
    code: 'not_initialised',
    title: 'this vault is not initialised',
    detail: 'run npm start on the machine it runs on',
  })
}

export async function sealLoginPassword(name: string, password: string): Promise<string> {
  const [sodium, key] = await Promise.all([loadSodium(), intakeKey()])
  return makeSealedLoginPassword(sodium, key, name, password)
}

export async function sealDirectorySecret(
  directory: string,
  settings: DirectorySettings,
  password: string,
): Promise<string> {
  const [sodium, key] = await Promise.all([loadSodium(), intakeKey()])
  return makeSealedDirectorySecret(sodium, key, directory, settings, password)
}

export type TypedCredential =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'ssh-key'; readonly file: string; readonly passphrase: string }

export type SealedCredential =
  | { readonly kind: 'password'; readonly sealed: string }
  | { readonly kind: 'ssh-key'; readonly sealed: string; readonly sealedPassphrase?: string }

/** Seals the passwords of many accounts; the vault is asked for its key once. */
export async function passwordSealer() {
  const [sodium, key] = await Promise.all([loadSodium(), intakeKey()])
  return (account: string, password: string) => ({
    kind: 'password' as const,
    sealed: makeSealedAccountSecret(sodium, key, account, new TextEncoder().encode(password)),
  })
}

/** Seals the secret of `account` (`press-3/engineer`). */
export async function sealCredential(account: string, typed: TypedCredential): Promise<SealedCredential> {
  const [sodium, key] = await Promise.all([loadSodium(), intakeKey()])
  const encode = (text: string) => new TextEncoder().encode(text)
  if (typed.kind === 'password')
    return {
      kind: 'password',
      sealed: makeSealedAccountSecret(sodium, key, account, encode(typed.password)),
    }
  const sealed = makeSealedAccountSecret(sodium, key, account, encode(typed.file))
  return typed.passphrase === ''
    ? { kind: 'ssh-key', sealed }
    : {
        kind: 'ssh-key',
        sealed,
        sealedPassphrase: makeSealedAccountPassphrase(sodium, key, account, encode(typed.passphrase)),
      }
}
