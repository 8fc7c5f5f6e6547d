import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Enrolment, SealKind, VaultStatus, VerbInput } from '../../vault/contract.ts'
import { connectAdmin, Fault, type Outcome, type VaultClient } from '../../vault/index.ts'
import type { Secret } from '../../vault/kernel/secret.ts'
import { Complaint } from '../cli/complaint.ts'
import { processIo } from '../cli/io.ts'
import { readSecret } from '../cli/secret-input.ts'
import { writeFor } from './data-folder.ts'
import { provideKeyFile, requireKeyFile } from './key-file.ts'
import type { RunAs } from './system-user.ts'

/** How the vault is to be opened at the first start and by itself later. */
export type SealChoice = {
  /** Make a key file and ask nothing. */
  readonly unattended: boolean
  /** A key file of the administrator's choice, made where it is missing. */
  readonly keyFile: string | undefined
  /** Where to write the vault's recovery key, mode 0600. */
  readonly recoveryOut: string | undefined
}

/** What opening the vault needs of the start. */
export type OpeningPorts = {
  readonly say: (line: string) => void
  /** Whom the vault runs as, where planes are separated. */
  readonly vaultRunsAs: RunAs | undefined
  readonly signal: AbortSignal
}

/** Where the first start put the recovery key, for `tagout doctor`. */
export const recoveryNote = (dataDir: string) => join(dataDir, 'supervisor', 'recovery-key.json')

/** The shortest passphrase that the vault takes. */
const leastLetters = 8

/** Derivation of a key from a passphrase takes a while on a small machine. */
const patienceMs = 120_000

/**
 * Initialises a vault that is new; unseals one that is not, where it can do
 * so by itself or a person is there to ask. Answers the link of the first admin, who has not used one yet. A vault that stays sealed is no failure: `tagout unseal` opens it.
 */
export async function openVaultAtStart(
  dataDir: string,
  choice: SealChoice,
  ports: OpeningPorts,
): Promise<Enrolment | undefined> {
  const { say } = ports
  await using vault = await connectAdmin(dataDir)
  const status = must(await vault.call('status', {}))
  if (!status.initialised) {
    const hasAnswer = choice.unattended || choice.keyFile !== undefined || process.stdin.isTTY
    if (hasAnswer) return await initialise(vault, dataDir, choice, ports)
    say('the vault is new and there is no terminal to ask for its passphrase: set it up with tagout init')
    return undefined
  }
  if (status.sealed) await unseal(vault, status, choice, ports)
  return await enrolAgain(vault)
}

/** A new link for the first administrator, as long as no administrator has used one: the earlier may be lost. */
async function enrolAgain(vault: VaultClient): Promise<Enrolment | undefined> {
  if (must(await vault.call('status', {})).sealed) return undefined
  const admins = must(await vault.call('user.list', {})).filter(({ roles }) => roles.includes('admin'))
  const [only] = admins
  if (admins.length !== 1 || only?.state !== 'enrolling') return undefined
  return must(await vault.call('user.enrol', { user: only.id }))
}

/** Unseals by the stored key file, where the vault has one. Answers whether it is open. */
export async function unsealByItself(dataDir: string): Promise<boolean> {
  await using vault = await connectAdmin(dataDir)
  const status = must(await vault.call('status', {}))
  if (!status.initialised || !status.sealed) return !status.sealed
  for (const how of waysByThemselves(status))
    if ((await vault.call('vault.unseal', how, undefined, patienceMs)).ok) return true
  return false
}

/** The ways that open the vault without a person, one after the other: the key file first. */
function waysByThemselves({ sealProviders }: VaultStatus): readonly VerbInput<'vault.unseal'>[] {
  const has = (kind: SealKind) =>
    sealProviders.some((provider) => provider.kind === kind && provider.byItself === true)
  return [
    ...(has('key-file') ? [{ kind: 'stored-key-file' } as const] : []),
    ...(has('pkcs11') ? [{ kind: 'pkcs11' } as const] : []),
    ...(has('plug-in') ? [{ kind: 'plug-in' } as const] : []),
  ]
}

async function initialise(
  vault: VaultClient,
  dataDir: string,
  choice: SealChoice,
  ports: OpeningPorts,
): Promise<Enrolment> {
  const { say } = ports
  const recovery = choice.recoveryOut === undefined ? undefined : resolve(choice.recoveryOut)
  // A place that cannot be written is found out before there is a key that could be lost.
  const recoveryFile = recovery === undefined ? undefined : await newFile(recovery)
  const provider = await chooseProvider(dataDir, choice, ports)
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

/** Whether there is a vault already; what a first start is told no longer matters then. */
const hasVault = (dataDir: string) => existsSync(join(dataDir, 'vault', 'vault.state'))

/** Finds out before a first start makes anything whether the vault could be opened as is wanted. */
export async function requireSealChoice(
  dataDir: string,
  choice: SealChoice,
  vaultRunsAs: RunAs | undefined,
): Promise<void> {
  if (hasVault(dataDir)) return
  requirePlaceOfRecoveryKey(choice)
  if (choice.keyFile !== undefined) await requireKeyFile(resolve(choice.keyFile), vaultRunsAs)
}

function requirePlaceOfRecoveryKey(choice: SealChoice): void {
  if (choice.recoveryOut === undefined) return
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

async function chooseProvider(dataDir: string, choice: SealChoice, ports: OpeningPorts) {
  const { say } = ports
  if (choice.keyFile !== undefined || choice.unattended) {
    const path = choice.keyFile === undefined ? join(dataDir, 'vault', 'seal.key') : resolve(choice.keyFile)
    // In its own folder the vault makes the file by itself.
    if (choice.keyFile !== undefined) await provideKeyFile(path, ports.vaultRunsAs)
    say(`the vault opens by itself with ${path}: keep it out of backups`)
    return { kind: 'key-file', path } as const
  }
  say('the vault is new. Its passphrase opens it after each start; with --key-file FILE a file does.')
  return { kind: 'passphrase', passphrase: await newPassphrase(ports) } as const
}

/** Asks for a new passphrase until it is long enough and was typed alike twice, three times at most. */
async function newPassphrase({ say, signal }: OpeningPorts): Promise<string> {
  for (let left = 3; ; left -= 1) {
    using first = await ask(`passphrase of the vault, ${leastLetters} characters at least`, signal)
    let why = `the passphrase is shorter than ${leastLetters} characters`
    if (textOf(first).length >= leastLetters) {
      using second = await ask('passphrase of the vault, once more', signal)
      if (textOf(first) === textOf(second)) return textOf(first)
      why = 'the two do not match'
    }
    if (left === 1) throw new Fault('configuration', `${why}: start again, and type it anew`)
    say(why)
  }
}

async function unseal(
  vault: VaultClient,
  status: VaultStatus,
  choice: SealChoice,
  { say, signal }: OpeningPorts,
): Promise<void> {
  for (const how of waysByThemselves(status)) {
    const answer = await vault.call('vault.unseal', how, undefined, patienceMs)
    if (answer.ok) return
    say(`the vault stays sealed: ${answer.refusal.message}`)
  }
  if (status.sealProviders.some((provider) => provider.kind === 'custodians'))
    say('the vault waits for its custodians: each enters their share with tagout unseal --share')
  const asks = status.sealProviders.some((provider) => provider.kind === 'passphrase')
  if (!asks || choice.unattended || !process.stdin.isTTY) return
  for (let left = 3; left > 0; left -= 1) {
    using passphrase = await ask('passphrase of the vault', signal)
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

/** Asks on the terminal, without echo. A start that is given up meanwhile waits for no answer. */
async function ask(what: string, signal: AbortSignal): Promise<Secret> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>()
  const giveUp = () => {
    process.stdin.setRawMode?.(false)
    reject(signal.reason)
  }
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const asked = readSecret(processIo(), { what, fromStdin: false, option: '--key-file', confirm: false })
    return await Promise.race([asked, givenUp])
  } catch (error) {
    if (error instanceof Complaint) throw new Fault('configuration', error.message)
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
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
