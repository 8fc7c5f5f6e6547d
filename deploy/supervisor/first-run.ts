import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Enrolment, VaultStatus } from '../../vault/contract.ts'
import { connectAdmin, Fault, type Outcome, type VaultClient } from '../../vault/index.ts'
import type { Secret } from '../../vault/kernel/secret.ts'
import { Complaint } from '../cli/complaint.ts'
import { processIo } from '../cli/io.ts'
import { readSecret } from '../cli/secret-input.ts'
import { writeFor } from './data-folder.ts'

/** How the vault is to be opened at the first start and by itself later. */
export type SealChoice = {
  /** Make a key file and ask nothing. */
  readonly unattended: boolean
  /** A key file of the administrator's choice, made where it is missing. */
  readonly keyFile: string | undefined
  /** Where to write the vault's recovery key, mode 0600. */
  readonly recoveryOut: string | undefined
}

/** Where the first start put the recovery key, for `tagout doctor`. */
export const recoveryNote = (dataDir: string) => join(dataDir, 'supervisor', 'recovery-key.json')

/** Derivation of a key from a passphrase takes a while on a small machine. */
const patienceMs = 120_000

/**
 * Initialises a vault that is new and answers the link of the first admin; unseals one that is not, where it can do
 * so by itself or a person is there to ask. A vault that stays sealed is no failure: `tagout unseal` opens it.
 */
export async function openVaultAtStart(
  dataDir: string,
  choice: SealChoice,
  say: (line: string) => void,
): Promise<Enrolment | undefined> {
  await using vault = await connectAdmin(dataDir)
  const status = must(await vault.call('status', {}))
  if (!status.initialised) {
    const hasAnswer = choice.unattended || choice.keyFile !== undefined || process.stdin.isTTY
    if (hasAnswer) return await initialise(vault, dataDir, choice, say)
    say('the vault is new and there is no terminal to ask for its passphrase: set it up with tagout init')
    return undefined
  }
  if (status.sealed) await unseal(vault, status, choice, say)
  return undefined
}

/** Unseals by the stored key file, where the vault has one. Answers whether it is open. */
export async function unsealByItself(dataDir: string): Promise<boolean> {
  await using vault = await connectAdmin(dataDir)
  const status = must(await vault.call('status', {}))
  if (!status.initialised || !status.sealed) return !status.sealed
  if (!status.sealProviders.some((provider) => provider.kind === 'key-file')) return false
  return (await vault.call('vault.unseal', { kind: 'stored-key-file' }, undefined, patienceMs)).ok
}

async function initialise(
  vault: VaultClient,
  dataDir: string,
  choice: SealChoice,
  say: (line: string) => void,
): Promise<Enrolment> {
  const recovery = choice.recoveryOut === undefined ? undefined : resolve(choice.recoveryOut)
  // A place that cannot be written is found out before there is a key that could be lost.
  const recoveryFile = recovery === undefined ? undefined : await newFile(recovery)
  const provider = await chooseProvider(dataDir, choice, say)
  const made = must(await vault.call('vault.initialise', { provider }, undefined, patienceMs))
  say(`the vault is initialised; its intake key is ${made.fingerprint}`)
  let kept: 'file' | 'shown' | 'nowhere' = 'nowhere'
  if (recoveryFile !== undefined) {
    await recoveryFile.writeFile(`${made.recoveryKey}\n`)
    await recoveryFile.sync()
    await recoveryFile.close()
    kept = 'file'
    say(`the vault's recovery key is in ${recovery}: print it, lock it away, delete it here`)
  } else if (!choice.unattended && process.stderr.isTTY) {
    // SECURITY: on a terminal only, once; standard error of anything else may be a log.
    process.stderr.write(
      `\nThe vault's recovery key. Write it down now, it is shown once:\n\n    ${made.recoveryKey}\n\n`,
    )
    kept = 'shown'
  }
  writeFor(
    undefined,
    recoveryNote(dataDir),
    `${JSON.stringify({ kept, at: new Date().toISOString() })}\n`,
    0o600,
  )
  return made.firstAdmin
}

/** Finds out before a first start makes anything whether its recovery key could be written where it is wanted. */
export function requirePlaceOfRecoveryKey(dataDir: string, choice: SealChoice): void {
  if (choice.recoveryOut === undefined || existsSync(join(dataDir, 'supervisor', 'secrets.json'))) return
  const path = resolve(choice.recoveryOut)
  if (existsSync(path)) throw noPlace(path, 'EEXIST')
  try {
    accessSync(dirname(path), constants.W_OK)
  } catch (error) {
    throw noPlace(path, (error as NodeJS.ErrnoException).code)
  }
}

async function newFile(path: string) {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    throw noPlace(path, (error as NodeJS.ErrnoException).code)
  }
}

function noPlace(path: string, code: string | undefined): Fault {
  return new Fault(
    'configuration',
    code === 'EEXIST'
      ? `--recovery-out names ${path}, which exists: give the path of a new file`
      : `--recovery-out names ${path}, which cannot be written (${code}): give another path`,
  )
}

async function chooseProvider(dataDir: string, choice: SealChoice, say: (line: string) => void) {
  if (choice.keyFile !== undefined) return { kind: 'key-file', path: resolve(choice.keyFile) } as const
  if (choice.unattended) {
    const path = join(dataDir, 'vault', 'seal.key')
    say(`the vault opens by itself with ${path}: keep it out of backups`)
    return { kind: 'key-file', path } as const
  }
  say('the vault is new. Its passphrase opens it after each start; with --key-file FILE a file does.')
  using passphrase = await ask('passphrase of the vault, 8 characters at least', true)
  return { kind: 'passphrase', passphrase: textOf(passphrase) } as const
}

async function unseal(
  vault: VaultClient,
  status: VaultStatus,
  choice: SealChoice,
  say: (line: string) => void,
): Promise<void> {
  if (status.sealProviders.some((provider) => provider.kind === 'key-file')) {
    const answer = await vault.call('vault.unseal', { kind: 'stored-key-file' }, undefined, patienceMs)
    if (answer.ok) return
    say(`the vault stays sealed: ${answer.refusal.message}`)
  }
  const asks = status.sealProviders.some((provider) => provider.kind === 'passphrase')
  if (!asks || choice.unattended || !process.stdin.isTTY) return
  for (let left = 3; left > 0; left -= 1) {
    using passphrase = await ask('passphrase of the vault', false)
    const answer = await vault.call(
      'vault.unseal',
      { kind: 'passphrase', passphrase: textOf(passphrase) },
      undefined,
      patienceMs,
    )
    if (answer.ok) return
    say(answer.refusal.message)
  }
}

async function ask(what: string, confirm: boolean): Promise<Secret> {
  try {
    return await readSecret(processIo(), { what, fromStdin: false, option: '--key-file', confirm })
  } catch (error) {
    if (error instanceof Complaint) throw new Fault('configuration', error.message)
    throw error
  }
}

function textOf(secret: Secret): string {
  return secret.expose((bytes) => Buffer.from(bytes).toString('utf8'))
}

function must<T>(answer: Outcome<T>): T {
  if (answer.ok) return answer.value
  const { message, next } = answer.refusal
  throw new Fault('configuration', next === undefined ? message : `${message}: ${next}`)
}

/** Whether and where the recovery key was kept at the first start; undefined where that is not known. */
export function readRecoveryNote(dataDir: string): 'file' | 'shown' | 'nowhere' | undefined {
  const path = recoveryNote(dataDir)
  if (!existsSync(path)) return undefined
  try {
    const { kept } = JSON.parse(readFileSync(path, 'utf8')) as { kept: unknown }
    return kept === 'file' || kept === 'shown' || kept === 'nowhere' ? kept : undefined
  } catch {
    return undefined
  }
}
